/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/net/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

/* Most of what is looked at is a name. */
static bool may_be_address(struct str text)
{
	return (text.at[0] >= '0' && text.at[0] <= '9') || memchr(text.at, ':', text.len);
}

bool addr_parse(struct str text, uint16_t port, struct addr *out)
{
	char copy[INET6_ADDRSTRLEN + 1];
	struct in_addr v4;
	struct in6_addr v6;
	bool is_bracketed = text.len >= 2 && text.at[0] == '[' && text.at[text.len - 1] == ']';

	if (is_bracketed)
		text = (struct str){text.at + 1, text.len - 2};
	if (text.len == 0 || text.len >= sizeof(copy) || !may_be_address(text) ||
	    memchr(text.at, '\0', text.len))
		return false;
	str_copy(text, copy, sizeof(copy));
	if (!is_bracketed && inet_pton(AF_INET, copy, &v4) == 1) {
		*out = (struct addr){.as.v4 = {.sin_family = AF_INET, .sin_addr = v4}};
	} else if (inet_pton(AF_INET6, copy, &v6) == 1) {
		*out = (struct addr){.as.v6 = {.sin6_family = AF_INET6, .sin6_addr = v6}};
	} else {
		return false;
	}
	addr_set_port(out, port);
	return true;
}

uint16_t addr_port(const struct addr *addr)
{
	switch (addr->as.any.sa_family) {
	case AF_INET:
		return ntohs(addr->as.v4.sin_port);
	case AF_INET6:
		return ntohs(addr->as.v6.sin6_port);
	default:
		return 0;
	}
}

void addr_set_port(struct addr *addr, uint16_t port)
{
	if (addr->as.any.sa_family == AF_INET)
		addr->as.v4.sin_port = htons(port);
	else if (addr->as.any.sa_family == AF_INET6)
		addr->as.v6.sin6_port = htons(port);
}

socklen_t addr_len(const struct addr *addr)
{
	switch (addr->as.any.sa_family) {
	case AF_INET:
		return sizeof(addr->as.v4);
	case AF_INET6:
		return sizeof(addr->as.v6);
	default:
		return 0;
	}
}

static bool is_mapped(const struct addr *addr)
{
	return addr->as.any.sa_family == AF_INET6 &&
	       memcmp(addr->as.v6.sin6_addr.s6_addr, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

void addr_unmap(struct addr *addr)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};

	if (!is_mapped(addr))
		return;
	memcpy(&v4.sin_addr, addr->as.v6.sin6_addr.s6_addr + 12, 4);
	v4.sin_port = addr->as.v6.sin6_port;
	*addr = (struct addr){.as.v4 = v4};
}

static char *put_octet(char *at, unsigned octet)
{
	if (octet >= 100)
		*at++ = (char)('0' + octet / 100);
	if (octet >= 10)
		*at++ = (char)('0' + octet / 10 % 10);
	*at++ = (char)('0' + octet % 10);
	return at;
}

/* What inet_ntop does by sprintf; asked for with each request. */
static void write_ipv4(const struct in_addr *ip, char *at)
{
	const uint8_t *octets = (const uint8_t *)ip;

	for (int i = 0; i < 4; i++) {
		at = put_octet(at, octets[i]);
		*at++ = '.';
	}
	at[-1] = '\0';
}

char *addr_ip_text(const struct addr *addr, char out[ADDR_TEXT_BYTES])
{
	struct addr shown = *addr;

	addr_unmap(&shown);
	if (shown.as.any.sa_family == AF_INET)
		write_ipv4(&shown.as.v4.sin_addr, out);
	else if (shown.as.any.sa_family == AF_INET6)
		inet_ntop(AF_INET6, &shown.as.v6.sin6_addr, out, ADDR_TEXT_BYTES);
	else
		str_copy(STR("-"), out, ADDR_TEXT_BYTES);
	return out;
}

char *addr_text(const struct addr *addr, char out[ADDR_TEXT_BYTES])
{
	char ip[ADDR_TEXT_BYTES];
	const char *format = strchr(addr_ip_text(addr, ip), ':') ? "[%.*s]:%u" : "%.*s:%u";

	if (addr_len(addr) == 0)
		return str_copy(STR("-"), out, ADDR_TEXT_BYTES);
	snprintf(out, ADDR_TEXT_BYTES, format, INET6_ADDRSTRLEN, ip, (unsigned)addr_port(addr));
	return out;
}

void addr_ip_bytes(const struct addr *addr, uint8_t out[16])
{
	memset(out, 0, 16);
	if (addr->as.any.sa_family == AF_INET6) {
		memcpy(out, addr->as.v6.sin6_addr.s6_addr, 16);
	} else if (addr->as.any.sa_family == AF_INET) {
		memcpy(out, mapped_prefix, sizeof(mapped_prefix));
		memcpy(out + 12, &addr->as.v4.sin_addr, 4);
	}
}

/* The first bytes of an address that is no IPv4 one, and of one that is. */
static void prefix_bytes(const struct addr *addr, size_t v6_bytes, size_t v4_bytes, uint8_t out[16])
{
	bool is_v4 = addr->as.any.sa_family == AF_INET || is_mapped(addr);
	size_t nkept = is_v4 ? sizeof(mapped_prefix) + v4_bytes : v6_bytes;

	addr_ip_bytes(addr, out);
	memset(out + nkept, 0, 16 - nkept);
}

void addr_client_bytes(const struct addr *addr, uint8_t out[16])
{
	prefix_bytes(addr, 8, 4, out);
}

void addr_network_bytes(const struct addr *addr, uint8_t out[16])
{
	prefix_bytes(addr, 6, 3, out);
}

bool addr_eq_ip(const struct addr *a, const struct addr *b)
{
	uint8_t a_bytes[16], b_bytes[16];

	addr_ip_bytes(a, a_bytes);
	addr_ip_bytes(b, b_bytes);
	return memcmp(a_bytes, b_bytes, sizeof(a_bytes)) == 0;
}

bool addr_is_loopback(const struct addr *addr)
{
	static const uint8_t v6[16] = {[15] = 1};
	static const uint8_t v4[13] = {[10] = 0xff, 0xff, 127};
	uint8_t bytes[16];

	if (addr->as.any.sa_family != AF_INET && addr->as.any.sa_family != AF_INET6)
		return false;
	addr_ip_bytes(addr, bytes);
	return memcmp(bytes, v6, sizeof(v6)) == 0 || memcmp(bytes, v4, sizeof(v4)) == 0;
}
