/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/net/proxy_header.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum {
	V1_MAX_BYTES = 107, /* by the protocol, with the CRLF */
	V2_HEAD_BYTES = 16, /* signature, version and command, family, length */
	V2_ADDRS_V4 = 12,   /* two addresses, two ports */
	V2_ADDRS_V6 = 36,
};

static const char v1_start[] = "PROXY ";
static const char v2_signature[] = "\r\n\r\n\0\r\nQUIT\n";

static bool is_begun(const char *bytes, size_t len, const char *start, size_t start_len)
{
	return memcmp(bytes, start, len < start_len ? len : start_len) == 0;
}

/* ---- version 1 */

/* Digits only, and no needless zero: nobody shall read another number. */
static bool read_port(struct str text, uint16_t *out)
{
	uint64_t number;

	if (text.len == 0 || (text.at[0] == '0' && text.len > 1) ||
	    !str_to_u64(text, &number) || number > UINT16_MAX)
		return false;
	*out = (uint16_t)number;
	return true;
}

static bool read_addr(struct str text, sa_family_t family, struct str port_text, struct addr *out)
{
	uint16_t port;

	if (!read_port(port_text, &port) || str_find_char(text, '[') != text.len ||
	    !addr_parse(text, port, out) || out->as.any.sa_family != family)
		return false;
	addr_unmap(out);
	return true;
}

static bool read_v1_addrs(struct str text, sa_family_t family, struct proxy_header *out)
{
	enum { SOURCE, DESTINATION, SOURCE_PORT, DESTINATION_PORT, PARTS };
	struct str rest = text, parts[PARTS] = {STR_NONE};
	const char *end = text.at + text.len;
	size_t n = 0;

	while (n < PARTS && str_split(&rest, ' ', &parts[n]))
		n++;
	return n == PARTS && parts[DESTINATION_PORT].at + parts[DESTINATION_PORT].len == end &&
	       read_addr(parts[SOURCE], family, parts[SOURCE_PORT], &out->client) &&
	       read_addr(parts[DESTINATION], family, parts[DESTINATION_PORT], &out->local);
}

static enum proxy_header_verdict parse_v1(const char *bytes, size_t len, struct proxy_header *out)
{
	static const struct {
		struct str name;
		sa_family_t family;
	} families[] = {{STR("TCP4 "), AF_INET}, {STR("TCP6 "), AF_INET6}};
	size_t seen = len < V1_MAX_BYTES ? len : V1_MAX_BYTES;
	const char *lf = memchr(bytes, '\n', seen);
	struct str line;

	if (!lf)
		return seen == V1_MAX_BYTES ? PROXY_HEADER_ERROR : PROXY_HEADER_MORE;
	if (lf[-1] != '\r')
		return PROXY_HEADER_ERROR;
	out->len = (size_t)(lf + 1 - bytes);
	line = str_from((struct str){bytes, out->len - 2}, sizeof(v1_start) - 1);
	out->has_addrs = false;
	if (str_eq(line, STR("UNKNOWN")) || str_starts_with(line, STR("UNKNOWN ")))
		return PROXY_HEADER_DONE;
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (str_starts_with(line, families[i].name))
			out->has_addrs = read_v1_addrs(str_from(line, families[i].name.len),
			                               families[i].family, out);
	return out->has_addrs ? PROXY_HEADER_DONE : PROXY_HEADER_ERROR;
}

/* ---- version 2 */

enum {
	V2_VERSION = 0x20, /* the upper half of its byte; the lower one is the command */
	V2_LOCAL = 0,
	V2_PROXY = 1,
	V2_TCP4 = 0x11,
	V2_TCP6 = 0x21,
};

static void set_v4(struct addr *addr, const char *ip, const char *port)
{
	*addr = (struct addr){.as.v4.sin_family = AF_INET};
	memcpy(&addr->as.v4.sin_addr, ip, 4);
	memcpy(&addr->as.v4.sin_port, port, 2);
}

static void set_v6(struct addr *addr, const char *ip, const char *port)
{
	*addr = (struct addr){.as.v6.sin6_family = AF_INET6};
	memcpy(&addr->as.v6.sin6_addr, ip, 16);
	memcpy(&addr->as.v6.sin6_port, port, 2);
	addr_unmap(addr);
}

/* Families that are no TCP over IP (a Unix socket's, "unspecified") tell no address. */
static bool take_v2_addrs(const char *at, size_t len, unsigned family, struct proxy_header *out)
{
	if (family != V2_TCP4 && family != V2_TCP6)
		return true;
	if (len < (size_t)(family == V2_TCP4 ? V2_ADDRS_V4 : V2_ADDRS_V6))
		return false;
	out->has_addrs = true;
	if (family == V2_TCP4) {
		set_v4(&out->client, at, at + 8);
		set_v4(&out->local, at + 4, at + 10);
	} else {
		set_v6(&out->client, at, at + 32);
		set_v6(&out->local, at + 16, at + 34);
	}
	return true;
}

