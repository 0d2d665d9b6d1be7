#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""url_rewrite_timeout with each on_timeout; and children that are replaced by a reload and by a rotation while
they are asked: whoever asked gets his answer, and the new ones are others."""
import concurrent.futures
import contextlib
import json

from site_of_helpers import Site, bobtail, expect

# A rewriter with ids that is late with what it sees for the first time.
LATE = r"""#!/usr/bin/env perl
$| = 1;
while (<STDIN>) {
	my ($id, $url) = split / /;
	select undef, undef, undef, 1.6 if $url =~ /late/ && !$seen{$url}++;
	print "$id OK rewrite-url=http://w.example/2\n";
}
"""
ACTIONS = {  # on_timeout: status; what the origin was asked for
    "fail": (500, None),
    "bypass": (200, "/1?late"),
    "retry": (200, "/2"),
    'use_configured_response response="OK url=http://elsewhere.example/"': (302, None),
}


def site_with(action):
    lines = f"""
url_rewrite_program FOLDER/late
url_rewrite_children 1 startup=1 concurrency=10
url_rewrite_timeout 1 second on_timeout={action}
http_access allow all
"""
    return Site(lines, {"late": LATE}, executable="late")


def timeouts():
    """All at a time: the late answer is nobody's, and the next one is right."""
    def ask(action, site):
        got = site.get("/1?late")[0]
        paths = [path for path, _, _ in site.origin.requests]
        return action, (got, paths[0] if paths else None), site.get("/1?after")[0]

    with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor(len(ACTIONS)) as pool:
        sites = [stack.enter_context(site_with(action)) for action in ACTIONS]
        for action, got, after in pool.map(ask, ACTIONS, sites):
            expect(got, ACTIONS[action], action)
            expect(after, 200, f"after {action}")


def pids(site):
    (rewriters,) = map(json.loads, site.ctl("helpers", "--json").splitlines())
    return {child["pid"] for child in rewriters["children"] if not child["leaving"]}


def replaced():
    """Half of what is asked is under way, half waits, when the children are replaced."""
    lines = """
url_rewrite_program HELPER
url_rewrite_children 2 startup=2 queue-size=100
http_access allow all
"""
    with Site(lines) as site, concurrent.futures.ThreadPoolExecutor(4) as pool:
        for n, command in enumerate(("reconfigure", "rotate")):
            before = pids(site)
            expect(len(before), 2, "children")
            asked = [pool.submit(site.get, f"/1?{n}{i}/slow") for i in range(4)]
            bobtail.wait_for(lambda n=n: site.asked(f"?{n}"))
            site.ctl(command)
            expect([request.result()[0] for request in asked], [200] * 4, f"asked before {command}")
            bobtail.require_soon(f"new children after {command}",
                                 lambda before=before: len(pids(site) - before) == 2)
            expect(len(site.asked(f"?{n}")), 4, "no question came twice")


for part in (timeouts, replaced):
    part()
    print(f"ok: {part.__name__}")
