/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_RENDER_DOCTOR_H
#define ESCAPEMENT_RENDER_DOCTOR_H

#include <stdio.h>

#include "record/doctor.h"

/* A table: one row a finding, its advice below it. */
void render_doctor_text(FILE *stream, const struct doctor_finding *findings, size_t count);

/* {"schema":"escapement.doctor/1","findings":[{"subject","state":"ok|degraded|missing","detail","advice","status",
 * "cause"}]}: status is that of a recording because of it, cause the name in target/obstacle.h or null. */
void render_doctor_json(FILE *stream, const struct doctor_finding *findings, size_t count);

#endif
