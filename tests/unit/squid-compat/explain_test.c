/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base/check.h"
#include "squid-compat/directives/directives.h"
#include "squid-compat/explain/explain.h"
#include "tests/support/config_files.h"
#include "tests/support/data_file.h"

#define CORPUS "tests/corpus/squid-conf/"

/* An explanation of texts in memory, "squid.conf" first. */
struct rig {
	struct config_file files[3];
	struct source source;
	struct explanation explanation;
};

static void explain(struct rig *rig, const char *text, const char *included)
{
	*rig = (struct rig){
		.files = {{"squid.conf", text, 0}, {included ? "more.conf" : NULL, included, 0}},
		.source = {rig->files, config_files_read, config_files_expand},
	};
	explain_read(&rig->explanation, "squid.conf", &rig->source, NULL);
}

/* The first line with that number, warnings looked for in it; NULL: there is none. */
static const struct explain_line *line_of(const struct rig *rig, int number)
{
	for (size_t i = 0; i < rig->explanation.nlines; i++)
		if (rig->explanation.lines[i].number == number && !rig->explanation.lines[i].is_file)
			return &rig->explanation.lines[i];
	return NULL;
}

static bool is_warned(const struct explain_line *line, const char *part)
{
	for (const struct explain_remark *remark = line->remarks; remark; remark = remark->next)
		if (remark->is_warning && strstr(remark->text, part))
			return true;
	return false;
}

static void each_line_gets_a_class(void **state)
{
	static const struct {
		const char *line;
		enum explain_class what;
	} cases[] = {
		{"cache_mem 64 MB", EXPLAIN_SAME},
		{"redirect_program /bin/cat", EXPLAIN_SAME},
		{"icp_port 0", EXPLAIN_HARMLESS},
		{"cache_swap_low 90", EXPLAIN_SAME},
		{"ftp_passive on", EXPLAIN_HARMLESS}, /* its default */
		{"icap_enable off", EXPLAIN_HARMLESS},
		{"server_http11 on", EXPLAIN_HARMLESS},
		{"cache_dir ufs /tmp/x 100 16 256", EXPLAIN_DIFFERS},
		{"useragent_log /tmp/x", EXPLAIN_DIFFERS},
		{"httpd_accel_host a.example", EXPLAIN_DIFFERS},
		{"ftp_passive off", EXPLAIN_IGNORED},
		{"logformat combined %>a", EXPLAIN_SAME}, /* by Squid too, with a warning */
		{"http_access Allow all", EXPLAIN_SAME},
		{"icap_enable on", EXPLAIN_REFUSED},
		{"cache_men 64 MB", EXPLAIN_REFUSED},
		{"cache_mem 64MB", EXPLAIN_REFUSED},
		{"http_access allow nobody", EXPLAIN_REFUSED},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *text = mem_printf("http_port 8080 accel\nhttp_access allow localhost\n"
					"http_access deny all\n%s\n",
					cases[i].line);
		struct rig rig;

		explain(&rig, text, NULL);
		if (line_of(&rig, 4)->what != cases[i].what)
			fail_msg("%s: %s", cases[i].line,
				 explain_class_name(line_of(&rig, 4)->what));
		assert_int_equal(explain_worst(&rig.explanation), cases[i].what);
		assert_int_equal(explain_count(&rig.explanation, EXPLAIN_SAME),
				 3 + (cases[i].what == EXPLAIN_SAME));
		explain_fini(&rig.explanation);
		mem_free(text);
	}
}

