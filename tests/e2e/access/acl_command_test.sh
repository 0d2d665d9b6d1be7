#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# `bobtailctl acl` names the line that decides, with the functions that decide for requests.
set -u
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
conf=$folder/squid.conf
cat >"$conf" <<END
http_port 127.0.0.1:8080 accel vhost
visible_hostname acl.test
cache_peer 127.0.0.1 parent 8081 0 no-query originserver name=one
cache_peer 127.0.0.1 parent 8082 0 no-query originserver name=two
acl banned src 192.0.2.0/24
acl site dstdomain .shop.example
acl key req_header X-Key ^secret$
acl img urlpath_regex ^/img/
auth_param basic program /bin/true
acl staff proxy_auth alice
http_access deny banned
http_access allow site img
http_access allow site key
http_access allow site staff
cache deny key
cache_peer_access one allow img
cache_peer_access two deny img
refresh_pattern ^http://[^/]*/img/ 10 50% 20
END
nfailed=0
expect() { # STATUS LINE-OF-OUTPUT ARGUMENT...
	local want=$1 line=$2 status out

	shift 2
	out=$(./bobtailctl -f "$conf" acl "$@" 2>&1)
	status=$?
	if [ $status -ne "$want" ] || ! grep -qF -- "$line" <<<"$out"; then
		printf 'NOT OK: %s: status %s, without "%s":\n%s\n' "$*" $status "$line" "$out"
		nfailed=$((nfailed + 1))
	fi
}
expect 0 "  * $conf:12: http_access allow site img" GET http://www.shop.example/img/a
expect 0 "  - $conf:11: http_access deny banned (not banned)" GET http://www.shop.example/img/a
expect 0 "  * $conf:18: refresh_pattern ^http://[^/]*/img/ 10 50% 20" GET http://www.shop.example/img/a
expect 0 "  * $conf:16: cache_peer_access one allow img" GET http://www.shop.example/img/a
expect 0 "  * $conf:17: cache_peer_access two deny img" GET http://www.shop.example/img/a
expect 1 "  * $conf:11: http_access deny banned" GET http://www.shop.example/img/a --src 192.0.2.9
expect 0 "  * $conf:15: cache deny key" GET http://shop.example/ -H 'X-Key: secret'
expect 1 "deny: a user must log in" GET http://shop.example/
expect 0 "  * $conf:14: http_access allow site staff" GET http://shop.example/ --user alice
expect 1 "  deny: no line matches, the opposite of the last" GET http://other.example/
expect 1 "is no URL" GET /path
expect 1 "no request can be made of that" GET http://shop.example/ -H 'no field'
exit $((nfailed > 0))
