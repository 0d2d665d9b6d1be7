/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/net/tls_names.h"

#include "lib/base/hash.h"
#include "lib/base/heap.h"
#include "lib/base/random.h"

enum { MAX_NAME_BYTES = 253, MIN_BUCKETS = 16, MAX_BUCKETS = 1 << 20 };

struct tls_names {
	uint64_t seed;
	size_t nbuckets; /* a power of two */
	struct tls_name *buckets[];
};

struct tls_names *tls_names_create(size_t nexpected)
{
	struct tls_names *names;
	size_t n = MIN_BUCKETS;

	while (n < nexpected && n < MAX_BUCKETS)
		n *= 2;
	names = mem_zalloc(sizeof(*names) + n * sizeof(names->buckets[0]));
	names->nbuckets = n;
	names->seed = random_u64();
	return names;
}

void tls_names_destroy(struct tls_names *names)
{
	if (!names)
		return;
	for (size_t i = 0; i < names->nbuckets; i++)
		while (names->buckets[i]) {
			struct tls_name *name = names->buckets[i];

			names->buckets[i] = name->next_;
			mem_free(name);
		}
	mem_free(names);
}

/* In lower case, without a dot at the end; false: no host is called that. */
static bool fold(struct str name, char out[MAX_NAME_BYTES], struct str *folded)
{
	if (name.len > 0 && name.at[name.len - 1] == '.')
		name.len--;
	if (name.len == 0 || name.len > MAX_NAME_BYTES)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		if ((unsigned char)name.at[i] <= ' ' || (unsigned char)name.at[i] >= 0x7f)
			return false;
		out[i] = ascii_lower(name.at[i]);
	}
	*folded = (struct str){out, name.len};
	return true;
}

static bool is_usable(struct str name)
{
	size_t star = str_find_char(name, '*');

	if (star == name.len)
		return true;
	return star == 0 && name.len > 2 && name.at[1] == '.' &&
	       str_find_char(str_from(name, 1), '*') == name.len - 1;
}

static struct tls_name **bucket(struct tls_names *names, struct str text)
{
	return &names->buckets[hash_str(text, names->seed) & (names->nbuckets - 1)];
}

bool tls_names_add(struct tls_names *names, struct str name, unsigned value)
{
	char text[MAX_NAME_BYTES];
	struct str folded;
	struct tls_name *added, **at;

	if (!fold(name, text, &folded) || !is_usable(folded))
		return false;
	added = mem_alloc(sizeof(*added) + folded.len);
	memcpy(added + 1, folded.at, folded.len);
	*added = (struct tls_name){
		.value = value,
		.text = {(const char *)(added + 1), folded.len},
	};
	for (at = bucket(names, folded); *at; at = &(*at)->next_)
		continue;
	*at = added;
	return true;
}

static const struct tls_name *first(const struct tls_name *name, struct str text)
{
	while (name && !str_eq(name->text, text))
		name = name->next_;
	return name;
}

const struct tls_name *tls_names_find(const struct tls_names *names, struct str host)
{
	char text[MAX_NAME_BYTES];
	struct str folded;
	const struct tls_name *found;
	size_t dot;

	if (!fold(host, text, &folded) || folded.at[0] == '*')
		return NULL;
	found = first(*bucket((struct tls_names *)names, folded), folded);
	dot = str_find_char(folded, '.');
	if (found || dot == 0 || dot == folded.len)
		return found;
	text[dot - 1] = '*';
	folded = str_from(folded, dot - 1);
	return first(*bucket((struct tls_names *)names, folded), folded);
}

bool tls_name_means(struct str name, struct str host)
{
	char name_text[MAX_NAME_BYTES], host_text[MAX_NAME_BYTES];
	size_t dot;

	if (!fold(name, name_text, &name) || !fold(host, host_text, &host) || !is_usable(name))
		return false;
	dot = str_find_char(host, '.');
	if (name.at[0] == '*')
		return dot > 0 && str_eq(str_from(name, 1), str_from(host, dot));
	return str_eq(name, host);
}

const struct tls_name *tls_names_next(const struct tls_name *found)
{
	return first(found->next_, found->text);
}
