/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/http/content_coding.h"

#include "lib/base/check.h"

enum {
	MOST = 1000,  /* a weight of 1 */
	LEAST = 1,    /* of what is acceptable, but named by nobody */
	UNSAID = UINT16_MAX,
};

static const struct {
	struct str name;
	enum content_coding coding;
} names[] = {
	{{"identity", 8}, CODING_IDENTITY}, {{"gzip", 4}, CODING_GZIP}, {{"br", 2}, CODING_BROTLI},
	{{"x-gzip", 6}, CODING_GZIP}, /* RFC 9110 §8.4.1.3 */
};

struct str content_coding_name(enum content_coding coding)
{
	check(coding < CODINGS);
	return names[coding].name;
}

enum content_coding content_coding_of(struct str value)
{
	value = str_trim(value);
	if (value.len == 0)
		return CODING_IDENTITY;
	for (size_t i = 0; i < COUNT(names); i++)
		if (str_eq_nocase(value, names[i].name))
			return names[i].coding;
	return CODING_OTHER;
}

/* "0", "0.25", "1.000". False: it is no weight (§12.4.2). */
static bool read_weight(struct str text, uint16_t *out)
{
	unsigned weight = 0, place = MOST;

	if (text.len == 0 || text.len > 5 || (text.at[0] != '0' && text.at[0] != '1') ||
	    (text.len > 1 && text.at[1] != '.'))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (i == 1)
			continue;
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		weight += (unsigned)(text.at[i] - '0') * place;
		place /= 10;
	}
	if (weight > MOST)
		return false;
	*out = (uint16_t)weight;
	return true;
}

/* "gzip", "gzip;q=0.5". False: an element that says nothing. */
static bool read_element(struct str element, struct str *name, uint16_t *weight)
{
	struct str q;

	*name = str_trim(str_first(element, str_find_char(element, ';')));
	*weight = MOST;
	if (name->len == element.len)
		return true;
	q = str_trim(str_from(element, str_find_char(element, ';') + 1));
	return str_starts_with_nocase(q, STR("q=")) && read_weight(str_from(q, 2), weight);
}

/* Of what is named twice, the first counts. */
static void note(struct coding_wishes *wishes, enum content_coding coding, uint16_t weight)
{
	if (coding < CODINGS && wishes->weights[coding] == UNSAID)
		wishes->weights[coding] = weight;
}

static void fill_unsaid(struct coding_wishes *wishes, uint16_t any)
{
	for (unsigned i = 0; i < CODINGS; i++)
		if (wishes->weights[i] == UNSAID)
			wishes->weights[i] = any == UNSAID ? 0 : any;
}

void coding_wishes_read(const struct http_head *request, struct coding_wishes *wishes)
{
	struct http_list list = {0};
	struct str element, name;
	uint16_t weight, any = UNSAID;

	for (unsigned i = 0; i < CODINGS; i++)
		wishes->weights[i] = UNSAID;
	while (http_list_next(request, FIELD_ACCEPT_ENCODING, &list, &element)) {
		if (!read_element(element, &name, &weight))
			continue;
		if (!str_eq(name, STR("*")))
			note(wishes, content_coding_of(name), weight);
		else if (any == UNSAID)
			any = weight;
	}
	if (wishes->weights[CODING_IDENTITY] == UNSAID && any != 0)
		wishes->weights[CODING_IDENTITY] = LEAST;
	fill_unsaid(wishes, any);
}

enum content_coding coding_choose(const struct coding_wishes *wishes, unsigned among)
{
	static const enum content_coding smallest_first[] = {CODING_BROTLI, CODING_GZIP,
							     CODING_IDENTITY};
	enum content_coding best = CODING_OTHER;
	uint16_t weight = 0;

	for (size_t i = 0; i < COUNT(smallest_first); i++) {
		enum content_coding coding = smallest_first[i];

		if ((among & 1U << coding) && wishes->weights[coding] > weight) {
			best = coding;
			weight = wishes->weights[coding];
		}
	}
	return best;
}
