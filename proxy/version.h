/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/version.h: what we call ourselves. Scripts read the word behind "Version" as Squid's. */
#ifndef PROXY_VERSION_H
#define PROXY_VERSION_H
#include <build-config.h>

#define VERSION_TEXT "5.7 Bobtail/" PACKAGE_VERSION

#endif
