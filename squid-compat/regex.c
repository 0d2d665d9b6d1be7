/* SPDX-License-Identifier: BSD-2-Clause */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "squid-compat/regex.h"

#include <pcre2.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"

enum {
	MATCH_LIMIT = 1000000, /* steps: some 10 ms; what needs more is undecided */
	JIT_STACK_MIN_BYTES = 32 * 1024,
	JIT_STACK_MAX_BYTES = 512 * 1024,
	MAX_TRANSLATED_BYTES = 8 * REGEX_MAX_PATTERN_BYTES,
	MAX_COMBINED_BYTES = 16 * 1024,
	UNDECIDED_SAID_EVERY_MS = 60 * 1000,
};

struct regex {
	pcre2_code *code;
	bool has_jit;
	bool is_prefix; /* `^/images/`: compared without PCRE2 */
	bool nocase;    /* it has no letter in upper case then */
	char *prefix;
	size_t prefix_len;
};

/* ---- what a thread needs to match ---- */

struct scratch {
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack; /* NULL without JIT */
};

static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;
static _Thread_local struct scratch *thread_scratch;

static void scratch_destroy(void *of_thread)
{
	struct scratch *scratch = of_thread;

	if (scratch == NULL)
		return;
	pcre2_match_data_free(scratch->data);
	pcre2_match_context_free(scratch->context);
	pcre2_jit_stack_free(scratch->stack);
	mem_free(scratch);
	thread_scratch = NULL;
}

/* The main thread ends by exit, which runs no destructors of keys. */
static void scratch_destroy_at_exit(void)
{
	scratch_destroy(thread_scratch);
}

static void scratch_make_key(void)
{
	check(pthread_key_create(&scratch_key, scratch_destroy) == 0);
	atexit(scratch_destroy_at_exit);
}

static struct scratch *scratch_create(void)
{
	struct scratch *scratch = mem_zalloc(sizeof(*scratch));

	pthread_once(&scratch_once, scratch_make_key);
	scratch->data = pcre2_match_data_create(1, NULL);
	scratch->context = pcre2_match_context_create(NULL);
	scratch->stack = pcre2_jit_stack_create(JIT_STACK_MIN_BYTES, JIT_STACK_MAX_BYTES, NULL);
	check(scratch->data != NULL && scratch->context != NULL);
	pcre2_set_match_limit(scratch->context, MATCH_LIMIT);
	if (scratch->stack != NULL)
		pcre2_jit_stack_assign(scratch->context, NULL, scratch->stack);
	pthread_setspecific(scratch_key, scratch);
	return scratch;
}

static struct scratch *scratch_get(void)
{
	if (thread_scratch == NULL)
		thread_scratch = scratch_create();
	return thread_scratch;
}

/* ---- one program ---- */

static pcre2_code *compile_translated(struct str pattern, unsigned flags, struct err_text *why)
{
	uint32_t options = PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_UTF |
	                   (flags & REGEX_NOCASE ? PCRE2_CASELESS : 0);
	PCRE2_SIZE offset;
	int error;
	PCRE2_SPTR at = (PCRE2_SPTR)(pattern.len > 0 ? pattern.at : "");
	pcre2_code *code = pcre2_compile(at, pattern.len, options, &error, &offset, NULL);

	if (code == NULL) {
		PCRE2_UCHAR text[128] = "";

		pcre2_get_error_message(error, text, sizeof(text));
		err_say(why, "%s", (const char *)text);
	}
	return code;
}

/* A byte as the translator writes it where it has no meaning of its own: itself, or "\x2f". Returns
 * how many bytes of the pattern it takes; 0: it is something else. */
static size_t read_byte(struct str pattern, char *out)
{
	*out = pattern.at[0];
	if (!strchr("\\^$.[]|()?*+{}", pattern.at[0]))
		return 1;
	if (pattern.len < 4 || !str_starts_with(pattern, STR("\\x")))
		return 0;
	*out = (char)(ascii_hex(pattern.at[2]) * 16 + ascii_hex(pattern.at[3]));
	return 4;
}

/* The bytes behind the "^" of a translated pattern that is nothing else: in out, which has room for
 * all of it. False: it is another. */
static bool read_prefix(struct str pattern, char *out, size_t *len)
{
	*len = 0;
	if (!str_starts_with(pattern, STR("^")))
		return false;
	for (size_t at = 1, n; at < pattern.len; at += n) {
		n = read_byte(str_from(pattern, at), &out[(*len)++]);
		if (n == 0)
			return false;
	}
	return true;
}

