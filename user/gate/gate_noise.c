/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate/gate_noise.h"

#include <math.h>
#include <string.h>

#include "profile/frames.h"
#include "profile/size_class.h"

/* Prefixes of functions that do the library's bookkeeping. */
static const char *const bookkeepers[] = {
	"sync.(*Pool).pinSlow",	   "sync.(*poolChain).", "sync.OnceFunc", "sync.OnceValue", "internal/sync.", "unique.",
	"sync.(*Map).dirtyLocked",
};

/* Runtime calls that fill a cache of the runtime, at random once in about a thousand calls. */
static const char *const caching_calls[] = {"runtime.typeAssert", "runtime.interfaceSwitch"};

/* Prefixes of runtime calls and functions whose allocations depend on a hash seed or on the collector. */
static const char *const varying_calls[] = {"runtime.mapassign", "runtime.growWork", "runtime.hashGrow",
					    "internal/runtime/maps."};
static const char *const varying_callers[] = {"sync.(*Pool).Get", "sync.(*Pool).Put"};

/* Prefixes of library functions that make what a pool of theirs has lost, or that grow what came new from it; `below`: if
 * they were called by such a function. */
static const struct {
	const char *via, *below;
} varying_vias[] = {
	{"sync.(*Map).", NULL},
	{"fmt.(*buffer).", NULL},
	{"fmt.(*fmt).writePadding", NULL},
	{"unicode/utf8.AppendRune", NULL},
	{"regexp.newbitState", NULL},
	{"regexp.newBitState", NULL},
	{"regexp.(*bitState).reset", NULL},
	{"regexp.newOnePassMachine", NULL},
	{"regexp.(*Regexp).get", NULL},
	{"encoding/json.newEncodeState", NULL},
	{"bytes.(*Buffer).", "encoding/json."},
	{"bytes.growSlice", "encoding/json."},
	{"log.", NULL},
	{"log/slog/internal/buffer.", NULL},
	{"math/big.getNat", NULL},
	{"math/big.(*stack).", NULL},
	{"net/http.newBufio", NULL},
	{"net/http.newTextprotoReader", NULL},
	{"archive/zip.newFlate", NULL},
	{"internal/poll.getPipe", NULL},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static bool starts_with_any(const char *text, const char *const *starts, size_t count)
{
	for (size_t i = 0; text && i < count; i++) {
		if (strncmp(text, starts[i], strlen(starts[i])) == 0)
			return true;
	}
	return false;
}

/* Whether the function is a package initialiser or is in a package variable: "init", "init.0", "init.func1",
 * "glob..func1". */
static bool is_initialiser(const char *function)
{
	const char *name = frames_local_name(function);

	return strcmp(name, "init") == 0 || strncmp(name, "init.", 5) == 0 || strncmp(name, "glob..", 6) == 0;
}

bool gate_noise_is_bookkeeping(const char *via, const char *runtime_call)
{
	if (starts_with_any(runtime_call, caching_calls, COUNT(caching_calls)))
		return true;
	return via && (starts_with_any(via, bookkeepers, COUNT(bookkeepers)) || is_initialiser(via));
}

bool gate_noise_is_runtimes(const char *type, const char *runtime_call)
{
	static const char *const pooled[] = {"runtime.g",      "*runtime.g",	 "runtime.m",	     "runtime.sudog",
					     "runtime._defer", "*runtime.timer", "runtime.timerWhen"};
	/* where the scheduler takes the processor from a goroutine, it runs on that one's stack */
	static const char *const scheduler[] = {"runtime.morestack", "runtime.asyncPreempt"};

	for (size_t i = 0; runtime_call && i < COUNT(scheduler); i++) {
		if (strcmp(runtime_call, scheduler[i]) == 0)
			return true;
	}
	for (size_t i = 0; type && i < COUNT(pooled); i++) {
		if (strcmp(type, pooled[i]) == 0)
			return true;
	}
	return false;
}

static bool has_frame(const struct profile_stack *stack, const char *const *starts, size_t count)
{
	for (uint32_t i = 0; i < stack->depth; i++) {
		const struct profile_location *location = profile_stack_at(stack, i);

		for (uint32_t j = 0; j < location->frame_count; j++) {
			if (starts_with_any(location->frames[j].function, starts, count))
				return true;
		}
	}
	return false;
}

bool gate_noise_varies(const struct profile_stack *stack, const struct owner *owner)
{
	if (starts_with_any(owner->runtime_call, varying_calls, COUNT(varying_calls)) ||
	    has_frame(stack, varying_callers, COUNT(varying_callers)))
		return true;
	for (size_t i = 0; i < COUNT(varying_vias); i++) {
		if (starts_with_any(owner->via, &varying_vias[i].via, 1) &&
		    (!varying_vias[i].below || has_frame(stack, &varying_vias[i].below, 1)))
			return true;
	}
	return false;
}

/* Four standard deviations of a count of rare independent events. */
static int64_t deviations(int64_t count)
{
	return count_from(ceil(4 * sqrt((double)count + 1)));
}

/* The same, or the range of the runs if that is larger. */
static int64_t margin(const struct gate_count *count)
{
	return deviations(count->most) + 2 * (count->most - count->least);
}

static void widen(struct gate_count *count, int64_t by)
{
	count->below = by < count->least ? by : count->least;
	count->most = add_saturated(count->most, by);
}

void gate_noise_widen(struct gate_site *site, int runs)
{
	struct gate_count *objects = &site->counts[VALUE_OBJECTS], *bytes = &site->counts[VALUE_BYTES];
	int64_t by;
	double each;

	if (objects->least < 0 || bytes->least < 0 ||
	    (runs >= 3 && gate_count_steady(objects) && objects->least > GATE_STEADY_MIN))
		return;
	by = margin(objects);
	/* tables of a map double in size: the next one is as large as all before it */
	each = objects->most > 0 ? (double)bytes->most / (double)objects->most : 0;
	widen(objects, by);
	widen(bytes, count_from(ceil((double)by * each)) + bytes->most / 2 + 2 * (bytes->most - bytes->least));
}

void gate_noise_widen_blocks(struct gate_site *site, int64_t blocks)
{
	int64_t by = deviations(blocks);

	widen(&site->counts[VALUE_OBJECTS], by);
	widen(&site->counts[VALUE_BYTES], by * size_class_bytes(span_class_size_class(TINY_SPAN_CLASS)));
}

bool gate_noise_could_be_none(const struct gate_site *site)
{
	const struct gate_count *objects = &site->counts[VALUE_OBJECTS], *seen = &site->seen[VALUE_OBJECTS];
	bool grows = starts_with_any(site->runtime_call, varying_calls, COUNT(varying_calls));

	if (objects->most <= 0 || !gate_count_may_be_none(objects))
		return false;
	return !grows || objects->least < GATE_NONE_MAX || objects->least <= 2 * (seen->most - seen->least);
}
