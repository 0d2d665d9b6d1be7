#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A helper with the fault that its argument names."""
import os
import sys
import time

HANGS = "hangs"


def lines():
    while True:
        line = sys.stdin.buffer.readline()
        if not line:
            return
        yield line.decode("latin-1").rstrip("\n")


def say(text):
    sys.stdout.buffer.write(text.encode("latin-1"))
    sys.stdout.buffer.flush()


def main(fault):
    if fault == "banner":
        say("ready\n")
    if fault == "dies":
        sys.exit("no licence found")
    for line in lines():
        if fault == HANGS:
            time.sleep(600)
        elif fault == "twice":
            say("ERR\nERR\n")
        elif fault == "flood":
            while True:
                say("x" * 65536)
        elif fault == "endless":
            while True:
                say("ERR\n" * 1000)
        elif fault == "buffers":
            sys.stdout.write("ERR\n")
        elif fault == "nul":
            say("ERR\0\n")
        elif fault == "words":
            say("okay\n")
        elif fault == "pairs":
            say('OK foo rewrite-url=http://www.example/\n')
        elif fault == "ids":
            say("1 ERR\n")
        elif fault == "crash" and "id=1" in line:
            os.abort()
        elif fault == "half":
            say("ERR")
        elif fault == "noisy":
            print("x" * 200, file=sys.stderr, flush=True)
            say("ERR\n")
        elif fault == "status" and line.split()[0].isdigit():
            say(line.split()[0] + " OK status=200 url=http://www.example/\n")
        elif fault == "shifted":
            say(str(int(line.split()[0]) & 0x7FFFFFFF) + " ERR\n")
        else:
            say("ERR\n")
    if fault == "stays":
        time.sleep(600)


main(sys.argv[1])
