/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/helper/helper_skeleton.h: what `bobtailctl helper new` writes from:
 * helpers/skeletons/LANGUAGE.in, made a part of the program by tools/embed-skeletons.
 *
 * A line `%% WORD...` begins a part that is for these kinds only, or with +ids (-ids) for kinds
 * that answer, with channel ids (without). `%%` alone: for all. The text up to the first one is for
 * all, too. In @PROTOCOL@ and @CONFIG@ each line gets what stands before the word in its line. */
#ifndef PROXY_CTL_HELPER_SKELETON_H
#define PROXY_CTL_HELPER_SKELETON_H

struct helper_skeleton {
	const char *language, *text;
};

/* Ends with a row of NULL. */
extern const struct helper_skeleton helper_skeletons[];

#endif
