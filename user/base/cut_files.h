/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_CUT_FILES_H
#define ESCAPEMENT_CUT_FILES_H

/*
 * Files of others are mapped to be read, by us and by libelf. Whoever may write to one may cut it meanwhile, and the kernel
 * sends SIGBUS to who reads beyond its new end.
 */

/* From now on, what a file no longer has reads as zeros, in all threads, where the file is mapped privately and is none of the
 * program's own. Takes the process's handler of SIGBUS. */
void cut_files_read_as_zeros(void);

/* How many pages have been read so. Compared before and after a file is read, tells whether that was cut. */
unsigned cut_files_pages(void);

#endif
