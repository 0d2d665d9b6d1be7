/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/check.h"
#include "squid-compat/parser.h"
#include "tests/support/config_files.h"

/* Words apart by '|', each line with its end; a file name as <FILE>, a quoted value as "VALUE". */
static void write_line(void *user, const struct words *words)
{
	struct buf *out = user;

	for (size_t i = 0; i < words->n; i++) {
		const struct word *word = &words->at[i];

		if (i)
			buf_add_char(out, '|');
		if (word->is_file || word->is_quoted)
			buf_add_char(out, word->is_file ? '<' : '"');
		buf_add_str(out, word->text);
		if (word->is_file || word->is_quoted)
			buf_add_char(out, word->is_file ? '>' : '"');
	}
	buf_add_char(out, '\n');
}

/* Reads the file "main" of files and compares lines and messages. */
static void expect(const struct config_file *files, const char *lines, const char *messages)
{
	struct source source = {(void *)files, config_files_read, config_files_expand};
	struct parser_options options = {.source = &source, .service_name = "wiki"};
	struct report *report = report_create();
	struct buf out;
	char *printed;

	buf_init(&out, 1 << 20);
	parser_read("main", &options, report, write_line, &out);
	buf_add_char(&out, '\0');
	printed = config_files_printed(report);
	assert_string_equal(out.at, lines);
	assert_string_equal(printed, messages);
	free(printed);
	buf_fini(&out);
	report_destroy(report);
}

static void expect_text(const char *text, const char *lines, const char *messages)
{
	const struct config_file files[] = {{"main", text, 0}, {NULL, NULL, 0}};

	expect(files, lines, messages);
}

