/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/transaction/background.h: renews a stored response that is served stale meanwhile (RFC 5861
 * §3): a transaction without a client, whose reply goes nowhere. One at a time for a URL, whichever
 * workers ask for it. Threads: one worker's, but for the table of URLs, which is made of
 * atomics. */
#ifndef PROXY_BACKGROUND_H
#define PROXY_BACKGROUND_H
#include <stdatomic.h>
#include <stdint.h>

struct transaction;
struct worker;

enum { BACKGROUND_SLOTS = 1024 };

/* What is being renewed, by key: a slot holds a part of the key, 0 when it is free. Another URL
 * with the same slot waits for a later request. Zeroed at first. */
struct background_table {
	_Atomic(uint32_t) slots[BACKGROUND_SLOTS];
};

/* Renews the object that the transaction serves, unless that is under way. */
void background_refresh(const struct transaction *served);

/* The worker stops: what is under way ends. */
void background_stop_all(struct worker *worker);

#endif
