/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net/addr.h: IPv4 and IPv6 addresses with a port. Values; any thread. One of another family
 * (none, or AF_UNIX for the ends of a Unix socket) stands for "no address": it has no length, shows
 * as "-", and compares as all zeros. */
#ifndef NET_ADDR_H
#define NET_ADDR_H
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/base/str.h"

struct addr {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} as;
};

enum { ADDR_TEXT_BYTES = 64 };

/* "192.0.2.1" or "2001:db8::1" or "[2001:db8::1]"; false, and *out untouched, if it is none. */
bool addr_parse(struct str text, uint16_t port, struct addr *out);

uint16_t addr_port(const struct addr *addr);
void addr_set_port(struct addr *addr, uint16_t port);
socklen_t addr_len(const struct addr *addr);

/* The IP alone; an IPv4 address mapped into IPv6 shows as IPv4, one of no family as "-".
 * Returns out. */
char *addr_ip_text(const struct addr *addr, char out[ADDR_TEXT_BYTES]);
/* With the port: "192.0.2.1:80", "[2001:db8::1]:80". Returns out. */
char *addr_text(const struct addr *addr, char out[ADDR_TEXT_BYTES]);

/* ::ffff:a.b.c.d becomes a.b.c.d; others stay. */
void addr_unmap(struct addr *addr);

/* Ports do not count; an IPv4 address equals itself mapped into IPv6. */
bool addr_eq_ip(const struct addr *a, const struct addr *b);

/* 127.0.0.0/8 or ::1; mapped into IPv6 too. */
bool addr_is_loopback(const struct addr *addr);

/* The 16 bytes of the address as IPv6 (IPv4 mapped), for comparing by mask. */
void addr_ip_bytes(const struct addr *addr, uint8_t out[16]);

/* The same of who is one client where connections and requests are counted: an IPv4 address alone,
 * an IPv6 one with its /64 (the other bits are zeros), since who has one of these has all. */
void addr_client_bytes(const struct addr *addr, uint8_t out[16]);

/* The same of a wider neighbourhood: the /24 of an IPv4 address, the /48 of an IPv6 one. */
void addr_network_bytes(const struct addr *addr, uint8_t out[16]);

#endif
