/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/rewrite_config.h"

#include "lib/base/check.h"
#include "squid-compat/helper_config_internal.h"
#include "squid-compat/values.h"

static const char default_extras[] = "%>a/%>A %un %>rm myip=%la myport=%lp";

void rewrite_config_init(struct rewrite_config *config, bool is_bypass_on, struct arena *arena,
			 const struct world *world)
{
	*config = (struct rewrite_config){
		.is_bypass_on = is_bypass_on,
		.rewrites_host = true,
		.extras = logformat_compile(str_of(default_extras), arena, NULL),
		.arena_ = arena,
		.world_ = world,
	};
	helper_children_init(&config->children);
}

void rewrite_parse_program(struct rewrite_config *config, const struct words *words,
			   struct report *report)
{
	helper_read_command(&config->command, words, 1, config->arena_, report);
}

/* An older url_rewrite_concurrency still has its effect. */
void rewrite_parse_children(struct rewrite_config *config, const struct words *words,
			    struct report *report)
{
	unsigned concurrency = config->children.concurrency;

	helper_read_children(&config->children, words, 1, report);
	if (config->children.on_error == HELPER_ON_ERROR_STALE)
		report_say(report, REPORT_ERROR,
			   "on-error=stale: is for auth_param; here there are deny, 503 and bypass");
	if (config->children_concurrency_fixed_)
		config->children.concurrency = concurrency;
}

void rewrite_parse_concurrency(struct rewrite_config *config, const struct words *words,
			       struct report *report)
{
	uint64_t concurrency;

	if (!str_to_u64(words_text(words, 1), &concurrency) ||
	    concurrency > HELPER_MAX_CONCURRENCY) {
		report_say(report, REPORT_FATAL, "invalid concurrency '%.*s'",
			   STR_ARG(words_text(words, 1)));
		return;
	}
	report_say(report, REPORT_WARNING,
		   "url_rewrite_concurrency upgrade overriding url_rewrite_children settings.");
	config->children.concurrency = (unsigned)concurrency;
	config->children_concurrency_fixed_ = true;
}

void rewrite_parse_extras(struct rewrite_config *config, const struct words *words,
			  struct report *report)
{
	config->extras = helper_read_extras(words, 1, config->arena_, report);
}

static const struct {
	struct str name;
	enum rewrite_timeout action;
} timeout_actions[] = {
	{STR("fail"), REWRITE_TIMEOUT_FAIL},
	{STR("bypass"), REWRITE_TIMEOUT_BYPASS},
	{STR("retry"), REWRITE_TIMEOUT_RETRY},
	{STR("use_configured_response"), REWRITE_TIMEOUT_RESPONSE},
};

static bool read_timeout_action(struct str name, enum rewrite_timeout *out)
{
	for (size_t i = 0; i < COUNT(timeout_actions); i++)
		if (str_eq(name, timeout_actions[i].name)) {
			*out = timeout_actions[i].action;
			return true;
		}
	return false;
}

/* response=WORD, or response="LINE", which the words of the line do not keep together. */
static struct str response_text(const struct words *words, size_t i)
{
	struct str rest = str_from(words_rest(words, i), sizeof("response=") - 1);
	size_t end;

	if (rest.len == 0 || rest.at[0] != '"')
		return str_first(rest, str_find_char(rest, ' '));
	rest = str_from(rest, 1);
	end = str_find_char(rest, '"');
	return str_first(rest, end);
}

static bool read_timeout_options(struct rewrite_config *config, const struct words *words,
				 size_t i, struct report *report)
{
	const struct str on_timeout = STR("on_timeout=");

	for (; i < words->n; i++) {
		struct str word = words_text(words, i);

		if (str_starts_with(word, STR("response="))) {
			config->timeout_response =
				arena_str(config->arena_, response_text(words, i));
			return true; /* it reaches to the end */
		}
		if (!str_starts_with(word, on_timeout) ||
		    !read_timeout_action(str_from(word, on_timeout.len), &config->on_timeout)) {
			report_say(report, REPORT_FATAL,
				   "Unsupported option of url_rewrite_timeout: %.*s",
				   STR_ARG(word));
			return false;
		}
	}
	return true;
}

void rewrite_parse_timeout(struct rewrite_config *config, const struct words *words,
			   struct report *report)
{
	int64_t ms;
	size_t i = 1;

	if (!value_time_ms(words, &i, report, &ms))
		return;
	config->timeout_ms = ms;
	config->on_timeout = ms > 0 ? REWRITE_TIMEOUT_FAIL : REWRITE_TIMEOUT_NONE;
	config->timeout_response = STR_NONE;
	if (read_timeout_options(config, words, i, report) &&
	    config->on_timeout == REWRITE_TIMEOUT_RESPONSE && !config->timeout_response.at)
		report_say(report, REPORT_FATAL,
			   "Expected 'response=' option after "
			   "'on_timeout=use_configured_response' option");
	if (ms == 0)
		config->on_timeout = REWRITE_TIMEOUT_NONE;
}

void rewrite_check(const struct rewrite_config *config, const char *name, struct report *report)
{
	helper_check_command(&config->command, name, config->world_, config->arena_, report);
}
