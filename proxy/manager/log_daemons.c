/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/manager/log_daemons.h"

#include <inttypes.h>

#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "proxy/log/log_target.h"
#include "proxy/log/log_writer.h"
#include "proxy/manager/manager_pages.h"

static int64_t retry_in_ms(const struct log_daemon_view *daemon)
{
	int64_t left_ms = daemon->retry_ms - clock_mono_ms();

	return daemon->retry_ms > 0 && left_ms > 0 ? left_ms : 0;
}

static const char *breaker_of(const struct log_daemon_view *daemon)
{
	return daemon->pid == 0 && daemon->nfailures > 0 ? "open" : "closed";
}

static uint64_t ndeaths(const struct log_daemon_view *daemon)
{
	return daemon->nstarts - (daemon->pid > 0);
}

static void write_note(const struct log_daemon_view *daemon, struct buf *out)
{
	if (daemon->note_us == 0)
		return;
	buf_printf(out,
	           "  stderr  %" PRId64 " s ago: ", (clock_mono_us() - daemon->note_us) / 1000000);
	manager_add_printable(out, str_of(daemon->note));
	buf_add_char(out, '\n');
}

bool log_daemon_write(struct log_writer *writer, unsigned i, bool is_first, struct buf *out)
{
	struct log_daemon_view daemon;

	if (!log_writer_daemon(writer, i, &daemon))
		return false;
	if (!is_first)
		buf_add_char(out, '\n');
	buf_printf(out, "logfile_daemon %s: %s\n", daemon.place, daemon.program);
	buf_printf(out, "  children  %d of 1 run; %" PRIu64 " were started, %" PRIu64 " died",
		   daemon.pid > 0, daemon.nstarts, ndeaths(&daemon));
	if (daemon.pid > 0)
		buf_printf(out, "; pid %d", (int)daemon.pid);
	buf_printf(out, "\n  records   %" PRIu64 " came, %" PRIu64 " are lost; %zu bytes wait\n",
		   daemon.nrecords, daemon.nlost, daemon.nwaiting);
	buf_printf(out, "  breaker   %s, %u failures in a row", breaker_of(&daemon),
	           daemon.nfailures);
	if (retry_in_ms(&daemon) > 0)
		buf_printf(out, ", next try in %.1f s", (double)retry_in_ms(&daemon) / 1000);
	buf_add_char(out, '\n');
	write_note(&daemon, out);
	return true;
}

/* ---- for programs */

static void write_counts_json(const struct log_daemon_view *daemon, struct buf *out)
{
	buf_printf(out, ",\"max\":1,\"running\":%d,\"started\":%" PRIu64 ",\"died\":%" PRIu64,
		   daemon->pid > 0, daemon->nstarts, ndeaths(daemon));
	buf_printf(out, ",\"requests\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"waiting_bytes\":%zu",
		   daemon->nrecords, daemon->nlost, daemon->nwaiting);
	buf_printf(out, ",\"breaker\":\"%s\",\"failures\":%u,\"retry_in_ms\":%" PRId64,
		   breaker_of(daemon), daemon->nfailures, retry_in_ms(daemon));
}

static void write_note_json(const struct log_daemon_view *daemon, struct buf *out)
{
	if (daemon->note_us == 0)
		return;
	buf_printf(out, "{\"child\":%" PRIu64 ",\"at\":%" PRId64 ",\"text\":", daemon->nstarts,
		   clock_wall_of(daemon->note_us) / 1000000);
	json_add_str(out, str_of(daemon->note));
	buf_add_char(out, '}');
}

bool log_daemon_write_json(struct log_writer *writer, unsigned i, struct buf *out)
{
	struct log_daemon_view daemon;

	if (!log_writer_daemon(writer, i, &daemon))
		return false;
	buf_add_str(out, STR("{\"kind\":\"logfile_daemon\",\"name\":"));
	json_add_str(out, str_of(daemon.place));
	buf_add_str(out, STR(",\"program\":"));
	json_add_str(out, str_of(daemon.program));
	write_counts_json(&daemon, out);
	buf_add_str(out, STR(",\"children\":["));
	if (daemon.pid > 0)
		buf_printf(out, "{\"number\":%" PRIu64 ",\"pid\":%d}", daemon.nstarts,
		           (int)daemon.pid);
	buf_add_str(out, STR("],\"stderr\":["));
	write_note_json(&daemon, out);
	buf_add_str(out, STR("]}\n"));
	return true;
}
