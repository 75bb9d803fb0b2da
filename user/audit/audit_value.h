/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_VALUE_H
#define ESCAPEMENT_AUDIT_VALUE_H

/* What kind of value an expression has, as far as its form shows: the compiler prints expressions without their types. */

/* Kinds of values, as bits. */
enum value_kind {
	KIND_NUMBER = 1 << 0,
	KIND_STRING = 1 << 1,
	KIND_SLICE = 1 << 2,
	KIND_COMPOSITE = 1 << 3, /* a struct or an array */
	KIND_BOOL = 1 << 4,
	KIND_POINTER = 1 << 5, /* also maps, channels and functions: one word that is a pointer */
	KIND_ANY = (1 << 6) - 1,
};

/* The kinds that the value of an expression may be of; KIND_ANY for a name. */
unsigned value_kinds(const char *expression);

#endif
