/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/process/broker_internal.h: the parent's state, for broker*.c and upgrade.c. Its one
 * thread's. */
#ifndef PROXY_BROKER_INTERNAL_H
#define PROXY_BROKER_INTERNAL_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/list.h"
#include "lib/net/loop.h"
#include "proxy/process/channel.h"
#include "proxy/process/config_history.h"
#include "proxy/process/handover.h"
#include "proxy/process/notify.h"
#include "proxy/process/pid_file.h"
#include "proxy/process/sockets.h"
#include "proxy/tls/tls_watch.h"

struct command_line;
struct config;
struct transcript;

enum kid_state { KID_NONE, KID_STARTING, KID_READY };

enum aim {
	AIM_SERVE,
	AIM_RESTART, /* the kid has been told to stop; another one follows */
	AIM_STOP,
};

/* A kid that finishes what it has begun. */
struct leaving_kid {
	struct list node;
	struct broker *broker;
	pid_t pid;
	struct loop_fd channel; /* its end is of no interest: SIGCHLD tells */
};

struct upgrade {
	struct handover from;    /* when this program took the place of another; else empty */
	bool is_taking_over;     /* and from.kid serves until ours does */
	pid_t rehearsal;         /* 0: none under way */
	struct timer timer;      /* of the rehearsal, or of our first kid */
	struct list leaving;     /* of struct leaving_kid */
	unsigned nleaving;
};

struct broker {
	const struct command_line *line;
	struct config *config;
	struct config *next; /* a reload waits for the kid's word */
	struct sockets sockets;
	struct pid_file pid_file;
	char *control_path;
	int control_fd;
	struct notify notify;
	int ready_fd; /* to the process that was called; -1: told, or in the foreground */
	struct loop *loop;
	struct loop_fd signals, channel;
	enum aim aim;
	enum kid_state kid_state;
	pid_t kid;
	int64_t kid_started_ms;
	unsigned nquick_deaths, nstops;
	bool has_served; /* some kid was ready */
	char *wishes; /* the operator's, of peers: for the next kid; NULL: none */
	bool is_reload_due;
	int64_t read_us; /* when the last reload read the file (clock_mono_us) */
	int64_t reloaded_ms;
	struct timer restart_timer, reload_timer, kill_timer, watchdog_timer, ports_timer;
	int64_t watchdog_ms; /* 0: nobody wants to hear that we are alive */
	struct tls_watch tls_watch;
	bool is_tls_renewed; /* since config was read: a new kid has to be told */
	struct config_history history;
	struct transcript *next_transcript; /* of next; NULL: a rollback */
	struct upgrade upgrade;
	int status;
};

void broker_finish(struct broker *broker, int status);
/* To the kid, if there is one. */
bool broker_tell(struct broker *broker, enum channel_kind kind, int64_t value);

/* ---- broker_kid.c */
void broker_start_kid(struct broker *broker);
/* Goes on with a kid that serves already. */
void broker_adopt_kid(struct broker *broker, pid_t pid, int channel);
void broker_kid_ready(struct broker *broker);
void broker_kid_gone(struct broker *broker, int status); /* as waitpid has it */
void broker_restart_due(struct timer *timer);
bool broker_tls_changed(void *owner); /* for tls_watch.h */
unsigned broker_nworkers(const struct config *config);

/* ---- broker_reload.c */
void broker_reload(struct broker *broker); /* as soon as may be */
void broker_reload_if_due(struct broker *broker);
void broker_reload_due(struct timer *timer);
void broker_rollback(struct broker *broker);
/* The kid has taken broker->next over, or not. */
void broker_reload_answered(struct broker *broker, bool is_ok);
/* To who asked before read_us. */
void broker_tell_reloaded(struct broker *broker, bool is_ok);
/* The file as it is now, which transcript keeps, or what it kept (is_replay), with what is new in
 * it opened; NULL: it cannot be used. */
struct config *broker_read_next(struct broker *broker, struct transcript *transcript,
                                bool is_replay);

/* ---- broker_ports.c */
/* A new kid gets all sockets; one that serves, those that the last sockets_open changed. */
void broker_give_all_sockets(struct broker *broker);
void broker_give_changes(struct broker *broker);
/* Ports may be missing, or not any more: after each sockets_commit and sockets_revert. They are
 * tried again soon, and the kid is told. */
void broker_follow_ports(struct broker *broker);
void broker_retry_ports(struct timer *timer);

#endif
