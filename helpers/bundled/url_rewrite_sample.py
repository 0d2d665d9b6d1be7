#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A url_rewrite_program: /old/ moves for good, /docs/ is served from /manual/, the rest stays.

Takes `[ID] URL CLIENT/FQDN USER METHOD ...` lines, with or without channel ids (concurrency=)."""
import sys


def answer(url):
    if "/old/" in url:
        return f'OK status=301 url="{url.replace("/old/", "/new/", 1)}"'
    if "/docs/" in url:
        return f'OK rewrite-url="{url.replace("/docs/", "/manual/", 1)}"'
    return "ERR"


for line in sys.stdin.buffer:
    words = line.decode("latin-1").split()
    channel = words.pop(0) + " " if words and words[0].isdigit() else ""
    reply = channel + (answer(words[0]) if words else "ERR") + "\n"
    sys.stdout.buffer.write(reply.encode("latin-1"))
    sys.stdout.buffer.flush()  # or the proxy waits until the buffer is full
