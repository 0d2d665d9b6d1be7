/* SPDX-License-Identifier: BSD-2-Clause */
#include "helpers/store_id.h"

struct str store_id_read(const struct helper_reply *reply, struct err_text *complaint)
{
	struct str id = helper_reply_value(reply, STR("store-id"));

	complaint->at[0] = '\0';
	switch (reply->code) {
	case HELPER_OK:
		break;
	case HELPER_ERR:
		return STR_NONE;
	case HELPER_UNKNOWN:
		err_say(complaint, "ERROR: storeID helper returned invalid result code. "
				   "Wrong helper?");
		return STR_NONE;
	default:
		err_say(complaint, "ERROR: storeID helper: %s", helper_code_name(reply->code));
		return STR_NONE;
	}
	if (id.len == 0)
		return STR_NONE;
	if (id.len <= STORE_ID_MAX_BYTES && helper_value_is_clean(id))
		return id;
	err_say(complaint, "ERROR: storeID helper: a key that is too long or has control bytes");
	return STR_NONE;
}
