/* SPDX-License-Identifier: BSD-2-Clause */
/* What clients cost without asking for anything (RFC 9113 §10.5). Frames are counted by their
 * heads, since nghttp2 does not tell of those that it ignores, such as DATA and HEADERS of a closed
 * stream. */
#include "proxy/session/session_h2_internal.h"

enum {
	PRICE_RESET = 10,
	PRICE_SETTINGS = 4,
	PRICE_PING = 2,
	PRICE_OTHER = 1,
	PADDING_MAX_BYTES = 256, /* with its length */
	BYTES_PER_POINT = 1024, /* sent ones make up for it, as time does */
};

static void charge(struct h2_session *session, unsigned price)
{
	int64_t now_ms = loop_now_ms(session->worker->loop);

	if (price > 0 && now_ms - session->nuisance_since_ms > H2_NUISANCE_PERIOD_MS) {
		session->nuisance_since_ms = now_ms;
		session->nuisance = 0;
	}
	session->nuisance += price;
}

static uint32_t length_of(const struct h2_heads *heads)
{
	return (uint32_t)heads->at[0] << 16 | (uint32_t)heads->at[1] << 8 | heads->at[2];
}

static uint32_t stream_id_of(const struct h2_heads *heads)
{
	const uint8_t *at = heads->at + 5;

	return ((uint32_t)at[0] & 0x7f) << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 |
	       at[3];
}

/* Of HEADERS that begin a stream: nothing; others are trailers, or ignored. */
static unsigned price_of_headers(struct h2_heads *heads)
{
	uint32_t id = stream_id_of(heads);

	if (id <= heads->last_id)
		return PRICE_OTHER;
	heads->last_id = id;
	return 0;
}

/* Of what is empty, or may be all padding. */
static unsigned price_of_data(uint32_t length, uint8_t flags)
{
	uint32_t most = flags & NGHTTP2_FLAG_PADDED ? PADDING_MAX_BYTES : 0;

	return length <= most && !(flags & NGHTTP2_FLAG_END_STREAM) ? PRICE_OTHER : 0;
}

static unsigned price_of(struct h2_heads *heads)
{
	uint8_t type = heads->at[3], flags = heads->at[4];

	switch (type) {
	case NGHTTP2_HEADERS:
		return price_of_headers(heads);
	case NGHTTP2_DATA:
		return price_of_data(length_of(heads), flags);
	case NGHTTP2_RST_STREAM:
		return PRICE_RESET;
	case NGHTTP2_SETTINGS:
		return flags & NGHTTP2_FLAG_ACK ? PRICE_OTHER : PRICE_SETTINGS;
	case NGHTTP2_PING:
		return PRICE_PING;
	default:
		return PRICE_OTHER;
	}
}

void h2_nuisance_start(struct h2_session *session)
{
	session->heads.skip = NGHTTP2_CLIENT_MAGIC_LEN;
}

void h2_nuisance_count(struct h2_session *session, const char *bytes, size_t len)
{
	struct h2_heads *heads = &session->heads;

	while (len > heads->skip) {
		size_t n = len - heads->skip;

		if (n > (size_t)(H2_HEAD_BYTES - heads->len))
			n = H2_HEAD_BYTES - heads->len;
		memcpy(heads->at + heads->len, bytes + heads->skip, n);
		bytes += heads->skip + n;
		len -= heads->skip + n;
		heads->len += (uint8_t)n;
		heads->skip = 0;
		if (heads->len < H2_HEAD_BYTES)
			return;
		charge(session, price_of(heads));
		heads->skip = length_of(heads);
		heads->len = 0;
	}
	heads->skip -= (uint32_t)len;
}

void h2_nuisance_reset(struct h2_session *session)
{
	charge(session, PRICE_RESET);
}

void h2_nuisance_pay(struct h2_session *session, size_t sent_bytes)
{
	size_t points = sent_bytes / BYTES_PER_POINT + (sent_bytes > 0);

	session->nuisance -= session->nuisance < points ? session->nuisance : (unsigned)points;
}
