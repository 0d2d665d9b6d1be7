/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/source.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/heap.h"

static enum err say_errno(struct err_text *why, int error)
{
	err_say(why, "(%d) %s", error, strerror(error));
	return ERR_IO;
}

/* Reads to the end whatever size the file said it had. */
static enum err read_all(int fd, struct buf *out, struct err_text *why)
{
	char chunk[16384];

	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n == 0)
			return ERR_OK;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return say_errno(why, errno);
		if (!buf_add(out, chunk, (size_t)n)) {
			err_say(why, "the file is larger than %zu bytes", out->max_bytes);
			return ERR_LIMIT;
		}
	}
}

static enum err disk_read(void *user, const char *path, struct buf *out, struct err_text *why)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat status;
	enum err err;

	(void)user;
	if (fd < 0)
		return say_errno(why, errno);
	if (fstat(fd, &status) != 0) {
		err = say_errno(why, errno);
	} else if (!S_ISREG(status.st_mode)) {
		err_say(why, "not a regular file");
		err = ERR_INPUT;
	} else {
		err = read_all(fd, out, why);
	}
	close(fd);
	return err;
}

static void take_names(const glob_t *found, struct source_names *out)
{
	out->n = found->gl_pathc;
	out->at = mem_array(out->n, sizeof(*out->at));
	for (size_t i = 0; i < out->n; i++)
		out->at[i] = mem_strdup(found->gl_pathv[i]);
}

static enum err disk_expand(void *user, const char *pattern, struct source_names *out,
                            struct err_text *why)
{
	glob_t found = {0};
	int status = glob(pattern, GLOB_ERR, NULL, &found);
	enum err err = ERR_OK;

	(void)user;
	if (status == 0 && found.gl_pathc <= SOURCE_MAX_MATCHES) {
		take_names(&found, out);
	} else if (status == 0) {
		err_say(why, "it names more than %d files", SOURCE_MAX_MATCHES);
		err = ERR_LIMIT;
	} else {
		err = say_errno(why, status == GLOB_NOMATCH ? ENOENT : errno ? errno : EIO);
	}
	globfree(&found);
	return err;
}

const struct source source_disk = {.read = disk_read, .expand = disk_expand};

void source_names_fini(struct source_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		mem_free(names->at[i]);
	mem_free(names->at);
	*names = (struct source_names){NULL, 0};
}
