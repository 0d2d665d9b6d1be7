/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/log/log_place.h"

#include "lib/base/heap.h"
#include "proxy/log/log_target.h"
#include "proxy/log/log_writer.h"
#include "squid-compat/config.h"
#include "squid-compat/log/access_log.h"

static const struct {
	const char *name;
	enum log_target_kind kind;
} targets[ACCESS_LOG_MODULES] = {
	[ACCESS_LOG_DAEMON] = {"daemon:", LOG_TARGET_DAEMON},
	[ACCESS_LOG_SYSLOG] = {"syslog:", LOG_TARGET_SYSLOG},
	[ACCESS_LOG_UDP] = {"udp:", LOG_TARGET_UDP},
	[ACCESS_LOG_TCP] = {"tcp:", LOG_TARGET_TCP},
};

static enum err open_held(struct log_writer *writer, const char *path,
			  const struct log_target_options *options, struct log_file **out,
			  struct err_text *why)
{
	enum err err = log_writer_file_or_wait(writer, path, options->keep, out, why);

	if (err == ERR_OK)
		log_writer_hold(*out, options->is_buffered);
	return err;
}

enum err log_place_open(const struct access_log *log, const struct config *config,
			struct log_writer *writer, struct log_file **out, struct err_text *why)
{
	struct log_target_options options = {
		.kind = targets[log->module].kind,
		.place = log->module == ACCESS_LOG_SYSLOG ? NULL : log->place.at,
		.program = log->module == ACCESS_LOG_DAEMON ? config->logfile_daemon : NULL,
		.keep = log->rotate >= 0 ? log->rotate : config->logfile_rotate,
		.is_buffered = config->buffered_logs && log->buffer_bytes > 0,
		.priority = log->priority,
	};
	char *name;
	enum err err;

	if (log->module == ACCESS_LOG_STDIO ||
	    (log->module == ACCESS_LOG_DAEMON && !config->logfile_daemon))
		return open_held(writer, log->place.at, &options, out, why);
	name = mem_printf("%s%s", targets[log->module].name, log->place.at);
	options.name = name;
	err = log_writer_target(writer, &options, out, why);
	mem_free(name);
	return err;
}
