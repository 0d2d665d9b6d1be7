/* SPDX-License-Identifier: BSD-2-Clause */
/* A port with a thousand certificates: what each costs, and what the choice among them costs. Times are
 * of this process and are compared with each other, so that a slow machine does no harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <gnutls/x509.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/net/tls.h"
#include "lib/net/tls_certificate.h"
#include "lib/net/tls_names.h"

enum { MANY = 1000, FEW = 10, LOOKUPS = 100000, MAX_BYTES_EACH = 16384 };

struct pems {
	gnutls_datum_t key, certs[MANY];
};

static int64_t now_us(void)
{
	struct timespec now;

	check(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static const char *name_of(unsigned i, char out[32])
{
	snprintf(out, 32, "site%u.example", i);
	return out;
}

static void make_cert(gnutls_x509_privkey_t key, unsigned i, gnutls_datum_t *pem)
{
	gnutls_x509_crt_t crt;
	char name[32];
	uint32_t serial = i + 1;

	name_of(i, name);
	check(gnutls_x509_crt_init(&crt) == 0);
	check(gnutls_x509_crt_set_key(crt, key) == 0 && gnutls_x509_crt_set_version(crt, 3) == 0);
	check(gnutls_x509_crt_set_serial(crt, &serial, sizeof(serial)) == 0);
	gnutls_x509_crt_set_activation_time(crt, time(NULL));
	gnutls_x509_crt_set_expiration_time(crt, time(NULL) + 86400);
	check(gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name,
					    (unsigned)strlen(name)) == 0);
	check(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name,
						   (unsigned)strlen(name), 0) == 0);
	check(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0) == 0);
	check(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, pem) == 0);
	gnutls_x509_crt_deinit(crt);
}

static int make_pems(void **state)
{
	struct pems *pems = mem_zalloc(sizeof(*pems));
	gnutls_x509_privkey_t key;

	check(gnutls_x509_privkey_init(&key) == 0);
	check(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
					   GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) == 0);
	check(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pems->key) == 0);
	for (unsigned i = 0; i < MANY; i++)
		make_cert(key, i, &pems->certs[i]);
	gnutls_x509_privkey_deinit(key);
	*state = pems;
	return 0;
}

static int free_pems(void **state)
{
	struct pems *pems = *state;

	gnutls_free(pems->key.data);
	for (unsigned i = 0; i < MANY; i++)
		gnutls_free(pems->certs[i].data);
	mem_free(pems);
	return 0;
}

static struct str text_of(const gnutls_datum_t *pem)
{
	return (struct str){(const char *)pem->data, pem->size};
}

/* A port's, with the first n of them. */
static struct tls_server *make_server(const struct pems *pems, size_t n)
{
	struct tls_certificate **certificates = mem_array(n, sizeof(struct tls_certificate *));
	const struct tls_server_config config = {
		.priorities = "NORMAL", .certificates = certificates, .ncertificates = n};
	struct tls_server *server = NULL;
	struct err_text why = {""};

	for (size_t i = 0; i < n; i++) {
		const struct tls_pem pem = {.cert = text_of(&pems->certs[i]),
					    .key = text_of(&pems->key)};

		if (tls_certificate_create(&pem, &certificates[i], &why) != ERR_OK)
			fail_msg("%s", why.at);
	}
	assert_int_equal(tls_server_create(&config, &server, &why), ERR_OK);
	for (size_t i = 0; i < n; i++)
		tls_certificate_unref(certificates[i]);
	mem_free(certificates);
	return server;
}

static int64_t time_to_make(const struct pems *pems, size_t n)
{
	int64_t began_us = now_us();
	struct tls_server *server = make_server(pems, n);
	int64_t took_us = now_us() - began_us;

	tls_server_unref(server);
	return took_us;
}

/* Ten times as many take about ten times as long: nothing is compared with all others. */
static void each_takes_as_long_to_load_as_with_a_few(void **state)
{
	int64_t hundred_us = time_to_make(*state, MANY / 10), all_us = time_to_make(*state, MANY);

	print_message("%d certificates: %lld ms\n", MANY, (long long)all_us / 1000);
	assert_true(all_us < 40 * hundred_us + 20000);
}

static void each_takes_little_memory(void **state)
{
	size_t before = mallinfo2().uordblks;
	struct tls_server *server = make_server(*state, MANY);
	size_t each = (mallinfo2().uordblks - before) / MANY;

	print_message("%zu bytes each\n", each); /* 0 with an allocator that does not tell */
	assert_true(each < MAX_BYTES_EACH);
	tls_server_unref(server);
}

static int64_t time_to_find(unsigned nnames)
{
	struct tls_names *names = tls_names_create(nnames);
	int64_t began_us;
	char name[32];

	for (unsigned i = 0; i < nnames; i++)
		tls_names_add(names, str_of(name_of(i, name)), i);
	began_us = now_us();
	for (unsigned i = 0; i < LOOKUPS; i++)
		assert_non_null(tls_names_find(names, str_of(name_of(i % FEW * (nnames / FEW), name))));
	began_us = now_us() - began_us;
	tls_names_destroy(names);
	return began_us;
}

static void the_choice_costs_what_it_does_among_a_few(void **state)
{
	int64_t few_us = time_to_find(FEW), many_us = time_to_find(MANY);

	(void)state;
	print_message("among %d: %lld us, among %d: %lld us\n", FEW, (long long)few_us, MANY,
		      (long long)many_us);
	assert_true(many_us < 4 * few_us + 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_takes_as_long_to_load_as_with_a_few),
		cmocka_unit_test(each_takes_little_memory),
		cmocka_unit_test(the_choice_costs_what_it_does_among_a_few),
	};

	return cmocka_run_group_tests(tests, make_pems, free_pems);
}
