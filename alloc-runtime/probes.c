/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Probe sites. They do not use systemtap's header, because the instruction that the kernel patches matters: machine.h. Each
 * site is a function of its own, called with the arguments in the registers of the C ABI, and leaves them there.
 *
 * The note's layout is that of <https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation>, version 3.
 */
#include "probes.h"

#include "machine.h"
#include "recorder.h"

#ifdef __clang__
#define PROBE_FUNCTION __attribute__((used, noinline, optnone))
#else
#define PROBE_FUNCTION __attribute__((used, noipa))
#endif
#define PROBE_DATA __attribute__((section(".probes")))

#ifdef GOALLOC_NO_PROBES
/* For measurements only: builds the library without sites and notes. */
#define PROBE_SITE(name, semaphore, arguments)                                                                 \
	static inline void site_##name(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f) \
	{                                                                                                      \
		(void)a, (void)b, (void)c, (void)d, (void)e, (void)f;                                          \
	}
#else
/* Defines the site of the probe `name`. Its semaphore is the 16-bit word at `semaphore`, an assembler expression. */
#define PROBE_SITE(name, semaphore, arguments)                                                                         \
	static PROBE_FUNCTION void site_##name(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f) \
	{                                                                                                              \
		MACHINE_IN_ARGUMENTS(a, b, c, d, e, f);                                                                \
		__asm__ volatile("990: " MACHINE_PROBE_SITE "\n"                                                       \
				 ".pushsection .note.stapsdt, \"?\", \"note\"\n"                                       \
				 ".balign 4\n"                                                                         \
				 ".4byte 992f - 991f, 994f - 993f, 3\n"                                                \
				 "991: .asciz \"stapsdt\"\n"                                                           \
				 "992: .balign 4\n"                                                                    \
				 "993: .8byte 990b, _.stapsdt.base, " semaphore "\n"                                   \
				 ".asciz \"" GOALLOC_PROVIDER "\"\n"                                                   \
				 ".asciz \"" #name "\"\n"                                                              \
				 ".asciz \"" arguments "\"\n"                                                          \
				 "994: .balign 4\n"                                                                    \
				 ".popsection\n" ::"r"(r1),                                                            \
				 "r"(r2), "r"(r3), "r"(r4), "r"(r5), "r"(r6)                                           \
				 : "memory");                                                                          \
	}

__asm__(".pushsection .stapsdt.base, \"aG\", \"progbits\", .stapsdt.base, comdat\n"
	".weak _.stapsdt.base\n"
	".hidden _.stapsdt.base\n"
	"_.stapsdt.base: .space 1\n"
	".size _.stapsdt.base, 1\n"
	".popsection\n");
#endif

