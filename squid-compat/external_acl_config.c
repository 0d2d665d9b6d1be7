/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/external_acl_config.h"

#include "lib/base/check.h"
#include "squid-compat/helper_config_internal.h"

enum {
	DEFAULT_TTL_S = 3600,
	DEFAULT_CACHE = 262144,
	DEFAULT_CHILDREN = 5,
	DEFAULT_TIMEOUT_S = 60,
	MAX_SECONDS = 1000000000,
	MAX_CACHE = 100000000,
	MAX_CHILDREN = 10000,
	MAX_CONCURRENCY = 1000000,
	MAX_FORMAT_BYTES = 65536,
};

void external_acl_types_init(struct external_acl_types *types, struct arena *arena,
			     const struct world *world)
{
	*types = (struct external_acl_types){
		.arena_ = arena,
		.world_ = world,
	};
	types->last_ = &types->first;
}

/* ---- options */

/* A line while it is read. */
struct external_line {
	struct external_acl_type *type;
	const struct words *words;
	struct report *report;
	size_t next; /* word */
	bool has_negative_ttl;
};

static bool read_number(struct str value, uint64_t max, uint64_t *out)
{
	return str_to_u64(value, out) && *out <= max;
}

static bool read_seconds(struct str value, int64_t *out)
{
	uint64_t number;

	if (!read_number(value, MAX_SECONDS, &number))
		return false;
	*out = (int64_t)number;
	return true;
}

static bool read_unsigned(struct str value, uint64_t max, unsigned *out)
{
	uint64_t number;

	if (!read_number(value, max, &number))
		return false;
	*out = (unsigned)number;
	return true;
}

#define OPTION(name) static bool name(struct external_line *line, struct str value)

OPTION(read_ttl)
{
	return read_seconds(value, &line->type->ttl_s);
}

OPTION(read_negative_ttl)
{
	line->has_negative_ttl = true;
	return read_seconds(value, &line->type->negative_ttl_s);
}

OPTION(read_timeout)
{
	return read_seconds(value, &line->type->timeout_s);
}

OPTION(read_stale)
{
	return read_seconds(value, &line->type->stale_s);
}

/* stale:N is stale=N by another name, and may stand beside one of the others. */
OPTION(read_on_error)
{
	struct helper_children *children = &line->type->children;
	enum helper_on_error before = children->on_error;

	if (!helper_read_on_error(value, children) || children->on_error == HELPER_ON_ERROR_BYPASS)
		return false;
	if (children->on_error == HELPER_ON_ERROR_STALE) {
		line->type->stale_s = children->stale_s;
		children->on_error = before;
	}
	return true;
}

OPTION(read_grace)
{
	return read_unsigned(value, 100, &line->type->grace_percent);
}

OPTION(read_cache)
{
	return read_unsigned(value, MAX_CACHE, &line->type->max_entries);
}

OPTION(read_max)
{
	return read_unsigned(value, MAX_CHILDREN, &line->type->children.max) &&
	       line->type->children.max > 0;
}

OPTION(read_old_max)
{
	report_say(line->report, REPORT_WARNING,
		   "external_acl_type option children=N has been deprecated in favor of "
		   "children-max=N and children-startup=N");
	return read_max(line, value);
}

OPTION(read_startup)
{
	return read_unsigned(value, MAX_CHILDREN, &line->type->children.startup);
}

OPTION(read_idle)
{
	return read_unsigned(value, MAX_CHILDREN, &line->type->children.idle);
}

OPTION(read_concurrency)
{
	return read_unsigned(value, MAX_CONCURRENCY, &line->type->children.concurrency);
}

OPTION(read_queue_size)
{
	unsigned size;

	if (!read_unsigned(value, MAX_CONCURRENCY, &size))
		return false;
	line->type->children.queue_size = (int)size;
	return true;
}

OPTION(read_protocol)
{
	line->type->quotes_as_shell = str_eq(value, STR("2.5"));
	return line->type->quotes_as_shell || str_eq(value, STR("3.0"));
}

OPTION(read_quote)
{
	line->type->quotes_as_shell = str_eq(value, STR("shell"));
	return line->type->quotes_as_shell || str_eq(value, STR("url"));
}

/* Helpers are reached by a socket pair: the family does not matter. */
OPTION(read_nothing)
{
	(void)line;
	return value.len == 0;
}

