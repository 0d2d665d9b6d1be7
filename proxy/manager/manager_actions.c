/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of what the cache manager can be asked for, in the order of its menu; what acts. */
#include "lib/base/check.h"
#include "proxy/manager/census.h"
#include "proxy/manager/manager_pages.h"
#include "proxy/serve.h"
#include "squid-compat/cachemgr_passwd.h"
#include "squid-compat/config.h"

static bool reconfigure(struct manager_page *page)
{
	buf_add_str(page->out, STR("Reconfiguring Squid Process ....\n"));
	serve_want_reload(page->serve);
	return false;
}

static bool rotate(struct manager_page *page)
{
	buf_add_str(page->out, STR("Rotating Squid Process Logs ....\n"));
	serve_rotate(page->serve);
	return false;
}

static bool shut_down(struct manager_page *page)
{
	buf_add_str(page->out, STR("Shutting down Squid Process ....\n"));
	serve_want_shutdown(page->serve);
	return false;
}

static bool write_menu(struct manager_page *page);

#define HTML "text/html;charset=utf-8"

static const struct manager_action actions[] = {
	{.name = "index", .title = "Cache Manager Interface", .write = write_menu},
	{.name = "menu", .title = "Cache Manager Menu", .write = write_menu},
	{.name = "shutdown",
	 .title = "Shut Down the Squid Process",
	 .needs_password = true,
	 .write = shut_down},
	{.name = "reconfigure",
	 .title = "Reconfigure Squid",
	 .needs_password = true,
	 .write = reconfigure},
	{.name = "rotate", .title = "Rotate Squid Logs", .needs_password = true, .write = rotate},
	{.name = "mem", .title = "Memory Utilization", .write = manager_write_mem},
	{.name = "config",
	 .title = "Current Squid Configuration",
	 .needs_password = true,
	 .write = manager_write_config},
	{.name = "client_list",
	 .title = "Cache Client List",
	 .survey = manager_survey_clients,
	 .gathers = true,
	 .write = manager_write_client_list},
	{.name = "redirector",
	 .title = "URL Redirector Stats",
	 .survey = manager_survey_redirector},
	{.name = "store_id",
	 .title = "StoreId helper Stats",
	 .survey = manager_survey_store_id},
	{.name = "external_acl",
	 .title = "External ACL stats",
	 .survey = manager_survey_external_acl},
	{.name = "basicauthenticator",
	 .title = "Basic User Authenticator Stats",
	 .survey = manager_survey_basic,
	 .is_there = manager_has_basic},
	{.name = "digestauthenticator",
	 .title = "Digest User Authenticator Stats",
	 .survey = manager_survey_digest,
	 .is_there = manager_has_digest},
	{.name = "ntlmauthenticator",
	 .title = "NTLM User Authenticator Stats",
	 .survey = manager_survey_ntlm,
	 .is_there = manager_has_ntlm},
	{.name = "negotiateauthenticator",
	 .title = "Negotiate User Authenticator Stats",
	 .survey = manager_survey_negotiate,
	 .is_there = manager_has_negotiate},
	{.name = "bearerauthenticator",
	 .title = "Bearer User Authenticator Stats",
	 .survey = manager_survey_bearer,
	 .is_there = manager_has_bearer},
	{.name = "helpers",
	 .title = "Helper Programs, Each Process",
	 .survey = manager_survey_helpers},
	{.name = "helpers.json",
	 .guard = "helpers",
	 .content_type = "application/json",
	 .survey = manager_survey_helpers_json},
	{.name = "info",
	 .title = "General Runtime Information",
	 .asks_workers = true,
	 .survey = manager_survey_clients,
	 .gathers = true,
	 .write = manager_write_info},
	{.name = "service_times",
	 .title = "Service Times (Percentiles)",
	 .asks_workers = true,
	 .write = manager_write_service_times},
	{.name = "filedescriptors",
	 .title = "Process Filedescriptor Allocation",
	 .write = manager_write_filedescriptors},
	{.name = "objects", .title = "All Cache Objects", .write = manager_write_objects},
	{.name = "vm_objects",
	 .title = "In-Memory and In-Transit Objects",
	 .write = manager_write_objects},
	{.name = "counters",
	 .title = "Traffic and Resource Counters",
	 .asks_workers = true,
	 .write = manager_write_counters},
	{.name = "5min",
	 .title = "5 Minute Average of Counters",
	 .asks_workers = true,
	 .write = manager_write_5min},
	{.name = "60min",
	 .title = "60 Minute Average of Counters",
	 .asks_workers = true,
	 .write = manager_write_60min},
	{.name = "utilization",
	 .title = "Cache Utilization",
	 .asks_workers = true,
	 .write = manager_write_utilization},
	{.name = "histograms",
	 .title = "Full Histogram Counts",
	 .asks_workers = true,
	 .write = manager_write_histograms},
	{.name = "status",
	 .title = "Status Page (HTML)",
	 .content_type = HTML,
	 .survey = census_survey_lines,
	 .gathers = true,
	 .write = manager_write_status},
	{.name = "status_live",
	 .guard = "status",
	 .content_type = HTML,
	 .survey = census_survey_lines,
	 .gathers = true,
	 .write = manager_write_status_live},
	{.name = "status.css",
	 .guard = "status",
	 .content_type = "text/css;charset=utf-8",
	 .write = manager_write_status_css},
	{.name = "status.js",
	 .guard = "status",
	 .content_type = "text/javascript;charset=utf-8",
	 .write = manager_write_status_js},
	{.name = "purge",
	 .title = "Forget Objects (form)",
	 .content_type = HTML,
	 .is_post = true,
	 .needs_password = true,
	 .write = manager_write_purge},
	{.name = "drain",
	 .title = "Drain a Peer (form)",
	 .content_type = HTML,
	 .is_post = true,
	 .needs_password = true,
	 .write = manager_write_drain},
	{.name = "metrics",
	 .title = "Metrics (OpenMetrics)",
	 .content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8",
	 .survey = census_survey,
	 .gathers = true,
	 .write = manager_write_metrics},
	{.name = "active_requests",
	 .title = "Client-side Active Requests",
	 .survey = manager_survey_requests},
	{.name = "storedir", .title = "Store Directory Stats", .write = manager_write_storedir},
	{.name = "store_io",
	 .title = "Store IO Interface Stats",
	 .write = manager_write_store_io},
	{.name = "refresh",
	 .title = "Refresh Algorithm Statistics",
	 .write = manager_write_refresh},
	{.name = "health", .title = "What Does Not Work Now", .write = manager_write_health},
	{.name = "server_list",
	 .title = "Peer Cache Statistics",
	 .write = manager_write_server_list},
};

static bool is_there(const struct manager_action *action, const struct config *config)
{
	return !action->is_there || action->is_there(config);
}

const struct manager_action *manager_action_find(const struct config *config, struct str name)
{
	for (size_t i = 0; i < COUNT(actions); i++)
		if (str_eq(name, str_of(actions[i].name)))
			return is_there(&actions[i], config) ? &actions[i] : NULL;
	return NULL;
}

static bool write_menu(struct manager_page *page)
{
	for (size_t i = 0; i < COUNT(actions); i++) {
		enum cachemgr_protection protection =
			cachemgr_protection(page->config->cachemgr_passwds,
					    str_of(actions[i].name), actions[i].needs_password);

		if (actions[i].title && is_there(&actions[i], page->config))
			buf_printf(page->out, " %-22s\t%-32s\t%s\n", actions[i].name,
				   actions[i].title, cachemgr_protection_name(protection));
	}
	return false;
}
