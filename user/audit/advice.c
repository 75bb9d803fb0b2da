/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit/advice.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "audit/audit_calls.h"

enum cause {
	RETURNED,
	INTERFACE,
	CLOSURE,
	CAPTURED,
	TOO_LARGE,
	UNKNOWN_SIZE,
	LEAKING,
	SENT,
	STORED,
	APPENDED,
	MAP_GROWS,
	CONVERTED,
	CONCATENATED,
	GOROUTINE,
	CHANNEL,
	MADE_RETURNED,
	MADE_LEAKING,
	MADE_STORED,
	MAP_LEAKING,
	VARIADIC_LEAKING,
	CAUSE_COUNT,
	NO_CAUSE = CAUSE_COUNT,
};

/* What several rows say. */
#define KEPT	      "it is passed to a function that keeps it, or that the compiler cannot analyse"
#define CALL_CONCRETE "call the concrete method: a call through an interface or a function value leaks every argument"
#define KEEP_NOTHING  "change the callee so that it does not keep its parameter"

static const struct advice advices[CAUSE_COUNT] = {
	[RETURNED] = {"returned",
		      "the function returns a pointer to it, so it must outlive the call",
		      {"return the value instead of a pointer", "let the caller pass the object or buffer to fill",
		       "keep the function small enough to be inlined: the object can then stay in the caller's frame"}},
	[INTERFACE] = {"interface",
		       "a value is copied to the heap to be put into an interface",
		       {"use a function for this type, such as strconv's, instead of one that takes interfaces",
			"make the function generic instead of taking an interface",
			"put an existing pointer into the interface"}},
	[CLOSURE] = {"closure",
		     "a function literal that outlives the call is allocated with what it captured",
		     {"pass what it needs as arguments to a plain function",
		      "create it once, outside of the loop or the call"}},
	[CAPTURED] = {"captured",
		      "a variable that a function literal shares with this function moves to the heap",
		      {"pass the variable to the function literal as an argument",
		       "capture a copy that is not assigned again"}},
	[TOO_LARGE] = {"too-large",
		       "it is larger than the compiler puts on the stack",
		       {"work in pieces that fit", "reuse one buffer, for instance from a sync.Pool"}},
	[UNKNOWN_SIZE] = {"unknown-size",
			  "its size is known only at run time",
			  {"use a constant capacity where an upper limit is known",
			   "reuse one buffer, and grow it when it is too small"}},
	[LEAKING] = {"leaking-parameter", KEPT, {"pass a value instead of a pointer", KEEP_NOTHING, CALL_CONCRETE}},
	[SENT] = {"sent",
		  "a pointer to it is sent on a channel",
		  {"send the value", "send objects that are returned and reused"}},
	[STORED] = {"stored",
		    "a pointer to it is stored in something that lives in the heap",
		    {"store the value instead of a pointer", "reuse the object that is already stored"}},
	[APPENDED] = {"append",
		      "the slice outgrows its array",
		      {"make it with the capacity that it will need", "reuse the previous array: s = s[:0]"}},
	[MAP_GROWS] = {"map",
		       "the map grows",
		       {"make it with the number of entries that it will have", "reuse it after clear(m)"}},
	[CONVERTED] = {"conversion",
		       "a conversion between string and bytes copies",
		       {"keep it as bytes, or as a string, all the way", "append to a buffer that is reused"}},
	[CONCATENATED] = {"concatenation",
			  "each + makes a new string",
			  {"append to a byte slice that is reused",
			   "write to one strings.Builder, after Grow() to the final size"}},
	[GOROUTINE] = {"goroutine",
		       "a new goroutine needs a descriptor, and its function a closure",
		       {"use long-lived workers that take work from a channel"}},
	[CHANNEL] = {"channel",
		     "each make(chan) makes a channel on the heap, of which the compiler says nothing",
		     {"make it once and use it for many values",
		      "wait for what ends once with a sync.WaitGroup, which is a value"}},
	/* Slices and maps refer to what they have: there is no value to pass, to return or to store instead. */
	[MADE_RETURNED] = {"returned",
			   "the function returns it, so it must outlive the call",
			   {"let the caller pass the one to fill, as strconv.AppendInt does",
			    "keep the function small enough to be inlined: it can then stay in the caller's frame"}},
	[MADE_LEAKING] = {"leaking-parameter",
			  KEPT,
			  {"reuse one, for instance from a sync.Pool: b = b[:0]", KEEP_NOTHING, CALL_CONCRETE}},
	[MADE_STORED] = {"stored",
			 "it is stored in something that lives in the heap",
			 {"make it no larger than what is kept of it", "reuse the one that is already stored"}},
	[MAP_LEAKING] = {"leaking-parameter",
			 KEPT,
			 {"pass a struct instead of a map, if its keys are constants", "reuse it after clear(m)",
			  KEEP_NOTHING}},
	[VARIADIC_LEAKING] =
		{"leaking-parameter",
		 "the slice of its variadic arguments is passed to a function that keeps it, or that the compiler cannot analyse",
		 {"call the function itself: a call through an interface or a function value leaks every argument",
		  "call it only if its result is used: ask first whether that log level is on",
		  "call a function with a fixed number of parameters"}},
};

