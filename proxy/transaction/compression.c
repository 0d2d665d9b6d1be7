/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/transaction/compression.h"

#include "cache/coding.h"
#include "lib/base/check.h"
#include "lib/http/content_codec.h"
#include "squid-compat/config.h"

static const char *const usual_types[] = {
	"text/html", "text/css", "text/plain", "text/xml", "text/javascript", "text/csv",
	"text/markdown", "text/vtt", "text/x-component",
	"application/javascript", "application/x-javascript", "application/json",
	"application/ld+json", "application/manifest+json", "application/geo+json",
	"application/problem+json", "application/xml", "application/xhtml+xml",
	"application/rss+xml", "application/atom+xml", "application/graphql-response+json",
	"application/wasm", "application/vnd.ms-fontobject", "font/ttf", "font/otf",
	"image/svg+xml", "image/bmp", "image/x-icon",
};

/* "text/html", "text/" and a star: all of text. */
static bool is_type(struct str type, struct str pattern)
{
	if (str_ends_with_nocase(pattern, STR("/*")))
		return str_starts_with_nocase(type, str_first(pattern, pattern.len - 1));
	return str_eq_nocase(type, pattern);
}

static bool is_worth_its_type(const struct config *config, struct str type)
{
	const struct config_words *said = &config->compress_types;
	const char *const *types = said->n > 0 ? said->at : usual_types;
	size_t n = said->n > 0 ? said->n : COUNT(usual_types);

	for (size_t i = 0; type.at && i < n; i++)
		if (is_type(type, str_of(types[i])))
			return true;
	return false;
}

enum content_coding compression_wanted(const struct coding_wishes *wishes, bool is_range)
{
	unsigned among = 1U << CODING_IDENTITY | 1U << CODING_GZIP;

	if (content_codec_has(CODING_BROTLI))
		among |= 1U << CODING_BROTLI;
	return is_range ? CODING_IDENTITY : coding_choose(wishes, among);
}

/* Of one that came packed. */
static void choose_unpacking(const struct coding_wishes *wishes, const struct coding_facts *facts,
			     struct compression *out)
{
	/* Others get it unpacked: caches on the way have to know. */
	out->varies = content_codec_has(facts->coding) && !facts->has_vary;
	out->reason = "it came packed, and the client takes it so";
	if (coding_is_wanted(wishes, facts->coding))
		return;
	out->reason = "it came in a coding that is not known here";
	if (!content_codec_has(facts->coding))
		return;
	out->reason = "the client takes no coding that can be made";
	if (!coding_is_wanted(wishes, CODING_IDENTITY))
		return;
	out->to = CODING_IDENTITY;
	out->reason = "it came packed, and the client takes it plain";
}

void compression_choose(const struct config *config, const struct coding_wishes *wishes,
			enum content_coding wanted, struct str head, int64_t length,
			struct compression *out)
{
	struct coding_facts facts;

	coding_facts_read(head, &facts);
	*out = (struct compression){.from = facts.coding, .to = facts.coding};
	if (facts.must_stay) {
		out->reason = "Cache-Control: no-transform";
	} else if (facts.coding != CODING_IDENTITY) {
		choose_unpacking(wishes, &facts, out);
	} else if (!is_worth_its_type(config, facts.type)) {
		out->reason = "its type is none of compress_types";
	} else if (length >= 0 && length < config->compress_min_length_bytes) {
		out->reason = "it is shorter than compress_min_length";
	} else {
		out->varies = !facts.has_vary;
		out->to = wanted == CODING_OTHER ? CODING_IDENTITY : wanted;
		out->reason = out->to == CODING_IDENTITY ? "the client gets it plain"
							 : "the client takes it";
	}
}
