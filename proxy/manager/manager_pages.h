/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/manager/manager_pages.h: the functions that the rows of manager_actions.c name
 * (manager_page.h: write). */
#ifndef PROXY_MANAGER_PAGES_H
#define PROXY_MANAGER_PAGES_H
#include "proxy/manager/manager_page.h"

/* ---- manager_lists.c */
bool manager_write_config(struct manager_page *page);
bool manager_write_objects(struct manager_page *page);
bool manager_write_filedescriptors(struct manager_page *page);
bool manager_write_refresh(struct manager_page *page);

/* ---- manager_counters.c: asks_workers */
bool manager_write_counters(struct manager_page *page);
bool manager_write_5min(struct manager_page *page);
bool manager_write_60min(struct manager_page *page);
bool manager_write_utilization(struct manager_page *page);
bool manager_write_histograms(struct manager_page *page);
bool manager_write_service_times(struct manager_page *page);

/* ---- manager_info.c: asks_workers, and gathers clients */
bool manager_write_info(struct manager_page *page);
/* these do not */
bool manager_write_storedir(struct manager_page *page);
bool manager_write_store_io(struct manager_page *page);
bool manager_write_mem(struct manager_page *page);

/* ---- manager_clients.c: surveys manager_survey_clients, and gathers */
survey_fn manager_survey_clients;
bool manager_write_client_list(struct manager_page *page);
size_t manager_count_clients(struct manager_page *page);

/* ---- manager_workers.c: surveys */
survey_fn manager_survey_requests;

/* ---- manager_helpers.c, helpers_json.c: surveys */
survey_fn manager_survey_redirector;
survey_fn manager_survey_store_id;
survey_fn manager_survey_basic;
survey_fn manager_survey_digest;
survey_fn manager_survey_ntlm;
survey_fn manager_survey_negotiate;
survey_fn manager_survey_bearer;
survey_fn manager_survey_external_acl;
survey_fn manager_survey_helpers;
survey_fn manager_survey_helpers_json;
/* Bytes of a helper's, so that they cannot be taken for something else. */
void manager_add_printable(struct buf *out, struct str text);
bool manager_has_basic(const struct config *config);
bool manager_has_digest(const struct config *config);
bool manager_has_ntlm(const struct config *config);
bool manager_has_negotiate(const struct config *config);
bool manager_has_bearer(const struct config *config);

/* ---- manager_health.c */
bool manager_write_health(struct manager_page *page);

/* ---- metrics.c: gathers census_survey */
bool manager_write_metrics(struct manager_page *page);

/* ---- status_actions.c: of forms */
bool manager_write_purge(struct manager_page *page);
bool manager_write_drain(struct manager_page *page);

/* ---- status_page.c: gathers census_survey_lines; status_assets.c: does not */
bool manager_write_status(struct manager_page *page);
bool manager_write_status_live(struct manager_page *page);
bool manager_write_status_css(struct manager_page *page);
bool manager_write_status_js(struct manager_page *page);

/* ---- manager_peers.c */
bool manager_write_server_list(struct manager_page *page);

#endif
