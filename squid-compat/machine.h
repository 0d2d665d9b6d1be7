/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/machine.h: what defaults follow: the memory and the cores that are there for us. May
 * block for a moment (files under /proc and /sys). Any thread. */
#ifndef SQUID_COMPAT_MACHINE_H
#define SQUID_COMPAT_MACHINE_H
#include <stddef.h>
#include <stdint.h>

/* The physical memory, or the least memory.max of the control groups that we are in. */
uint64_t machine_memory_bytes(void);

/* The cores that we may run on; at least 1. */
unsigned machine_cores(void);

#endif
