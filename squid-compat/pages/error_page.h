/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/pages/error_page.h: what a client sees when something goes wrong: a page of ours
 * under Squid's names, or the administrator's template. Squid: error_directory and its family.
 *
 * Pages are small, valid HTML in the languages of error_language.h. Values are HTML-quoted, and
 * nothing of a request's header fields is echoed. Pages are immutable once loaded; rendering is
 * pure, any thread. */
#ifndef SQUID_COMPAT_ERROR_PAGE_H
#define SQUID_COMPAT_ERROR_PAGE_H
#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/net/addr.h"
#include "squid-compat/log/log_facts.h"
#include "squid-compat/pages/error_language.h"
#include "squid-compat/report.h"
#include "squid-compat/world.h"

enum error_name {
	ERROR_NONE = 0,
	ERROR_ACCESS_DENIED,
	ERROR_ACL_TIME_QUOTA_EXCEEDED,
	ERROR_AGENT_CONFIGURE,
	ERROR_AGENT_WPAD,
	ERROR_CACHE_ACCESS_DENIED,
	ERROR_CACHE_MGR_ACCESS_DENIED,
	ERROR_CANNOT_FORWARD,
	ERROR_CONFLICT_HOST,
	ERROR_CONNECT_FAIL,
	ERROR_DIR_LISTING,
	ERROR_DNS_FAIL,
	ERROR_ESI,
	ERROR_FORWARDING_DENIED,
	ERROR_FTP_DISABLED,
	ERROR_FTP_FAILURE,
	ERROR_FTP_FORBIDDEN,
	ERROR_FTP_NOT_FOUND,
	ERROR_FTP_PUT_CREATED,
	ERROR_FTP_PUT_ERROR,
	ERROR_FTP_PUT_MODIFIED,
	ERROR_FTP_UNAVAILABLE,
	ERROR_GATEWAY_FAILURE,
	ERROR_HTTPS_EXPECTED, /* ours */
	ERROR_ICAP_FAILURE,
	ERROR_INVALID_REQ,
	ERROR_INVALID_RESP,
	ERROR_INVALID_URL,
	ERROR_LIFETIME_EXP,
	ERROR_NO_RELAY,
	ERROR_ONLY_IF_CACHED_MISS,
	ERROR_PRECONDITION_FAILED,
	ERROR_PROTOCOL_UNKNOWN,
	ERROR_READ_ERROR,
	ERROR_READ_TIMEOUT,
	ERROR_SECURE_CONNECT_FAIL,
	ERROR_SHUTTING_DOWN,
	ERROR_SOCKET_FAILURE,
	ERROR_TOO_BIG,
	ERROR_TOO_MANY_REQUESTS, /* ours */
	ERROR_TOO_BUSY, /* ours */
	ERROR_UNSUP_HTTPVERSION,
	ERROR_UNSUP_REQ,
	ERROR_URN_RESOLVE,
	ERROR_WRITE_ERROR,
	ERROR_ZERO_SIZE_OBJECT,
	ERROR_NAMES
};

/* "ERR_ACCESS_DENIED"; ERROR_NONE gives "-". */
const char *error_name_text(enum error_name name);
/* ERROR_NONE: no such name. */
enum error_name error_name_of(struct str text);
/* The status that the error usually has. */
int error_status(enum error_name name);

/* What the codes of a template stand for; absent texts are STR_NONE. Borrowed. */
struct error_facts {
	const char *page;           /* %c: the name of the page; NULL: error_name_text */
	enum error_name name;
	int error_number;           /* %e %E %x: an errno; 0: none */
	struct str detail;          /* %D %x */
	const struct addr *client;  /* %i */
	const struct addr *server;  /* %I */
	const struct addr *local;   /* %A %b: where the client connected to */
	struct str server_host;     /* %H */
	struct str visible_hostname; /* %h */
	struct str user;            /* %a */
	struct str auth_message;    /* %m */
	struct str external_message; /* %o %O */
	struct str dns_message;     /* %z */
	const struct log_request *request; /* %M %u %U %B %P %p %R; NULL: none */
	struct str cache_mgr;       /* %w */
	struct str err_html_text;   /* %L: HTML of the administrator's own */
	struct str software;        /* %s: "squid/5.7" or what we say */
	bool has_email_data;        /* %W: email_err_data on */
	int64_t now_us;             /* %t %T: wall clock */
	const struct log_facts *log; /* @Squid{%code}; NULL: "-" */
};

/* A page: a template of ours or the administrator's. */
struct error_template {
	struct str name; /* "ERR_ACCESS_DENIED", or what deny_info names */
	struct str text; /* HTML with codes */
	bool is_ours;    /* else nobody knows in which language it is */
	enum error_language language;
	/* the same in another language; only from pages' own one on */
	struct error_template *other;
	struct error_template *next;
};

struct error_pages {
	const struct error_template *builtin[ERROR_NAMES]; /* those replaced by error_directory */
	struct error_template *extra; /* deny_info's own */
	struct str stylesheet;        /* %l */
	/* private */
	struct str directory_;
	struct arena *arena_;
	const struct world *world_;
};

enum { ERROR_TEMPLATE_MAX_BYTES = 65536, ERROR_PAGE_MAX_BYTES = 262144 };

/* Ours alone. Arena and world must outlive the pages. */
void error_pages_init(struct error_pages *pages, struct arena *arena, const struct world *world);
/* error_directory DIR: reads each known name that is there; a missing one keeps our page, with a
 * note that counts them. Call it when the whole file has been read. */
void error_pages_load(struct error_pages *pages, struct str directory, struct report *report);
/* err_page_stylesheet FILE; a missing file is no fault (the pages have a style of their own). */
void error_pages_load_stylesheet(struct error_pages *pages, struct str path,
				 struct report *report);
/* The page of that name for deny_info: one of Squid's names, or read from error_directory (or from
 * an absolute path). NULL: there is none, and an error was said. */
const struct error_template *error_pages_find(struct error_pages *pages, struct str name,
					      struct report *report);

/* page (one of error_pages) in that language, or page itself where there is none. */
const struct error_template *error_template_in(const struct error_template *page,
					       enum error_language language);
/* Appends the page. */
void error_template_render(const struct error_pages *pages, const struct error_template *page,
			   const struct error_facts *facts, struct buf *body);

/* The fields of an answer that is made here, in Squid's order: Server, Mime-Version, Date,
 * Content-Type, Content-Length, X-Squid-Error ("NAME ERRNO"), Vary and Content-Language (of pages
 * of ours), each with its CRLF; no status line, no empty line. */
void error_page_head(const struct error_pages *pages, const struct error_template *page,
		     const struct error_facts *facts, size_t body_bytes, struct buf *out);

/* One code's value as a page shows it, unquoted; false: there is no such code. For deny_info. */
bool error_code_value(const struct error_pages *pages, const struct error_facts *facts, char code,
		      struct buf *out);

/* Adds value as text of a page: what means something to HTML is escaped. */
void html_quote(struct buf *out, struct str value);

#endif
