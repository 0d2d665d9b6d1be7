/* SPDX-License-Identifier: BSD-2-Clause */
/* Entries in the order of the questions, in one buffer: a question is a kind, a number and a text,
 * its answer a number and bytes. The same reading asks the same in the same order, so the search
 * for an answer begins behind the last one. */
#include "proxy/process/transcript.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/heap.h"
#include "squid-compat/config.h"
#include "squid-compat/source.h"
#include "squid-compat/world.h"

enum kind { KIND_READ, KIND_EXPAND, KIND_RESOLVE, KIND_MAY, KIND_READ_FILE, KIND_LIST,
            KIND_PASSWORD };

struct entry {
	uint32_t kind;
	int32_t number; /* of the question: a mode, a port */
	int32_t result;
	uint32_t key_len, value_len; /* both behind it; the next entry is aligned */
};

struct transcript {
	struct buf entries;
	size_t next; /* where the search begins */
	struct source source;
};

/* The world's functions are given no owner (docs/ARCHITECTURE.md, shared state). */
static struct transcript *current;

struct transcript *transcript_create(void)
{
	struct transcript *transcript = mem_zalloc(sizeof(*transcript));

	buf_init(&transcript->entries, TRANSCRIPT_MAX_BYTES);
	return transcript;
}

void transcript_destroy(struct transcript *transcript)
{
	if (!transcript)
		return;
	buf_fini(&transcript->entries);
	mem_free(transcript);
}

/* ---- entries */

static size_t padded(size_t len)
{
	return (len + 7) & ~(size_t)7;
}

static void keep(struct transcript *transcript, enum kind kind, int number, const char *key,
                 int result, struct str value)
{
	static const char zeros[8];
	const struct entry entry = {
		.kind = kind,
		.number = number,
		.result = result,
		.key_len = (uint32_t)strlen(key),
		.value_len = (uint32_t)value.len,
	};
	size_t len = sizeof(entry) + entry.key_len + value.len;

	buf_add(&transcript->entries, &entry, sizeof(entry));
	buf_add(&transcript->entries, key, entry.key_len);
	buf_add(&transcript->entries, value.at, value.len);
	buf_add(&transcript->entries, zeros, padded(len) - len);
}

/* The entry at offset *at, and *at behind it; false at the end, or where nothing whole is. */
static bool next_entry(const struct transcript *transcript, size_t *at, struct entry *entry,
                       struct str *key, struct str *value)
{
	struct str rest = str_from(buf_str(&transcript->entries), *at);
	size_t len;

	if (rest.len < sizeof(*entry))
		return false;
	memcpy(entry, rest.at, sizeof(*entry));
	len = sizeof(*entry) + (size_t)entry->key_len + entry->value_len;
	if (len > rest.len)
		return false;
	*key = str_first(str_from(rest, sizeof(*entry)), entry->key_len);
	*value = str_first(str_from(rest, sizeof(*entry) + entry->key_len), entry->value_len);
	*at += padded(len);
	return true;
}

static bool find_from(struct transcript *transcript, size_t at, const struct entry *question,
                      struct str wanted, struct entry *entry, struct str *value)
{
	struct str key;

	while (next_entry(transcript, &at, entry, &key, value))
		if (entry->kind == question->kind && entry->number == question->number &&
		    str_eq(key, wanted)) {
			transcript->next = at;
			return true;
		}
	return false;
}

static bool find(enum kind kind, int number, const char *key, int *result, struct str *value)
{
	const struct entry question = {.kind = kind, .number = number};
	struct entry entry;

	if (!find_from(current, current->next, &question, str_of(key), &entry, value) &&
	    !find_from(current, 0, &question, str_of(key), &entry, value))
		return false;
	*result = entry.result;
	return true;
}

/* ---- recording */

static struct str added(const struct buf *out, size_t len_before)
{
	return str_from(buf_str(out), len_before);
}

static enum err record_read(void *user, const char *path, struct buf *out, struct err_text *why)
{
	size_t before = out->len;
	struct err_text reason = {""};
	enum err err = source_disk.read(source_disk.user, path, out, &reason);

	err_say(why, "%s", reason.at);
	keep(user, KIND_READ, 0, path, err, err == ERR_OK ? added(out, before) : str_of(reason.at));
	return err;
}

/* Names are kept with a NUL behind each. */
static struct str keep_names(const struct source_names *names, struct buf *out)
{
	for (size_t i = 0; i < names->n; i++)
		buf_add(out, names->at[i], strlen(names->at[i]) + 1);
	return buf_str(out);
}

static enum err record_expand(void *user, const char *pattern, struct source_names *out,
                              struct err_text *why)
{
	struct err_text reason = {""};
	enum err err = source_disk.expand(source_disk.user, pattern, out, &reason);
	struct buf names;

	buf_init(&names, TRANSCRIPT_MAX_BYTES);
	err_say(why, "%s", reason.at);
	keep(user, KIND_EXPAND, 0, pattern, err,
	     err == ERR_OK ? keep_names(out, &names) : str_of(reason.at));
	buf_fini(&names);
	return err;
}

static unsigned record_resolve(const char *name, uint16_t port, struct addr *addrs, unsigned max)
{
	unsigned n = world_system.resolve(name, port, addrs, max);
	struct str value = {(const char *)addrs, (n < max ? n : max) * sizeof(*addrs)};

	keep(current, KIND_RESOLVE, port, name, (int)n, value);
	return n;
}

static int record_may(const char *path, int mode)
{
	int error = world_system.may(path, mode);

	keep(current, KIND_MAY, mode, path, error, STR_NONE);
	return error;
}

