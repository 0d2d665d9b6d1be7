#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A url_rewrite_program: /old/ moves for good, /docs/ is served from /manual/, the rest stays.
# Takes `[ID] URL CLIENT/FQDN USER METHOD ...` lines, with or without channel ids (concurrency=).

while read -r first second rest; do
	channel='' url=$first
	case $first in
	'' | *[!0-9]*) ;;
	*) channel="$first " url=$second ;;
	esac
	case $url in
	*/old/*) answer="OK status=301 url=\"${url%%/old/*}/new/${url#*/old/}\"" ;;
	*/docs/*) answer="OK rewrite-url=\"${url%%/docs/*}/manual/${url#*/docs/}\"" ;;
	*) answer=ERR ;;
	esac
	printf '%s%s\n' "$channel" "$answer"
done
