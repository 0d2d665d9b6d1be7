# SPDX-License-Identifier: BSD-2-Clause
"""A proxy with one origin and authenticator.py, whose questions are noted."""
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "helpers"))
from site_of_helpers import Site as HelperSite, bobtail, expect, run

SQUIDS = os.environ.get("SQUID_LIBEXEC", "/usr/lib/squid")


class Site(HelperSite):
    """AUTH at the end of a line is authenticator.py."""

    def __init__(self, lines, files=None):
        super().__init__(lines.replace(" AUTH\n", f" {HERE}/authenticator.py FOLDER/notes\n"), files)

    def say_password(self, text):
        with open(self.notes + ".password", "w", encoding="utf-8") as file:
            file.write(text)

    def log_has(self, *beginnings):
        deadline = time.monotonic() + 30
        while True:
            log = self.logged(1)
            missing = [text for text in beginnings if not any(line.startswith(text) for line in log)]
            if not missing:
                return log
            assert time.monotonic() < deadline, (missing, log)
            time.sleep(0.05)

    def challenges(self, path="/1", fields=None):
        status, _, headers = self.get(path, fields)
        expect(status, 401, path)
        return headers.get_all("WWW-Authenticate") or []