typedef void site_function(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

/* Defines a probe's four rates; `every` is the address of the first one's semaphore. */
#define PROBE_SITES(name, every, arguments)                                                                     \
	PROBE_DATA struct semaphores name##_semaphores;                                                         \
	PROBE_SITE(name, every, arguments)                                                                      \
	PROBE_SITE(name##_8k, #name "_semaphores+2", arguments)                                                 \
	PROBE_SITE(name##_64k, #name "_semaphores+4", arguments)                                                \
	PROBE_SITE(name##_512k, #name "_semaphores+6", arguments)                                               \
	static site_function *const name##_sites[NumRates] = {site_##name, site_##name##_8k, site_##name##_64k, \
							      site_##name##_512k};

PROBE_DATA union sampler_word sampler_word;
PROBE_DATA uint16_t mheap_grow_semaphore;
PROBE_DATA uint16_t span_sweep_semaphore;
PROBE_DATA uint16_t stack_semaphore;

PROBE_SITES(mcache_refill, "mcache_refill_semaphores", MACHINE_ARGUMENTS_6)
PROBE_SITES(mcentral_grow, "mcentral_grow_semaphores", MACHINE_ARGUMENTS_5)
PROBE_SITES(large_alloc, "large_alloc_semaphores", MACHINE_ARGUMENTS_6)
PROBE_SITES(alloc_sample, "sampler_word+6", MACHINE_ARGUMENTS_6)
PROBE_SITE(mheap_grow, "mheap_grow_semaphore", MACHINE_ARGUMENTS_4)
PROBE_SITE(span_sweep, "span_sweep_semaphore", MACHINE_ARGUMENTS_3)
PROBE_SITE(stack, "stack_semaphore", "") /* never fires; observers only raise its semaphore */

const uint64_t probe_distances[NumRates] = {0, 8 << 10, 64 << 10, 512 << 10};

static bool raised(const uint16_t *semaphore)
{
	return __atomic_load_n(semaphore, __ATOMIC_RELAXED) != 0;
}

/* Fires every raised site from `distance` on. The last one is a tail call, because each return after a trap costs a
 * branch misprediction. */
static inline __attribute__((always_inline)) void fire(const struct semaphores *s, site_function *const *sites,
						       uint64_t distance, uint64_t a, uint64_t b, uint64_t c,
						       uint64_t d, uint64_t e, uint64_t f)
{
	uint64_t listening = semaphores_read(s);

	while (listening != 0) {
		unsigned rate = (unsigned)__builtin_ctzll(listening) / 16;
		listening &= ~(0xffffULL << 16 * rate);
		if (probe_distances[rate] < distance)
			continue;
		if (listening == 0)
			return sites[rate](a, b, c, d, e, f);
		sites[rate](a, b, c, d, e, f);
	}
}

void probe_mcache_refill(uint64_t cache_and_class, uint64_t refills_and_objects, uint64_t bytes, uint64_t base,
			 uint64_t free, uint64_t stack, uint64_t distance)
{
	if (recorder_active)
		recorder_note(GOALLOC_RECORDED_REFILL, GOALLOC_CACHE_SPAN_CLASS(cache_and_class),
			      GOALLOC_REFILL_REFILLS(refills_and_objects), bytes, stack);
	fire(&mcache_refill_semaphores, mcache_refill_sites, distance, cache_and_class, refills_and_objects, bytes,
	     base, free, stack);
}

void probe_mcentral_grow(uint64_t spanclass, uint64_t grows, uint64_t pages, uint64_t base, uint64_t stack,
			 uint64_t distance)
{
	if (recorder_active)
		recorder_note(GOALLOC_RECORDED_CENTRAL_GROW, (unsigned)spanclass, grows, 0, stack);
	fire(&mcentral_grow_semaphores, mcentral_grow_sites, distance, spanclass, grows, pages, base, stack, 0);
}

void probe_large_alloc(uint64_t objects, uint64_t size, uint64_t pages, uint64_t base, uint64_t stack, uint64_t bytes,
		       uint64_t distance)
{
	fire(&large_alloc_semaphores, large_alloc_sites, distance, objects, size, pages, base, stack, bytes);
}

void probe_alloc_sample(uint64_t address, uint64_t bytes, uint64_t weight, uint64_t spanclass, uint64_t site,
			uint64_t stack, uint64_t distance)
{
	if (recorder_active)
		recorder_note(GOALLOC_RECORDED_ALLOC, (unsigned)spanclass, 1, bytes, stack);
	if (distance == 0 && raised(&sampler_word.every)) {
		if (semaphores_read(&alloc_sample_semaphores) == 0)
			return site_alloc_sample(address, bytes, weight, spanclass, site, stack);
		site_alloc_sample(address, bytes, weight, spanclass, site, stack);
	}
	fire(&alloc_sample_semaphores, alloc_sample_sites, distance, address, bytes, weight, spanclass, site, stack);
}

void probe_mheap_grow(uint64_t pages, uint64_t bytes, uint64_t arena_used, uint64_t stack)
{
	if (recorder_active)
		recorder_note(GOALLOC_RECORDED_HEAP_GROW, GOALLOC_RECORDED_NO_CLASS, 1, bytes, stack);
	if (raised(&mheap_grow_semaphore))
		site_mheap_grow(pages, bytes, arena_used, stack, 0, 0);
}

void probe_span_sweep(uint64_t spanclass, uint64_t base, uint64_t freed)
{
	if (raised(&span_sweep_semaphore))
		site_span_sweep(spanclass, base, freed, 0, 0, 0);
}
