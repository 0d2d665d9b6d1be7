/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/transaction/security_headers.h"

#include <stdatomic.h>

#include "cache/object.h"
#include "lib/base/buf.h"
#include "lib/base/heap.h"

enum { NFIELDS = 4, NSETS = 1 << NFIELDS, TRANSPORT_SECURITY = 0, LOOKED = 1 << NFIELDS };
enum { LINES_MAX_BYTES = 512 };

static const struct {
	const char *name, *on, *strict;
} fields[NFIELDS] = {
	[TRANSPORT_SECURITY] = {"Strict-Transport-Security", "max-age=31536000",
				"max-age=63072000; includeSubDomains"},
	{"X-Content-Type-Options", "nosniff", "nosniff"},
	{"Referrer-Policy", "strict-origin-when-cross-origin", "no-referrer"},
	{"X-Frame-Options", "SAMEORIGIN", "DENY"},
};

struct security_headers {
	struct str lines[2][NSETS]; /* [is secure][a bit for each field that is there already] */
};

static struct str make_lines(enum security_level level, bool is_secure, unsigned present)
{
	struct buf lines;
	struct str made;

	buf_init(&lines, LINES_MAX_BYTES);
	for (unsigned i = 0; i < NFIELDS; i++)
		if (!(present & 1U << i) && (is_secure || i != TRANSPORT_SECURITY))
			buf_printf(&lines, "%s: %s\r\n", fields[i].name,
				   level == SECURITY_HEADERS_STRICT ? fields[i].strict
								    : fields[i].on);
	made = str_of(str_dup(buf_str(&lines)));
	buf_fini(&lines);
	return made;
}

struct security_headers *security_headers_create(enum security_level level)
{
	struct security_headers *headers;

	if (level == SECURITY_HEADERS_OFF)
		return NULL;
	headers = mem_zalloc(sizeof(*headers));
	for (unsigned secure = 0; secure < 2; secure++)
		for (unsigned set = 0; set < NSETS; set++)
			headers->lines[secure][set] = make_lines(level, secure, set);
	return headers;
}

void security_headers_destroy(struct security_headers *headers)
{
	if (!headers)
		return;
	for (unsigned secure = 0; secure < 2; secure++)
		for (unsigned set = 0; set < NSETS; set++)
			mem_free((void *)(uintptr_t)headers->lines[secure][set].at);
	mem_free(headers);
}

/* The fields that a head has lines of. */
static unsigned fields_of(struct str head)
{
	unsigned present = 0;
	struct str line;

	while (str_split(&head, '\n', &line))
		for (unsigned i = 0; i < NFIELDS; i++) {
			struct str name = str_of(fields[i].name);

			if (line.len > name.len && line.at[name.len] == ':' &&
			    str_starts_with_nocase(line, name))
				present |= 1U << i;
		}
	return present;
}

struct str security_headers_lines(const struct security_headers *headers, struct object *object,
                                  bool is_secure)
{
	unsigned seen = 0;

	if (!headers)
		return STR("");
	if (object) {
		seen = atomic_load_explicit(&object->own_fields, memory_order_relaxed);
		if (seen == 0) { /* two threads find the same */
			seen = LOOKED | fields_of(object->head);
			atomic_store_explicit(&object->own_fields, (unsigned char)seen,
					      memory_order_relaxed);
		}
	}
	return headers->lines[is_secure][seen % NSETS];
}
