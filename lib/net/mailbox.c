/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/net/mailbox_internal.h"

#include <sys/eventfd.h>
#include <unistd.h>

bool mailbox_init(struct mailbox *box)
{
	atomic_init(&box->newest, NULL);
	atomic_init(&box->is_asleep, false);
	box->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return box->bell >= 0;
}

void mailbox_fini(struct mailbox *box)
{
	if (box->bell >= 0)
		close(box->bell);
	box->bell = -1;
}

void mailbox_ring(struct mailbox *box)
{
	/* Cannot fail before 2^64 - 2 rings. */
	(void)!eventfd_write(box->bell, 1);
}

void mailbox_post(struct mailbox *box, struct mail *mail)
{
	struct mail *newest = atomic_load_explicit(&box->newest, memory_order_relaxed);

	do
		mail->next_ = newest;
	while (!atomic_compare_exchange_weak_explicit(&box->newest, &newest, mail,
	                                              memory_order_seq_cst, memory_order_relaxed));
	/* From here on the mail is the receiver's. Both with mailbox_fall_asleep. */
	if (!newest && atomic_load_explicit(&box->is_asleep, memory_order_seq_cst))
		mailbox_ring(box);
}

bool mailbox_fall_asleep(struct mailbox *box)
{
	/* Both with mailbox_post. */
	atomic_store_explicit(&box->is_asleep, true, memory_order_seq_cst);
	if (!atomic_load_explicit(&box->newest, memory_order_seq_cst))
		return true;
	mailbox_wake_up(box);
	return false;
}

void mailbox_wake_up(struct mailbox *box)
{
	/* A sender that still sees true rings once too often. */
	atomic_store_explicit(&box->is_asleep, false, memory_order_relaxed);
}

static struct mail *turned_round(struct mail *newest)
{
	struct mail *oldest = NULL;

	while (newest) {
		struct mail *next = newest->next_;

		newest->next_ = oldest;
		oldest = newest;
		newest = next;
	}
	return oldest;
}

void mailbox_deliver(struct mailbox *box)
{
	struct mail *mail;

	/* The common case of an empty box without a locked instruction. */
	if (!atomic_load_explicit(&box->newest, memory_order_relaxed))
		return;
	/* Acquires what mailbox_post's exchange released. */
	mail = atomic_exchange_explicit(&box->newest, NULL, memory_order_acquire);
	for (mail = turned_round(mail); mail;) {
		struct mail *next = mail->next_;

		mail->deliver(mail);
		mail = next;
	}
}
