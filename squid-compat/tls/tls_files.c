/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/tls/tls_files.h"

#include <string.h>
#include <sys/stat.h>

#include "lib/base/hash.h"
#include "squid-compat/source.h"
#include "squid-compat/tls/password_program.h"
#include "squid-compat/tls/tls_options.h"

/* What is found, and where the next pair goes. */
struct finding {
	const struct world *world;
	struct arena *arena;
	struct tls_files *files;
	struct tls_pair_files **last;
};

static struct tls_pair_files *add_pair(struct finding *finding, struct str cert, struct str key,
                                       struct str ocsp)
{
	struct tls_pair_files *pair = arena_zalloc(finding->arena, sizeof(*pair));

	pair->cert.path = cert;
	pair->key.path = key.at ? key : cert;
	pair->ocsp.path = ocsp.at ? ocsp
	                          : arena_printf(finding->arena, "%.*s.ocsp", STR_ARG(cert));
	*finding->last = pair;
	finding->last = &pair->next;
	return pair;
}

/* ---- folders */

static bool has(const struct source_names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->at[i], name) == 0)
			return true;
	return false;
}

static struct str join(struct arena *arena, struct str dir, struct str name)
{
	return arena_printf(arena, "%.*s/%.*s", STR_ARG(dir), STR_ARG(name));
}

static const char *only_key(const struct source_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		if (str_ends_with_nocase(str_of(names->at[i]), STR(".key")))
			return names->at[i];
	return NULL;
}

/* The two that name a chain as such; the files beside it are parts of the same. */
static bool add_full_chain(struct finding *finding, struct str dir,
                           const struct source_names *names)
{
	const char *chain = "fullchain.pem", *key = "privkey.pem";

	if (!has(names, chain) || !has(names, key)) {
		chain = "fullchain.cer";
		key = only_key(names);
	}
	if (!key || !has(names, chain))
		return false;
	add_pair(finding, join(finding->arena, dir, str_of(chain)),
	         join(finding->arena, dir, str_of(key)), STR_NONE);
	return true;
}

/* NAME.pem or NAME.crt, with NAME.key or the key in the same file. */
static void add_plain(struct finding *finding, struct str dir, const struct source_names *names,
                      const char *name)
{
	struct str all = str_of(name), key;
	char key_name[256];

	if ((!str_ends_with_nocase(all, STR(".pem")) && !str_ends_with_nocase(all, STR(".crt"))) ||
	    all.len >= sizeof(key_name))
		return;
	str_copy(all, key_name, sizeof(key_name));
	memcpy(key_name + all.len - 3, "key", 3);
	key = has(names, key_name) ? join(finding->arena, dir, str_of(key_name)) : STR_NONE;
	add_pair(finding, join(finding->arena, dir, all), key, STR_NONE);
}

static void add_folder(struct finding *finding, struct str dir)
{
	struct source_names names = {NULL, 0};

	if (finding->world->list(dir.at, &names) != 0)
		return;
	if (!add_full_chain(finding, dir, &names))
		for (size_t i = 0; i < names.n; i++)
			add_plain(finding, dir, &names, names.at[i]);
	source_names_fini(&names);
}

/* Folders have no dot in front, and no ending that files have. */
static bool may_be_folder(const char *name)
{
	static const char *const endings[] = {".pem", ".crt", ".key", ".cer", ".json", ".ocsp"};

	if (name[0] == '.')
		return false;
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
		if (str_ends_with_nocase(str_of(name), str_of(endings[i])))
			return false;
	return true;
}

static void find_in_dir(struct finding *finding, struct str dir)
{
	struct source_names names = {NULL, 0};

	finding->files->cert_dir = dir;
	finding->files->dir_error = finding->world->list(dir.at, &names);
	if (!add_full_chain(finding, dir, &names))
		for (size_t i = 0; i < names.n; i++)
			add_plain(finding, dir, &names, names.at[i]);
	for (size_t i = 0; i < names.n; i++)
		if (may_be_folder(names.at[i]))
			add_folder(finding, join(finding->arena, dir, str_of(names.at[i])));
	source_names_fini(&names);
}

/* Which files there are; nothing is read but folders. */
static void find_files(const struct tls_options *options, const struct world *world,
                       struct arena *arena, struct tls_files *out)
{
	struct finding finding = {world, arena, out, &out->pairs};

