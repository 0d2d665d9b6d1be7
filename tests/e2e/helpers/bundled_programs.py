# SPDX-License-Identifier: BSD-2-Clause
"""What all tests of bundled programs ask."""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from bobtail import expect

SQUIDS = os.environ.get("SQUID_LIBEXEC", "/usr/lib/squid")
PATIENCE = 30


def run(command, lines):
    """What it says to these lines, without blanks at the ends of lines, and its messages."""
    text = lines if isinstance(lines, bytes) else "".join(f"{line}\n" for line in lines).encode()
    done = subprocess.run(command, input=text, capture_output=True, timeout=PATIENCE, check=False)
    said = [line.rstrip(" ") for line in done.stdout.decode("latin-1").split("\n")]
    return said[:-1], done.stderr.decode("latin-1")


class Folder:
    """Files for the programs."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="bobtail-bundled.")

    def __enter__(self):
        return self

    def __exit__(self, *details):
        shutil.rmtree(self.path, ignore_errors=True)

    def file(self, name, text=None):
        path = os.path.join(self.path, name)
        if text is not None:
            with open(path + ".new", "w", encoding="latin-1") as file:
                file.write(text)
            os.rename(path + ".new", path)
        return path


class Talk:
    """A program that is asked one question after the other."""

    def __init__(self, *command):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def __enter__(self):
        return self

    def __exit__(self, *details):
        self.process.stdin.close()
        self.process.wait(PATIENCE)
        self.process.stdout.close()

    def ask(self, question):
        self.process.stdin.write(question.encode("latin-1") + b"\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().decode("latin-1").rstrip()


def same_as_squids(name, options, questions):
    """Our program's answers are those of Squid's."""
    squids = os.path.join(SQUIDS, name)
    if not os.access(squids, os.X_OK):
        print(f"skipped: {squids} is not there", file=sys.stderr)
        return
    ours, theirs = run([f"./{name}", *options], questions)[0], run([squids, *options], questions)[0]
    for question, our, their in zip(questions, ours, theirs):
        if our != their:
            expect(f"{name}: {question!r}", False, (our, their))
    expect(f"{name} answers as Squid's", len(ours) == len(theirs) == len(questions), (ours, theirs))


def survives(name, command, question, answer):
    """Hostile lines get an answer each, and the next question its own."""
    lines = b"7 " + b"a" * 1000000 + b"\n" + b"x\0y\n" + b"%zz%\xff\n" + question.encode()
    said, _ = run(command, lines)
    expect(f"{name}: a line too long", "BH message=" in said[0], said)
    expect(f"{name}: a NUL", "BH message=" in said[1], said)
    expect(f"{name}: one answer a line, the last without its end", len(said) == 4, said)
    expect(f"{name}: the one after", said[-1] == answer, said)


def names_the_missing_file(name, command, path, question):
    said, messages = run(command, [question] * 2)
    expect(f"{name}: BH while {path} is missing", len(said) == 2 and "BH message=" in said[0], said)
    expect(f"{name}: the answer names the file", path in said[0], said)
    expect(f"{name}: it is said once", messages.count(path) == 1, messages)
