/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses: IP, IP/bits, IP/netmask, IP1-IP2[/mask], a host name, all, ipv4, ipv6.
 *
 * Kept as ranges of 16-byte addresses (IPv4 mapped into IPv6), sorted and merged when sealed, so
 * that a look-up is a binary search whatever the number of values. */
#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "squid-compat/acl/acl_internal.h"

enum {
	IP_BYTES = 16,
	IP_BITS = 128,
	RANGE_BYTES = 2 * INET6_ADDRSTRLEN,
	MAX_RESOLVED = 32,
	MAX_OVERLAPS_SAID = 5,
};

struct ip {
	uint8_t at[IP_BYTES];
};

struct ip_range {
	struct ip lo, hi;
};

struct addresses {
	struct ip_range *ranges;
	size_t n, cap;
};

static void add_range(struct addresses *set, struct ip lo, struct ip hi)
{
	if (set->n == set->cap) {
		set->cap = set->cap > 0 ? set->cap * 2 : 8;
		set->ranges = mem_realloc(set->ranges, set->cap * sizeof(*set->ranges));
	}
	set->ranges[set->n++] = (struct ip_range){lo, hi};
}

static uint64_t half_of_ip(const struct ip *ip, size_t half)
{
	uint64_t bytes;

	memcpy(&bytes, ip->at + half * sizeof(bytes), sizeof(bytes));
	return be64toh(bytes);
}

static int compare_ips(const struct ip *a, const struct ip *b)
{
	uint64_t high_a = half_of_ip(a, 0), high_b = half_of_ip(b, 0);
	uint64_t low_a = half_of_ip(a, 1), low_b = half_of_ip(b, 1);

	if (high_a != high_b)
		return high_a < high_b ? -1 : 1;
	return (low_a > low_b) - (low_a < low_b);
}

static struct ip mask_of_bits(unsigned bits)
{
	struct ip mask = {{0}};

	for (unsigned i = 0; i < bits; i++)
		mask.at[i / 8] |= (uint8_t)(0x80 >> (i % 8));
	return mask;
}

static struct ip and_ip(struct ip a, struct ip mask)
{
	for (size_t i = 0; i < IP_BYTES; i++)
		a.at[i] &= mask.at[i];
	return a;
}

static struct ip or_not_ip(struct ip a, struct ip mask)
{
	for (size_t i = 0; i < IP_BYTES; i++)
		a.at[i] |= (uint8_t)~mask.at[i];
	return a;
}

/* ---- one value ---- */

/* The parts of ADDRESS[-ADDRESS][/MASK]. */
struct spec {
	struct str whole, first, last, mask;
	bool has_mask;
	bool is_v4;
};

/* An address, also the short forms that inet_aton knows ("127.1"). */
static bool parse_ip(struct str text, struct ip *out, bool *is_v4)
{
	struct addr addr;
	struct in_addr v4;
	char copy[INET6_ADDRSTRLEN];

	if (!addr_parse(text, 0, &addr)) {
		bool is_numeric = text.len > 0 && text.len < sizeof(copy);

		for (size_t i = 0; is_numeric && i < text.len; i++)
			is_numeric = (text.at[i] >= '0' && text.at[i] <= '9') || text.at[i] == '.';
		if (!is_numeric || inet_aton(str_copy(text, copy, sizeof(copy)), &v4) == 0)
			return false;
		addr = (struct addr){.as.v4 = {.sin_family = AF_INET, .sin_addr = v4}};
	}
	*is_v4 = addr.as.any.sa_family == AF_INET;
	addr_ip_bytes(&addr, out->at);
	return true;
}

/* Bits that a mask in address form has; -1 if they have gaps. */
static int netmask_bits(struct ip mask, unsigned from)
{
	unsigned bits = from;
	struct ip exact;

	while (bits < 8 * IP_BYTES && (mask.at[bits / 8] & 0x80 >> (bits % 8)))
		bits++;
	exact = mask_of_bits(bits);
	return memcmp(exact.at + from / 8, mask.at + from / 8, IP_BYTES - from / 8) == 0 ? (int)bits
	                                                                                 : -1;
}

