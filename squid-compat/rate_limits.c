/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/rate_limits.h"

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/values.h"

enum { MAX_COUNT = 1000000, FIRST_KEY_WORD = 4 };

void rate_limit_lines_init(struct rate_limit_lines *lines, struct arena *arena)
{
	*lines = (struct rate_limit_lines){.arena_ = arena};
	list_init(&lines->all);
}

void rate_limit_lines_fini(struct rate_limit_lines *lines)
{
	LIST_EACH_SAFE(node, &lines->all) {
		struct rate_limit_line *line = CONTAINER(node, struct rate_limit_line, node);

		access_list_destroy(line->access);
		mem_free(line);
	}
}

static struct rate_limit_line *find(const struct rate_limit_lines *lines, struct str name)
{
	LIST_EACH(node, &lines->all) {
		struct rate_limit_line *line = CONTAINER(node, struct rate_limit_line, node);

		if (str_eq(line->name, name))
			return line;
	}
	return NULL;
}

/* ---- RATE: N[/s|/m|/h|/d] */

static bool parse_rate(struct str word, int64_t *units_per_s)
{
	static const struct {
		const char *name;
		int64_t units; /* of one request in that time, a second */
	} periods[] = {
		{"", RATE_LIMIT_UNITS},
		{"s", RATE_LIMIT_UNITS},
		{"m", RATE_LIMIT_UNITS / 60},
		{"h", RATE_LIMIT_UNITS / 3600},
		{"d", 1},
	};
	size_t slash = str_find_char(word, '/');
	uint64_t n;

	if (!str_to_u64(str_first(word, slash), &n) || n == 0 || n > MAX_COUNT ||
	    slash + 1 == word.len)
		return false;
	for (size_t i = 0; i < COUNT(periods); i++)
		if (str_eq(str_from(word, slash + 1), str_of(periods[i].name))) {
			*units_per_s = (int64_t)n * periods[i].units;
			return true;
		}
	return false;
}

/* ---- KEY */

static bool parse_header_key(struct str value, struct arena *arena, struct rate_key *key)
{
	if (value.len == 0)
		return false;
	key->header = arena_str(arena, value);
	key->header_id = http_field_id(value);
	return true;
}

static bool parse_path_key(struct str value, struct rate_key *key)
{
	uint64_t n = 1;

	if (value.at && (!str_to_u64(value, &n) || n == 0 || n > RATE_LIMIT_MAX_PATH_SEGMENTS))
		return false;
	key->nsegments = (unsigned)n;
	return true;
}

static bool parse_key(struct str word, struct arena *arena, struct rate_key *key)
{
	static const char *const names[] = {
		[RATE_KEY_ADDRESS] = "address", [RATE_KEY_NETWORK] = "network",
		[RATE_KEY_USER] = "user",       [RATE_KEY_HOST] = "host",
		[RATE_KEY_PATH] = "path",       [RATE_KEY_HEADER] = "header",
	};
	size_t equals = str_find_char(word, '=');
	struct str value = equals < word.len ? str_from(word, equals + 1) : STR_NONE;

	*key = (struct rate_key){0};
	for (size_t i = 0; i < COUNT(names); i++) {
		if (!str_eq(str_first(word, equals), str_of(names[i])))
			continue;
		key->kind = (enum rate_key_kind)i;
		if (key->kind == RATE_KEY_HEADER)
			return parse_header_key(value, arena, key);
		if (key->kind == RATE_KEY_PATH)
			return parse_path_key(value, key);
		return value.at == NULL;
	}
	return false;
}

static bool parse_keys(struct rate_limit_line *line, struct arena *arena,
                       const struct words *words, struct report *report)
{
	for (size_t i = FIRST_KEY_WORD; i < words->n; i++) {
		struct str word = words_text(words, i);

		if (line->nkeys == RATE_LIMIT_MAX_KEYS ||
		    !parse_key(word, arena, &line->keys[line->nkeys])) {
			report_say(report, REPORT_FATAL,
			           "rate_limit: '%.*s' is no key: address, network, user, host, "
			           "path[=N] or header=NAME, up to %d of them",
			           STR_ARG(word), RATE_LIMIT_MAX_KEYS);
			return false;
		}
		line->needs_user |= line->keys[line->nkeys++].kind == RATE_KEY_USER;
	}
	return true;
}

/* ---- lines */

static bool parse_line(struct rate_limit_line *line, struct arena *arena,
                       const struct words *words, struct report *report)
{
	int64_t burst;
	size_t i = 3;

	if (words->n <= FIRST_KEY_WORD) {
		report_say(report, REPORT_FATAL, "rate_limit needs NAME RATE BURST KEY...");
		return false;
	}
	if (!parse_rate(words_text(words, 2), &line->units_per_s)) {
		report_say(report, REPORT_FATAL,
		           "rate_limit: '%.*s' is no rate: N/s, N/m, N/h or N/d, N from 1 to %d",
		           STR_ARG(words_text(words, 2)), MAX_COUNT);
		return false;
	}
	if (!value_int(words, &i, report, 1, MAX_COUNT, &burst) ||
	    !parse_keys(line, arena, words, report))
		return false;
	line->burst_units = burst * RATE_LIMIT_UNITS;
	line->name = arena_str(arena, words_text(words, 1));
	line->rate = arena_str(arena, words_text(words, 2));
	line->identity = arena_str(arena, words_rest(words, 1));
	return true;
}

void rate_limit_lines_parse(struct rate_limit_lines *lines, const struct words *words,
                            struct report *report)
{
	struct rate_limit_line line = {0}, *kept;

	if (!parse_line(&line, lines->arena_, words, report))
		return;
	if (find(lines, line.name) || lines->n == RATE_LIMIT_MAX_LIMITS) {
		report_say(report, REPORT_FATAL,
		           "rate_limit: there is a '%.*s' already, or there are more than %d",
		           STR_ARG(line.name), RATE_LIMIT_MAX_LIMITS);
		return;
	}
	kept = mem_zalloc(sizeof(*kept));
	*kept = line;
	list_push_back(&lines->all, &kept->node);
	lines->n++;
}

void rate_limit_lines_parse_access(struct rate_limit_lines *lines, struct acl_set *set,
                                   const struct words *words, struct report *report)
{
	struct rate_limit_line *line = find(lines, words_text(words, 1));

	if (!line) {
		report_say(report, REPORT_FATAL, "there is no rate_limit '%.*s' yet",
		           STR_ARG(words_text(words, 1)));
		return;
	}
	if (!line->access)
		line->access = access_list_create();
	access_list_parse(line->access, set, words, 2, false, report);
}