static int record_read_file(const char *path, struct buf *out)
{
	size_t before = out->len;
	int error = world_system.read_file(path, out);

	keep(current, KIND_READ_FILE, 0, path, error, error == 0 ? added(out, before) : STR_NONE);
	return error;
}

static int record_list(const char *path, struct source_names *out)
{
	int error = world_system.list(path, out);
	struct buf names;

	buf_init(&names, TRANSCRIPT_MAX_BYTES);
	keep(current, KIND_LIST, 0, path, error,
	     error == 0 ? keep_names(out, &names) : STR_NONE);
	buf_fini(&names);
	return error;
}

static int record_password(const char *program, const char *key_path, struct buf *out)
{
	size_t before = out->len;
	int error = world_system.ask_password(program, key_path, out);

	keep(current, KIND_PASSWORD, 0, key_path, error,
	     error == 0 ? added(out, before) : STR_NONE);
	return error;
}

static uint16_t service(const char *name)
{
	return world_system.service(name);
}

void transcript_record(struct transcript *transcript, struct config_options *options)
{
	static const struct world world = {
		.resolve = record_resolve,
		.may = record_may,
		.read_file = record_read_file,
		.list = record_list,
		.ask_password = record_password,
		.service = service,
	};

	current = transcript;
	transcript->source = (struct source){transcript, record_read, record_expand};
	options->source = &transcript->source;
	options->world = &world;
}

/* ---- replaying */

static enum err replay_read(void *user, const char *path, struct buf *out, struct err_text *why)
{
	struct str value = STR("(2) No such file or directory");
	int result = ERR_IO;

	(void)user;
	find(KIND_READ, 0, path, &result, &value);
	if (result == ERR_OK && buf_add_str(out, value))
		return ERR_OK;
	err_say(why, "%.*s", result == ERR_OK ? 0 : (int)value.len, value.at);
	return result == ERR_OK ? ERR_LIMIT : (enum err)result;
}

static void take_names(struct str value, struct source_names *out)
{
	struct str name;
	size_t n = 0;

	for (size_t i = 0; i < value.len; i++)
		n += value.at[i] == '\0';
	*out = (struct source_names){mem_array(n, sizeof(char *)), 0};
	while (out->n < n && str_split(&value, '\0', &name))
		out->at[out->n++] = str_dup(name);
}

static enum err replay_expand(void *user, const char *pattern, struct source_names *out,
                              struct err_text *why)
{
	struct str value = STR("(2) No such file or directory");
	int result = ERR_IO;

	(void)user;
	find(KIND_EXPAND, 0, pattern, &result, &value);
	if (result == ERR_OK)
		take_names(value, out);
	else
		err_say(why, "%.*s", STR_ARG(value));
	return (enum err)result;
}

static unsigned replay_resolve(const char *name, uint16_t port, struct addr *addrs, unsigned max)
{
	struct str value = STR_NONE;
	int result = 0;
	size_t n;

	if (!find(KIND_RESOLVE, port, name, &result, &value))
		return 0;
	n = value.len / sizeof(*addrs);
	if (n > max)
		n = max;
	if (n > 0)
		memcpy(addrs, value.at, n * sizeof(*addrs));
	return (unsigned)n;
}

static int replay_may(const char *path, int mode)
{
	struct str value;
	int result = ENOENT;

	find(KIND_MAY, mode, path, &result, &value);
	return result;
}

static int replay_read_file(const char *path, struct buf *out)
{
	struct str value = STR_NONE;
	int result = ENOENT;

	find(KIND_READ_FILE, 0, path, &result, &value);
	return result == 0 && !buf_add_str(out, value) ? EFBIG : result;
}

static int replay_list(const char *path, struct source_names *out)
{
	struct str value = STR_NONE;
	int result = ENOENT;

	if (find(KIND_LIST, 0, path, &result, &value) && result == 0)
		take_names(value, out);
	return result;
}

static int replay_password(const char *program, const char *key_path, struct buf *out)
{
	struct str value = STR_NONE;
	int result = ENOENT;

	(void)program;
	find(KIND_PASSWORD, 0, key_path, &result, &value);
	return result == 0 && !buf_add_str(out, value) ? EFBIG : result;
}

void transcript_replay(struct transcript *transcript, struct config_options *options)
{
	static const struct world world = {
		.resolve = replay_resolve,
		.may = replay_may,
		.read_file = replay_read_file,
		.list = replay_list,
		.ask_password = replay_password,
		.service = service,
	};

	current = transcript;
	transcript->next = 0;
	transcript->source = (struct source){transcript, replay_read, replay_expand};
	options->source = &transcript->source;
	options->world = &world;
}

bool transcript_is_same(const struct transcript *a, const struct transcript *b)
{
	return str_eq(buf_str(&a->entries), buf_str(&b->entries));
}

/* ---- to another process */

int transcript_send(const struct transcript *transcript)
{
	struct str rest = buf_str(&transcript->entries);
	int fd = transcript->entries.is_full ? -1 : memfd_create("squid.conf", MFD_CLOEXEC);

	while (fd >= 0 && rest.len > 0) {
		ssize_t n = write(fd, rest.at, rest.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			close(fd);
			return -1;
		}
		rest = str_from(rest, (size_t)n);
	}
	return fd;
}

struct transcript *transcript_receive(int fd)
{
	struct transcript *transcript = transcript_create();
	char piece[16384];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, piece, sizeof(piece), at)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || !buf_add(&transcript->entries, piece, (size_t)n)) {
			transcript_destroy(transcript);
			return NULL;
		}
		at += n;
	}
	return transcript;
}