static const struct {
	struct str name; /* up to and with the '=' */
	bool (*read)(struct external_line *line, struct str value);
} options[] = {
	{STR("ttl="), read_ttl},
	{STR("negative_ttl="), read_negative_ttl},
	{STR("grace="), read_grace},
	{STR("cache="), read_cache},
	{STR("children="), read_old_max},
	{STR("children-max="), read_max},
	{STR("children-startup="), read_startup},
	{STR("children-idle="), read_idle},
	{STR("concurrency="), read_concurrency},
	{STR("queue-size="), read_queue_size},
	{STR("protocol="), read_protocol},
	{STR("quote="), read_quote},
	{STR("ipv4"), read_nothing},
	{STR("ipv6"), read_nothing},
	{STR("timeout="), read_timeout},
	{STR("stale="), read_stale},
	{STR("on-error="), read_on_error},
};

/* False: the line cannot be used, and that was said. */
static bool read_options(struct external_line *line)
{
	for (; line->next < line->words->n; line->next++) {
		struct str word = words_text(line->words, line->next);
		size_t i = 0;

		while (i < COUNT(options) && !str_starts_with(word, options[i].name))
			i++;
		if (i == COUNT(options))
			return true;
		if (!options[i].read(line, str_from(word, options[i].name.len))) {
			report_say(line->report, REPORT_FATAL,
				   "external_acl_type %.*s: bad option '%.*s'",
				   STR_ARG(line->type->name), STR_ARG(word));
			return false;
		}
	}
	return true;
}

static void settle_children(struct external_line *line)
{
	struct helper_children *children = &line->type->children;

	if (children->startup > children->max)
		children->startup = children->max;
	if (children->idle > children->max)
		children->idle = children->max;
	if (children->idle == 0)
		children->idle = 1;
}

/* ---- the format */

static const struct {
	struct str name, code;
} old_codes[] = {
	{STR("%LOGIN"), STR("%ul")},      {STR("%EXT_USER"), STR("%ue")},
	{STR("%EXT_LOG"), STR("%ea")},    {STR("%EXT_TAG"), STR("%et")},
	{STR("%IDENT"), STR("%ui")},      {STR("%SRC"), STR("%>a")},
	{STR("%SRCPORT"), STR("%>p")},    {STR("%SRCEUI48"), STR("%>eui")},
	{STR("%SRCEUI64"), STR("%>eui")}, {STR("%DST"), STR("%>rd")},
	{STR("%PROTO"), STR("%>rs")},     {STR("%PORT"), STR("%>rP")},
	{STR("%PATH"), STR("%>rp")},      {STR("%METHOD"), STR("%>rm")},
	{STR("%URI"), STR("%>ru")},       {STR("%MYADDR"), STR("%la")},
	{STR("%MYPORT"), STR("%lp")},     {STR("%ACL"), STR("%_acl")},
	{STR("%DATA"), STR("%_data")},    {STR("%USER_CERTCHAIN"), STR("%_certificate")},
	{STR("%USER_CERT"), STR("%_certificate")},
};

/* The code for a word of old, as a prefix of rest; *len is what it took. The longest one counts. */
static struct str old_code(struct str rest, size_t *len)
{
	struct str code = STR_NONE;

	*len = 0;
	for (size_t i = 0; i < COUNT(old_codes); i++)
		if (str_starts_with(rest, old_codes[i].name) && old_codes[i].name.len > *len) {
			code = old_codes[i].code;
			*len = old_codes[i].name.len;
		}
	return code;
}

/* %>{Name...} %<{Name...} %{Name...}: fields of the request and of the reply. */
static struct str old_field(struct str rest, size_t *len)
{
	static const struct {
		struct str start, code;
	} fields[] = {
		{STR("%>{"), STR("%>ha")},
		{STR("%<{"), STR("%<h")},
		{STR("%{"), STR("%>ha")},
	};
	size_t end = str_find_char(rest, '}');

	for (size_t i = 0; i < COUNT(fields); i++)
		if (str_starts_with(rest, fields[i].start) && end < rest.len &&
		    (i < 2 || end + 1 == rest.len)) {
			*len = fields[i].start.len - 1;
			return fields[i].code;
		}
	return STR_NONE;
}

/* The word in the language of today. */
static void translate(struct str word, struct buf *out)
{
	while (word.len > 0) {
		size_t len = 0;
		struct str code = old_field(word, &len);

		if (!code.at)
			code = old_code(word, &len);
		if (!code.at && str_starts_with(word, STR("%%")))
			len = 2;
		else if (!code.at)
			len = 1;
		buf_add_str(out, code.at ? code : str_first(word, len));
		word = str_from(word, len);
	}
}

/* Certificates: %USER_CERT_CN and %USER_CA_CERT_CN say what a client's certificate says. */
static bool translate_certificate(struct str word, struct buf *out)
{
	static const struct {
		struct str old, code;
	} prefixes[] = {
		{STR("%USER_CERT_"), STR("%_user_cert{")},
		{STR("%USER_CA_CERT_"), STR("%_ca_cert{")},
	};

	for (size_t i = 0; i < COUNT(prefixes); i++)
		if (str_starts_with(word, prefixes[i].old)) {
			buf_add_str(out, prefixes[i].code);
			buf_add_str(out, str_from(word, prefixes[i].old.len));
			buf_add_char(out, '}');
			return true;
		}
	return false;
}

