/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/config_lines.h"

#include "lib/base/check.h"
#include "squid-compat/ports.h"

/* Reads one line; the port it made, or NULL. */
static struct port *parse(struct config_lines *lines, const char *line)
{
	struct ports ports;

	ports_init(&ports, &lines->arena, &test_world);
	ports_parse(&ports, config_line(lines, line), lines->report);
	return ports.first;
}

/* Which lines are taken, and what is said of them. */
static void lines_are_judged_as_squid_does(void **state)
{
	static const struct line_case cases[] = {
		{"http_port 80", true, 0, NULL},
		{"http_port 80 accel", true, 0, NULL},
		{"ascii_port 8080 accel", true, 0, NULL},
		{"http_port 127.0.0.1:80", true, 0, NULL},
		{"http_port [::1]:80 accel", true, 0, NULL},
		{"http_port known.example:80 accel", true, 0, NULL},
		{"http_port unknown.example:80", false, REPORT_FATAL,
		 "http_port: failed to resolve Host/IP: unknown.example"},
		{"http_port", false, REPORT_FATAL, "missing Port"},
		{"http_port 0", false, REPORT_FATAL, "Port cannot be 0"},
		{"http_port 65536", false, REPORT_FATAL, "65535"},
		{"http_port unix:/run/a.sock accel", true, 0, NULL},
		{"http_port unix:/run/a.sock accel mode=0660 require-proxy-header", true, 0, NULL},
		{"http_port unix:run/a.sock accel", false, REPORT_FATAL, "absolute path"},
		{"http_port unix: accel", false, REPORT_FATAL, "absolute path"},
		{"http_port unix:/run/a.sock accel mode=888", false, REPORT_FATAL, "octal"},
		{"http_port unix:/run/a.sock accel mode=1777", false, REPORT_FATAL, "octal"},
		{"http_port unix:/run/a.sock accel mode=", false, REPORT_FATAL, "octal"},
		{"http_port unix:/run/a.sock ipv4", false, REPORT_FATAL, "no IPv4"},
		{"http_port 80 mode=660", false, REPORT_FATAL, "unix:"},
		{"http_port 80x", false, REPORT_FATAL, "Port"},
		{"https_port ${HTTPS_PORT} accel", false, REPORT_FATAL,
		 "https_port: missing Port: ${HTTPS_PORT}"},
		{"http_port [::1:80", false, REPORT_FATAL, "missing ']'"},
		{"http_port [::1]", false, REPORT_FATAL, "missing Port"},
		{"http_port :80", false, REPORT_FATAL, "failed to resolve"},
		{"http_port 80 foo", false, REPORT_FATAL, "Unknown http_port option 'foo'."},
		{"http_port 80 accel=on", false, REPORT_FATAL, "Unknown http_port option"},
		{"http_port 80 defaultsite=a", true, REPORT_WARNING,
		 "defaultsite option requires Acceleration mode flag."},
		{"http_port 80 defaultsite=a accel", true, REPORT_WARNING, "requires Accel"},
		{"http_port 80 vport", true, REPORT_WARNING, "vport option requires"},
		{"http_port 80 allow-direct", false, REPORT_FATAL, "allow-direct option requires"},
		{"http_port 80 accel defaultsite", false, REPORT_FATAL, "Unknown http_port"},
		{"http_port 80 vhost", true, REPORT_WARNING,
		 "vhost option is deprecated. Use 'accel' mode flag instead."},
		{"http_port 80 no-vhost accel", true, REPORT_ERROR, "no-vhost option requires"},
		{"http_port 80 act-as-origin", true, REPORT_ERROR, "act-as-origin option req"},
		{"http_port 80 accel intercept", false, REPORT_FATAL, "Accelerator mode requires"},
		{"http_port 80 tproxy", false, REPORT_FATAL, "intercepting"},
		{"http_port 80 accel protocol=gopher", false, REPORT_FATAL, "protocol=gopher"},
		{"http_port 80 accel protocol=https", false, REPORT_FATAL,
		 "https_port requires a cert= parameter"},
		{"http_port 80 accel protocol=http/1.1", true, 0, NULL},
		{"https_port 443 accel", false, REPORT_FATAL,
		 "https_port requires a cert= parameter"},
		{"https_port 443 accel protocol=http", true, 0, NULL},
		{"http_port 80 accel vport=70000", false, REPORT_FATAL, "vport"},
		{"http_port 80 tcpkeepalive=60,5,3", true, 0, NULL},
		{"http_port 80 tcpkeepalive=x", false, REPORT_FATAL, "tcpkeepalive"},
		{"http_port 80 tcpkeepalive=1,2,3,4", false, REPORT_FATAL, "tcpkeepalive"},
		{"http_port 80 disable-pmtu-discovery=maybe", false, REPORT_FATAL, "pmtu"},
		{"http_port 80 disable-pmtu-discovery=off", true, 0, NULL},
		{"https_port 443 require-proxy-header cert=/ok/c", false, REPORT_FATAL,
		 "require-proxy-header"},
		{"http_port 80 http11", false, REPORT_FATAL, "Unknown http_port option 'http11'"},
		{"http_port 80 accel cert=/missing", true, 0, NULL},
		{"https_port 443 accel cert=/ok/c key=/ok/k", true, 0, NULL},
		{"https_port 443 accel tls-cert=/ok/c", true, 0, NULL},
		{"https_port 443 accel cert=/etc/c", true, REPORT_ERROR,
		 "unable to load certificate file '/etc/c'"},
		{"https_port 443 accel cert=/ok/c key=/etc/k", true, REPORT_ERROR,
		 "Failed to acquire SSL private key '/etc/k'"},
		{"https_port 443 accel cert=/ok/c cert=/ok/d key=/ok/k", true, 0, NULL},
		{"https_port 443 accel tls-cert-dir=/ok", true, 0, NULL},
		{"https_port 443 accel cert=/ok/c tls-ocsp=/etc/o", true, REPORT_ERROR,
		 "unable to load OCSP answer '/etc/o'"},
		{"https_port 443 accel tls-ocsp=/ok/o cert=/ok/c", false, REPORT_FATAL,
		 "tls-ocsp= option requires a preceding certificate option"},
		{"https_port 443 cert=/ok/c cipher=aNULL", false, REPORT_FATAL,
		 "Failed to set SSL cipher suite 'aNULL'"},
		{"https_port 443 cert=/ok/c options=NO_TLSv1_2,NO_TLSv1_3", false, REPORT_FATAL,
		 "no version of TLS"},
		{"https_port 443 cert=/ok/c cipher=HIGH:BOGUS", true, REPORT_WARNING,
		 "'BOGUS' is no suite"},
		{"https_port 443 accel key=/ok/k cert=/ok/c", false, REPORT_FATAL, "key="},
		{"https_port 443 cert=/ok/c clientca=/etc/c", false, REPORT_FATAL,
		 "Unable to read client CAs from file: /etc/c"},
		{"https_port 443 cert=/ok/c sslflags=BOGUS", false, REPORT_FATAL,
		 "Unknown TLS flag 'BOGUS'"},
		{"https_port 443 cert=/ok/c sslflags=NO_DEFAULT_CA:VERIFY_CRL", true,
		 REPORT_WARNING, "Use tls-default-ca=off instead."},
		{"https_port 443 cert=/ok/c sslflags=VERIFY_CRL_ALL", true, REPORT_WARNING,
		 "VERIFY_CRL flags change nothing"},
		{"https_port 443 cert=/ok/c sslversion=1", false, REPORT_FATAL,
		 "Unknown https_port option 'sslversion=1'."},
		{"https_port 443 cert=/ok/c version=3", true, REPORT_WARNING,
		 "SSL version= is deprecated"},
		{"https_port 443 cert=/ok/c tls-min-version=9", true, REPORT_WARNING,
		 "Unknown TLS minimum version: 9"},
		{"https_port 443 cert=/ok/c dhparams=/etc/d", true, REPORT_WARNING,
		 "Failed to open '/etc/d'"},
		{"https_port 443 cert=/ok/c cafile=/etc/ca", true, REPORT_WARNING,
		 "'cafile=/etc/ca' is deprecated in https_port. Use 'tls-cafile=' instead."},
		{"https_port 443 cert=/ok/c cafile=/etc/ca", true, REPORT_WARNING,
		 "Ignoring error setting CA certificate location /etc/ca"},
		{"https_port 443 cert=/ok/c options=NO_SSLv3,NO_TLSv1,SINGLE_DH_USE", true,
		 REPORT_ERROR, "Unsupported TLS option SINGLE_DH_USE"},
		{"https_port 443 cert=/ok/c options=BOGUS", true, REPORT_ERROR,
		 "Unknown TLS option BOGUS"},
		{"https_port 443 cert=/ok/c tls-bogus=1", true, REPORT_ERROR,
		 "Unknown TLS option"},
		{"https_port 443 cert=/ok/c crlfile=/etc/x sslcontext=a tls-no-npn", true, 0, NULL},
	};
	struct config_lines lines;

	(void)state;
	config_lines_init(&lines);
	for (size_t i = 0; i < COUNT(cases); i++)
		config_lines_judge(&lines, &cases[i], parse(&lines, cases[i].line) != NULL);
	config_lines_fini(&lines);
}

