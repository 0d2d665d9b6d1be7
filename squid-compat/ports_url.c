/* SPDX-License-Identifier: BSD-2-Clause */
/* One reservation, then the pieces are written in order: scheme, host (checked and lower-cased as
 * it is copied), port, path. What turns out malformed leaves the buffer empty. */
#include "squid-compat/ports_url.h"

#include <stdio.h>

/* Characters of a site's name, each with its lower case; 0: not usable (Squid takes these only). */
static const char host_char[256] = {
	['-'] = '-', ['.'] = '.', ['_'] = '_',
	['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4',
	['5'] = '5', ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9',
	['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd', ['E'] = 'e', ['F'] = 'f', ['G'] = 'g',
	['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k', ['L'] = 'l', ['M'] = 'm', ['N'] = 'n',
	['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r', ['S'] = 's', ['T'] = 't', ['U'] = 'u',
	['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y', ['Z'] = 'z',
	['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd', ['e'] = 'e', ['f'] = 'f', ['g'] = 'g',
	['h'] = 'h', ['i'] = 'i', ['j'] = 'j', ['k'] = 'k', ['l'] = 'l', ['m'] = 'm', ['n'] = 'n',
	['o'] = 'o', ['p'] = 'p', ['q'] = 'q', ['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u',
	['v'] = 'v', ['w'] = 'w', ['x'] = 'x', ['y'] = 'y', ['z'] = 'z',
};

enum {
	SCHEME_ROOM = sizeof("https://") - 1,
	PORT_ROOM = sizeof(":65535") - 1,
};

/* Where a URL points; host with its brackets if it is IPv6. */
struct site {
	struct str host;
	uint16_t port; /* 0: the scheme's */
	bool is_https;
};

/* What stands behind the colon; an empty port is none. */
static bool read_port(struct str digits, uint16_t *out)
{
	uint64_t value = 0;

	if (digits.len > 0 && (!str_to_u64(digits, &value) || value == 0 || value > UINT16_MAX))
		return false;
	*out = (uint16_t)value;
	return true;
}

/* "host", "host:port", "[v6]:port". False: it is none of these. */
static bool cut_authority(struct str authority, struct site *out)
{
	size_t colon = 0;
	struct addr addr;

	out->port = 0;
	if (authority.len > 0 && authority.at[0] == '[') {
		size_t end = str_find_char(authority, ']');

		if (end == authority.len || !addr_parse(str_first(authority, end + 1), 0, &addr) ||
		    addr.as.any.sa_family != AF_INET6)
			return false;
		colon = end + 1;
		if (colon < authority.len && authority.at[colon] != ':')
			return false;
	} else {
		colon = str_find_char(authority, ':');
	}
	out->host = str_first(authority, colon);
	return colon >= authority.len || read_port(str_from(authority, colon + 1), &out->port);
}

/* Copies host to at in lower case. Returns its length without one dot at its end; 0: it is no
 * usable name (RFC 3986 §3.2.2, and Squid's narrower set of characters). */
static size_t put_name(char *at, struct str host)
{
	char last = '.';

	for (size_t i = 0; i < host.len; i++) {
		char c = host_char[(unsigned char)host.at[i]];

		if (c == 0 || (c == '.' && last == '.'))
			return 0;
		at[i] = last = c;
	}
	if (host.len > 0 && last == '.')
		return host.len - 1;
	return host.len;
}

/* Squid: append_domain, of which there is room behind the name. Returns how long it is then. */
static size_t complete_name(char *at, size_t len, const struct port_url_rules *rules)
{
	if (rules->refuses_underscore && memchr(at, '_', len))
		return 0;
	if (len == 0 || rules->append_domain.len == 0 || memchr(at, '.', len))
		return len;
	memcpy(at + len, rules->append_domain.at, rules->append_domain.len);
	return len + rules->append_domain.len;
}

/* An IPv6 address in brackets: cut_authority has checked it. */
static size_t put_v6(char *at, struct str host)
{
	for (size_t i = 0; i < host.len; i++)
		at[i] = ascii_lower(host.at[i]);
	return host.len;
}

static size_t put_port(char *at, uint16_t port)
{
	char digits[5];
	size_t n = sizeof(digits);

	for (unsigned left = port; left > 0; left /= 10)
		digits[--n] = (char)('0' + left % 10);
	at[0] = ':';
	memcpy(at + 1, digits + n, sizeof(digits) - n);
	return 1 + sizeof(digits) - n;
}

static struct http_span span(const struct buf *out, const char *from, size_t len)
{
	return (struct http_span){(uint32_t)(from - out->at), (uint32_t)len};
}

/* Writes the URL. False, and nothing written: the host is not usable, or there is no room. */
static bool write_url(const struct site *site, struct str path, const struct port_url_rules *rules,
		      struct buf *out, struct port_url *url)
{
	const struct str scheme = site->is_https ? STR("https://") : STR("http://");
	const uint16_t usual = site->is_https ? 443 : 80;
	bool is_v6 = site->host.len > 0 && site->host.at[0] == '[';
	bool needs_slash = path.len == 0 || path.at[0] != '/';
	char *start, *at, *host;
	size_t host_len;

	buf_clear(out);
	start = at = buf_reserve(out, SCHEME_ROOM + site->host.len +
	                                      (rules ? rules->append_domain.len : 0) + PORT_ROOM +
	                                      1 + path.len);
	if (!start)
		return false;
	memcpy(at, scheme.at, scheme.len);
	host = at += scheme.len;
	host_len = is_v6 ? put_v6(at, site->host) : put_name(at, site->host);
	if (rules && !is_v6)
		host_len = complete_name(at, host_len, rules);
	if (host_len == 0)
		return false;
	at += host_len;
	if (site->port != 0 && site->port != usual)
		at += put_port(at, site->port);
	url->scheme = span(out, start, scheme.len - 3);
	url->authority = span(out, host, (size_t)(at - host));
	url->host = span(out, host + is_v6, host_len - 2 * (size_t)is_v6);
	url->port = site->port ? site->port : usual;
	url->is_https = site->is_https;
	url->path = span(out, at, path.len + needs_slash);
	if (needs_slash)
		*at++ = '/';
	if (path.len > 0)
		memcpy(at, path.at, path.len);
	out->len = (size_t)(at - start) + path.len;
	return true;
}

/* An absolute URL, cut. */
struct absolute {
	bool is_https;
	struct str authority;
	struct str path; /* with the query; may be empty or begin with '?' */
};

/* False: it has no scheme and authority. */
static bool cut_absolute(struct str text, struct absolute *out, bool *is_scheme_known)
{
	static const struct str schemes[] = {STR("http"), STR("https")};
	size_t colon = str_find_char(text, ':');
	struct str scheme = str_first(text, colon);
	struct str rest = str_from(text, colon);
	size_t end = 3;

	if (colon == 0 || !str_starts_with(rest, STR("://")))
		return false;
	out->is_https = str_eq_nocase(scheme, schemes[1]);
	*is_scheme_known = out->is_https || str_eq_nocase(scheme, schemes[0]);
	while (end < rest.len && rest.at[end] != '/' && rest.at[end] != '?' && rest.at[end] != '#')
		end++;
	out->authority = (struct str){rest.at + 3, end - 3};
	out->path = str_from(rest, end);
	return true;
}

static enum port_url_verdict write_absolute(const struct absolute *absolute,
					    const struct port_url_rules *rules, struct buf *out,
					    struct port_url *url)
{
	struct site site;

	site.is_https = absolute->is_https;
	if (cut_authority(absolute->authority, &site) &&
	    write_url(&site, absolute->path, rules, out, url))
		return PORT_URL_OK;
	buf_clear(out);
	return PORT_URL_NO_SITE;
}

/* vport: the port that every rebuilt URL gets; 0: none. */
static uint16_t forced_port(const struct port *port, const struct addr *local)
{
	if (port->vport != 0)
		return port->vport;
	return port->has_vport && local ? addr_port(local) : 0;
}

/* The site that the port itself names: defaultsite, or with vport the local address. */
static bool write_own_site(const struct port_request *request, struct str path, struct buf *out,
			   struct port_url *url)
{
	const struct port *port = request->port;
	const struct addr *local = request->local;
	uint16_t vport = forced_port(port, local);
	struct site site = {port->site_host, vport ? vport : port->site_port, port->is_https_url};
	char ip[ADDR_TEXT_BYTES], text[ADDR_TEXT_BYTES + 2];

	if (!site.host.at) {
		if (vport == 0 || !local || addr_len(local) == 0)
			return false;
		addr_ip_text(local, ip);
		site.host.at = text;
		site.host.len = (size_t)snprintf(text, sizeof(text),
						 strchr(ip, ':') ? "[%s]" : "%s", ip);
	}
	return write_url(&site, path, request->rules, out, url);
}

/* By the port's mode, for a path. host: what names the site with vhost; empty: nothing does. */
static enum port_url_verdict rebuild(const struct port_request *request, struct str path,
				     struct str host, struct buf *out, struct port_url *url)
{
	const struct port *port = request->port;
	uint16_t vport = forced_port(port, request->local);
	struct site site = {.is_https = port->is_https_url};

	if (port->has_vhost && host.len > 0) {
		if (!cut_authority(host, &site))
			return PORT_URL_NO_SITE;
		if (vport != 0)
			site.port = vport;
		if (write_url(&site, path, request->rules, out, url))
			return PORT_URL_OK;
	}
	if (write_own_site(request, path, out, url))
		return PORT_URL_OK;
	buf_clear(out);
	return PORT_URL_NO_SITE;
}

enum port_url_verdict port_request_url(const struct port_request *request, struct buf *out,
				       struct port_url *url)
{
	const struct port *port = request->port;
	struct str target = request->target;
	struct absolute absolute;
	bool is_known;

	buf_clear(out);
	if (target.len > 0 && target.at[0] == '/')
		return port->is_accel ? rebuild(request, target, request->host, out, url)
				      : PORT_URL_NO_SITE;
	if (!cut_absolute(target, &absolute, &is_known))
		return PORT_URL_NO_SITE;
	if (!is_known)
		return PORT_URL_BAD_SCHEME;
	if (port->is_accel && !port->has_vhost)
		return rebuild(request, absolute.path, STR_NONE, out, url);
	return write_absolute(&absolute, request->rules, out, url);
}

enum port_url_verdict port_url_absolute(struct str text, const struct port_url_rules *rules,
					struct buf *out, struct port_url *url)
{
	struct absolute absolute;
	bool is_known;

	buf_clear(out);
	if (!cut_absolute(text, &absolute, &is_known))
		return PORT_URL_NO_SITE;
	return is_known ? write_absolute(&absolute, rules, out, url) : PORT_URL_BAD_SCHEME;
}

bool port_cut_site(struct str text, struct str *host, uint16_t *port)
{
	struct site site;

	if (!cut_authority(text, &site))
		return false;
	*host = site.host;
	*port = site.port;
	return true;
}
