/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/manager/form.h: what a browser sends for a form: application/x-www-form-urlencoded (WHATWG
 * URL, 5.1). Threads: pure functions. */
#ifndef PROXY_FORM_H
#define PROXY_FORM_H
#include "lib/base/str.h"

/* The first value of that name, decoded, NUL-terminated; NULL: there is none, it is too long for
 * out, or it has a control byte in it. */
const char *form_value(struct str form, struct str name, char *out, size_t size);

#endif
