/* SPDX-License-Identifier: BSD-2-Clause */
/* A line is its address and then options, each a row of one table; a row either sets a flag or has
 * a handler. A line with a fatal fault is read to its end, so that all of its faults are told. */
#include "squid-compat/ports.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/base/check.h"
#include "lib/net/unix_socket.h"
#include "squid-compat/ports_url.h"
#include "squid-compat/tls/tls_priority.h"
#include "squid-compat/translate.h"

enum { UNIX_MODE = 0666 }; /* as open as a port of 127.0.0.1 */

/* One line being read. */
struct reading_port {
	struct ports *ports;
	struct port *port;
	const char *directive; /* "http_port" */
	struct report *report;
	struct str name, value; /* of the current option */
	bool has_value;
	bool is_bad; /* a fatal fault was said */
};

static void bad(struct reading_port *reading, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void bad(struct reading_port *reading, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	report_say(reading->report, REPORT_FATAL, "%s", text);
	reading->is_bad = true;
}

static struct str keep(struct reading_port *reading, struct str text)
{
	return arena_str(reading->ports->arena_, text);
}

/* ---- options */

static void take_accel(struct reading_port *reading)
{
	reading->port->is_accel = true;
	reading->port->has_vhost = true;
}

static void take_vhost(struct reading_port *reading)
{
	if (!reading->port->is_accel)
		report_say(reading->report, REPORT_WARNING,
			   "%s: vhost option is deprecated. Use 'accel' mode flag instead.",
			   reading->directive);
	take_accel(reading);
}

static void take_no_vhost(struct reading_port *reading)
{
	if (!reading->port->is_accel)
		report_say(reading->report, REPORT_ERROR,
			   "%s: no-vhost option requires Acceleration mode flag.",
			   reading->directive);
	reading->port->has_vhost = false;
}

/* Squid 2.6: these options alone make an accelerator, of one site unless vhost is there too. Later
 * Squids want the word (fatal). */
static void imply_accel(struct reading_port *reading)
{
	if (reading->port->is_accel)
		return;
	report_say(reading->report, REPORT_WARNING,
		   "%s: %.*s option requires Acceleration mode flag. As in Squid 2.6 it is taken for "
		   "'accel no-vhost' (with vhost: 'accel')",
		   reading->directive, STR_ARG(reading->name));
	reading->port->is_accel = true;
}

static void take_defaultsite(struct reading_port *reading)
{
	imply_accel(reading);
	reading->port->defaultsite = keep(reading, reading->value);
}

static void take_vport(struct reading_port *reading)
{
	uint64_t number = 0;

	imply_accel(reading);
	if (reading->has_value && (!str_to_u64(reading->value, &number) || number > UINT16_MAX)) {
		bad(reading, "%s: invalid vport '%.*s'", reading->directive,
		    STR_ARG(reading->value));
		return;
	}
	reading->port->vport = (uint16_t)number;
	reading->port->has_vport = !reading->has_value || number != 0;
}

/* The protocol decides the URL's scheme and whether the socket speaks TLS. */
static void take_protocol(struct reading_port *reading)
{
	static const struct {
		struct str name;
		bool is_https;
	} protocols[] = {
		{STR("HTTP"), false},
		{STR("HTTP/1.1"), false},
		{STR("HTTPS"), true},
		{STR("HTTPS/1.1"), true},
	};

	for (size_t i = 0; i < COUNT(protocols); i++)
		if (str_eq_nocase(reading->value, protocols[i].name)) {
			reading->port->is_tls = protocols[i].is_https;
			reading->port->is_https_url = protocols[i].is_https;
			return;
		}
	bad(reading, "%s does not support option protocol=%.*s", reading->directive,
	    STR_ARG(reading->value));
}

static void take_act_as_origin(struct reading_port *reading)
{
	if (!reading->port->is_accel)
		report_say(reading->report, REPORT_ERROR,
			   "%s: act-as-origin option requires Acceleration mode flag.",
			   reading->directive);
	else
		reading->port->is_act_as_origin = true;
}

static void take_name(struct reading_port *reading)
{
	if (reading->value.len == 0)
		bad(reading, "%s: name= needs a name", reading->directive);
	else
		reading->port->name = keep(reading, reading->value);
}

static void take_connection_auth(struct reading_port *reading)
{
	if (!reading->has_value || str_eq(reading->value, STR("on")))
		reading->port->has_connection_auth = true;
	else if (str_eq(reading->value, STR("off")))
		reading->port->has_connection_auth = false;
	else
		bad(reading, "%s: connection-auth= is on or off", reading->directive);
}

static void take_no_connection_auth(struct reading_port *reading)
{
	reading->port->has_connection_auth = false;
}

/* idle[,interval[,timeout]], seconds. */
static void take_keepalive(struct reading_port *reading)
{
	struct port_keepalive *keepalive = &reading->port->keepalive;
	int *const parts[] = {&keepalive->idle_s, &keepalive->interval_s, &keepalive->timeout_s};
	struct str rest = reading->value, part;
	size_t i = 0;

	keepalive->is_on = true;
	while (reading->has_value && str_split(&rest, ',', &part)) {
		uint64_t seconds;

		if (i == COUNT(parts) || !str_to_u64(part, &seconds) || seconds > 86400) {
			bad(reading,
			    "%s: tcpkeepalive=%.*s is not idle,interval,timeout in seconds",
			    reading->directive, STR_ARG(reading->value));
			return;
		}
		*parts[i++] = (int)seconds;
	}
}

static void take_pmtu(struct reading_port *reading)
{
	static const struct {
		struct str name;
		enum port_pmtu value;
	} values[] = {
		{STR("off"), PORT_PMTU_OFF},
		{STR("transparent"), PORT_PMTU_TRANSPARENT},
		{STR("always"), PORT_PMTU_ALWAYS},
	};

	for (size_t i = 0; i < COUNT(values); i++)
		if (str_eq(reading->value, values[i].name)) {
			reading->port->pmtu = values[i].value;
			return;
		}
	bad(reading, "%s: disable-pmtu-discovery= is off, transparent or always",
	    reading->directive);
}

static void take_proxy_header(struct reading_port *reading)
{
	if (reading->port->is_https_line)
		bad(reading, "https_port: require-proxy-header is not supported");
	else
		reading->port->needs_proxy_header = true;
}

/* Who may connect: whoever may write to the file. */
static void take_mode(struct reading_port *reading)
{
	unsigned mode = 0;

	for (size_t i = 0; i < reading->value.len; i++) {
		char c = reading->value.at[i];

		mode = c >= '0' && c <= '7' ? mode * 8 + (unsigned)(c - '0') : 01000;
		if (mode > 0777)
			break;
	}
	if (!reading->port->unix_path.at)
		bad(reading, "%s: mode= is for unix: sockets", reading->directive);
	else if (reading->value.len == 0 || mode > 0777)
		bad(reading, "%s: mode=%.*s is no octal number up to 777", reading->directive,
		    STR_ARG(reading->value));
	else
		reading->port->unix_mode = mode;
}

static void take_ipv4(struct reading_port *reading)
{
	struct port *port = reading->port;

	port->is_ipv4_only = true;
	if (port->is_any)
		addr_parse(STR("0.0.0.0"), addr_port(&port->addr), &port->addr);
	else if (port->addr.as.any.sa_family != AF_INET)
		bad(reading, "%s: %.*s is no IPv4 address", reading->directive,
		    STR_ARG(port->spec));
}

/* Who sees a request's plaintext, or whose traffic is taken, must not change silently. */
static void take_interception(struct reading_port *reading)
{
	if (reading->port->is_accel)
		bad(reading,
		    "%s: Accelerator mode requires its own port. It cannot be shared with other "
		    "modes.",
		    reading->directive);
	else
		bad(reading, "%s: %.*s is for intercepting proxies, which this program is not",
		    reading->directive, STR_ARG(reading->name));
}

static void take_nothing(struct reading_port *reading)
{
	report_say(reading->report, REPORT_HARMLESS, "%s: %.*s has no effect here",
	           reading->directive, STR_ARG(reading->name));
}

enum value_rule {
	VALUE_NONE,
	VALUE_MUST,
	VALUE_MAY,
};

#define FLAG(member) offsetof(struct port, member)

static const struct port_option {
	const char *name;
	enum value_rule value;
	bool needs_accel; /* fatal if accel does not stand before it */
	void (*take)(struct reading_port *reading);
	size_t flag; /* without a handler: the bool to set */
} port_options[] = {
	{"accel", VALUE_NONE, false, take_accel, 0},
	{"vhost", VALUE_NONE, false, take_vhost, 0},
	{"no-vhost", VALUE_NONE, false, take_no_vhost, 0},
	{"defaultsite", VALUE_MUST, false, take_defaultsite, 0},
	{"vport", VALUE_MAY, false, take_vport, 0},
	{"protocol", VALUE_MUST, false, take_protocol, 0},
	{"act-as-origin", VALUE_NONE, false, take_act_as_origin, 0},
	{"ignore-cc", VALUE_NONE, false, NULL, FLAG(is_ignore_cc)},
	{"allow-direct", VALUE_NONE, true, NULL, FLAG(may_go_direct)},
	{"name", VALUE_MUST, false, take_name, 0},
	{"connection-auth", VALUE_MAY, false, take_connection_auth, 0},
	{"no-connection-auth", VALUE_NONE, false, take_no_connection_auth, 0},
	{"tcpkeepalive", VALUE_MAY, false, take_keepalive, 0},
	{"disable-pmtu-discovery", VALUE_MUST, false, take_pmtu, 0},
	{"ipv4", VALUE_NONE, false, take_ipv4, 0},
	{"mode", VALUE_MUST, false, take_mode, 0},
	{"require-proxy-header", VALUE_NONE, false, take_proxy_header, 0},
	{"worker-queues", VALUE_NONE, false, NULL, FLAG(has_worker_queues)},
	{"no-http2", VALUE_NONE, false, NULL, FLAG(no_http2)},
	{"h2c", VALUE_NONE, true, NULL, FLAG(has_h2c)},
	{"intercept", VALUE_NONE, false, take_interception, 0},
	{"transparent", VALUE_NONE, false, take_interception, 0},
	{"tproxy", VALUE_NONE, false, take_interception, 0},
	{"ssl-bump", VALUE_NONE, false, take_interception, 0},
	{"sslBump", VALUE_NONE, false, take_interception, 0},
	{"generate-host-certificates", VALUE_MAY, false, take_nothing, 0},
	{"dynamic_cert_mem_cache_size", VALUE_MUST, false, take_nothing, 0},
};

static const struct port_option *find_option(struct str name, bool has_value)
{
	for (size_t i = 0; i < COUNT(port_options); i++) {
		const struct port_option *option = &port_options[i];

		if (str_eq(name, str_of(option->name)) &&
		    (option->value == VALUE_MAY || has_value == (option->value == VALUE_MUST)))
			return option;
	}
	return NULL;
}

static void read_option(struct reading_port *reading, struct str word)
{
	size_t equals = str_find_char(word, '=');
	const struct port_option *option;

	reading->name = str_first(word, equals);
	reading->value = str_from(word, equals + 1);
	reading->has_value = equals < word.len;
	option = find_option(reading->name, reading->has_value);
	if (!option) {
		if (tls_options_take(&reading->port->tls, TLS_LINE_PORT, word, reading->directive,
				     reading->ports->arena_,
				     reading->report) == TLS_OPTION_UNKNOWN)
			bad(reading, "Unknown %s option '%.*s'.", reading->directive,
			    STR_ARG(word));
	} else if (option->needs_accel && !reading->port->is_accel) {
		bad(reading, "%s: %s option requires Acceleration mode flag.", reading->directive,
		    option->name);
	} else if (option->take) {
		option->take(reading);
	} else {
		*(bool *)((char *)reading->port + option->flag) = true;
	}
}

/* ---- the address: PORT, IP:PORT, [IPv6]:PORT, NAME:PORT, unix:PATH */

static bool read_number(struct reading_port *reading, struct str digits, uint16_t *out)
{
	uint64_t number;

	if (digits.len == 0 || digits.at[0] < '0' || digits.at[0] > '9') {
		bad(reading, "%s: missing Port: %.*s", reading->directive,
		    STR_ARG(reading->port->spec));
		return false;
	}
	if (!str_to_u64(digits, &number) || number > UINT16_MAX) {
		bad(reading, "%s: Port is no number up to 65535: %.*s", reading->directive,
		    STR_ARG(reading->port->spec));
		return false;
	}
	if (number == 0) {
		bad(reading, "%s: Port cannot be 0: %.*s", reading->directive,
		    STR_ARG(reading->port->spec));
		return false;
	}
	*out = (uint16_t)number;
	return true;
}

/* A name is resolved now, and becomes the default site. */
static void read_host(struct reading_port *reading, struct str host, uint16_t number)
{
	struct port *port = reading->port;
	struct str name;

	if (addr_parse(host, number, &port->addr))
		return;
	name = keep(reading, host);
	if (host.len == 0 || reading->ports->world_->resolve(name.at, number, &port->addr, 1) == 0)
		bad(reading, "%s: failed to resolve Host/IP: %.*s", reading->directive,
		    STR_ARG(host));
	else
		port->defaultsite = name;
}

static void read_unix_address(struct reading_port *reading, struct str path)
{
	struct port *port = reading->port;

	port->addr = (struct addr){.as.any.sa_family = AF_UNIX};
	port->unix_path = keep(reading, path);
	port->unix_mode = UNIX_MODE;
	if (!unix_socket_is_path(path))
		bad(reading, "%s: unix: needs an absolute path of up to %d bytes: %.*s",
		    reading->directive, UNIX_SOCKET_MAX_PATH, STR_ARG(port->spec));
}

static void read_address(struct reading_port *reading, struct str spec)
{
	static const struct str unix_prefix = {"unix:", 5};
	struct port *port = reading->port;
	struct str host = STR_NONE, digits = spec;
	size_t colon = str_find_char(spec, ':');
	uint16_t number;

	if (str_starts_with(spec, unix_prefix)) {
		read_unix_address(reading, str_from(spec, unix_prefix.len));
		return;
	}
	if (spec.len > 0 && spec.at[0] == '[') {
		size_t end = str_find_char(spec, ']');

		if (end == spec.len) {
			bad(reading, "%s: missing ']' on IPv6 address: %.*s", reading->directive,
			    STR_ARG(spec));
			return;
		}
		host = str_first(spec, end + 1);
		digits = str_from(spec, end + 1);
		digits = digits.len > 0 && digits.at[0] == ':' ? str_from(digits, 1) : STR_NONE;
	} else if (colon < spec.len) {
		host = str_first(spec, colon);
		digits = str_from(spec, colon + 1);
	}
	if (!read_number(reading, digits, &number))
		return;
	port->is_any = !host.at;
	if (host.at)
		read_host(reading, host, number);
	else
		addr_parse(STR("::"), number, &port->addr);
}

/* ---- the line */

/* What follows from the options together. */
static void finish(struct reading_port *reading)
{
	struct port *port = reading->port;

	if (port->defaultsite.at && !port_cut_site(port->defaultsite, &port->site_host,
						   &port->site_port)) {
		report_say(reading->report, REPORT_WARNING,
			   "%s: defaultsite=%.*s is no host[:port]: it will not be used",
			   reading->directive, STR_ARG(port->defaultsite));
		port->site_host = STR_NONE;
	}
	if (!port->is_tls || reading->is_bad)
		return;
	if (!port->tls.pairs && !port->tls.cert_dir.at) {
		bad(reading, "https_port requires a cert= parameter");
		return;
	}
	port->tls.password_program = reading->ports->password_program_;
	tls_options_check(&port->tls, TLS_LINE_PORT, reading->ports->world_, reading->report);
	port->tls_priorities = tls_priority(&port->tls, TLS_LINE_PORT, reading->ports->arena_,
					    reading->report);
	tls_files_read(&port->tls, reading->ports->world_, reading->ports->arena_,
		       &port->tls_files);
}

static bool is_same_socket(const struct port *a, const struct port *b)
{
	if (a->unix_path.at || b->unix_path.at)
		return a->unix_path.at && b->unix_path.at && str_eq(a->unix_path, b->unix_path);
	return addr_port(&a->addr) == addr_port(&b->addr) && addr_eq_ip(&a->addr, &b->addr) &&
	       a->is_ipv4_only == b->is_ipv4_only;
}

/* Where Squid cannot open a socket it goes on with the others. */
static bool is_there_already(const struct reading_port *reading)
{
	for (const struct port *port = reading->ports->first; port; port = port->next) {
		if (!is_same_socket(port, reading->port))
			continue;
		report_say(reading->report, REPORT_ERROR,
			   "%s %.*s: a line above listens there already: this one is left out",
			   reading->directive, STR_ARG(reading->port->spec));
		return true;
	}
	return false;
}

static void append(struct ports *ports, struct port *port)
{
	*ports->last_ = port;
	ports->last_ = &port->next;
	port->index = ports->n++;
}

bool ports_accelerate(struct ports *ports, const struct httpd_accel *accel)
{
	bool is_virtual = httpd_accel_is_virtual(accel);

	for (struct port *port = ports->first; port; port = port->next)
		if (port->is_accel)
			return false;
	for (struct port *port = ports->first; port; port = port->next) {
		port->is_accel = true;
		port->has_vhost = is_virtual;
		port->has_vport = accel->port != 80;
		port->vport = port->has_vport ? accel->port : 0;
		if (str_eq(str_of(accel->host), STR("virtual")))
			continue;
		port->defaultsite = arena_str(ports->arena_, str_of(accel->host));
		if (!port_cut_site(port->defaultsite, &port->site_host, &port->site_port))
			port->site_host = STR_NONE;
	}
	return true;
}

void ports_init(struct ports *ports, struct arena *arena, const struct world *world)
{
	*ports = (struct ports){.last_ = &ports->first, .arena_ = arena, .world_ = world};
}

void ports_parse(struct ports *ports, const struct words *words, struct report *report)
{
	struct port *port = arena_zalloc(ports->arena_, sizeof(*port));
	bool is_https = str_eq(words_text(words, 0), STR("https_port"));
	struct reading_port reading = {
		.ports = ports,
		.port = port,
		.directive = is_https ? "https_port" : "http_port",
		.report = report,
	};
	size_t nfatal = report_count(report, REPORT_FATAL);

	if (words->n < 2) {
		bad(&reading, "%s: missing Port", reading.directive);
		return;
	}
	tls_options_init(&port->tls, TLS_LINE_PORT);
	port->spec = keep(&reading, words_text(words, 1));
	port->name = port->spec;
	port->is_https_line = port->is_tls = port->is_https_url = is_https;
	port->has_connection_auth = true;
	read_address(&reading, port->spec);
	for (size_t i = 2; i < words->n; i++)
		read_option(&reading, words_text(words, i));
	finish(&reading);
	if (report_count(report, REPORT_FATAL) == nfatal && !is_there_already(&reading))
		append(ports, port);
}

bool port_allows_no_host(const struct port *port)
{
	return port->is_accel && (port->site_host.at || port->vport != 0 || port->has_vport);
}
