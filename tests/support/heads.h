/* SPDX-License-Identifier: BSD-2-Clause */
/* tests/support/heads.h: a head made of lines, for tests of what reads heads (not of the
 * parser). */
#ifndef TESTS_SUPPORT_HEADS_H
#define TESTS_SUPPORT_HEADS_H
#include <string.h>

#include "lib/http/message.h"

/* lines: "Name: value\nName: value\n"; must outlive the head. */
static inline void head_of_lines(struct http_head *head, const char *lines)
{
	memset(head, 0, sizeof(*head));
	head->base = lines;
	head->len = strlen(lines);
	for (const char *at = lines; *at;) {
		const char *end = strchr(at, '\n');
		const char *colon = strchr(at, ':');
		struct http_field *field = &head->fields[head->nfields++];

		field->name_at = (uint32_t)(at - lines);
		field->name_len = (uint16_t)(colon - at);
		field->value_at = (uint32_t)(colon + 2 - lines);
		field->value_len = (uint32_t)(end - (colon + 2));
		field->id = (uint16_t)http_field_id((struct str){at, field->name_len});
		head->present_[field->id / 64] |= UINT64_C(1) << field->id % 64;
		at = end + 1;
	}
}

#endif
