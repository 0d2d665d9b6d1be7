/* SPDX-License-Identifier: BSD-2-Clause */
/* One connection finds the user's DN (bound as bind_dn), another, for as long as it takes, is bound
 * as the user. */
#include "helpers/bundled/basic_ldap_auth/directory.h"

#include <ldap.h>
#include <sys/time.h>

#include "lib/base/buf.h"
#include "lib/base/heap.h"

enum { NAME_BYTES = 64 << 10 };

struct directory {
	const struct directory_config *config;
	LDAP *searching; /* bound for searches; NULL: not connected */
};

struct directory *directory_create(const struct directory_config *config)
{
	struct directory *directory = mem_zalloc(sizeof(*directory));

	directory->config = config;
	return directory;
}

static void hang_up(LDAP **connection)
{
	if (*connection)
		ldap_unbind_ext_s(*connection, NULL, NULL);
	*connection = NULL;
}

void directory_destroy(struct directory *directory)
{
	if (!directory)
		return;
	hang_up(&directory->searching);
	mem_free(directory);
}

static void set_timeout(LDAP *connection, int option, int seconds)
{
	const struct timeval time = {.tv_sec = seconds};

	if (seconds > 0)
		ldap_set_option(connection, option, &time);
}

static int bind_as(LDAP *connection, const char *dn, const char *password)
{
	struct berval secret = {strlen(password), (char *)password};

	return ldap_sasl_bind_s(connection, dn, LDAP_SASL_SIMPLE, &secret, NULL, NULL, NULL);
}

/* A connection that is bound to dn; on failure there is none. */
static int call(const struct directory_config *config, const char *dn, const char *password,
                LDAP **out)
{
	int result = ldap_initialize(out, config->uris);

	if (result != LDAP_SUCCESS)
		return result;
	ldap_set_option(*out, LDAP_OPT_PROTOCOL_VERSION, &config->version);
	ldap_set_option(*out, LDAP_OPT_DEREF, &config->dereference);
	ldap_set_option(*out, LDAP_OPT_REFERRALS,
	                config->follows_no_referrals ? LDAP_OPT_OFF : LDAP_OPT_ON);
	set_timeout(*out, LDAP_OPT_NETWORK_TIMEOUT, config->connect_timeout_s);
	set_timeout(*out, LDAP_OPT_TIMEOUT, config->search_timeout_s);
	if (config->has_tls)
		result = ldap_start_tls_s(*out, NULL, NULL);
	if (result == LDAP_SUCCESS && dn)
		result = bind_as(*out, dn, password);
	if (result != LDAP_SUCCESS)
		hang_up(out);
	return result;
}

/* Adds text as a value in a DN: all but letters and digits as \XX. */
static void add_dn_value(struct buf *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
			buf_add_char(out, (char)c);
		else
			buf_printf(out, "\\%02x", c);
	}
}

/* The filter with the user for each %s. The two escape alike. */
static void add_filter(struct buf *out, const char *filter, const char *user)
{
	for (; *filter; filter++) {
		if (filter[0] == '%' && filter[1] == 's') {
			add_dn_value(out, user);
			filter++;
		} else {
			buf_add_char(out, *filter);
		}
	}
}

/* What a search found: the DN of the one entry, for the caller to mem_free; NULL: not one. */
static char *dn_in(LDAP *connection, LDAPMessage *found)
{
	LDAPMessage *entry = ldap_first_entry(connection, found);
	char *dn, *copy;

	if (!entry || ldap_next_entry(connection, entry))
		return NULL;
	dn = ldap_get_dn(connection, entry);
	copy = mem_strdup(dn);
	ldap_memfree(dn);
	return copy;
}

