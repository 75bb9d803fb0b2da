/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_TERMINAL_INPUT_H
#define ESCAPEMENT_TERMINAL_INPUT_H

/*
 * Called in a child that becomes another user's program: neither that nor what it starts can put text into the terminal that it
 * shares with us (ioctl TIOCSTI, TIOCLINUX), which our caller's shell would read as if it had been typed, and execute. Kernels
 * before 6.2 let any program do that, and later ones unless dev.tty.legacy_tiocsti is 0.
 *
 * Does nothing without a terminal. Needs CAP_SYS_ADMIN; without it, the program gets `no_new_privs` as well. Returns -1 with errno
 * on failure: then the program must not be run. Not thread-safe.
 */
int terminal_input_refuse(void);

#endif