/* The cause that the runtime call alone shows. */
static enum cause cause_of_call(const struct audit_row *row)
{
	static const struct {
		unsigned family;
		enum cause cause;
	} causes[] = {
		{CALL_BOX, INTERFACE},	      {CALL_APPEND | CALL_MOVE, APPENDED},
		{CALL_MAP_GROWTH, MAP_GROWS}, {CALL_CONCAT, CONCATENATED},
		{CALL_TO_STRING, CONVERTED},  {CALL_FROM_STRING, CONVERTED},
		{CALL_GO, GOROUTINE},	      {CALL_CHAN, CHANNEL},
	};
	unsigned family = call_family(row->runtime_call);

	if (call_is_closure(row->type))
		return CLOSURE;
	for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++) {
		if (family & causes[i].family)
			return causes[i].cause;
	}
	return family & CALL_SLICE && row->verdict == AUDIT_CONTRADICTED ? UNKNOWN_SIZE : NO_CAUSE;
}

/* The cause that the last step of the compiler's explanation shows: the first entry that is a prefix of its reason. */
static enum cause cause_of_step(const struct escape_step *step)
{
	static const struct {
		const char *reason;
		enum cause cause;
	} causes[] = {
		{"too large for stack", TOO_LARGE},
		{"non-constant size", UNKNOWN_SIZE},
		{"return", RETURNED},
		{"interface-converted", INTERFACE},
		{"captured by a closure", CAPTURED},
		{"reference", CAPTURED},
		{"call parameter", LEAKING},
		{"send", SENT},
		{"assign", STORED},
		{"struct literal element", STORED},
		{"slice-literal-element", STORED},
		{"array literal element", STORED},
		{"map literal", STORED},
		{"key of map put", STORED},
		{"append", STORED},
		{"copied slice", STORED},
	};

	if (strcmp(step->reason, "call parameter") == 0 && strncmp(step->expression, "append(", 7) == 0)
		return STORED;
	for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++) {
		if (strncmp(step->reason, causes[i].reason, strlen(causes[i].reason)) == 0)
			return causes[i].cause;
	}
	return NO_CAUSE;
}

/* The remedies for a cause depend on what escapes. */
static enum cause cause_of_kind(enum cause cause, const struct audit_row *row)
{
	static const struct {
		enum cause cause;
		unsigned family;
		enum cause its;
	} causes[] = {
		{RETURNED, CALL_SLICE | CALL_MAP, MADE_RETURNED},
		{LEAKING, CALL_SLICE, MADE_LEAKING},
		{STORED, CALL_SLICE | CALL_MAP, MADE_STORED},
		{LEAKING, CALL_MAP, MAP_LEAKING},
	};
	const char *subject = row->annotation_count ? row->annotations[0]->subject : NULL;
	unsigned family = call_family(row->runtime_call);

	if (cause == LEAKING && subject && strcmp(subject, "... argument") == 0)
		return VARIADIC_LEAKING;
	/* []T{...} and []byte("constant") are made by newobject of an array */
	if (subject && (strncmp(subject, "[]", 2) == 0 || strncmp(subject, "([]", 3) == 0))
		family |= CALL_SLICE;
	for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++) {
		if (cause == causes[i].cause && family & causes[i].family)
			return causes[i].its;
	}
	return cause;
}

static enum cause cause_of_explanation(const struct audit_row *row)
{
	/* The explanation at a call may end at the callee's result. The callee's own explanation is used if the call's
	 * shows no cause. */
	for (uint32_t i = 0; i < row->annotation_count; i++) {
		const struct escape_annotation *annotation = row->annotations[i];

		for (uint32_t f = annotation->flow_count; f-- > 0;) {
			const struct escape_flow *flow = &annotation->flows[f];

			if (flow->step_count)
				return cause_of_step(&flow->steps[flow->step_count - 1]);
		}
	}
	return NO_CAUSE;
}

const struct advice *advice_for(const struct audit_row *row)
{
	enum cause cause;

	if (row->verdict != AUDIT_ESCAPES && row->verdict != AUDIT_CONTRADICTED && row->verdict != AUDIT_UNANNOTATED)
		return NULL;
	cause = cause_of_call(row);
	if (cause == NO_CAUSE && !row->shared) /* then it is unknown whose explanation it is */
		cause = cause_of_kind(cause_of_explanation(row), row);
	return cause == NO_CAUSE ? NULL : &advices[cause];
}

static bool ends_with(const char *text, size_t length, const char *end)
{
	return length >= strlen(end) && memcmp(text + length - strlen(end), end, strlen(end)) == 0;
}

char *advice_proof(const struct audit *audit, const struct audit_row *row)
{
	const struct profile *profile = audit->profile;
	const char *target = profile->target ? profile->target : "", *arguments = strchr(target, ' ');
	const char *package = profile->process_count ? profile->processes[0].package : NULL;
	const char *slash = row->file ? strrchr(row->file, '/') : NULL;

	/* go test builds a test binary, in the directory of the row's file. */
	if (ends_with(target, strcspn(target, " "), ".test"))
		return memory_format("escapement compare --patch fix.diff --test -- go test -bench . %s%.*s",
				     slash && *row->file != '/' ? "./"
				     : slash			? ""
								: ".",
				     slash ? (int)(slash - row->file) : 0, slash ? row->file : "");
	/* built from a list of files: not a package, which has tests */
	if (package && strcmp(package, "command-line-arguments") == 0 && row->file)
		return memory_format("escapement compare --patch fix.diff -- go run %s%s", row->file,
				     arguments ? arguments : "");
	return package ? memory_format("escapement compare --patch fix.diff --test -- go run %s%s", package,
				       arguments ? arguments : "")
		       : NULL;
}
