/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/ctl.h: a subcommand of bobtailctl: a row of the table in commands.c, and a file of its
 * own. It declares its options, from which --help and the parsing are made; then it asks the
 * running instance (client.h), reads cache.db, or both.
 *
 * Threads: one. Exit status: 0 done, 1 refused or not possible, 2 wrong use. */
#ifndef PROXY_CTL_CTL_H
#define PROXY_CTL_CTL_H
#include <stdbool.h>

struct config;

enum {
	CTL_OK,
	CTL_FAILED,
	CTL_USAGE,
};

enum { CTL_MAX_GIVEN = 64 }; /* options in one command line */

/* What stands before the subcommand. */
struct ctl {
	const char *config_path;  /* -f, or the default one */
	const char *service_name; /* -n; NULL: not given */
	const char *socket_path;  /* -s; NULL: where the configuration has it */
	struct config *config;    /* once it was read (ctl_config) */
};

/* The table of options ends with an empty row. */
struct ctl_option {
	const char *name;     /* --NAME */
	char letter;          /* -L; 0: none */
	const char *argument; /* what --help calls its value; NULL: it has none */
	const char *help;
	bool may_repeat; /* with a value each time; others are given once */
};

/* What was typed. */
struct ctl_args {
	struct {
		unsigned option; /* a row of the subcommand's table */
		const char *value;
	} given[CTL_MAX_GIVEN];
	unsigned ngiven;
	char **words; /* what is no option */
	int nwords;
};

struct ctl_command {
	const char *name;    /* one word, or two: "cache list" */
	const char *syntax;  /* behind the name */
	const char *summary; /* a line of the overview */
	const char *help;    /* more lines, for --help; NULL: the summary says it all */
	const struct ctl_option *options; /* NULL: none */
	int min_words, max_words;         /* that are no options */
	/* An exit status; CTL_USAGE shows the syntax. */
	int (*run)(struct ctl *ctl, const struct ctl_args *args);
};

/* The value of an option that was given ("" when it takes none; the last one's); NULL: not
 * given. */
const char *ctl_given(const struct ctl_args *args, unsigned option);

/* The configuration, read once; NULL: it cannot be, and stderr has why. ctl's own. */
const struct config *ctl_config(struct ctl *ctl);

/* The same, and stderr has nothing. */
const struct config *ctl_config_silently(struct ctl *ctl);

/* "bobtailctl: MESSAGE" on stderr; CTL_FAILED. */
int ctl_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