static bool bad_mask(const struct spec *spec, struct report *report)
{
	report_say(report, REPORT_FATAL, "aclParseAddrData: unknown netmask '%.*s' in '%.*s'",
	           STR_ARG(spec->mask), STR_ARG(spec->whole));
	return false;
}

static bool parse_netmask(const struct spec *spec, struct ip *out, struct report *report)
{
	struct ip mask;
	bool is_v4;
	int bits;

	if (!parse_ip(spec->mask, &mask, &is_v4) || is_v4 != spec->is_v4)
		return bad_mask(spec, report);
	bits = netmask_bits(mask, is_v4 ? 96 : 0);
	if (bits < 0)
		return bad_mask(spec, report);
	report_say(report, REPORT_WARNING,
	           "Netmasks are deprecated. Please use CIDR masks instead: '%.*s' is taken for "
	           "'%.*s/%d'",
	           STR_ARG(spec->whole), STR_ARG(spec->first), is_v4 ? bits - 96 : bits);
	*out = mask_of_bits((unsigned)bits);
	return true;
}

static bool parse_mask(const struct spec *spec, struct ip *out, struct report *report)
{
	uint64_t bits;

	if (!spec->has_mask) {
		*out = mask_of_bits(128);
		return true;
	}
	if (!str_to_u64(spec->mask, &bits))
		return parse_netmask(spec, out, report);
	if (bits > (spec->is_v4 ? 32 : 128))
		return bad_mask(spec, report);
	*out = mask_of_bits((unsigned)bits + (spec->is_v4 ? 96 : 0));
	return true;
}

static void bad_host(const struct spec *spec, struct report *report)
{
	report_say(report, REPORT_FATAL, "aclIpParseIpData: Bad host/IP: '%.*s' in '%.*s'",
	           STR_ARG(spec->first), STR_ARG(spec->whole));
}

static void add_numeric(struct addresses *set, struct spec *spec, struct ip lo,
                        struct report *report)
{
	struct ip mask, hi = lo;
	bool is_v4;

	if (spec->last.len > 0 && (!parse_ip(spec->last, &hi, &is_v4) || is_v4 != spec->is_v4 ||
	                           compare_ips(&lo, &hi) > 0)) {
		bad_host(spec, report);
		return;
	}
	if (!parse_mask(spec, &mask, report))
		return;
	if (spec->has_mask && memcmp(and_ip(lo, mask).at, lo.at, IP_BYTES) != 0)
		report_say(report, REPORT_WARNING,
		           "aclIpParseIpData: Netmask masks away part of the specified IP in "
		           "'%.*s'",
		           STR_ARG(spec->whole));
	add_range(set, and_ip(lo, mask), or_not_ip(hi, mask));
}

static void add_host(struct addresses *set, struct spec *spec, const struct world *world,
                     struct report *report)
{
	struct addr addrs[MAX_RESOLVED];
	char *name = str_dup(spec->first);
	unsigned n = world != NULL ? world->resolve(name, 0, addrs, MAX_RESOLVED) : 0;

	mem_free(name);
	if (n == 0)
		bad_host(spec, report);
	for (unsigned i = 0; i < n; i++) {
		struct ip ip, mask;

		addr_ip_bytes(&addrs[i], ip.at);
		addr_unmap(&addrs[i]);
		spec->is_v4 = addrs[i].as.any.sa_family == AF_INET;
		if (!parse_mask(spec, &mask, report))
			return;
		add_range(set, and_ip(ip, mask), or_not_ip(ip, mask));
	}
}

/* ---- words with a meaning of their own ---- */

#define V4_PREFIX 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff
#define ONES 0xff, 0xff, 0xff, 0xff
static const struct ip lowest, highest = {{ONES, ONES, ONES, ONES}};
static const struct ip v4_lowest = {{V4_PREFIX, 0, 0, 0, 0}}, v4_highest = {{V4_PREFIX, ONES}};
static const struct ip below_v4 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, ONES}};
static const struct ip above_v4 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