static void accel_means_vhost_and_order_counts(void **state)
{
	static const struct {
		const char *line;
		bool accel, vhost;
	} cases[] = {
		{"http_port 3128", false, false},
		{"http_port 80 accel", true, true},
		{"http_port 80 accel no-vhost", true, false},
		{"http_port 80 no-vhost accel", true, true},
		{"http_port 80 vhost", true, true},
	};
	struct config_lines lines;

	(void)state;
	config_lines_init(&lines);
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct port *port = parse(&lines, cases[i].line);

		if (!port || port->is_accel != cases[i].accel || port->has_vhost != cases[i].vhost)
			fail_msg("%s", cases[i].line);
	}
	config_lines_fini(&lines);
}

static void a_host_name_becomes_the_default_site(void **state)
{
	struct config_lines lines;
	const struct port *port;
	char text[ADDR_TEXT_BYTES];

	(void)state;
	config_lines_init(&lines);
	port = parse(&lines, "http_port known.example:8080 accel");
	assert_non_null(port);
	assert_string_equal(addr_text(&port->addr, text), "192.0.2.7:8080");
	assert_string_equal(port->defaultsite.at, "known.example");
	assert_string_equal(port->name.at, "known.example:8080");
	assert_false(port->is_any);
	port = parse(&lines, "http_port known.example:8080 accel defaultsite=other:81 name=n");
	assert_non_null(port);
	assert_string_equal(port->defaultsite.at, "other:81");
	assert_int_equal(port->site_port, 81);
	assert_string_equal(port->name.at, "n");
	config_lines_fini(&lines);
}

