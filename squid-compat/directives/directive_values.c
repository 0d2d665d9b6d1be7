/* SPDX-License-Identifier: BSD-2-Clause */
/* Handlers of directives whose value is a plain one: the value goes into the row's slot. */
#include "lib/base/arena.h"
#include "lib/base/heap.h"
#include "lib/net/addr.h"
#include "squid-compat/reading.h"
#include "squid-compat/values.h"

/* The row's place in the snapshot; NULL: the value is only checked. */
static void *slot(struct reading *reading, const struct directive *directive)
{
	return directive->slot ? (char *)reading->config + directive->slot : NULL;
}

void parse_on_off(struct reading *reading, const struct directive *directive,
                  const struct words *words)
{
	bool *out = slot(reading, directive), value;
	size_t i = 1;

	if (!value_on_off(words, &i, reading->report, &value))
		return;
	if (out)
		*out = value;
	reading_expect_end(reading, words, i);
}

void parse_int(struct reading *reading, const struct directive *directive,
               const struct words *words)
{
	bool has_range = directive->min || directive->max;
	int *out = slot(reading, directive);
	int64_t value;
	size_t i = 1;

	if (!value_int(words, &i, reading->report, has_range ? directive->min : INT32_MIN,
	               has_range ? directive->max : INT32_MAX, &value))
		return;
	if (out)
		*out = (int)value;
	reading_expect_end(reading, words, i);
}

void parse_percent(struct reading *reading, const struct directive *directive,
                   const struct words *words)
{
	int *out = slot(reading, directive), value;
	size_t i = 1;

	if (!value_percent(words, &i, reading->report, &value))
		return;
	if (out)
		*out = value;
	reading_expect_end(reading, words, i);
}

void parse_port(struct reading *reading, const struct directive *directive,
                const struct words *words)
{
	uint16_t port;
	size_t i = 1;

	(void)directive;
	if (value_port(words, &i, reading->report, &port))
		reading_expect_end(reading, words, i);
}

void parse_unused_port(struct reading *reading, const struct directive *directive,
                       const struct words *words)
{
	uint16_t port;
	size_t i = 1;

	if (!value_port(words, &i, reading->report, &port))
		return;
	if (port)
		report_say(reading->report, REPORT_IGNORED, "nothing will listen on port %u: %s",
		           port, directive->help);
	reading_expect_end(reading, words, i);
}

void parse_time(struct reading *reading, const struct directive *directive,
                const struct words *words)
{
	int64_t *out = slot(reading, directive), value;
	size_t i = 1;

	if (!value_time_ms(words, &i, reading->report, &value))
		return;
	if (out)
		*out = value;
	reading_expect_end(reading, words, i);
}

static void parse_size_in(struct reading *reading, const struct directive *directive,
                          const struct words *words, const char *default_unit,
                          bool may_be_unlimited)
{
	int64_t *out = slot(reading, directive), value;
	size_t i = 1;

	if (!value_size(words, &i, reading->report, default_unit, &value))
		return;
	if (value == VALUE_UNLIMITED && !may_be_unlimited) {
		report_say(reading->report, REPORT_FATAL, "%s needs a size", directive->name);
		return;
	}
	if (out)
		*out = value;
	reading_expect_end(reading, words, i);
}

void parse_size(struct reading *reading, const struct directive *directive,
                const struct words *words)
{
	parse_size_in(reading, directive, words, "bytes", true);
}

void parse_size_kb(struct reading *reading, const struct directive *directive,
                   const struct words *words)
{
	parse_size_in(reading, directive, words, "KB", true);
}

void parse_bounded_size(struct reading *reading, const struct directive *directive,
                        const struct words *words)
{
	parse_size_in(reading, directive, words, "bytes", false);
}

/* Texts of the configuration end up in header fields, paths and logs: no control bytes. */
static bool is_clean(struct reading *reading, struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.at[i] >= ' ' && text.at[i] != 0x7f)
			continue;
		report_say(reading->report, REPORT_FATAL, "the value has a control byte");
		return false;
	}
	return true;
}

static void set_text(struct reading *reading, const struct directive *directive, struct str text)
{
	const char **out = slot(reading, directive);

	if (!is_clean(reading, text) || !out)
		return;
	*out = str_eq(text, STR("none")) ? NULL : reading_keep(reading, text);
}

void parse_text(struct reading *reading, const struct directive *directive,
                const struct words *words)
{
	if (words->n < 2 || words->at[1].text.len == 0) {
		report_say(reading->report, REPORT_FATAL, "%s needs a value", directive->name);
		return;
	}
	set_text(reading, directive, words->at[1].text);
	reading_expect_end(reading, words, 2);
}