static bool add_word(struct addresses *set, struct str value, struct report *report)
{
	static const struct str old_all[] = {STR("0/0"), STR("0.0.0.0/0"), STR("0.0.0.0/0.0.0.0")};

	if (str_eq(value, STR("all"))) {
		add_range(set, lowest, highest);
		return true;
	}
	if (str_eq(value, STR("ipv4"))) {
		add_range(set, v4_lowest, v4_highest);
		return true;
	}
	if (str_eq(value, STR("ipv6"))) {
		add_range(set, lowest, below_v4);
		add_range(set, above_v4, highest);
		return true;
	}
	for (size_t i = 0; i < COUNT(old_all); i++) {
		if (!str_eq(value, old_all[i]))
			continue;
		report_say(report, REPORT_ERROR,
		           "'%.*s' needs to be replaced by the term 'all'. SECURITY NOTICE: "
		           "Overriding config setting. Using 'all' instead.",
		           STR_ARG(value));
		add_range(set, lowest, highest);
		return true;
	}
	return false;
}

static void add_value(struct addresses *set, struct str value, struct acl_reader *reader)
{
	size_t slash = str_find_char(value, '/');
	struct spec spec = {
		.whole = value,
		.first = str_first(value, slash),
		.mask = str_from(value, slash + 1),
		.has_mask = slash < value.len,
	};
	size_t hyphen = str_find_char(spec.first, '-');
	struct ip ip;

	if (add_word(set, value, reader->report))
		return;
	/* Host names have hyphens too. */
	if (hyphen < spec.first.len && parse_ip(str_first(spec.first, hyphen), &ip, &spec.is_v4)) {
		spec.last = str_from(spec.first, hyphen + 1);
		spec.first = str_first(spec.first, hyphen);
		if (spec.last.len == 0)
			bad_host(&spec, reader->report);
		else
			add_numeric(set, &spec, ip, reader->report);
	} else if (parse_ip(spec.first, &ip, &spec.is_v4)) {
		add_numeric(set, &spec, ip, reader->report);
	} else {
		add_host(set, &spec, reader->world, reader->report);
	}
}

static void parse_addresses(struct acl *acl, struct acl_reader *reader)
{
	struct str value;

	while (acl_reader_next(reader, &value))
		add_value(acl->values, value, reader);
}

static bool has_no_addresses(const void *values)
{
	return ((const struct addresses *)values)->n == 0;
}

/* ---- sealing ---- */

static int by_start(const void *a, const void *b)
{
	const struct ip_range *x = a, *y = b;
	int order = compare_ips(&x->lo, &y->lo);

	return order != 0 ? order : compare_ips(&y->hi, &x->hi); /* the larger one first */
}

static bool is_v4(const struct ip *ip)
{
	return half_of_ip(ip, 0) == 0 && half_of_ip(ip, 1) >> 32 == 0xffff;
}

static char *ip_text(const struct ip *ip, char out[INET6_ADDRSTRLEN])
{
	if (is_v4(ip))
		inet_ntop(AF_INET, ip->at + 12, out, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, ip->at, out, INET6_ADDRSTRLEN);
	return out;
}

static bool bit_of(const struct ip *ip, unsigned i)
{
	return ip->at[i / 8] >> (7 - i % 8) & 1;
}

/* How many first bits are those of a prefix that is just this range; IP_BITS + 1: it is none. */
static unsigned prefix_bits(const struct ip_range *range)
{
	unsigned bits = 0, i;

	while (bits < IP_BITS && bit_of(&range->lo, bits) == bit_of(&range->hi, bits))
		bits++;
	for (i = bits; i < IP_BITS && !bit_of(&range->lo, i) && bit_of(&range->hi, i); i++)
		;
	return i == IP_BITS ? bits : IP_BITS + 1;
}

