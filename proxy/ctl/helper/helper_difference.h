/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/helper/helper_difference.h: do two answers of a helper say the same to the proxy?
 * Quotes, blanks and the order of different keys are nothing to it. Threads: pure functions. */
#ifndef PROXY_CTL_HELPER_DIFFERENCE_H
#define PROXY_CTL_HELPER_DIFFERENCE_H
#include <stdbool.h>

#include "lib/base/str.h"

/* Lines without id, CR and LF. */
bool helper_says_the_same(struct str one, struct str other);

#endif
