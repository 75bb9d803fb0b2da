/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_USDT_H
#define ESCAPEMENT_USDT_H

/*
 * USDT notes of an ELF file (section .note.stapsdt, the format of SystemTap's sys/sdt.h, version 3). Pure functions of
 * the file.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct usdt_probe {
	char *name;
	char *arguments;	   /* "8@%rdi 8@%rsi" */
	uint64_t offset;	   /* file offset of the instruction, which uprobes need */
	uint64_t semaphore_offset; /* file offset; 0 if the probe has none */
};

struct usdt_probes {
	struct usdt_probe *items;
	size_t count;
};

/* Reads all probes of one provider, in the file's order. A file that is not ELF or has none gives an empty list;
 * malformed notes in an ELF file are an error, and so is want of descriptors or memory. */
int usdt_read(const char *path, const char *provider, struct usdt_probes *probes, struct error *error);
void usdt_free(struct usdt_probes *probes);

#endif
