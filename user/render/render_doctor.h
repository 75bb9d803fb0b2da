/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_RENDER_DOCTOR_H
#define ESCAPEMENT_RENDER_DOCTOR_H

#include <stdio.h>

#include "record/doctor.h"

/* Prints one line per finding, with its advice below. */
void render_doctor_text(FILE *stream, const struct doctor_finding *findings, size_t count);

/* {"schema":"escapement.doctor/1","findings":[{"subject","state":"ok|degraded|missing","detail","advice"}]} */
void render_doctor_json(FILE *stream, const struct doctor_finding *findings, size_t count);

#endif
