# SPDX-License-Identifier: BSD-2-Clause
"""Reads a table of hostile cases; README.md tells its notation."""
import re
from dataclasses import dataclass, field

ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|.)")
REPEAT = re.compile(rb"\{(.+?)\*(\d+)\}")
SIMPLE = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"\\": b"\\", b"s": b" "}
OWN = (
    b"Via: 1.1 hostile.test (bobtail)\r\n"
    b'Surrogate-Capability: hostile.test="Surrogate/1.0"\r\n'
    b"X-Forwarded-For: 127.0.0.1\r\n"
)
MAX_AGE = b"Cache-Control: max-age=259200\r\n"
KEEP_ALIVE = b"Connection: keep-alive\r\n"


def own_fields(macro):
    """What the proxy adds to a request: {own}, with the length of a body {own+5}, with chunks
    {own+chunked}; {own-} where the client said something about caching itself."""
    sign, framing = macro[4:5], macro[5:-1]
    fields = OWN + (b"" if sign == b"-" else MAX_AGE) + KEEP_ALIVE
    if framing == b"chunked":
        fields += b"Transfer-Encoding: chunked\r\n"
    elif framing:
        fields += b"Content-Length: " + framing + b"\r\n"
    return fields


def unescape(text):
    """The bytes that a line of the table stands for."""

    def one(match):
        code = match[1]
        return bytes([int(code[1:], 16)]) if len(code) == 3 else SIMPLE[code]

    data = REPEAT.sub(lambda match: match[1] * int(match[2]), text.encode("latin-1"))
    return ESCAPE.sub(one, data)


@dataclass
class Reply:
    """What a client must get next."""

    statuses: list  # empty: nothing, the connection just ends
    is_cut: bool  # the body of a 2xx does not come to its end
    ending: str  # "", "open" or "close"
    body: bytes  # None: whatever it is
    is_to_head: bool
    lines: list = field(default_factory=list)  # of its head, that must be there


@dataclass
class Answer:
    """What an origin does about one request."""

    when: str = "whole"  # "early": at the end of the head; "never": not at all
    steps: list = field(default_factory=list)  # (verb, value)


@dataclass
class Case:
    name: str
    title: str
    line: int
    port: str = "vhost"
    steps: list = field(default_factory=list)  # (verb, value) of the client
    answers: list = field(default_factory=list)
    origin: str = ""  # "nothing", "cut", or how many whole requests
    requests: list = field(default_factory=list)  # the exact bytes of each
    modes: str = ""


def add_bytes(steps, data):
    if steps and steps[-1][0] == "send":
        steps[-1] = ("send", steps[-1][1] + data)
    else:
        steps.append(("send", data))


def parse_reply(text):
    words = text.split()
    body = next((unescape(word[5:]) for word in words if word.startswith("body=")), None)
    return Reply(
        statuses=[] if words[0] == "nothing" else [int(word) for word in words[0].split("|")],
        is_cut="cut" in words,
        ending=next((word for word in words if word in ("open", "close")), ""),
        body=body,
        is_to_head="head" in words,
    )


def add_expected(case, text):
    """A line of what the origin must get; an empty one ends a head."""
    if not case.requests or b"\r\n\r\n" in case.requests[-1]:
        case.requests.append(b"")
    if text.startswith("{own"):
        case.requests[-1] += own_fields(text.encode())
    else:
        case.requests[-1] += unescape(text) + b"\r\n"


def parse_line(case, mark, text):
    answer = case.answers[-1] if case.answers else None
    if mark == ">":
        add_bytes(case.steps, unescape(text) + b"\r\n")
    elif mark == "|":
        add_bytes(case.steps, unescape(text))
    elif mark == "!":
        case.steps.append(tuple((text + " ").split(" ", 1)))
    elif mark == "=":
        case.steps.append(("expect", parse_reply(text)))
    elif mark == "=+":
        case.steps[-1][1].lines.append(unescape(text))
    elif mark == "+":
        add_bytes(answer.steps, unescape(text) + b"\r\n")
    elif mark == "*":
        add_bytes(answer.steps, unescape(text))
    elif mark == "-":
        answer.steps.append(tuple((text + " ").split(" ", 1)))
    elif mark == "<":
        add_expected(case, text)
    elif mark == "<<":
        case.requests[-1] += unescape(text)
    elif mark == "answer":
        case.answers.append(Answer(when=text or "whole"))
    elif mark in ("origin", "port", "modes"):
        setattr(case, mark, text)
    else:
        raise ValueError(f"line {case.line}: {mark!r} is no mark of this notation")


def read(path):
    """All cases of a file, in its order."""
    cases = []
    with open(path, encoding="latin-1") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\n")
            mark, _, text = line.strip("\t").partition(" ")
            if mark == "case":
                name, _, title = text.partition(" ")
                cases.append(Case(name, title, number))
            elif mark and not mark.startswith("#"):
                cases[-1].line = number
                parse_line(cases[-1], mark, text)
    return cases