static enum proxy_header_verdict parse_v2(const char *bytes, size_t len, struct proxy_header *out)
{
	const unsigned char *head = (const unsigned char *)bytes;
	size_t left;

	if (len > 12 && head[12] != (V2_VERSION | V2_LOCAL) && head[12] != (V2_VERSION | V2_PROXY))
		return PROXY_HEADER_ERROR;
	if (len < V2_HEAD_BYTES)
		return PROXY_HEADER_MORE;
	left = (size_t)head[14] << 8 | head[15];
	out->len = V2_HEAD_BYTES + left;
	if (out->len > PROXY_HEADER_MAX_BYTES)
		return PROXY_HEADER_ERROR;
	if (len < out->len)
		return PROXY_HEADER_MORE;
	out->has_addrs = false;
	if (head[12] == (V2_VERSION | V2_PROXY) &&
	    !take_v2_addrs(bytes + V2_HEAD_BYTES, left, head[13], out))
		return PROXY_HEADER_ERROR;
	return PROXY_HEADER_DONE;
}

enum proxy_header_verdict proxy_header_parse(const char *bytes, size_t len,
                                             struct proxy_header *out)
{
	if (is_begun(bytes, len, v1_start, sizeof(v1_start) - 1))
		return len == 0 ? PROXY_HEADER_MORE : parse_v1(bytes, len, out);
	if (is_begun(bytes, len, v2_signature, sizeof(v2_signature) - 1))
		return parse_v2(bytes, len, out);
	return PROXY_HEADER_ERROR;
}

/* ---- making one */

static bool is_ip(const struct addr *addr)
{
	return addr_len(addr) > 0;
}

static bool is_v4(const struct addr *addr)
{
	return addr->as.any.sa_family == AF_INET;
}

/* As IPv6, also where that is a mapped IPv4: both addresses of a header are of one family. */
static const char *v6_text(const struct addr *addr, char out[ADDR_TEXT_BYTES])
{
	uint8_t ip[16];

	addr_ip_bytes(addr, ip);
	return inet_ntop(AF_INET6, ip, out, ADDR_TEXT_BYTES);
}

static size_t write_v1(const struct addr *client, const struct addr *local, char *out)
{
	char source[ADDR_TEXT_BYTES], destination[ADDR_TEXT_BYTES];
	bool is_tcp4 = is_v4(client) && is_v4(local);
	int n;

	if (!is_ip(client) || !is_ip(local))
		n = snprintf(out, PROXY_HEADER_MADE_BYTES, "PROXY UNKNOWN\r\n");
	else
		n = snprintf(out, PROXY_HEADER_MADE_BYTES, "PROXY %s %s %s %u %u\r\n",
		             is_tcp4 ? "TCP4" : "TCP6",
		             is_tcp4 ? addr_ip_text(client, source) : v6_text(client, source),
		             is_tcp4 ? addr_ip_text(local, destination)
		                     : v6_text(local, destination),
		             (unsigned)addr_port(client), (unsigned)addr_port(local));
	return (size_t)n;
}

static char *put_ip(char *at, const struct addr *addr, bool is_tcp4)
{
	uint8_t ip[16];
	size_t skip = is_tcp4 ? 12 : 0;

	addr_ip_bytes(addr, ip);
	memcpy(at, ip + skip, sizeof(ip) - skip);
	return at + (sizeof(ip) - skip);
}

static char *put_port(char *at, const struct addr *addr)
{
	uint16_t port = addr_port(addr);

	at[0] = (char)(port >> 8);
	at[1] = (char)port;
	return at + 2;
}

static size_t write_v2(const struct addr *client, const struct addr *local, char *out)
{
	bool is_tcp4 = is_v4(client) && is_v4(local), is_known = is_ip(client) && is_ip(local);
	char *at = out + V2_HEAD_BYTES;

	memcpy(out, v2_signature, sizeof(v2_signature) - 1);
	out[12] = V2_VERSION | V2_PROXY;
	out[13] = (char)(is_tcp4 ? V2_TCP4 : V2_TCP6);
	if (is_known) {
		at = put_ip(at, client, is_tcp4);
		at = put_ip(at, local, is_tcp4);
		at = put_port(at, client);
		at = put_port(at, local);
	} else {
		out[13] = 0; /* unspecified */
	}
	out[14] = 0;
	out[15] = (char)(at - out - V2_HEAD_BYTES);
	return (size_t)(at - out);
}

size_t proxy_header_write(unsigned version, const struct addr *client, const struct addr *local,
                          char out[PROXY_HEADER_MADE_BYTES])
{
	return version == 1 ? write_v1(client, local, out) : write_v2(client, local, out);
}
