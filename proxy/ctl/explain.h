/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/explain.h: what the two ways of showing an explanation share. */
#ifndef PROXY_CTL_EXPLAIN_H
#define PROXY_CTL_EXPLAIN_H
#include "squid-compat/explain/explain.h"

/* One object on stdout, ASCII alone: control characters and what is not ASCII are escaped, bytes
 * that are no UTF-8 become U+FFFD. */
void explain_show_json(const struct explanation *explanation, const char *path);

#endif
