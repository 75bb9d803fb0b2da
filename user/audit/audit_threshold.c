/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit/audit_threshold.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/quantity.h"

int audit_threshold_parse(const char *text, struct audit_threshold *threshold, struct error *error)
{
	const char *colon = strchrnul(text, ':');
	char *name = memory_text_of(text, (size_t)(colon - text));
	int verdict = name ? audit_verdict_parse(name) : -1;

	free(name);
	if (verdict < 0)
		return audit_verdict_unknown(text, error);
	*threshold = (struct audit_threshold){verdict, VALUE_COUNT, 0};
	if (!*colon)
		return 0;
	for (enum profile_value i = VALUE_OBJECTS; i <= VALUE_BYTES; i++) {
		size_t length = strlen(profile_values[i].key);

		if (strncmp(colon + 1, profile_values[i].key, length) == 0 && colon[1 + length] == '>') {
			const char *limit = colon + 2 + length;

			threshold->value = i;
			if ((i == VALUE_BYTES ? quantity_bytes : quantity_count)(limit, &threshold->above) == 0)
				return 0;
		}
	}
	return error_set(error, STATUS_USAGE,
			 "cannot read the threshold '%s': expected VERDICT, VERDICT:objects>N or "
			 "VERDICT:bytes>SIZE, such as escapes:bytes>50M",
			 text);
}

size_t audit_threshold_rows(const struct audit *audit, const struct audit_threshold *threshold)
{
	size_t count = 0;

	for (size_t i = 0; i < audit->row_count; i++) {
		const struct audit_row *row = &audit->rows[i];
		int64_t value;

		if ((int)row->verdict != threshold->verdict && audit_row_counts_as(row) != threshold->verdict)
			continue;
		if (threshold->value == VALUE_COUNT) {
			count++;
			continue;
		}
		value = threshold->value == VALUE_OBJECTS && row->objects_low != VALUE_UNMEASURED
				? row->objects_low
				: row->values[threshold->value];
		count += value > threshold->above;
	}
	return count;
}
