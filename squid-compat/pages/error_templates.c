/* SPDX-License-Identifier: BSD-2-Clause */
/* THE table of errors: name, usual status, and the words of our page. Most readers of these pages
 * are visitors of a site: they learn what happened and whether trying again helps. */
#include "squid-compat/pages/error_page_internal.h"

static const char again[] = "Please try again in a moment.";
static const char site_is_told[] =
	"If this goes on, please tell the people who run this site.";

/* clang-format off */
const struct error_entry error_entries[ERROR_NAMES] = {
	[ERROR_NONE] = {"-", 0, {"", "", NULL}},
	[ERROR_ACCESS_DENIED] = {"ERR_ACCESS_DENIED", 403, {"Access denied",
		"The rules of this server do not let you have this address.",
		"If you think that you should have access, please ask the people who run this "
		"site."}},
	[ERROR_ACL_TIME_QUOTA_EXCEEDED] = {"ERR_ACL_TIME_QUOTA_EXCEEDED", 403, {"Time is used up",
		"The time that you may spend here has been used up.", NULL}},
	[ERROR_AGENT_CONFIGURE] = {"ERR_AGENT_CONFIGURE", 403, {"Browser not set up",
		"Your browser has to be set up before it can be used here.", NULL}},
	[ERROR_AGENT_WPAD] = {"ERR_AGENT_WPAD", 403, {"Browser not set up",
		"Your browser has to be set up before it can be used here.", NULL}},
	[ERROR_CACHE_ACCESS_DENIED] = {"ERR_CACHE_ACCESS_DENIED", 401, {"Please log in",
		"This address is for known users only, and no valid name and password came with "
		"the request.",
		"Reload the page to be asked for them again."}},
	[ERROR_CACHE_MGR_ACCESS_DENIED] = {"ERR_CACHE_MGR_ACCESS_DENIED", 401, {"Please log in",
		"The pages of the cache manager are for the people who run this server.", NULL}},
	[ERROR_CANNOT_FORWARD] = {"ERR_CANNOT_FORWARD", 503, {"The site cannot be reached",
		"There is no server that this request could be passed on to.", again}},
	[ERROR_CONFLICT_HOST] = {"ERR_CONFLICT_HOST", 409, {"Which site?",
		"The request names one site in its address and another one in its Host field.",
		NULL}},
	[ERROR_CONNECT_FAIL] = {"ERR_CONNECT_FAIL", 503, {"The site cannot be reached",
		"The server behind this site does not take connections (%E).", again}},
	[ERROR_DIR_LISTING] = {"ERR_DIR_LISTING", 200, {"Contents", "%g", NULL}},
	[ERROR_DNS_FAIL] = {"ERR_DNS_FAIL", 503, {"The site cannot be found",
		"The name <b>%H</b> has no address (%z).", again}},
	[ERROR_ESI] = {"ERR_ESI", 503, {"The page could not be put together",
		"A part of this page is broken.", site_is_told}},
	[ERROR_FORWARDING_DENIED] = {"ERR_FORWARDING_DENIED", 403, {"Not from here",
		"This server only answers what it holds already, and it does not hold this.",
		NULL}},
	[ERROR_FTP_DISABLED] = {"ERR_FTP_DISABLED", 501, {"No FTP",
		"FTP addresses are not served here.", NULL}},
	[ERROR_FTP_FAILURE] = {"ERR_FTP_FAILURE", 502, {"No FTP",
		"FTP addresses are not served here.", NULL}},
	[ERROR_FTP_FORBIDDEN] = {"ERR_FTP_FORBIDDEN", 403, {"No FTP",
		"FTP addresses are not served here.", NULL}},
	[ERROR_FTP_NOT_FOUND] = {"ERR_FTP_NOT_FOUND", 404, {"No FTP",
		"FTP addresses are not served here.", NULL}},
	[ERROR_FTP_PUT_CREATED] = {"ERR_FTP_PUT_CREATED", 201, {"Created",
		"The file has been made.", NULL}},
	[ERROR_FTP_PUT_ERROR] = {"ERR_FTP_PUT_ERROR", 502, {"No FTP",
		"FTP addresses are not served here.", NULL}},
	[ERROR_FTP_PUT_MODIFIED] = {"ERR_FTP_PUT_MODIFIED", 200, {"Changed",
		"The file has been changed.", NULL}},
	[ERROR_FTP_UNAVAILABLE] = {"ERR_FTP_UNAVAILABLE", 503, {"No FTP",
		"FTP addresses are not served here.", NULL}},
	[ERROR_GATEWAY_FAILURE] = {"ERR_GATEWAY_FAILURE", 500, {"Something failed in here",
		"This server could not work out what to do with the request (%D).", site_is_told}},
	[ERROR_HTTPS_EXPECTED] = {"ERR_HTTPS_EXPECTED", 400, {"Please use https",
		"Plain HTTP was spoken to a port of this server that speaks HTTPS.",
		"Try the same address with <code>https://</code> in front."}},
	[ERROR_ICAP_FAILURE] = {"ERR_ICAP_FAILURE", 500, {"Something failed in here",
		"A check that each request has to pass could not be made.", site_is_told}},
	[ERROR_INVALID_REQ] = {"ERR_INVALID_REQ", 400, {"Request not understood",
		"What your browser or program sent is not a proper HTTP request.", NULL}},
	[ERROR_INVALID_RESP] = {"ERR_INVALID_RESP", 502, {"Bad answer from the site",
		"The server behind this site answered with something that is no HTTP response.",
		site_is_told}},
	[ERROR_INVALID_URL] = {"ERR_INVALID_URL", 400, {"Address not understood",
		"The address that was asked for is not valid, or does not say which site it is "
		"about.",
		NULL}},
	[ERROR_LIFETIME_EXP] = {"ERR_LIFETIME_EXP", 504, {"It took too long",
		"The connection had been open for as long as this server allows.", again}},
	[ERROR_NO_RELAY] = {"ERR_NO_RELAY", 501, {"No WAIS",
		"WAIS addresses are not served here.", NULL}},
	[ERROR_ONLY_IF_CACHED_MISS] = {"ERR_ONLY_IF_CACHED_MISS", 504, {"Not in the cache",
		"The request was for a stored copy only, and there is no valid one.",
		"Ask again without <code>only-if-cached</code>."}},
	[ERROR_PRECONDITION_FAILED] = {"ERR_PRECONDITION_FAILED", 412, {"It has changed",
		"A condition that came with the request does not hold.", NULL}},
	[ERROR_PROTOCOL_UNKNOWN] = {"ERR_PROTOCOL_UNKNOWN", 400, {"Request not understood",
		"What arrived here is not HTTP.", NULL}},
	[ERROR_READ_ERROR] = {"ERR_READ_ERROR", 502, {"The site does not answer",
		"No answer could be read from the server behind this site (%E).", again}},
	[ERROR_READ_TIMEOUT] = {"ERR_READ_TIMEOUT", 504, {"The site does not answer in time",
		"The server behind this site was silent for too long.", again}},
	[ERROR_SECURE_CONNECT_FAIL] = {"ERR_SECURE_CONNECT_FAIL", 503,
		{"No secure connection to the site",
		"A secure connection to the server behind this site could not be made (%D).",
		site_is_told}},
	[ERROR_SHUTTING_DOWN] = {"ERR_SHUTTING_DOWN", 503, {"Back soon",
		"This server is being stopped or restarted.", again}},
	[ERROR_SOCKET_FAILURE] = {"ERR_SOCKET_FAILURE", 500, {"Something failed in here",
		"This server could not open another connection (%E).", again}},
	[ERROR_TOO_BIG] = {"ERR_TOO_BIG", 403, {"Too large",
		"The request or its answer is larger than this server allows.", NULL}},
	[ERROR_TOO_MANY_REQUESTS] = {"ERR_TOO_MANY_REQUESTS", 429, {"Too many requests",
		"You have asked this server for more than it allows in such a short time.",
		"Please wait a little, then try again."}},
	[ERROR_TOO_BUSY] = {"ERR_TOO_BUSY", 503, {"Too busy",
		"This server has more to do at the moment than it can.",
		"Please try again in a moment."}},
	[ERROR_UNSUP_HTTPVERSION] = {"ERR_UNSUP_HTTPVERSION", 505, {"HTTP version not supported",
		"This server speaks another version of HTTP than the request asks for.", NULL}},
	[ERROR_UNSUP_REQ] = {"ERR_UNSUP_REQ", 501, {"Not supported",
		"This server does not do what the request asks for.", NULL}},
	[ERROR_URN_RESOLVE] = {"ERR_URN_RESOLVE", 404, {"No URN",
		"URN addresses are not served here.", NULL}},
	[ERROR_WRITE_ERROR] = {"ERR_WRITE_ERROR", 502, {"The site went away",
		"The request could not be sent to the server behind this site (%E).", again}},
	[ERROR_ZERO_SIZE_OBJECT] = {"ERR_ZERO_SIZE_OBJECT", 502, {"The site does not answer",
		"The server behind this site closed the connection without an answer.", again}},
};
/* clang-format on */

/* The stylesheet's %l is the administrator's (err_page_stylesheet); ours stands before it. */
static const char frame_start[] =
	"<!DOCTYPE html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width\">\n<title>%s</title>\n<style>\n"
	"body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:12vh auto;padding:0 1rem;"
	"color:#222;background:#fff}\nh1{font-size:1.6rem}\n"
	"footer{margin-top:3rem;font-size:.8rem;color:#666;overflow-wrap:anywhere}\n%%l</style>\n"
	"</head>\n<body>\n<main>\n<h1>%s</h1>\n<p>%s</p>\n";
static const char frame_end[] = "</main>\n<footer>%c &middot; %h &middot; %T</footer>\n</body>\n"
				"</html>\n";

void error_words_page(const struct error_words *words, const char *language, struct buf *out)
{
	buf_printf(out, frame_start, language, words->title, words->title, words->message);
	if (words->advice)
		buf_printf(out, "<p>%s</p>\n", words->advice);
	buf_add_str(out, str_of(frame_end));
}