static void lines_are_joined_and_cut(void **state)
{
	static const struct {
		const char *what, *text, *lines;
	} cases[] = {
		{"words are apart by blanks", "a  b\tc \n", "a|b|c\n"},
		{"no newline at the end", "a b", "a|b\n"},
		{"lines end in CR LF, and blanks lead", "  a b\r\n\tc\r\n", "a|b\nc\n"},
		{"a byte order mark",
	         "\xEF\xBB\xBF"
	         "a b\n",
	         "a|b\n"},
		{"a backslash joins, and blanks of the next line go", "a b\\\n   c \\\n d\n",
	         "a|bc|d\n"},
		{"comments within a joined line", "a \\\n# no\n\n b\n", "a|b\n"},
		{"a backslash before a blank joins nothing", "a \\ \nb\n", "a|\\\nb\n"},
		{"a comment begins a word", "a #b c\n#d\na b#c\n", "a\na|b#c\n"},
		{"an ACL's file", "acl x src \"/etc/a b\" 'c'\n", "acl|x|src|</etc/a b>|<c>\n"},
		{"a quote that ends nowhere", "acl x src \"/etc/a b\n", "acl|x|src|</etc/a>|b\n"},
		{"a quote within a word", "a b\"c d\"\n", "a|b\"c|d\"\n"},
		{"patterns keep escaped blanks", "acl x url_regex a\\ b c\n",
	         "acl|x|url_regex|a\\ b|c\n"},
		{"other words do not", "cache_log a\\ b\n", "cache_log|a\\|b\n"},
		{"macros", "a ${service_name}-${process_name}.${process_number}${x}$\n",
	         "a|wiki-squid-1.1${x}$\n"},
		{"nothing", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		print_message("%s\n", cases[i].what);
		expect_text(cases[i].text, cases[i].lines, "");
	}
}

static void quoted_values_are_strings_from_their_line_on(void **state)
{
	(void)state;
	expect_text("a \"b c\"\n"
	            "configuration_includes_quoted_values on\n"
	            "a \"b \\\"c\\n\\\\\" 'd \"e' parameters(\"/f g\") h\n"
	            "configuration_includes_quoted_values off\n"
	            "a \"b\"\n",
	            "a|<b c>\n"
	            "configuration_includes_quoted_values|on\n"
	            "a|\"b \"c\n\\\"|\"d \"e\"|</f g>|h\n"
	            "configuration_includes_quoted_values|off\n"
	            "a|<b>\n",
	            "");
	expect_text("configuration_includes_quoted_values on\n"
	            "a \"b\nb 'c'd\nc parameters(x)\nd parameters(\"x\"\ne\n",
	            "configuration_includes_quoted_values|on\ne\n",
	            "FATAL: a quoted value has no closing quote\n"
	            "FATAL: Bungled main line 2: a \"b\n"
	            "FATAL: a quoted value must be followed by a blank\n"
	            "FATAL: Bungled main line 3: b 'c'd\n"
	            "FATAL: parameters() needs a file name in quotes\n"
	            "FATAL: Bungled main line 4: c parameters(x)\n"
	            "FATAL: parameters(\"FILE\" has no closing parenthesis\n"
	            "FATAL: Bungled main line 5: d parameters(\"x\"\n");
}

static void conditions_choose_lines(void **state)
{
	(void)state;
	expect_text("if true\na\nelse\nb\nendif\n"
	            "if false\na\nif true\nb\nelse\nc\nendif\nelse\nd\nendif\n"
	            "if ${process_number} = 1\ne\nendif\n"
	            "if 2=3\nf\nendif\n"
	            "if 1 # always\ng\nendif\n"
	            "if 0\nif nonsense\nendif\nendif\n",
	            "a\nd\ne\ng\n", "");
	expect_text("endif\nelse\nif maybe\na\nendif\nif true\nb\n", "b\n",
	            "FATAL: 'endif' without 'if'\n"
	            "FATAL: Bungled main line 1: endif\n"
	            "FATAL: 'else' without 'if'\n"
	            "FATAL: Bungled main line 2: else\n"
	            "FATAL: bad condition: 'maybe'\n"
	            "FATAL: Bungled main line 3: if maybe\n"
	            "FATAL: 'if' without 'endif'\n"
	            "FATAL: Bungled main line 7: \n");
}

static void includes_are_read_in_their_place(void **state)
{
	static const struct config_file files[] = {
		{"main", "a\ninclude conf.d/*.conf last\nz\n", 0},
		{"conf.d/1.conf", "b\n", 0},
		{"conf.d/2.conf", "c", 0},
		{"last", "if true\nd\nendif\n", 0},
		{NULL, NULL, 0},
	};

	(void)state;
	expect(files, "a\nb\nc\nd\nz\n", "");
}

static void includes_that_go_wrong_name_the_way_there(void **state)
{
	static const struct config_file missing[] = {
		{"main", "a\ninclude one\nz\n", 0},
		{"one", "\ninclude two* three\n'\n", 0},
		{"three", "include main\n", 0},
		{NULL, NULL, 0},
	};
	static const char chain[] = " included from one line 2 included from main line 2";
	char *messages = mem_printf(
		"FATAL: Unable to find configuration file: two*: (2) No such file or directory\n"
		"FATAL: Bungled one line 2 included from main line 2: include two* three\n"
		"FATAL: main includes itself\n"
		"FATAL: Bungled three line 1%s: include main\n",
		chain);

	(void)state;
	expect(missing, "a\n'\nz\n", messages);
	mem_free(messages);
}

static void hostile_lines_are_refused_and_reading_goes_on(void **state)
{
	size_t len = PARSER_MAX_LINE_BYTES + 1;
	char *text = mem_zalloc(len + 16);
	struct config_file files[] = {{"main", text, 0}, {NULL, NULL, 0}};
	static const struct config_file nul[] = {{"main", "a\0b\nc\n", 6}, {NULL, NULL, 0}};
	char *messages;

	(void)state;
	memset(text, 'x', len);
	memcpy(text + len, "\nb\n", 3);
	messages = mem_printf("FATAL: the line is longer than 8191 bytes\n"
	                      "FATAL: Bungled main line 1: %.80s\n",
	                      text);
	expect(files, "b\n", messages);
	mem_free(messages);
	mem_free(text);
	expect(nul, "c\n",
	       "FATAL: the line has a NUL byte\n"
	       "FATAL: Bungled main line 1: a\n");
	expect_text("a \\", "a\n", "WARNING: the file ends in a backslash (main line 1)\n");
	expect_text("#line 7 \"other\"\nif x\n", "",
	            "FATAL: bad condition: 'x'\n"
	            "FATAL: Bungled other line 7: if x\n"
	            "FATAL: 'if' without 'endif'\n"
	            "FATAL: Bungled other line 7: \n");
}

static enum err read_from_disk(const char *path, struct err_text *why)
{
	struct buf out;
	enum err err;

	buf_init(&out, 1000);
	err = source_disk.read(NULL, path, &out, why);
	buf_fini(&out);
	return err;
}

static void only_regular_files_are_read(void **state)
{
	char dir[] = "/tmp/parser_test.XXXXXX";
	struct err_text why;
	char *fifo;

	(void)state;
	assert_non_null(mkdtemp(dir));
	fifo = mem_printf("%s/fifo", dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(read_from_disk(fifo, &why), ERR_INPUT);
	assert_string_equal(why.at, "not a regular file");
	assert_int_equal(read_from_disk(dir, &why), ERR_INPUT);
	assert_int_equal(read_from_disk("/dev/zero", &why), ERR_INPUT);
	assert_int_equal(read_from_disk("/nowhere/at/all", &why), ERR_IO);
	assert_string_equal(why.at, "(2) No such file or directory");
	unlink(fifo);
	rmdir(dir);
	mem_free(fifo);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_joined_and_cut),
		cmocka_unit_test(quoted_values_are_strings_from_their_line_on),
		cmocka_unit_test(conditions_choose_lines),
		cmocka_unit_test(includes_are_read_in_their_place),
		cmocka_unit_test(includes_that_go_wrong_name_the_way_there),
		cmocka_unit_test(hostile_lines_are_refused_and_reading_goes_on),
		cmocka_unit_test(only_regular_files_are_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
