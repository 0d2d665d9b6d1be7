/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/disk/disk_admission.h: what is worth writing to disk once the disk is full, or the day's
 * bytes are nearly written.
 *
 * How often a key was asked for is estimated by small counters that keys share (a count-min sketch;
 * all are halved now and then, so that old fame fades). A new object is let in when it is asked for
 * as often, for the bytes it takes, as what was evicted lately; up to three times as often where
 * that had been asked for more than once, since one for another that is hardly better costs more of
 * writing than it saves in fetches. So a scan of things that nobody asks for twice pushes nothing
 * out that is asked for and is not even written. What is refused makes the next one's case better.
 *
 * Threads: any, without locks; disk_admission_evicted and disk_admission_age by one (the writer).
 */
#ifndef CACHE_DISK_ADMISSION_H
#define CACHE_DISK_ADMISSION_H
#include <stdbool.h>
#include <stdint.h>

#include "cache/eviction.h"

struct disk_admission; /* opaque */

/* For a disk of so many bytes: 16 KiB to 4 MiB of counters. By EVICTION_LFUDA the size does not
 * matter, by EVICTION_LRU all are let in. */
struct disk_admission *disk_admission_create(uint64_t max_bytes, enum eviction policy);
void disk_admission_destroy(struct disk_admission *admission); /* accepts NULL */

/* The key was asked for, and memory did not answer. */
void disk_admission_note(struct disk_admission *admission, uint64_t key);
/* How often lately, or more: never less, but for the halving. */
unsigned disk_admission_estimate(const struct disk_admission *admission, uint64_t key);

/* To compare: how often it was asked for lately, for its bytes. */
uint64_t disk_admission_worth(const struct disk_admission *admission, uint64_t key, uint64_t bytes);
/* May an object of key that takes bytes on the full disk be stored? */
bool disk_admission_allows(struct disk_admission *admission, uint64_t key, uint64_t bytes);
/* An object of key, of so many bytes, had to go. */
void disk_admission_evicted(struct disk_admission *admission, uint64_t key, uint64_t bytes);
/* Halves the counters if it is time; now and then. */
void disk_admission_age(struct disk_admission *admission);

#endif
