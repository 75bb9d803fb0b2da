/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/agent_notes.h"

#include <stdlib.h>

#include "base/hash_table.h"
#include "base/memory.h"
#include "target/procfs.h"

/* A process about which something has been said. */
struct said {
	UT_hash_handle hh;
	struct said_key {
		int64_t pid;
		uint64_t started;
	} key;
	unsigned troubles; /* bits of enum agent_trouble */
};

struct agent_notes {
	struct said *said;
};

/* What comes between a process's name and the reason. */
static const char *const phrases[AGENT_TROUBLES] = {
	[AGENT_BRAKED] = ": ",
	[AGENT_UNOBSERVED] = " is not observed: ",
	[AGENT_UNJUDGED] = " gets no verdicts: ",
	[AGENT_UNHEAPED] = " gets no heap snapshots: ",
};

struct agent_notes *agent_notes_new(void)
{
	return memory_zeroed(1, sizeof(struct agent_notes));
}

void agent_notes_free(struct agent_notes *notes)
{
	if (notes)
		agent_notes_forget(notes);
	free(notes);
}

static void forget(struct agent_notes *notes, struct said *said)
{
	HASH_DEL(notes->said, said);
	free(said);
}

void agent_notes_forget(struct agent_notes *notes)
{
	struct said *said, *next;

	HASH_ITER (hh, notes->said, said, next)
		forget(notes, said);
}

/* What was said of a process; NULL: nothing. */
static struct said *find(struct agent_notes *notes, const struct agent_note *note)
{
	struct said_key key = {note->pid, note->started};
	struct said *said;

	HASH_FIND(hh, notes->said, &key, sizeof(key), said);
	return said;
}

static struct said *add(struct agent_notes *notes, const struct agent_note *note)
{
	struct said *said = memory_zeroed(1, sizeof(*said));

	said->key = (struct said_key){note->pid, note->started};
	HASH_ADD(hh, notes->said, key, sizeof(said->key), said);
	return said;
}

static void say_note(struct agent_notes *notes, const struct agent_note *note, agent_say_function *say)
{
	struct said *said = find(notes, note);
	char name[32];

	for (int trouble = 0; trouble < AGENT_TROUBLES; trouble++) {
		const char *why = note->why[trouble];

		if (!why[0] || (said && said->troubles & 1U << trouble))
			continue;
		if (!said)
			said = add(notes, note);
		said->troubles |= 1U << trouble;
		procfs_name(note->pid, name, sizeof(name));
		say("process %d (%s)%s%.*s", note->pid, name, phrases[trouble], AGENT_WHY - 1, why);
	}
}

void agent_notes_say(struct agent_notes *notes, const struct agent_shared *shared, agent_say_function *say)
{
	struct said *said, *next;

	for (int i = 0; i < shared->count && i < WATCHED_MAX; i++)
		say_note(notes, &shared->notes[i], say);
	HASH_ITER (hh, notes->said, said, next) {
		if (procfs_start_time((int)said->key.pid) != said->key.started)
			forget(notes, said);
	}
}
