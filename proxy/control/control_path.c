/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/control/control_path.h"

#include "lib/base/heap.h"
#include "squid-compat/config.h"

char *control_path(const struct config *config)
{
	const char *directory = config->coredump_dir;

	if (config->pid_filename)
		return mem_printf("%s.ctl", config->pid_filename);
	return mem_printf("%s/bobtail.ctl", directory ? directory : "/run");
}