static void likely_mistakes_are_warned_of(void **state)
{
	static const struct {
		const char *text;
		int line;
		const char *warning;
	} cases[] = {
		{"http_access allow all\nhttp_access deny localhost\n", 2, "in the wrong order"},
		{"http_access deny all\nhttp_access allow localhost\n", 2, "nobody is allowed here"},
		{"acl a method GET\nhttp_access allow a localhost\nhttp_access deny all\n"
		 "http_access allow a\n", 4, "never reached"},
		{"acl a method GET\nhttp_access allow a\nhttp_access deny a localhost\n"
		 "http_access deny all\n", 3, "above decides all that it would match"},
		{"acl a src 10.0.0.0/8\nacl b src 10.1.0.0/16\nhttp_access deny a\n"
		 "http_access allow b\nhttp_access deny all\n", 4, "never reached"},
		{"acl a port 1-100\nacl b port 80\nhttp_access deny !b\nhttp_access deny !a\n"
		 "http_access allow all\n", 4, "never reached"},
		{"cache_peer h parent 80 0\ncache_peer_access h allow all\n"
		 "cache_peer_access h deny localhost\n", 3, "never reached"},
		{"http_access deny !all\nhttp_access deny all\n", 1, "holds for nobody"},
		{"acl a dstdomain .a.example\nacl b dstdomain .b.example\nhttp_access allow a b\n"
		 "http_access deny all\n", 3, "no request is both"},
		{"acl a src 10.0.0.0/8\nhttp_access allow a !a\nhttp_access deny all\n", 2,
		 "no request is both"},
		{"acl a src 10.0.0.0/8\nhttp_access deny a\n", 2, "the last line denies some"},
		{"acl a dstdomain example.com\nhttp_access allow a\nhttp_access deny all\n", 1,
		 "write '.example.com'"},
		{"acl a dstdomain example.co.uk\nhttp_access allow a\nhttp_access deny all\n", 1,
		 "not www.example.co.uk"},
		{"acl a dstdomain *.example.com\nhttp_access allow a\nhttp_access deny all\n", 1,
		 "no wildcards"},
		{"acl a dstdomain http://b.example/\nhttp_access allow a\nhttp_access deny all\n", 1,
		 "no URL"},
		{"acl a dstdomain www.b.example:80\nhttp_access allow a\nhttp_access deny all\n", 1,
		 "no port"},
		{"acl a src 10.0.0.1/8\nhttp_access allow a\nhttp_access deny all\n", 1,
		 "masks away part"},
		{"acl a src 192.168.1.0\nhttp_access allow a\nhttp_access deny all\n", 1,
		 "'192.168.1.0/24'"},
		{"acl ads dstdomain .example.com\nacl site dstdomain www.example.com\n"
		 "http_access deny ads\nhttp_access allow site\nhttp_access deny all\n", 3,
		 "the site www.example.com (squid.conf:2) is denied here"},
		{"http_port 80 accel defaultsite=www.example.com\nacl bad dstdomain .example.com\n"
		 "http_access deny bad\nhttp_access allow all\n", 3,
		 "the site www.example.com (squid.conf:1) is denied here"},
		{"http_port 80 accel defaultsite=www.example.com:81\nacl a dstdomain .example.org\n"
		 "http_access allow a\nhttp_access deny all\n", 1,
		 "nobody gets the site www.example.com"},
		{"acl a method GET\nhttp_access deny all\n", 1, "the ACL 'a' is never used"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rig rig;

		explain(&rig, cases[i].text, NULL);
		if (!is_warned(line_of(&rig, cases[i].line), cases[i].warning))
			fail_msg("%s: not warned of %s", cases[i].text, cases[i].warning);
		explain_fini(&rig.explanation);
	}
}

static void what_may_be_meant_is_not_warned_of(void **state)
{
	static const char *const texts[] = {
		"acl a method GET\nhttp_access allow a\nhttp_access deny all\n",
		"acl a src 10.0.0.0/8\nacl b src 10.1.0.0/16\nhttp_access deny b\n"
		"http_access allow a\nhttp_access deny all\n",
		"acl a random 0.5\nhttp_access deny a\nhttp_access deny a\nhttp_access allow all\n",
		"acl a dstdomain example.com www.example.com\nhttp_access allow a\n"
		"http_access deny all\n",
		"http_port 80 accel defaultsite=example.com\nacl a dstdomain example.com\n"
		"http_access allow a\nhttp_access deny all\n",
		"acl a url_regex ^http://x\nacl b url_regex ^http://x/y\nhttp_access deny a\n"
		"http_access allow b\nhttp_access deny all\n",
		"acl bad src 192.0.2.7\nacl site dstdomain www.example.com\nhttp_access deny bad\n"
		"http_access allow site\nhttp_access deny all\n",
		"acl bad dstdomain ads.example.com\nacl site dstdomain .example.com\n"
		"http_access deny bad\nhttp_access allow site\nhttp_access deny all\n",
		"acl p method PURGE\nhttp_access allow localhost\nhttp_access deny all\n",
		"acl a method GET\nacl g any-of a localhost\nhttp_access allow g\nhttp_access deny all\n",
		"acl a dstdomain 192.0.2.1\nacl b dstdomain .b.example\nhttp_access allow a b\n"
		"http_access deny all\n",
		"cache_peer h parent 80 0\nacl a port 80\ncache_peer_access h deny a\n"
		"http_access allow localhost\nhttp_access deny all\n",
		"http_access allow localhost manager\nhttp_access deny manager\nhttp_access allow all\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct rig rig;

		explain(&rig, texts[i], NULL);
		for (size_t j = 0; j < rig.explanation.nlines; j++)
			if (rig.explanation.lines[j].file)
				for (const struct explain_remark *remark =
					     rig.explanation.lines[j].remarks;
				     remark; remark = remark->next)
					fail_msg("%s: %s", texts[i], remark->text);
		explain_fini(&rig.explanation);
	}
}

/* ---- --upgrade */

static char *upgrade(struct rig *rig)
{
	struct err_text why = {""};
	struct buf out;

	buf_init(&out, 8 << 20);
	if (explain_upgrade(&rig->explanation, &rig->source, &out, &why) != ERR_OK)
		fail_msg("%s", why.at);
	buf_add_char(&out, '\0');
	return out.at;
}

static void old_lines_are_written_anew(void **state)
{
	static const struct {
		const char *before, *after;
	} cases[] = {
		{"# a comment\n\nhttp_port 80 accel # so\n", "# a comment\n\nhttp_port 80 accel # so\n"},
		{"http_port 80 vhost\n", "# http_port 80 vhost\nhttp_port 80 accel\n"},
		{"http_port 80 defaultsite=a\n",
		 "# http_port 80 defaultsite=a\nhttp_port 80 accel defaultsite=a no-vhost\n"},
		{"http_port 80 defaultsite=a vhost\n",
		 "# http_port 80 defaultsite=a vhost\nhttp_port 80 accel defaultsite=a\n"},
		{"http_port 80 accel h2c\n", "# http_port 80 accel h2c\nhttp_port 80 accel\n"},
		{"redirect_program /bin/cat -u\n",
		 "# redirect_program /bin/cat -u\nurl_rewrite_program /bin/cat -u\n"},
		{"via enable\n", "# via enable\nvia on\n"},
		{"cache_peer h parent 80 0 \\\n  no-query \\\n  foo ssl\n",
		 "# cache_peer h parent 80 0 \n#   no-query \n#   foo ssl\n"
		 "cache_peer h parent 80 0 no-query tls\n"},
		{"acl a src 10.0.0.0/255.0.0.0 192.0.2.1\n",
		 "# acl a src 10.0.0.0/255.0.0.0 192.0.2.1\nacl a src 10.0.0.0/8 192.0.2.1\n"},
		{"acl a myport 80\n", "# acl a myport 80\nacl a localport 80\n"},
		{"acl a dstdomain b.c .b.c\nhttp_access deny a\n",
		 "# acl a dstdomain b.c .b.c\nacl a dstdomain .b.c\nhttp_access deny a\n"},
		{"acl a arp 00:11:22:33:44:55\nhttp_access deny !a\n",
		 "acl a arp 00:11:22:33:44:55\nhttp_access deny !a\n"},
		{"acl a dstdomain www.b.c .b.c\n", "# acl a dstdomain www.b.c .b.c\nacl a dstdomain .b.c\n"},
		{"acl all src 0.0.0.0/0\n", "# Not for Squid 7: the ACL is built in, with these values\n"
					    "# acl all src 0.0.0.0/0\n"},
		{"acl m proto cache_object\n",
		 "# acl m proto cache_object\nacl m url_regex -i ^cache_object:// +i "
		 "^[^:]+://[^/]+/squid-internal-mgr/\n"},
		{"refresh_pattern . 0 20% 1 ignore-auth\n",
		 "# refresh_pattern . 0 20% 1 ignore-auth\nrefresh_pattern . 0 20% 1\n"},
		{"announce_port 0\n",
		 "# Not for Squid 7: Squid 7 has no such directive\n# announce_port 0\n"},
		{"emulate_httpd_log on\naccess_log /a\naccess_log /b squid\n",
		 "# Not for Squid 7: access_log says it\n# emulate_httpd_log on\n"
		 "# access_log /a\naccess_log /a common\naccess_log /b squid\n"},
		{"useragent_log /u\n",
		 "# useragent_log /u\naccess_log daemon:/var/log/squid/access.log squid\n"
		 "access_log /u useragent\n"},
		{"sslproxy_flags DONT_VERIFY_DOMAIN\nsslproxy_options NO_TLSv1\n",
		 "# Not for Squid 7: said by the line that stands for all of its kind\n"
		 "# sslproxy_flags DONT_VERIFY_DOMAIN\n"
		 "tls_outgoing_options flags=DONT_VERIFY_DOMAIN options=NO_TLSv1\n"
		 "# Not for Squid 7: said by the line that stands for all of its kind\n"
		 "# sslproxy_options NO_TLSv1\n"},
		{"http_port 80\nhttpd_accel_host a.example\nhttpd_accel_port 81\n",
		 "# http_port 80\nhttp_port 80 accel defaultsite=a.example no-vhost vport=81\n"
		 "# Not for Squid 7: http_port and cache_peer say it\n# httpd_accel_host a.example\n"
		 "cache_peer a.example parent 81 0 no-query originserver\n"
		 "# Not for Squid 7: http_port and cache_peer say it\n# httpd_accel_port 81\n"},
		{"cache_peer h parent 80 0\nacl a method GET\ncache_peer_access h allow a\n"
		 "cache_peer_domain h .b.c\n",
		 "cache_peer h parent 80 0\nacl a method GET\n# cache_peer_access h allow a\n"
		 "acl domains_of_h dstdomain .b.c\ncache_peer_access h deny !domains_of_h\n"
		 "cache_peer_access h allow a\n"
		 "# Not for Squid 7: said by the line that stands for all of its kind\n"
		 "# cache_peer_domain h .b.c\n"},
		{"url_rewrite_children 5\nurl_rewrite_concurrency 9\n",
		 "# url_rewrite_children 5\nurl_rewrite_children 5 concurrency=9\n"
		 "# Not for Squid 7: said by the line that stands for all of its kind\n"
		 "# url_rewrite_concurrency 9\n"},
		{"if 0\nfoo bar\nendif\n", "if 0\nfoo bar\nendif\n"},
		{"include more.conf\nvia on\n", "# include more.conf\n# of more\nvia off\nvia on\n"},
		{"foo\n", "# Not for Squid 7: neither Squid nor Bobtail has such a directive\n# foo\n"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rig rig;
		char *after;

		explain(&rig, cases[i].before, "# of more\nvia off\n");
		after = upgrade(&rig);
		assert_string_equal(after, cases[i].after);
		mem_free(after);
		explain_fini(&rig.explanation);
	}
}

static char *read_corpus_file(const char *name)
{
	char *path = mem_printf(CORPUS "%s", name);
	FILE *file = data_open(path);
	struct buf bytes;
	char *room;
	size_t n;

	assert_non_null(file);
	buf_init(&bytes, 1 << 20);
	while ((room = buf_reserve(&bytes, 4096)) && (n = fread(room, 1, 4096, file)) > 0)
		bytes.len += n;
	buf_add_char(&bytes, '\0');
	fclose(file);
	mem_free(path);
	return bytes.at;
}

/* What is left to say of an upgraded file is of the machine, or cannot be said otherwise. */
static void check_upgraded(const char *name, const char *text)
{
	struct rig rig;

	explain(&rig, text, NULL);
	for (size_t i = 0; i < rig.explanation.nlines; i++) {
		const struct explain_line *line = &rig.explanation.lines[i];
		enum verdict verdict = line->directive ? line->directive->verdict : HONOURED;

		if (line->is_file || !line->file)
			continue;
		if (verdict == OBSOLETE || verdict == TRANSLATED || verdict == UNKNOWN ||
		    (line->what == EXPLAIN_REFUSED && !line->has_file_fault && verdict != REFUSED))
			fail_msg("%s: after the upgrade: %s", name, line->text);
	}
	explain_fini(&rig.explanation);
}

static void public_configurations_can_be_upgraded(void **state)
{
	FILE *expected = data_open(CORPUS "EXPECTED-5.7.tsv");
	char line[32768];
	size_t nfiles = 0;

	(void)state;
	assert_non_null(expected);
	while (fgets(line, sizeof(line), expected)) {
		char *text, *after;
		struct rig rig;

		line[strcspn(line, "\t")] = '\0';
		if (strcmp(line, "file") == 0)
			continue;
		text = read_corpus_file(line);
		explain(&rig, text, NULL);
		after = upgrade(&rig);
		check_upgraded(line, after);
		explain_fini(&rig.explanation);
		mem_free(after);
		mem_free(text);
		nfiles++;
	}
	fclose(expected);
	assert_int_equal(nfiles, 35);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_line_gets_a_class),
		cmocka_unit_test(likely_mistakes_are_warned_of),
		cmocka_unit_test(what_may_be_meant_is_not_warned_of),
		cmocka_unit_test(old_lines_are_written_anew),
		cmocka_unit_test(public_configurations_can_be_upgraded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
