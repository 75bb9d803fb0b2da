/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads arbitrary text as a policy file and as the corresponding options: accepted text gives valid amounts, refused
 * text an error message. */
#include <string.h>

#include "gate/policy.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static int (*const options[])(struct policy *, const char *, struct error *) = {policy_tolerance, policy_under};
	static struct input_file file;
	struct error error = {0};
	struct policy policy;
	char *text = strndup((const char *)bytes, size);

	input_file_fill(&file, bytes, size);
	policy_init(&policy);
	if (policy_read(&policy, file.path, &error)) {
		REQUIRE(error.status == STATUS_USAGE && error.text[0]);
	} else {
		for (int value = 0; value < POLICY_VALUES; value++) {
			REQUIRE(policy_allowed(&policy, "example.com/codec.(*T).f", value, 100) >= 0);
			REQUIRE(policy_allowed(&policy, NULL, value, 1e18) >= 0);
		}
	}
	policy_clear(&policy);
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		policy_init(&policy);
		error.text[0] = 0;
		REQUIRE(options[i](&policy, text, &error) == 0 || error.text[0]);
		policy_clear(&policy);
	}
	free(text);
	return 0;
}