/* All words that begin with %, a blank behind each, and %DATA at the end unless it is among them
 * (then Squid, too, leaves the last blank there). */
static void join_format(struct external_line *line, struct buf *out)
{
	const struct words *words = line->words;
	bool has_data = false;

	for (; line->next < words->n; line->next++) {
		struct str word = words_text(words, line->next);

		if (!str_starts_with(word, STR("%")))
			break;
		has_data |= str_starts_with(word, STR("%DATA"));
		line->type->wants_user |= str_starts_with(word, STR("%LOGIN")) ||
					  str_eq(word, STR("%ul"));
		if (!translate_certificate(word, out))
			translate(word, out);
		buf_add_char(out, ' ');
	}
	if (out->len > 0 && !has_data)
		buf_add_str(out, STR("%_data"));
}

static bool read_format(struct external_acl_types *types, struct external_line *line)
{
	struct external_acl_type *type = line->type;
	struct buf format;

	buf_init(&format, MAX_FORMAT_BYTES);
	join_format(line, &format);
	if (format.len == 0 || format.is_full)
		report_say(line->report, REPORT_FATAL,
			   "external_acl_type %.*s: there is no %%FORMAT before the program",
			   STR_ARG(type->name));
	else
		type->format = logformat_compile_question(buf_str(&format), types->arena_,
							  line->report);
	if (type->format) {
		type->wants_reply = logformat_wants_reply(type->format);
		type->identity = arena_str(types->arena_, buf_str(&format));
	}
	buf_fini(&format);
	return type->format != NULL;
}

/* ---- a line */

static void set_identity(struct external_acl_types *types, struct external_acl_type *type)
{
	struct buf text;

	buf_init(&text, MAX_FORMAT_BYTES * 4);
	buf_add_str(&text, type->name);
	buf_add_str(&text, type->quotes_as_shell ? STR("\n2.5\n") : STR("\n3.0\n"));
	buf_add_str(&text, type->identity);
	for (unsigned i = 0; i < type->command.argc; i++) {
		buf_add_char(&text, '\n');
		buf_add_str(&text, str_of(type->command.argv[i]));
	}
	type->identity = arena_str(types->arena_, buf_str(&text));
	buf_fini(&text);
}

static struct external_acl_type *create(struct external_acl_types *types, struct str name)
{
	struct external_acl_type *type = arena_zalloc(types->arena_, sizeof(*type));

	type->name = arena_str(types->arena_, name);
	helper_children_init(&type->children);
	type->children.max = DEFAULT_CHILDREN;
	type->ttl_s = DEFAULT_TTL_S;
	type->max_entries = DEFAULT_CACHE;
	type->timeout_s = DEFAULT_TIMEOUT_S;
	return type;
}

static void add(struct external_acl_types *types, struct external_acl_type *type)
{
	*types->last_ = type;
	types->last_ = &type->next;
	types->n++;
}

void external_acl_types_parse(struct external_acl_types *types, struct acl_set *set,
			      const struct words *words, struct report *report)
{
	struct external_line line = {.words = words, .report = report, .next = 2};

	if (words->n < 2) {
		report_say(report, REPORT_FATAL, "external_acl_type needs a name");
		return;
	}
	line.type = create(types, words_text(words, 1));
	if (!read_options(&line) || !read_format(types, &line))
		return;
	if (!line.has_negative_ttl)
		line.type->negative_ttl_s = line.type->ttl_s;
	settle_children(&line);
	helper_read_command(&line.type->command, words, line.next, types->arena_, report);
	if (line.type->command.argc == 0)
		return;
	set_identity(types, line.type);
	if (acl_set_add_external(set, line.type->name, line.type->wants_user))
		add(types, line.type);
	else
		report_say(report, REPORT_FATAL, "external_acl_type '%.*s' is there already",
			   STR_ARG(line.type->name));
}

void external_acl_types_check(const struct external_acl_types *types, struct report *report)
{
	for (const struct external_acl_type *type = types->first; type; type = type->next)
		helper_check_command(&type->command, "external_acl_program", types->world_,
				     types->arena_, report);
}

void external_acl_write_data(const struct external_acl_type *type, const struct acl_external *acl,
			     struct buf *out)
{
	for (size_t i = 0; i < acl->nargs; i++) {
		if (i > 0)
			buf_add_char(out, ' ');
		if (type->quotes_as_shell)
			log_quote_shell(out, acl->args[i]);
		else
			log_quote_url(out, acl->args[i], true);
	}
	if (acl->nargs == 0)
		buf_add_char(out, '-');
}