static void options_reach_their_fields(void **state)
{
	struct config_lines lines;
	const struct port *port;

	(void)state;
	config_lines_init(&lines);
	port = parse(&lines, "http_port 80 accel vport=81 ignore-cc allow-direct act-as-origin "
			     "ipv4 tcpkeepalive=60,5 worker-queues no-connection-auth h2c no-http2");
	assert_non_null(port);
	assert_int_equal(port->vport, 81);
	assert_true(port->is_ignore_cc && port->may_go_direct && port->is_act_as_origin);
	assert_true(port->has_worker_queues && !port->has_connection_auth);
	assert_true(port->has_h2c && port->no_http2);
	assert_true(port->is_any && port->is_ipv4_only);
	assert_int_equal(port->addr.as.any.sa_family, AF_INET);
	assert_true(port->keepalive.is_on);
	assert_int_equal(port->keepalive.idle_s, 60);
	assert_int_equal(port->keepalive.interval_s, 5);
	assert_int_equal(port->keepalive.timeout_s, 0);
	assert_true(port_allows_no_host(port));
	port = parse(&lines, "http_port 80 accel vport=0");
	assert_non_null(port);
	assert_false(port->has_vport || port_allows_no_host(port));
	port = parse(&lines, "https_port 443 accel cert=/ok/c options=NO_TLSv1 version=6");
	assert_non_null(port);
	assert_true(port->is_tls && port->is_https_url);
	assert_string_equal(port->tls.options.at, "NO_TLSv1");
	assert_int_equal(port->tls.only_version, 2);
	config_lines_fini(&lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_judged_as_squid_does),
		cmocka_unit_test(accel_means_vhost_and_order_counts),
		cmocka_unit_test(a_host_name_becomes_the_default_site),
		cmocka_unit_test(options_reach_their_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
