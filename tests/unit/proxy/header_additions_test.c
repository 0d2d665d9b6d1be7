/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/proxy/server_fixture.h"

#include "proxy/transaction/header_additions.h"

struct rig {
	struct server_fixture base;
	struct arena arena;
	struct acl_facts acl_facts;
	struct log_facts facts;
	struct buf out;
	struct http_request request; /* no fields: ACLs want one */
};

static void init(struct rig *rig, const char *lines)
{
	memset(rig, 0, sizeof(*rig));
	server_fixture_init(&rig->base, lines);
	arena_init(&rig->arena, NULL, 0);
	buf_init(&rig->out, 1 << 20);
	rig->acl_facts = (struct acl_facts){
		.arena = &rig->arena, .request = &rig->request, .method = STR("GET")};
}

static const char *written(struct rig *rig)
{
	buf_clear(&rig->out);
	header_additions_write(rig->base.snapshot->request_additions, &rig->acl_facts, &rig->facts,
	                       &rig->out);
	buf_add_char(&rig->out, '\0');
	return rig->out.at;
}

static void fini(struct rig *rig)
{
	buf_fini(&rig->out);
	arena_fini(&rig->arena);
	server_fixture_fini(&rig->base);
}

static void fields_are_added_in_the_order_of_the_file(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "request_header_add X-B \"plain text\"\nrequest_header_add X-A \"%ul\"\n");
	rig.facts.auth_user = STR("ann");
	assert_string_equal(written(&rig), "X-B: plain text\r\nX-A: ann\r\n");
	fini(&rig);
}

static void only_where_all_acls_match(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "acl get method GET\nacl post method POST\n"
	           "request_header_add X-Get \"1\" get\nrequest_header_add X-Post \"1\" post\n"
	           "request_header_add X-Both \"1\" get post\n"
	           "request_header_add X-Not \"1\" !get\n");
	assert_string_equal(written(&rig), "X-Get: 1\r\n");
	rig.acl_facts.method = STR("POST");
	assert_string_equal(written(&rig), "X-Post: 1\r\nX-Not: 1\r\n");
	fini(&rig);
}

/* What a client or a helper said may stand in a value. */
static void no_value_makes_a_second_field(void **state)
{
	static const char *const values[] = {"a\r\nX-Evil: 1", "a\nb", "a\rb", "a\x01"};
	struct rig rig;

	(void)state;
	init(&rig, "request_header_add X-A \"%'et\"\nrequest_header_add X-B \"b\"\n");
	for (size_t i = 0; i < COUNT(values); i++) {
		rig.facts.external_tag = str_of(values[i]);
		assert_string_equal(written(&rig), "X-B: b\r\n");
	}
	rig.facts.external_tag = STR("a\tb");
	assert_string_equal(written(&rig), "X-A: a\tb\r\nX-B: b\r\n");
	fini(&rig);
}

static void nothing_to_add_is_none(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "request_header_access Cookie deny all\n");
	assert_null(rig.base.snapshot->request_additions);
	assert_string_equal(written(&rig), "");
	header_additions_destroy(NULL);
	assert_null(header_additions_create(NULL));
	fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_added_in_the_order_of_the_file),
		cmocka_unit_test(only_where_all_acls_match),
		cmocka_unit_test(no_value_makes_a_second_field),
		cmocka_unit_test(nothing_to_add_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
