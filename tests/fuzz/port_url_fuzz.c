/* SPDX-License-Identifier: BSD-2-Clause */
/* A request-target and a Host, apart by a newline, on each kind of port. What becomes a URL is its own
 * normal form, and its spans lie in it. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/check.h"
#include "squid-compat/ports_url.h"

enum { MAX_URL = 1 << 20 };

static const struct port ports[] = {
	{.is_accel = false},
	{.is_accel = true, .has_vhost = true},
	{.is_accel = true, .has_vhost = true, .has_vport = true, .is_https_url = true},
	{.is_accel = true, .has_vhost = true, .vport = 81, .site_host = {"d.example", 9}},
	{.is_accel = true, .site_host = {"d.example", 9}, .site_port = 8080},
};

static const struct port_url_rules completes = {.append_domain = {".d.example", 10}};
static const struct port_url_rules refuses = {.refuses_underscore = true};
static const struct port_url_rules *const rules[] = {NULL, &completes, &refuses};

static void check_span(const struct buf *out, struct http_span span)
{
	check(span.at <= out->len && span.len <= out->len - span.at);
}

static void check_url(const struct buf *out, const struct port_url *url)
{
	struct port_url again;
	struct buf copy;

	check_span(out, url->scheme);
	check_span(out, url->authority);
	check_span(out, url->host);
	check_span(out, url->path);
	check(url->port > 0 && url->host.len > 0 && out->at[url->path.at] == '/');
	check(url->path.at + url->path.len == out->len);
	buf_init(&copy, MAX_URL);
	check(port_url_absolute(buf_str(out), NULL, &copy, &again) == PORT_URL_OK);
	check(str_eq(buf_str(out), buf_str(&copy)) && again.port == url->port);
	buf_fini(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct str all = {(const char *)bytes, len};
	struct str target = str_first(all, str_find_char(all, '\n'));
	struct str host = str_from(all, target.len + 1);
	struct port_url url;
	struct addr local;
	struct buf out;

	check(addr_parse(STR("2001:db8::1"), 8000, &local));
	buf_init(&out, MAX_URL);
	for (size_t i = 0; i < COUNT(ports); i++) {
		struct port_request request = {&ports[i], target, host, &local,
					       rules[i % COUNT(rules)]};

		if (port_request_url(&request, &out, &url) == PORT_URL_OK)
			check_url(&out, &url);
		else
			check(out.len == 0);
	}
	buf_fini(&out);
	return 0;
}