void parse_rest(struct reading *reading, const struct directive *directive,
                const struct words *words)
{
	if (words->n < 2)
		report_say(reading->report, REPORT_FATAL, "%s needs a value", directive->name);
	else
		set_text(reading, directive, words_rest(words, 1));
}

/* Appends to what earlier lines gave. */
void parse_words(struct reading *reading, const struct directive *directive,
                 const struct words *words)
{
	struct config_words *out = slot(reading, directive);
	const char **at;

	if (words->n < 2)
		report_say(reading->report, REPORT_FATAL, "%s needs a value", directive->name);
	for (size_t i = 1; i < words->n; i++)
		if (!is_clean(reading, words->at[i].text))
			return;
	if (!out || words->n < 2)
		return;
	at = arena_alloc(&reading->config->arena_, (out->n + words->n - 1) * sizeof(*at));
	for (size_t i = 0; i < out->n; i++)
		at[i] = out->at[i];
	for (size_t i = 1; i < words->n; i++)
		at[out->n + i - 1] = reading_keep(reading, words->at[i].text);
	*out = (struct config_words){at, out->n + words->n - 1};
}

void parse_choice(struct reading *reading, const struct directive *directive,
                  const struct words *words)
{
	unsigned *out = slot(reading, directive);
	struct str text = words_text(words, 1);

	for (unsigned i = 0; directive->choices[i]; i++) {
		if (!str_eq(text, str_of(directive->choices[i])))
			continue;
		if (out)
			*out = i;
		reading_expect_end(reading, words, 2);
		return;
	}
	report_say(reading->report, REPORT_FATAL, "%s is one of %s, not '%.*s'", directive->name,
	           directive->syntax, STR_ARG(str_first(text, 200)));
}

void parse_replacement(struct reading *reading, const struct directive *directive,
                       const struct words *words)
{
	replacement_parse(words, reading->report, slot(reading, directive));
}

/* Octal with a 0 in front, as C has it. */
void parse_umask(struct reading *reading, const struct directive *directive,
                 const struct words *words)
{
	unsigned *out = slot(reading, directive);
	int64_t value;
	size_t i = 1;

	if (!value_int(words, &i, reading->report, 0, 0777, &value))
		return;
	*out = (unsigned)value;
	reading_expect_end(reading, words, i);
}

void parse_count_or_on_off(struct reading *reading, const struct directive *directive,
                           const struct words *words)
{
	int *out = slot(reading, directive);
	struct str text = words_text(words, 1);
	int64_t value;
	bool is_on;
	size_t i = 1;

	if (text.len && text.at[0] >= '0' && text.at[0] <= '9') {
		if (!value_int(words, &i, reading->report, 0, INT32_MAX, &value))
			return;
	} else {
		if (!value_on_off(words, &i, reading->report, &is_on))
			return;
		value = is_on;
	}
	*out = (int)value;
	reading_expect_end(reading, words, i);
}

/* SECTION,LEVEL: only ALL has a meaning here, since there are no sections. */
void parse_debug_options(struct reading *reading, const struct directive *directive,
                         const struct words *words)
{
	int *out = slot(reading, directive);

	for (size_t i = 1; i < words->n; i++) {
		struct str level = words->at[i].text, section;
		int64_t value;

		if (str_starts_with(level, STR("rotate=")))
			continue;
		if (!str_split(&level, ',', &section) || !str_to_i64(level, &value) || value < 0 ||
		    value > 9) {
			report_say(reading->report, REPORT_ERROR, "'%.*s' is no SECTION,LEVEL",
			           STR_ARG(str_first(words->at[i].text, 200)));
			continue;
		}
		if (str_eq(section, STR("ALL")))
			*out = (int)value;
	}
}

/* Squid takes a module in front, of which stdio: is the only one. */
void parse_cache_log(struct reading *reading, const struct directive *directive,
                     const struct words *words)
{
	struct str path = words_text(words, 1);

	if (str_starts_with(path, STR("stdio:")))
		path = str_from(path, STR("stdio:").len);
	if (path.len == 0) {
		report_say(reading->report, REPORT_FATAL, "cache_log needs a path");
		return;
	}
	set_text(reading, directive, path);
	reading_expect_end(reading, words, 2);
}

void parse_bungled(struct reading *reading, const struct directive *directive,
                   const struct words *words)
{
	(void)directive;
	(void)words;
	report_say(reading->report, REPORT_FATAL, "%s", "");
}