/* As it is usually written: ADDRESS, ADDRESS/BITS or ADDRESS-ADDRESS. */
static char *range_text(const struct ip_range *range, char out[RANGE_BYTES])
{
	char lo[INET6_ADDRSTRLEN], hi[INET6_ADDRSTRLEN];
	unsigned bits = prefix_bits(range);

	ip_text(&range->lo, lo);
	if (bits > IP_BITS)
		snprintf(out, RANGE_BYTES, "%s-%s", lo, ip_text(&range->hi, hi));
	else if (bits == IP_BITS)
		snprintf(out, RANGE_BYTES, "%s", lo);
	else
		snprintf(out, RANGE_BYTES, "%s/%u", lo, bits - (is_v4(&range->lo) ? 96 : 0));
	return out;
}

static void say_overlap(const struct acl *acl, const struct ip_range *inner,
                        const struct ip_range *outer, struct report *report)
{
	char a[RANGE_BYTES], b[RANGE_BYTES];

	report_say(report, REPORT_WARNING,
	           "(B) '%s' is a subnetwork of (A) '%s', or overlaps it: you should "
	           "probably remove one of them from the ACL named '%s'",
	           range_text(inner, b), range_text(outer, a), acl->name);
}

static void seal_addresses(struct acl *acl, struct report *report)
{
	struct addresses *set = acl->values;
	size_t kept = 0, noverlaps = 0;

	if (set->n == 0)
		return;
	qsort(set->ranges, set->n, sizeof(*set->ranges), by_start);
	for (size_t i = 1; i < set->n; i++) {
		struct ip_range *last = &set->ranges[kept], *next = &set->ranges[i];

		if (compare_ips(&next->lo, &last->hi) > 0) {
			set->ranges[++kept] = *next;
			continue;
		}
		if (++noverlaps <= MAX_OVERLAPS_SAID)
			say_overlap(acl, next, last, report);
		if (compare_ips(&next->hi, &last->hi) > 0)
			last->hi = next->hi;
	}
	set->n = kept + 1;
	if (noverlaps > MAX_OVERLAPS_SAID)
		report_say(report, REPORT_WARNING, "ACL '%s' has %zu more values that overlap",
		           acl->name, noverlaps - MAX_OVERLAPS_SAID);
}

/* The number of a /16 (IPv4) or a /48: consecutive ones differ in their filter bits. */
static uint32_t block_of(const struct ip *ip)
{
	return is_v4(ip) ? (uint32_t)(half_of_ip(ip, 1) >> 16) & 0xffff
			 : (uint32_t)(half_of_ip(ip, 0) >> 16);
}

static uint64_t filter_of_range(const struct ip *lo, const struct ip *hi)
{
	bool is_of_v4 = is_v4(lo) && is_v4(hi);
	bool has_v4 = compare_ips(lo, &v4_highest) <= 0 && compare_ips(&v4_lowest, hi) <= 0;

	if (!is_of_v4 && (has_v4 || half_of_ip(hi, 0) - half_of_ip(lo, 0) >= 64ULL << 16))
		return acl_filter_anything;
	return acl_filter_range(block_of(lo), block_of(hi));
}

static uint64_t filter_of_addresses(const void *values)
{
	const struct addresses *set = values;
	uint64_t bits = 0;

	for (size_t i = 0; i < set->n && bits != acl_filter_anything; i++)
		bits |= filter_of_range(&set->ranges[i].lo, &set->ranges[i].hi);
	return bits;
}

uint64_t acl_address_bit(const struct addr *addr)
{
	struct ip ip;

	addr_ip_bytes(addr, ip.at);
	return acl_filter_bit(block_of(&ip));
}

static void free_addresses(void *values)
{
	mem_free(((struct addresses *)values)->ranges);
}

bool acl_address_has(const void *values, const struct addr *addr)
{
	const struct addresses *set = values;
	size_t from = 0, to = set->n; /* the first range that begins behind ip is in here */
	struct ip ip;

	addr_ip_bytes(addr, ip.at);
	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (compare_ips(&set->ranges[middle].lo, &ip) <= 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from > 0 && compare_ips(&ip, &set->ranges[from - 1].hi) <= 0;
}

const struct acl_kind acl_kind_address = {
	.bytes = sizeof(struct addresses),
	.parse = parse_addresses,
	.is_empty = has_no_addresses,
	.seal = seal_addresses,
	.fini = free_addresses,
	.filter = filter_of_addresses,
};