static void keep_prefix(struct regex *regex, struct str translated, unsigned flags)
{
	char *prefix = mem_alloc(translated.len + 1);

	regex->nocase = flags & REGEX_NOCASE;
	regex->is_prefix = read_prefix(translated, prefix, &regex->prefix_len);
	if (!regex->is_prefix) {
		mem_free(prefix);
		return;
	}
	for (size_t i = 0; regex->nocase && i < regex->prefix_len; i++)
		prefix[i] = ascii_lower(prefix[i]);
	regex->prefix = prefix;
}

static struct regex *regex_create(pcre2_code *code, struct str translated, unsigned flags)
{
	struct regex *regex = mem_zalloc(sizeof(*regex));

	keep_prefix(regex, translated, flags);
	regex->code = code;
	regex->has_jit = pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0;
	return regex;
}

struct regex *regex_compile(struct str ere, unsigned flags, struct err_text *why)
{
	struct regex *regex = NULL;
	pcre2_code *code = NULL;
	struct buf pattern;

	buf_init(&pattern, MAX_TRANSLATED_BYTES);
	if (regex_translate(ere, flags, &pattern, why))
		code = compile_translated(buf_str(&pattern), flags, why);
	if (code != NULL)
		regex = regex_create(code, buf_str(&pattern), flags);
	buf_fini(&pattern);
	return regex;
}

void regex_destroy(struct regex *regex)
{
	if (regex == NULL)
		return;
	pcre2_code_free(regex->code);
	mem_free(regex->prefix);
	mem_free(regex);
}

static void say_undecided(int error)
{
	static _Atomic int64_t said_at_ms;
	int64_t now_ms = clock_mono_ms();
	int64_t last_ms = atomic_load_explicit(&said_at_ms, memory_order_relaxed);

	if (last_ms != 0 && now_ms - last_ms < UNDECIDED_SAID_EVERY_MS)
		return;
	/* relaxed: whoever wins the exchange says it, nothing else hangs on the value */
	if (!atomic_compare_exchange_strong_explicit(&said_at_ms, &last_ms, now_ms,
	                                             memory_order_relaxed, memory_order_relaxed))
		return;
	log_say(1,
	        "WARNING: a regular expression took too many steps (PCRE2 error %d); "
	        "such an ACL counts as undecided, which denies",
	        error);
}

static bool has_prefix(const struct regex *regex, struct str subject)
{
	const struct str prefix = {regex->prefix, regex->prefix_len};

	return regex->nocase ? str_eq_nocase(str_first(subject, prefix.len), prefix)
			     : str_starts_with(subject, prefix);
}

static enum regex_verdict run_program(const struct regex *regex, struct str subject)
{
	struct scratch *scratch = scratch_get();
	PCRE2_SPTR at = (PCRE2_SPTR)(subject.len > 0 ? subject.at : "");
	int result = PCRE2_ERROR_JIT_STACKLIMIT;

	if (regex->has_jit)
		result = pcre2_jit_match(regex->code, at, subject.len, 0, 0, scratch->data,
		                         scratch->context);
	if (result == PCRE2_ERROR_JIT_STACKLIMIT)
		result = pcre2_match(regex->code, at, subject.len, 0, PCRE2_NO_JIT, scratch->data,
		                     scratch->context);
	if (result >= 0)
		return REGEX_YES;
	if (result == PCRE2_ERROR_NOMATCH)
		return REGEX_NO;
	say_undecided(result);
	return REGEX_UNDECIDED;
}

enum regex_verdict regex_match(const struct regex *regex, struct str subject)
{
	if (regex->is_prefix)
		return has_prefix(regex, subject) ? REGEX_YES : REGEX_NO;
	return run_program(regex, subject);
}

/* ---- lists ---- */

struct pattern {
	struct str translated;
	unsigned flags;
	bool is_alone; /* has groups that are counted */
	bool is_prefix;
};

struct regex_list {
	struct pattern *patterns;
	size_t npatterns, cap;
	struct regex **programs;
	size_t nprograms;
	bool is_sealed;
};

struct regex_list *regex_list_create(void)
{
	return mem_zalloc(sizeof(struct regex_list));
}

static void free_patterns(struct regex_list *list)
{
	for (size_t i = 0; list->patterns != NULL && i < list->npatterns; i++)
		mem_free((char *)list->patterns[i].translated.at);
	mem_free(list->patterns);
	list->patterns = NULL;
}

void regex_list_destroy(struct regex_list *list)
{
	if (list == NULL)
		return;
	free_patterns(list);
	for (size_t i = 0; i < list->nprograms; i++)
		regex_destroy(list->programs[i]);
	mem_free(list->programs);
	mem_free(list);
}

static bool is_prefix(struct str translated)
{
	char *prefix = mem_alloc(translated.len + 1);
	size_t len;
	bool is = read_prefix(translated, prefix, &len);

	mem_free(prefix);
	return is;
}

