/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/process/upgrade.h: the parent becomes another program without a connection refused:
 *
 *     the installed program rehearses (reads squid.conf, in a process of its own) → this process
 *     becomes it (same pid, same sockets) → it starts a kid → that one serves → the old kid drains
 *
 * A rehearsal that fails changes nothing. When the new program's kid does not come up, the process
 * becomes the old program again, whose kid has served all along.
 *
 * Threads: the parent's one. */
#ifndef PROXY_UPGRADE_H
#define PROXY_UPGRADE_H
#include <stdbool.h>

struct broker;   /* proxy/process/broker_internal.h */
struct handover; /* proxy/process/handover.h */

/* Takes over what is in from. */
void upgrade_init(struct broker *broker, struct handover *from);
void upgrade_fini(struct broker *broker);

/* A rehearsal, or a first kid that does not serve yet. */
bool upgrade_is_under_way(const struct broker *broker);

/* bobtailctl asked for it. */
void upgrade_start(struct broker *broker);

/* ---- of a program that took another's place; at any other start these do nothing */

/* The control socket, if it is to lie where it did. */
bool upgrade_take_door(struct broker *broker);
/* With the loop: true if there is a kid that goes on (we are the old program again). */
bool upgrade_resume(struct broker *broker);
void upgrade_succeeded(struct broker *broker); /* our kid serves */
/* Our kid has not come up: true, unless it was none of the first after an upgrade. Mostly, the old
 * program runs then and this does not return. */
bool upgrade_failed(struct broker *broker, const char *why);

/* ---- kids that finish what they have begun */

void upgrade_stop(struct broker *broker, bool is_fast); /* everything ends */
void upgrade_kill_leaving(struct broker *broker);
void upgrade_reap(struct broker *broker); /* after SIGCHLD */

#endif
