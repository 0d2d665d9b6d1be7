#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The rewriter of the tests here, without channel ids: what it answers is in the path."""
import sys

for line in sys.stdin:
    url = line.split()[0]
    if "/old/" in url:
        print(f'OK rewrite-url="{url.replace("/old/", "/new/")}"')
    elif "/moved/" in url:
        print('OK status=302 url="http://new.example/"')
    elif "/elsewhere/" in url:
        print('OK rewrite-url="http://inner.example/from-elsewhere"')
    elif "/bare/" in url:
        print(url.replace("/bare/", "/new/"))
    elif "/broken/" in url:
        print("BH message=broken")
    else:
        print("ERR")
    sys.stdout.flush()