static int search(struct directory *directory, const char *filter, char **dn)
{
	const struct directory_config *config = directory->config;
	char *no_attributes[] = {LDAP_NO_ATTRS, NULL};
	LDAPMessage *found = NULL;
	int result = LDAP_SUCCESS;

	if (!directory->searching)
		result = call(config, config->bind_dn,
		              config->bind_password ? config->bind_password : "",
		              &directory->searching);
	if (result != LDAP_SUCCESS)
		return result;
	result = ldap_search_ext_s(directory->searching, config->base, config->scope, filter,
	                           no_attributes, 1, NULL, NULL, NULL, 2, &found);
	if (result == LDAP_SUCCESS || result == LDAP_PARTIAL_RESULTS ||
	    result == LDAP_SIZELIMIT_EXCEEDED)
		*dn = found ? dn_in(directory->searching, found) : NULL;
	else
		hang_up(&directory->searching);
	ldap_msgfree(found);
	return result == LDAP_PARTIAL_RESULTS || result == LDAP_SIZELIMIT_EXCEEDED ? LDAP_SUCCESS
	                                                                           : result;
}

/* The user's DN for the caller to mem_free; NULL, with LDAP_SUCCESS: there is no such user, or
 * several. A connection that was kept and has died is called anew. */
static int find(struct directory *directory, const char *user, char **dn)
{
	const struct directory_config *config = directory->config;
	bool was_kept = directory->searching;
	struct buf text;
	int result = LDAP_SUCCESS;

	buf_init(&text, NAME_BYTES);
	if (config->filter) {
		add_filter(&text, config->filter, user);
		buf_add_char(&text, '\0');
		result = search(directory, text.at, dn);
		if (result == LDAP_SERVER_DOWN && was_kept)
			result = search(directory, text.at, dn);
		if (!config->is_persistent)
			hang_up(&directory->searching);
	} else {
		buf_printf(&text, "%s=", config->user_attribute);
		add_dn_value(&text, user);
		buf_printf(&text, ",%s", config->base);
		*dn = str_dup(buf_str(&text));
	}
	buf_fini(&text);
	return result;
}

static int compare(const struct directory_config *config, const char *dn, const char *password)
{
	struct berval value = {strlen(password), (char *)password};
	LDAP *connection;
	int result = call(config, config->bind_dn,
	                  config->bind_password ? config->bind_password : "", &connection);

	if (result != LDAP_SUCCESS)
		return result;
	result = ldap_compare_ext_s(connection, dn, config->compare_with, &value, NULL, NULL);
	hang_up(&connection);
	return result == LDAP_COMPARE_TRUE ? LDAP_SUCCESS
	       : result == LDAP_COMPARE_FALSE || result == LDAP_NO_SUCH_OBJECT
	               ? LDAP_INVALID_CREDENTIALS
	               : result;
}

static int try_password(const struct directory_config *config, const char *dn, const char *password)
{
	LDAP *connection;
	int result;

	if (config->compare_with)
		return compare(config, dn, password);
	result = call(config, dn, password, &connection);
	if (result == LDAP_SUCCESS)
		hang_up(&connection);
	return result;
}

/* What a server says of a user that it does not let in, rather than of itself. */
static bool is_refusal(int result)
{
	return result == LDAP_INVALID_CREDENTIALS || result == LDAP_INAPPROPRIATE_AUTH ||
	       result == LDAP_UNWILLING_TO_PERFORM || result == LDAP_NO_SUCH_OBJECT ||
	       result == LDAP_INSUFFICIENT_ACCESS || result == LDAP_INVALID_DN_SYNTAX ||
	       result == LDAP_CONSTRAINT_VIOLATION;
}

static enum directory_verdict say(struct directory *directory, int result, struct err_text *why)
{
	err_say(why, "%s: %s", directory->config->uris, ldap_err2string(result));
	return DIRECTORY_BROKEN;
}

enum directory_verdict directory_ask(struct directory *directory, const char *user,
                                     const char *password, struct err_text *why)
{
	char *dn = NULL;
	int result;

	if (*user == '\0' || *password == '\0')
		return DIRECTORY_NO;
	result = find(directory, user, &dn);
	if (result != LDAP_SUCCESS)
		return say(directory, result, why);
	if (!dn)
		return DIRECTORY_NO;
	result = *dn ? try_password(directory->config, dn, password) : LDAP_INVALID_CREDENTIALS;
	mem_free(dn);
	if (result == LDAP_SUCCESS)
		return DIRECTORY_YES;
	return is_refusal(result) ? DIRECTORY_NO : say(directory, result, why);
}
