# SPDX-License-Identifier: BSD-2-Clause
"""A strict reader of OpenMetrics 1.0.0 text: what is not valid raises Invalid."""
import re

TYPES = {"counter": ("_total",), "gauge": ("",), "info": ("_info",),
         "histogram": ("_bucket", "_count", "_sum")}
NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,(?=[a-zA-Z_])|$)')
NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?|[+-]Inf|NaN")


class Invalid(Exception):
    pass


class Family:
    def __init__(self, name, kind):
        self.name, self.kind, self.unit, self.help = name, kind, None, None
        self.samples = []  # (suffix, labels, value)


def read_labels(text):
    labels, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        if not match or match[1] in labels:
            raise Invalid(f"labels: {text}")
        labels[match[1]] = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], match[2])
        at = match.end()
    return labels


def read_sample(line, family):
    match = re.fullmatch(r"([a-zA-Z_]\w*)(?:\{(.*)\})? (\S+)", line)
    if not match or not NUMBER.fullmatch(match[3]):
        raise Invalid(f"sample: {line}")
    suffix = match[1][len(family.name):]
    if not match[1].startswith(family.name) or suffix not in TYPES[family.kind]:
        raise Invalid(f"{match[1]} is not of {family.name}, a {family.kind}")
    family.samples.append((suffix, read_labels(match[2] or ""), float(match[3])))


def read_comment(line, families):
    words = line.split(" ", 3)
    if len(words) < 4 or words[0] != "#" or not NAME.fullmatch(words[2]):
        raise Invalid(f"comment: {line}")
    if words[1] == "TYPE":
        if words[2] in families or words[3] not in TYPES:
            raise Invalid(f"a second or an unknown TYPE: {line}")
        families[words[2]] = Family(words[2], words[3])
        return
    family = list(families.values())[-1] if families else None
    field = {"UNIT": "unit", "HELP": "help"}.get(words[1])
    if not family or family.name != words[2] or not field or family.samples:
        raise Invalid(f"out of place: {line}")
    if getattr(family, field) is not None:
        raise Invalid(f"twice: {line}")
    setattr(family, field, words[3])


def check_histogram(family):
    rows = {}
    for suffix, labels, value in family.samples:
        key = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
        rows.setdefault(key, {"_bucket": []})
        if suffix == "_bucket":
            rows[key]["_bucket"].append((float(labels["le"]), value))
        elif "le" in labels or suffix in rows[key]:
            raise Invalid(f"{family.name}: {suffix}")
        else:
            rows[key][suffix] = value
    for row in rows.values():
        buckets = row["_bucket"]
        if buckets != sorted(buckets) or not buckets or buckets[-1][0] != float("inf"):
            raise Invalid(f"{family.name}: buckets are not in order, or have no +Inf")
        if [n for _, n in buckets] != sorted(n for _, n in buckets):
            raise Invalid(f"{family.name}: buckets are not cumulative")
        if row["_count"] != buckets[-1][1] or "_sum" not in row or row["_sum"] < 0:
            raise Invalid(f"{family.name}: count and sum")


def check(family):
    if family.unit and not family.name.endswith("_" + family.unit):
        raise Invalid(f"{family.name} does not end in its unit, {family.unit}")
    seen = [(suffix, tuple(sorted(labels.items()))) for suffix, labels, _ in family.samples]
    if len(seen) != len(set(seen)):
        raise Invalid(f"{family.name}: a sample comes twice")
    if any(value < 0 for _, _, value in family.samples if family.kind == "counter"):
        raise Invalid(f"{family.name}: a negative counter")
    if family.kind == "histogram":
        check_histogram(family)


def parse(text):
    """Families by name, in their order."""
    families = {}
    if not text.endswith("# EOF\n"):
        raise Invalid("no EOF")
    for line in text[:-len("# EOF\n")].split("\n")[:-1]:
        if line.startswith("#"):
            read_comment(line, families)
        elif not families:
            raise Invalid(f"a sample before its TYPE: {line}")
        else:
            read_sample(line, list(families.values())[-1])
    for family in families.values():
        check(family)
    return families
