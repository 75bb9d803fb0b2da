/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_OBSTACLE_H
#define ESCAPEMENT_OBSTACLE_H

/*
 * What keeps a process from being measured: the one table of causes, each with its words, its exit status and what to
 * do. Commands and doctor print the same texts. If the kernel only says "not permitted", obstacle_refused() finds out
 * the cause. Thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum obstacle {
	OBSTACLE_NONE,
	OBSTACLE_CAPABILITY,
	OBSTACLE_USER_NAMESPACE,
	OBSTACLE_SECCOMP,
	OBSTACLE_LOCKDOWN,
	OBSTACLE_POLICY,
	OBSTACLE_NO_BPF,
	OBSTACLE_NO_UPROBES,
	OBSTACLE_VERIFIER,
	OBSTACLE_TRACER,
	OBSTACLE_GO_LIBRARY,
	OBSTACLE_GO_TABLES,
	OBSTACLE_GCCGO,
	OBSTACLE_32_BIT,
	OBSTACLE_NO_RUNTIME,
	OBSTACLE_FILE,
	OBSTACLE_NO_PROC,
	OBSTACLE_IDENTITY,   /* nothing runs as another user */
	OBSTACLE_UNREADABLE, /* measured, but without the process's memory */
	OBSTACLE_COUNT,
};

/* What we ask of the kernel, for obstacle_refused(). */
enum obstacle_call {
	CALL_INSPECT,	  /* look at /proc/PID of any process */
	CALL_READ,	  /* process_vm_readv() */
	CALL_WATCH,	  /* pidfd_open() */
	CALL_TRACE,	  /* ptrace() */
	CALL_MAPS,	  /* bpf(): maps */
	CALL_LOAD,	  /* bpf(): programs */
	CALL_LINK,	  /* bpf(): probes of uprobe.multi */
	CALL_PERF_UPROBE, /* perf_event_open(): probes */
	CALL_FILTER,	  /* seccomp(): what a program of another user may not do */
	CALL_CAPSET,	  /* capset(), setgroups(), setgid(), setuid(): to become another user */
	CALL_SETGROUPS,
	CALL_SETGID,
	CALL_SETUID,
	CALL_FORK, /* fork(), pthread_create() */
};

/* The cause as data files name it: "user-namespace"; NULL for OBSTACLE_NONE. */
const char *obstacle_name(enum obstacle obstacle);

/* Whether the cause is the program of a process, which seldom changes while that runs. */
bool obstacle_is_of_program(const struct error *error);

/* What to do about the cause that error->cause names; NULL if it names none. The text of the error ends with it. */
const char *obstacle_advice(const struct error *error);

/* Fills the error with "SUBJECT WORDS DETAIL; ADVICE" and the cause's exit status; returns -1. The subject comes with what
 * connects it: "cannot load the BPF programs:", "process 12 (sh)". `detail` may be NULL. */
int obstacle_set(struct error *error, enum obstacle obstacle, const char *detail, const char *subject, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * Fills the error for a call that the kernel refused with that errno: "cannot WHAT: " and the cause, as far as it can be
 * told, else the errno's text, with STATUS_CANNOT_MEASURE. Returns -1.
 */
int obstacle_refused(struct error *error, enum obstacle_call call, int code, const char *what, ...)
	__attribute__((format(printf, 4, 5)));

/* The same for a process that fork() does not make, with its errno: "cannot start WHAT: ". */
int obstacle_no_process(struct error *error, int code, const char *what, ...) __attribute__((format(printf, 3, 4)));

/* The same for a thread, with what pthread_create() returned. */
int obstacle_no_thread(struct error *error, int code, const char *what, ...) __attribute__((format(printf, 3, 4)));

/* The same for a process whose memory we may not read while it is measured: OBSTACLE_UNREADABLE, and why. */
int obstacle_unreadable(struct error *error, int code, int pid, const char *comm);
/* Stores only why, as the end of a sentence. */
void obstacle_why_unreadable(int code, char *why, size_t size);

/* 0, or -1 with an error if processes cannot be looked at, or would be taken for others: OBSTACLE_NO_PROC. */
int obstacle_check_proc(struct error *error);

/* 0, or -1 with an error if we lack a capability to become another user: OBSTACLE_IDENTITY. */
int obstacle_check_identity(struct error *error);

/* The same for a BPF program that the verifier refuses, with the last words of its log. A locked-down kernel lets the
 * verifier refuse what reads the kernel's memory. */
int obstacle_unloadable(struct error *error, const char *program, const char *reason);

#endif
