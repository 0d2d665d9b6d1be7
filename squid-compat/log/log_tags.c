/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/log/log_tags.h"

#include "lib/base/check.h"

static const struct {
	const char *name;
	bool is_hit;
} tags[LOG_TAG_COUNT] = {
	[LOG_TAG_NONE] = {"NONE_NONE", false},
	[LOG_TCP_HIT] = {"TCP_HIT", true},
	[LOG_TCP_MISS] = {"TCP_MISS", false},
	[LOG_TCP_REFRESH_UNMODIFIED] = {"TCP_REFRESH_UNMODIFIED", true},
	[LOG_TCP_REFRESH_FAIL_OLD] = {"TCP_REFRESH_FAIL_OLD", true},
	[LOG_TCP_REFRESH_FAIL_ERR] = {"TCP_REFRESH_FAIL_ERR", false},
	[LOG_TCP_REFRESH_MODIFIED] = {"TCP_REFRESH_MODIFIED", false},
	[LOG_TCP_REFRESH] = {"TCP_REFRESH", false},
	[LOG_TCP_CLIENT_REFRESH_MISS] = {"TCP_CLIENT_REFRESH_MISS", false},
	[LOG_TCP_IMS_HIT] = {"TCP_IMS_HIT", true},
	[LOG_TCP_INM_HIT] = {"TCP_INM_HIT", true},
	[LOG_TCP_SWAPFAIL_MISS] = {"TCP_SWAPFAIL_MISS", false},
	[LOG_TCP_NEGATIVE_HIT] = {"TCP_NEGATIVE_HIT", true},
	[LOG_TCP_MEM_HIT] = {"TCP_MEM_HIT", true},
	[LOG_TCP_DENIED] = {"TCP_DENIED", false},
	[LOG_TCP_DENIED_REPLY] = {"TCP_DENIED_REPLY", false},
	[LOG_TCP_OFFLINE_HIT] = {"TCP_OFFLINE_HIT", true},
	[LOG_TCP_REDIRECT] = {"TCP_REDIRECT", false},
	[LOG_TCP_TUNNEL] = {"TCP_TUNNEL", false},
	[LOG_UDP_HIT] = {"UDP_HIT", true},
	[LOG_UDP_MISS] = {"UDP_MISS", false},
	[LOG_UDP_DENIED] = {"UDP_DENIED", false},
	[LOG_UDP_INVALID] = {"UDP_INVALID", false},
	[LOG_UDP_MISS_NOFETCH] = {"UDP_MISS_NOFETCH", false},
};

/* In the order in which they are printed, which is that of their bits. */
static const char *const suffixes_text[] = {"_CF", "_TIMEDOUT", "_ABORTED"};

static const char *const hierarchies[LOG_HIER_COUNT] = {
	[LOG_HIER_NONE] = "HIER_NONE",
	[LOG_HIER_DIRECT] = "HIER_DIRECT",
	[LOG_HIER_SIBLING_HIT] = "SIBLING_HIT",
	[LOG_HIER_PARENT_HIT] = "PARENT_HIT",
	[LOG_HIER_DEFAULT_PARENT] = "DEFAULT_PARENT",
	[LOG_HIER_SINGLE_PARENT] = "SINGLE_PARENT",
	[LOG_HIER_FIRSTUP_PARENT] = "FIRSTUP_PARENT",
	[LOG_HIER_FIRST_PARENT_MISS] = "FIRST_PARENT_MISS",
	[LOG_HIER_CLOSEST_PARENT_MISS] = "CLOSEST_PARENT_MISS",
	[LOG_HIER_CLOSEST_PARENT] = "CLOSEST_PARENT",
	[LOG_HIER_CLOSEST_DIRECT] = "CLOSEST_DIRECT",
	[LOG_HIER_NO_DIRECT_FAIL] = "NO_DIRECT_FAIL",
	[LOG_HIER_SOURCE_FASTEST] = "SOURCE_FASTEST",
	[LOG_HIER_ROUNDROBIN_PARENT] = "ROUNDROBIN_PARENT",
	[LOG_HIER_CD_PARENT_HIT] = "CD_PARENT_HIT",
	[LOG_HIER_CD_SIBLING_HIT] = "CD_SIBLING_HIT",
	[LOG_HIER_CARP] = "CARP",
	[LOG_HIER_ANY_OLD_PARENT] = "ANY_OLD_PARENT",
	[LOG_HIER_USERHASH_PARENT] = "USERHASH_PARENT",
	[LOG_HIER_SOURCEHASH_PARENT] = "SOURCEHASH_PARENT",
	[LOG_HIER_PINNED] = "PINNED",
	[LOG_HIER_ORIGINAL_DST] = "ORIGINAL_DST",
	[LOG_HIER_STANDBY_POOL] = "STANDBY_POOL",
};

const char *log_tag_name(enum log_tag tag)
{
	check((unsigned)tag < LOG_TAG_COUNT);
	return tags[tag].name;
}

bool log_tag_is_hit(enum log_tag tag)
{
	check((unsigned)tag < LOG_TAG_COUNT);
	return tags[tag].is_hit;
}

const char *log_hier_name(enum log_hier hier)
{
	check((unsigned)hier < LOG_HIER_COUNT);
	return hierarchies[hier];
}

bool log_hier_by_name(struct str name, enum log_hier *out)
{
	for (unsigned i = 0; i < LOG_HIER_COUNT; i++)
		if (str_eq(name, str_of(hierarchies[i]))) {
			*out = (enum log_hier)i;
			return true;
		}
	return false;
}

void log_tag_render(struct buf *out, enum log_tag tag, unsigned suffixes)
{
	buf_add_str(out, str_of(log_tag_name(tag)));
	for (unsigned i = 0; i < COUNT(suffixes_text); i++)
		if (suffixes >> i & 1)
			buf_add_str(out, str_of(suffixes_text[i]));
}
