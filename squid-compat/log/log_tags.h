/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/log/log_tags.h: what the log says about a request's fate: TCP_MISS and
 * FIRSTUP_PARENT. Squid: result tags and hierarchy codes. Pure; any thread. */
#ifndef SQUID_COMPAT_LOG_TAGS_H
#define SQUID_COMPAT_LOG_TAGS_H
#include <stdbool.h>

#include "lib/base/buf.h"

enum log_tag {
	LOG_TAG_NONE = 0, /* prints NONE_NONE */
	LOG_TCP_HIT,      /* from disk */
	LOG_TCP_MISS,
	LOG_TCP_REFRESH_UNMODIFIED,
	LOG_TCP_REFRESH_FAIL_OLD,
	LOG_TCP_REFRESH_FAIL_ERR,
	LOG_TCP_REFRESH_MODIFIED,
	LOG_TCP_REFRESH, /* while it is not known which of the above */
	LOG_TCP_CLIENT_REFRESH_MISS,
	LOG_TCP_IMS_HIT,
	LOG_TCP_INM_HIT,
	LOG_TCP_SWAPFAIL_MISS,
	LOG_TCP_NEGATIVE_HIT,
	LOG_TCP_MEM_HIT,
	LOG_TCP_DENIED,
	LOG_TCP_DENIED_REPLY,
	LOG_TCP_OFFLINE_HIT,
	LOG_TCP_REDIRECT,
	LOG_TCP_TUNNEL,
	LOG_UDP_HIT,
	LOG_UDP_MISS,
	LOG_UDP_DENIED,
	LOG_UDP_INVALID,
	LOG_UDP_MISS_NOFETCH,
	LOG_TAG_COUNT
};

/* Suffixes, in the order in which they are printed. */
enum log_tag_suffix {
	LOG_SUFFIX_CF = 1 << 0, /* joined a collapsed fetch */
	LOG_SUFFIX_TIMEDOUT = 1 << 1,
	LOG_SUFFIX_ABORTED = 1 << 2,
};

enum log_hier {
	LOG_HIER_NONE = 0,
	LOG_HIER_DIRECT,
	LOG_HIER_SIBLING_HIT,
	LOG_HIER_PARENT_HIT,
	LOG_HIER_DEFAULT_PARENT,
	LOG_HIER_SINGLE_PARENT,
	LOG_HIER_FIRSTUP_PARENT,
	LOG_HIER_FIRST_PARENT_MISS,
	LOG_HIER_CLOSEST_PARENT_MISS,
	LOG_HIER_CLOSEST_PARENT,
	LOG_HIER_CLOSEST_DIRECT,
	LOG_HIER_NO_DIRECT_FAIL,
	LOG_HIER_SOURCE_FASTEST,
	LOG_HIER_ROUNDROBIN_PARENT,
	LOG_HIER_CD_PARENT_HIT,
	LOG_HIER_CD_SIBLING_HIT,
	LOG_HIER_CARP,
	LOG_HIER_ANY_OLD_PARENT,
	LOG_HIER_USERHASH_PARENT,
	LOG_HIER_SOURCEHASH_PARENT,
	LOG_HIER_PINNED,
	LOG_HIER_ORIGINAL_DST,
	LOG_HIER_STANDBY_POOL,
	LOG_HIER_COUNT
};

/* "TCP_MISS"; a static text. */
const char *log_tag_name(enum log_tag tag);
/* "HIER_NONE", "FIRSTUP_PARENT". */
const char *log_hier_name(enum log_hier hier);
/* The code of a name as logged; false: there is none ("DIRECT" alone is none). */
bool log_hier_by_name(struct str name, enum log_hier *out);

/* "TCP_MISS_ABORTED": the tag with its suffixes (a set of enum log_tag_suffix). */
void log_tag_render(struct buf *out, enum log_tag tag, unsigned suffixes);

/* Was the reply served from the cache? (counters, X-Cache) */
bool log_tag_is_hit(enum log_tag tag);

#endif
