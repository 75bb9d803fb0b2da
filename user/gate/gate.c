/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate/gate.h"

#include <stdlib.h>

const char *const gate_change_names[] = {
	[GATE_WORSE] = "worse",		[GATE_NEW] = "new",	  [GATE_NOISY] = "noisy",
	[GATE_TOLERATED] = "tolerated", [GATE_BETTER] = "better", [GATE_GONE] = "gone",
	[GATE_MOVED] = "moved",		[GATE_SAME] = "same",	  [GATE_CHANGE_COUNT] = NULL,
};

void gate_free(struct gate *gate)
{
	if (!gate)
		return;
	for (size_t i = 0; i < gate->note_count; i++)
		free(gate->notes[i]);
	free(gate->notes);
	free(gate->rows);
	free(gate->groups);
	free(gate->packages);
	free(gate->merged);
	free(gate);
}

enum exit_status gate_status(const struct gate *gate)
{
	if (gate->failed)
		return STATUS_FOUND;
	return profile_loss_any(&gate->loss) ? STATUS_LOST : STATUS_OK;
}
