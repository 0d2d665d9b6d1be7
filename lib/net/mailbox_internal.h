/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net/mailbox_internal.h: a loop's queue of mail from other threads, without locks.
 *
 * Senders push onto a stack; the one receiver takes the whole stack and turns it round, which gives
 * each sender's order back. A sender rings the bell (an eventfd) only when the mailbox was empty
 * and the receiver is asleep.
 *
 * Why no mail sleeps in the box: the receiver says that it is asleep and then looks into the box;
 * the sender puts its mail there and then looks whether the receiver sleeps. These four accesses
 * are sequentially consistent, so at least one of the two sees what the other did: the receiver
 * does not go to sleep, or the sender rings. A sender that finds mail in the box leaves the bell to
 * whoever put the first one there. */
#ifndef NET_MAILBOX_INTERNAL_H
#define NET_MAILBOX_INTERNAL_H
#include <stdatomic.h>

#include "lib/net/loop.h"

struct mailbox {
	struct mail *_Atomic newest;
	atomic_bool is_asleep;
	int bell; /* an eventfd, never read: its receiver watches it edge-triggered */
};

bool mailbox_init(struct mailbox *box); /* false: errno says why */
void mailbox_fini(struct mailbox *box);

/* Any thread. */
void mailbox_post(struct mailbox *box, struct mail *mail);
void mailbox_ring(struct mailbox *box);

/* The receiver. May it sleep (there is no mail)? If so, mailbox_wake_up follows. */
bool mailbox_fall_asleep(struct mailbox *box);
void mailbox_wake_up(struct mailbox *box);
/* Delivers what is there; what is posted meanwhile waits for the next call. */
void mailbox_deliver(struct mailbox *box);

#endif
