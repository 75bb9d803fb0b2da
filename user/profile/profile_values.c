/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/profile_values.h"

#include <stddef.h>

#define TABLE_ROW(name, kinds, ...) [name] = {kinds, __VA_ARGS__},
const struct profile_value_row profile_values[VALUE_COUNT] = {PROFILE_VALUES(TABLE_ROW)};

#define OPTION_NAME(name, kinds, key, option, ...) option,
const char *const profile_value_options[VALUE_COUNT + 1] = {PROFILE_VALUES(OPTION_NAME) NULL};
