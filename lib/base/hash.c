/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#if defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#endif

uint64_t hash_str(struct str s, uint64_t seed)
{
	return XXH3_64bits_withSeed(s.at ? s.at : "", s.len, seed);
}

/* Eight table look-ups a word (slicing by 8), for processors without the instruction. */
static uint32_t crc_table[8][256];

__attribute__((constructor)) static void crc_table_fill(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82F63B78u : crc >> 1;
		crc_table[0][i] = crc;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (int k = 1; k < 8; k++)
			crc_table[k][i] = crc_table[k - 1][i] >> 8 ^
					  crc_table[0][crc_table[k - 1][i] & 255];
}

static uint32_t crc32c_table(uint32_t crc, const unsigned char *at, size_t len)
{
	for (; len >= 8; at += 8, len -= 8) {
		crc ^= (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
		       (uint32_t)at[3] << 24;
		crc = crc_table[7][crc & 255] ^ crc_table[6][crc >> 8 & 255] ^
		      crc_table[5][crc >> 16 & 255] ^ crc_table[4][crc >> 24] ^
		      crc_table[3][at[4]] ^ crc_table[2][at[5]] ^ crc_table[1][at[6]] ^
		      crc_table[0][at[7]];
	}
	for (; len > 0; at++, len--)
		crc = crc >> 8 ^ crc_table[0][(crc ^ *at) & 255];
	return crc;
}

/* The processor's instruction takes 8 bytes at a time and 3 cycles for the result, so three parts
 * of LANE_BYTES are summed side by side. To join two sums, the first is carried over the zeros that
 * the second stands for, by lane_table. */
#if defined(__x86_64__)
#define CRC_TARGET __attribute__((target("sse4.2")))
#define CRC_WORD(crc, word) ((uint32_t)__builtin_ia32_crc32di(crc, word))
#define CRC_BYTE(crc, byte) __builtin_ia32_crc32qi(crc, byte)
#define HAS_CRC() __builtin_cpu_supports("sse4.2")
#elif defined(__aarch64__)
#define CRC_TARGET __attribute__((target("+crc")))
#define CRC_WORD(crc, word) __crc32cd(crc, word)
#define CRC_BYTE(crc, byte) __crc32cb(crc, byte)
#define HAS_CRC() (getauxval(AT_HWCAP) & HWCAP_CRC32)
#endif

#ifdef CRC_TARGET
enum { LANE_BYTES = 1024 };

static uint32_t lane_table[4][256];

/* After crc_table_fill, which stands before it. */
__attribute__((constructor)) static void lane_table_fill(void)
{
	static const unsigned char zeros[LANE_BYTES];

	for (uint32_t i = 0; i < 32; i++)
		lane_table[i / 8][1u << i % 8] = crc32c_table(1u << i, zeros, LANE_BYTES);
	/* The others are sums of these. */
	for (int k = 0; k < 4; k++)
		for (uint32_t i = 1; i < 256; i++)
			lane_table[k][i] = lane_table[k][i & (i - 1)] ^ lane_table[k][i & -i];
}

static uint32_t over_lane(uint32_t crc)
{
	return lane_table[0][crc & 255] ^ lane_table[1][crc >> 8 & 255] ^
	       lane_table[2][crc >> 16 & 255] ^ lane_table[3][crc >> 24];
}

static uint64_t word_at(const unsigned char *at)
{
	uint64_t word;

	memcpy(&word, at, 8);
	return word;
}

CRC_TARGET static uint32_t crc32c_machine(uint32_t crc, const unsigned char *at, size_t len)
{
	for (; len >= 3 * LANE_BYTES; at += 3 * LANE_BYTES, len -= 3 * LANE_BYTES) {
		uint32_t second = 0, third = 0;

		for (int i = 0; i < LANE_BYTES; i += 8) {
			crc = CRC_WORD(crc, word_at(at + i));
			second = CRC_WORD(second, word_at(at + LANE_BYTES + i));
			third = CRC_WORD(third, word_at(at + 2 * LANE_BYTES + i));
		}
		crc = over_lane(over_lane(crc) ^ second) ^ third;
	}
	for (; len >= 8; at += 8, len -= 8)
		crc = CRC_WORD(crc, word_at(at));
	for (; len > 0; at++, len--)
		crc = CRC_BYTE(crc, *at);
	return crc;
}
#endif

uint32_t hash_crc32c(const void *bytes, size_t len)
{
#ifdef CRC_TARGET
	if (HAS_CRC())
		return ~crc32c_machine(~0u, bytes, len);
#endif
	return ~crc32c_table(~0u, bytes, len);
}
