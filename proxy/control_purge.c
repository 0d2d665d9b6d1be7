/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/disk.h"
#include "cache/index.h"
#include "proxy/control_verbs.h"
#include "proxy/server.h"

void control_run_purge(struct control_call *call)
{
	struct server *server = control_server(call);
	struct str url = control_word(call, 0);
	uint64_t key = index_key(server->index, url);
	struct disk *disk = server_disk(server, key);
	unsigned nmemory, ndisk;

	if (url.len == 0) {
		control_fail(call, "purge needs a URL");
		return;
	}
	nmemory = index_remove_all(server->index, key, url);
	ndisk = disk ? disk_remove_all(disk, key) : 0;
	control_say(call, "memory = %u", nmemory);
	control_say(call, "disk = %u", ndisk);
	control_end(call);
}
