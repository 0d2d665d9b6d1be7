/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/log/access_logger.h"

#include <stdatomic.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "proxy/log/log_place.h"
#include "proxy/log/log_writer.h"
#include "proxy/worker.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/config.h"
#include "squid-compat/log/access_log.h"

enum { RECORD_KEPT_BYTES = 16384 };

struct line {
	const struct access_log *log;
	struct log_file *file; /* NULL: none, or not to be opened */
};

struct access_logger {
	struct log_writer *writer;
	struct log_options options;
	atomic_ulong sequence; /* %sn: numbers the transactions logged; relaxed */
	size_t nlines;
	bool is_on, wants_reply;
	struct line lines[];
};

static void open_line(struct access_logger *logger, struct line *line, const struct config *config)
{
	const struct access_log *log = line->log;
	struct err_text why = {""};

	if (log->module == ACCESS_LOG_NONE)
		return;
	if (log_place_open(log, config, logger->writer, &line->file, &why) != ERR_OK)
		log_say(0, "ERROR: access_log: %s; nothing is logged there", why.at);
	else
		logger->is_on = true;
	if (line->file && why.at[0])
		log_say(0, "ERROR: access_log: %s; nothing is logged there until it can be",
		        why.at);
}

static bool wants_reply(const struct access_log *log)
{
	return log->format->format && logformat_wants_reply(log->format->format);
}

struct access_logger *access_logger_create(const struct config *config, struct log_writer *writer)
{
	const struct access_log *log = config->logs->logs.first;
	struct access_logger *logger =
		mem_zalloc(sizeof(*logger) + config->logs->logs.n * sizeof(logger->lines[0]));

	logger->writer = writer;
	logger->options.keeps_query = !config->strip_query_terms;
	logger->options.logs_mime_headers =
		config->log_mime_hdrs || config->logs->formats.wants_mime;
	logger->wants_reply = logger->options.logs_mime_headers;
	logger->options.has_client_mask = config->has_client_mask;
	memcpy(logger->options.client_mask, config->client_mask, sizeof(config->client_mask));
	for (; log && logger->nlines < config->logs->logs.n; log = log->next) {
		struct line *line = &logger->lines[logger->nlines++];

		line->log = log;
		open_line(logger, line, config);
		logger->wants_reply |= log->condition || (line->file && wants_reply(log));
	}
	return logger;
}

void access_logger_destroy(struct access_logger *logger)
{
	if (!logger)
		return;
	for (size_t i = 0; i < logger->nlines; i++)
		log_writer_release(logger->writer, logger->lines[i].file);
	mem_free(logger);
}

bool access_logger_is_on(const struct access_logger *logger)
{
	return logger->is_on;
}

bool access_logger_wants_reply(const struct access_logger *logger)
{
	return logger->wants_reply;
}

/* A value that is written raw (%') may hold newlines; what stands behind one would be read as
 * another record, or by a log daemon as a command. */
static void keep_one_line(struct buf *record)
{
	char *newline = record->at;

	while (record->len > 0 &&
	       (newline = memchr(newline, '\n', record->len - (size_t)(newline - record->at))))
		*newline = ' ';
}

static void write_record(struct access_logger *logger, struct worker *worker,
			 const struct line *line, const struct log_facts *facts)
{
	struct buf *record = &worker->log_scratch;

	buf_clear(record);
	logformat_render_line(line->log->format, facts, record);
	keep_one_line(record);
	buf_add_char(record, '\n');
	log_writer_add(logger->writer, worker->index, line->file, facts->end_us, buf_str(record));
	if (record->cap_ > RECORD_KEPT_BYTES)
		buf_fini(record);
}

void access_logger_write(struct access_logger *logger, struct worker *worker,
			 struct acl_facts *acl_facts, struct log_facts *facts)
{
	facts->options = &logger->options;
	facts->sequence = atomic_fetch_add_explicit(&logger->sequence, 1, memory_order_relaxed);
	acl_facts->is_fast = true;
	for (size_t i = 0; i < logger->nlines; i++) {
		const struct line *line = &logger->lines[i];

		if (line->log->condition && !acl_condition_holds(line->log->condition, acl_facts))
			continue;
		if (line->log->module == ACCESS_LOG_NONE)
			return;
		if (line->file)
			write_record(logger, worker, line, facts);
	}
}