	*out = (struct tls_files){.crl = {.path = options->crl_file}};
	for (const struct tls_pair *pair = options->pairs; pair; pair = pair->next)
		add_pair(&finding, pair->cert, pair->key, pair->ocsp);
	if (options->cert_dir.at)
		find_in_dir(&finding, options->cert_dir);
	out->cas = arena_zalloc(arena, (options->nca_files + 1) * sizeof(*out->cas));
	if (options->clientca.at)
		out->cas[out->ncas++].path = options->clientca;
	for (unsigned i = 0; i < options->nca_files; i++)
		out->cas[out->ncas++].path = options->ca_files[i];
}

/* ---- reading */

static void read_file(struct tls_file *file, const struct world *world, struct arena *arena)
{
	struct buf bytes;

	if (!file->path.at)
		return;
	buf_init(&bytes, TLS_MAX_FILE_BYTES);
	file->error = world->read_file(file->path.at, &bytes);
	if (file->error == 0)
		file->bytes = arena_str(arena, buf_str(&bytes));
	buf_fini(&bytes);
}

static bool has_key(struct str pem)
{
	return pem.len > 0 && memmem(pem.at, pem.len, "PRIVATE KEY-----", 16) != NULL;
}

static bool is_named(const struct tls_options *options, const struct tls_pair_files *pair)
{
	for (const struct tls_pair *named = options->pairs; named; named = named->next)
		if (named->cert.at == pair->cert.path.at)
			return true;
	return false;
}

static bool is_encrypted(struct str pem)
{
	return pem.len > 0 && memmem(pem.at, pem.len, "ENCRYPTED", 9) != NULL;
}

static void ask_password(struct tls_pair_files *pair, const char *program,
                         const struct world *world, struct arena *arena)
{
	struct buf password;

	if (!program || !is_encrypted(pair->key.bytes))
		return;
	buf_init(&password, PASSWORD_MAX_BYTES);
	if (world->ask_password(program, pair->key.path.at, &password) == 0)
		pair->password = arena_str(arena, buf_str(&password));
	if (password.len > 0)
		explicit_bzero(password.at, password.len);
	buf_fini(&password);
}

static void read_pair(struct tls_pair_files *pair, const struct tls_options *options,
                      const struct world *world, struct arena *arena)
{
	read_file(&pair->cert, world, arena);
	if (str_eq(pair->key.path, pair->cert.path))
		pair->key = pair->cert;
	else
		read_file(&pair->key, world, arena);
	read_file(&pair->ocsp, world, arena);
	ask_password(pair, options->password_program, world, arena);
}

void tls_files_read(const struct tls_options *options, const struct world *world,
                    struct arena *arena, struct tls_files *out)
{
	struct tls_pair_files **at;

	find_files(options, world, arena, out);
	at = &out->pairs;
	while (*at) {
		read_pair(*at, options, world, arena);
		if (!is_named(options, *at) && (*at)->key.error == 0 && !has_key((*at)->key.bytes))
			*at = (*at)->next;
		else
			at = &(*at)->next;
	}
	for (size_t i = 0; i < out->ncas; i++)
		read_file(&out->cas[i], world, arena);
	read_file(&out->crl, world, arena);
}

/* ---- has anything changed? */

static void stamp_path(struct str path, uint64_t *stamp)
{
	struct stat st;
	struct {
		int64_t inode, size, s, ns;
	} facts = {0};

	if (!path.at)
		return;
	if (stat(path.at, &st) == 0) {
		facts.inode = (int64_t)st.st_ino;
		facts.size = st.st_size;
		facts.s = st.st_ctim.tv_sec;
		facts.ns = st.st_ctim.tv_nsec;
	}
	*stamp = hash_str(path, *stamp);
	*stamp = hash_str((struct str){(const char *)&facts, sizeof(facts)}, *stamp);
}

uint64_t tls_files_stamp(const struct tls_options *options, struct arena *scratch)
{
	struct tls_files files;
	uint64_t stamp = 1;

	find_files(options, &world_system, scratch, &files);
	for (const struct tls_pair_files *pair = files.pairs; pair; pair = pair->next) {
		stamp_path(pair->cert.path, &stamp);
		stamp_path(pair->key.path, &stamp);
		stamp_path(pair->ocsp.path, &stamp);
	}
	for (size_t i = 0; i < files.ncas; i++)
		stamp_path(files.cas[i].path, &stamp);
	stamp_path(files.crl.path, &stamp);
	return stamp;
}
