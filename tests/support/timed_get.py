#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Fetches a path some times, one after another, and looks at how long each took.

    timed_get.py PORT PATH LEAST_S MOST_S [CLIENTS]

Exit status 0: each of CLIENTS (1) fetches at a time came whole, the last within LEAST_S to MOST_S."""
import http.client
import sys
import threading
import time


def fetch(port, path, results):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=25)
    client.request("GET", path, headers={"Host": "www.example"})
    response = client.getresponse()
    results.append(f"{len(response.read())} {response.getheader('X-Cache')}")


def main(port, path, least_s, most_s, clients=1):
    results = []
    start = time.monotonic()
    threads = [
        threading.Thread(target=fetch, args=(int(port), path, results)) for _ in range(int(clients))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - start
    print(f"{path}: {results} in {took:.2f} s")
    ok = len(results) == len(threads) and float(least_s) <= took <= float(most_s)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
