/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines that cannot match, told by a few bits: what an ACL on the client, host, method or port
 * knows is a word of 64 bits, what a request has is another for each of the four, and where they
 * have no bit in common the ACL does not match. So most lines of a long list cost a few
 * instructions. */
#include "lib/base/check.h"
#include "squid-compat/acl/acl_internal.h"

uint64_t acl_filter_bit(uint32_t number)
{
	return 1ULL << (number % 64);
}

uint64_t acl_filter_range(uint32_t low, uint32_t high)
{
	uint64_t bits = 0;

	if (high - low >= 63)
		return acl_filter_anything;
	for (uint32_t i = 0; i <= high - low; i++)
		bits |= acl_filter_bit(low + i);
	return bits;
}

uint64_t acl_filter_word(struct str word)
{
	return acl_filter_bit((uint32_t)word.len * 8 +
	                      (word.len > 0 ? (unsigned char)ascii_lower(word.at[0]) : 0));
}

/* To evaluate it changes nothing, waits for nothing and ends nothing. */
static bool is_pure(const struct acl *acl)
{
	static const struct acl_kind *const kinds[] = {
		&acl_kind_address, &acl_kind_domain, &acl_kind_numbers, &acl_kind_words,
		&acl_kind_regex,   &acl_kind_limit,  &acl_kind_time,
	};

	for (size_t i = 0; i < COUNT(kinds); i++)
		if (acl->type->kind == kinds[i])
			return !(acl->type->flags & ACL_IS_SLOW);
	return false;
}

void acl_filter_seal(struct acl *acl)
{
	const struct acl_kind *kind = acl->type->kind;

	acl->is_pure = is_pure(acl);
	acl->filter = acl->type->dimension != ACL_ANYTHING && kind->filter
	                      ? kind->filter(acl->values)
	                      : acl_filter_anything;
}

void acl_filter_key(struct acl_facts *facts, struct acl_key *key)
{
	const struct addr *client = facts->indirect ? facts->indirect : facts->client;

	key->bits[ACL_ANYTHING] = acl_filter_anything;
	key->bits[ACL_CLIENT] = client ? acl_address_bit(client) : acl_filter_anything;
	key->bits[ACL_HOST] = facts->host.len > 0 && !acl_facts_host_address(facts)
	                              ? acl_facts_host_bits(facts)
	                              : acl_filter_anything;
	key->bits[ACL_METHOD] =
		facts->method.len > 0 ? acl_filter_word(facts->method) : acl_filter_anything;
	key->bits[ACL_PORT] =
		facts->url.len > 0 ? acl_filter_bit(facts->port) : acl_filter_anything;
}

bool acl_filter_admits(const struct acl_term *terms, size_t n, const struct acl_key *key)
{
	for (size_t i = 0; i < n && terms[i].acl->is_pure; i++) {
		const struct acl *acl = terms[i].acl;

		if (!terms[i].is_negated && !(acl->filter & key->bits[acl->type->dimension]))
			return false;
	}
	return true;
}
