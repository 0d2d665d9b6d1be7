/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of access logs that anybody wrote: what is read of one lies in it, or in the scratch. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/check.h"
#include "proxy/ctl/log_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct str text = {(const char *)bytes, len};
	struct log_line line;
	struct buf scratch;

	buf_init(&scratch, LOG_LINE_MAX_BYTES);
	if (log_line_read(text, &scratch, &line)) {
		size_t total = 0;

		for (size_t i = 0; i < LOG_LINE_FIELDS; i++)
			for (size_t j = 0; j < line.at[i].len; j++)
				total += line.at[i].at[j] != '\n';
		check(line.at[LOG_LINE_TIME].len > 0 && total <= LOG_LINE_FIELDS * len);
	}
	buf_fini(&scratch);
	return 0;
}