static void push_pattern(struct regex_list *list, struct str translated, unsigned flags,
                         bool is_alone)
{
	if (list->npatterns == list->cap) {
		list->cap = list->cap > 0 ? list->cap * 2 : 8;
		list->patterns = mem_realloc(list->patterns, list->cap * sizeof(*list->patterns));
	}
	list->patterns[list->npatterns++] = (struct pattern){
		.translated = {str_dup(translated), translated.len},
		.flags = flags,
		.is_alone = is_alone,
		.is_prefix = is_prefix(translated),
	};
}

void regex_list_add_all(struct regex_list *list, const struct regex_list *from)
{
	check(!list->is_sealed && !from->is_sealed);
	for (size_t i = 0; i < from->npatterns; i++)
		push_pattern(list, from->patterns[i].translated, from->patterns[i].flags,
			     from->patterns[i].is_alone);
}

bool regex_list_has_prefixes_only(const struct regex_list *list)
{
	check(!list->is_sealed);
	for (size_t i = 0; i < list->npatterns; i++)
		if (!list->patterns[i].is_prefix)
			return false;
	return true;
}

bool regex_list_add(struct regex_list *list, struct str ere, unsigned flags, struct err_text *why)
{
	pcre2_code *code = NULL;
	uint32_t ngroups = 0;
	struct buf pattern;

	check(!list->is_sealed);
	buf_init(&pattern, MAX_TRANSLATED_BYTES);
	if (regex_translate(ere, flags, &pattern, why))
		code = compile_translated(buf_str(&pattern), flags, why);
	if (code != NULL) {
		pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &ngroups);
		push_pattern(list, buf_str(&pattern), flags, ngroups > 0);
	}
	pcre2_code_free(code);
	buf_fini(&pattern);
	return code != NULL;
}

/* How many patterns from first on go into one program. */
static size_t combinable(const struct regex_list *list, size_t first)
{
	const struct pattern *patterns = list->patterns;
	size_t bytes = 0, n = 0;

	for (size_t i = first; i < list->npatterns; i++, n++) {
		bytes += patterns[i].translated.len;
		if (n > 0 &&
		    (bytes > MAX_COMBINED_BYTES || patterns[i].is_alone ||
		     patterns[first].is_alone || patterns[i].flags != patterns[first].flags))
			break;
	}
	return n;
}

static pcre2_code *compile_combined(const struct regex_list *list, size_t first, size_t n)
{
	struct err_text why;
	struct buf combined;
	pcre2_code *code;

	if (n == 1)
		return compile_translated(list->patterns[first].translated,
		                          list->patterns[first].flags, &why);
	buf_init(&combined, 4 * MAX_TRANSLATED_BYTES);
	for (size_t i = first; i < first + n; i++) {
		buf_add_str(&combined, i > first ? STR("|(?:") : STR("(?:"));
		buf_add_str(&combined, list->patterns[i].translated);
		buf_add_char(&combined, ')');
	}
	code = combined.is_full
	               ? NULL
	               : compile_translated(buf_str(&combined), list->patterns[first].flags, &why);
	buf_fini(&combined);
	return code;
}

/* Those that go into one program come together. */
static int by_flags(const void *a, const void *b)
{
	const struct pattern *x = a, *y = b;

	if (x->is_alone != y->is_alone)
		return x->is_alone ? 1 : -1;
	return (x->flags > y->flags) - (x->flags < y->flags);
}

void regex_list_seal(struct regex_list *list)
{
	check(!list->is_sealed);
	list->is_sealed = true;
	if (list->npatterns > 0)
		qsort(list->patterns, list->npatterns, sizeof(*list->patterns), by_flags);
	list->programs =
		mem_array(list->npatterns > 0 ? list->npatterns : 1, sizeof(struct regex *));
	for (size_t first = 0; first < list->npatterns;) {
		size_t n = combinable(list, first);
		pcre2_code *code = compile_combined(list, first, n);

		/* Too large for one program: each fitted alone when it was added. */
		while (code == NULL && n > 1) {
			n /= 2;
			code = compile_combined(list, first, n);
		}
		check(code != NULL);
		list->programs[list->nprograms++] =
			regex_create(code, n == 1 ? list->patterns[first].translated : STR_NONE,
				     list->patterns[first].flags);
		first += n;
	}
	free_patterns(list);
}

enum regex_verdict regex_list_match(const struct regex_list *list, struct str subject)
{
	enum regex_verdict verdict = REGEX_NO;

	check(list->is_sealed);
	for (size_t i = 0; i < list->nprograms; i++) {
		switch (regex_match(list->programs[i], subject)) {
		case REGEX_YES:
			return REGEX_YES;
		case REGEX_UNDECIDED:
			verdict = REGEX_UNDECIDED;
			break;
		case REGEX_NO:
			break;
		}
	}
	return verdict;
}

size_t regex_list_count(const struct regex_list *list)
{
	return list->npatterns;
}