/* Squid still obeys it: the opposite of cache_miss_revalidate. */
void parse_ignore_ims_on_miss(struct reading *reading, const struct directive *directive,
                              const struct words *words)
{
	bool value;
	size_t i = 1;

	(void)directive;
	if (value_on_off(words, &i, reading->report, &value))
		reading->config->cache_miss_revalidate = !value;
}

/* A prefix length or a dotted mask, for IPv4; a length above 32 or a mask with colons, for IPv6
 * too. */
void parse_client_netmask(struct reading *reading, const struct directive *directive,
                          const struct words *words)
{
	struct config *config = reading->config;
	struct str text = words_text(words, 1);
	bool is_v6 = str_find_char(text, ':') < text.len;
	struct addr mask;
	uint64_t length;

	(void)directive;
	memset(config->client_mask, 0xff, sizeof(config->client_mask));
	if (words->n >= 2 && addr_parse(text, 0, &mask)) {
		uint8_t bytes[16];

		addr_ip_bytes(&mask, bytes);
		memcpy(config->client_mask + (is_v6 ? 0 : 12), bytes + (is_v6 ? 0 : 12),
		       is_v6 ? 16 : 4);
	} else if (words->n >= 2 && str_to_u64(text, &length) && length <= 128) {
		if (length <= 32)
			length += 96;
		for (size_t bit = length; bit < 128; bit++)
			config->client_mask[bit / 8] &= (uint8_t)~(0x80 >> bit % 8);
	} else {
		report_say(reading->report, REPORT_FATAL, "client_netmask: no netmask: '%.*s'",
		           STR_ARG(text));
		return;
	}
	config->has_client_mask = true;
}

/* Squid 2's: what is logged in the native format by default is logged in the common one. */
void parse_emulate_httpd_log(struct reading *reading, const struct directive *directive,
                             const struct words *words)
{
	bool value;
	size_t i = 1;

	(void)directive;
	if (!value_on_off(words, &i, reading->report, &value))
		return;
	reading->config->emulate_httpd_log = value;
	if (value)
		report_say(reading->report, REPORT_NOTE,
		           "emulate_httpd_log: logs that name no format are written as 'common'");
}

static void refuse_line(struct reading *reading, const struct directive *directive)
{
	report_say(reading->report, REPORT_FATAL, "'%s' is refused: %s", directive->name,
	           directive->help);
}

void refuse(struct reading *reading, const struct directive *directive, const struct words *words)
{
	if (!str_eq(words_text(words, 1), STR("none")))
		refuse_line(reading, directive);
}

void refuse_on(struct reading *reading, const struct directive *directive,
               const struct words *words)
{
	bool value;
	size_t i = 1;

	if (value_on_off(words, &i, reading->report, &value) && value)
		refuse_line(reading, directive);
}

/* SERVICE allow|deny ACL... */
void refuse_allow(struct reading *reading, const struct directive *directive,
                  const struct words *words)
{
	if (str_eq(words_text(words, 2), STR("allow")))
		refuse_line(reading, directive);
}

void parse_address(struct reading *reading, const struct directive *directive,
                   const struct words *words)
{
	struct str text = words_text(words, 1);
	char *name = str_dup(text);
	struct addr addr;

	(void)directive;
	if (!addr_parse(text, 0, &addr) &&
	    (text.len == 0 || reading->world->resolve(name, 0, &addr, 1) == 0))
		report_say(reading->report, REPORT_FATAL, "invalid IP address or domain name '%s'",
		           name);
	mem_free(name);
}

/* NAME=N,N... */
static bool is_list_of_numbers(struct str word, struct str name)
{
	struct str rest, part;
	uint64_t number;

	if (!str_starts_with(word, name))
		return false;
	rest = str_from(word, name.len);
	while (str_split(&rest, ',', &part))
		if (!str_to_u64(part, &number) || number == 0)
			return false;
	return word.len > name.len;
}

void parse_cpu_affinity(struct reading *reading, const struct directive *directive,
                        const struct words *words)
{
	if (!is_list_of_numbers(words_text(words, 1), STR("process_numbers=")))
		report_say(reading->report, REPORT_FATAL, "bad 'process_numbers' parameter in '%s'",
		           directive->name);
	else if (!is_list_of_numbers(words_text(words, 2), STR("cores=")))
		report_say(reading->report, REPORT_FATAL, "bad 'cores' parameter in '%s'",
		           directive->name);
}
