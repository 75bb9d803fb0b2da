/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/kept_outputs.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "escape/escape_image.h"
#include "escape/escape_parser.h"

enum {
	FILE_MAX = 256 << 20, /* bytes of a file that is read, */
	KEPT_MAX = 64 << 20,  /* and of all that is kept; of what is more each window parses the text */
	SETTLED_S = 2,	      /* a change within the same tick of a clock would not be seen */
	SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE,
};

/* Which file it was made of: before the image, in the memory file. */
struct identity {
	uint64_t device, inode, size;
	int64_t modified_ns, changed_ns;
};

struct kept_outputs {
	const struct agent_watch *watches; /* of the configuration */
	size_t count;
	struct place {
		int file;    /* in memory; -1: there is none */
		void *bytes; /* of it, where it is mapped */
		size_t size;
	} * places;	/* of each watch */
	bool *outdated; /* the same; shared with windows, which set it */
};

/* ---- in the agent ---- */

static void place_close(struct place *place)
{
	if (place->bytes)
		munmap(place->bytes, place->size);
	if (place->file >= 0)
		close(place->file);
	*place = (struct place){.file = -1};
}

static void place_open(struct place *place)
{
	*place = (struct place){.file = memfd_create("compiler-output", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
}

struct kept_outputs *kept_outputs_new(void)
{
	return memory_zeroed(1, sizeof(struct kept_outputs));
}

void kept_outputs_close(struct kept_outputs *kept)
{
	for (size_t i = 0; i < kept->count; i++)
		place_close(&kept->places[i]);
}

static void forget(struct kept_outputs *kept)
{
	kept_outputs_close(kept);
	if (kept->outdated)
		munmap(kept->outdated, kept->count * sizeof(*kept->outdated));
	free(kept->places);
	*kept = (struct kept_outputs){0};
}

void kept_outputs_begin(struct kept_outputs *kept, const struct agent_config *config)
{
	size_t size = config->watch_count * sizeof(*kept->outdated);

	forget(kept);
	if (!size)
		return;
	kept->watches = config->watches;
	kept->count = config->watch_count;
	kept->outdated = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (kept->outdated == MAP_FAILED)
		memory_out();
	kept->places = memory_zeroed(kept->count, sizeof(*kept->places));
	for (size_t i = 0; i < kept->count; i++) {
		kept->places[i].file = -1;
		kept->outdated[i] = config->watches[i].escape; /* has none yet */
	}
}

void kept_outputs_renew(struct kept_outputs *kept)
{
	for (size_t i = 0; i < kept->count; i++) {
		if (!kept->outdated[i] || !kept->watches[i].escape)
			continue;
		place_close(&kept->places[i]);
		place_open(&kept->places[i]);
		kept->outdated[i] = kept->places[i].file < 0; /* tried again before the next window */
	}
}

void kept_outputs_free(struct kept_outputs *kept)
{
	if (kept)
		forget(kept);
	free(kept);
}

/* ---- in the process of a window ---- */

static int64_t ns_of(struct timespec time)
{
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static struct identity identity_of(const struct stat *status)
{
	return (struct identity){status->st_dev, status->st_ino, (uint64_t)status->st_size, ns_of(status->st_mtim),
				 ns_of(status->st_ctim)};
}

/* Nobody changes it any more, or what was checked would not hold. Kernels may add a seal of their own. */
static bool is_sealed(int file)
{
	int seals = fcntl(file, F_GET_SEALS);

	return seals >= 0 && (seals & SEALS) == SEALS;
}

static off_t size_of(int file)
{
	struct stat status;

	return file >= 0 && fstat(file, &status) == 0 ? status.st_size : 0;
}

/* Maps what an earlier window has left. Returns whether it is of this file. */
static bool place_map(struct place *place, const struct identity *identity)
{
	off_t size = size_of(place->file);

	if ((size_t)size < sizeof(*identity) || size > KEPT_MAX || !is_sealed(place->file))
		return false;
	if (!place->bytes) {
		place->size = (size_t)size;
		place->bytes = mmap(NULL, place->size, PROT_READ, MAP_SHARED, place->file, 0);
		if (place->bytes == MAP_FAILED)
			place->bytes = NULL;
	}
	return place->bytes && memcmp(place->bytes, identity, sizeof(*identity)) == 0;
}

static size_t room(const struct kept_outputs *kept)
{
	off_t left = KEPT_MAX;

	for (size_t i = 0; i < kept->count && left > 0; i++)
		left -= size_of(kept->places[i].file);
	return left > 0 ? (size_t)left : 0;
}

/* Leaves it to the windows that follow: of what has no room only the identity, so that none of them tries again; of what does not
 * work nothing. */
static void keep(const struct kept_outputs *kept, int file, const struct identity *identity,
		 const struct escape_output *output)
{
	size_t most = room(kept);
	int copy = fcntl(file, F_DUPFD_CLOEXEC, 0);
	/* where a window that kept nothing has left off is where they all stand */
	bool begins = copy >= 0 && lseek(copy, 0, SEEK_SET) == 0;
	FILE *stream = begins ? fdopen(copy, "w") : NULL;
	bool works = false, fits = false;

	if (stream) {
		fwrite(identity, sizeof(*identity), 1, stream);
		fits = most > sizeof(*identity) && escape_image_write(stream, output, most - sizeof(*identity)) == 0;
		works = !ferror(stream);
		works = fclose(stream) == 0 && works;
	} else if (copy >= 0) {
		close(copy);
	}
	if (works && !fits)
		works = ftruncate(file, sizeof(*identity)) == 0;
	if (!works || size_of(file) > KEPT_MAX || fcntl(file, F_ADD_SEALS, SEALS))
		(void)!ftruncate(file, 0);
}

/* Whether what was read of an open file is what the file with this identity has, now and later. */
static bool is_settled(int file, const struct identity *identity)
{
	int64_t settled_ns = wall_ns() - SETTLED_S * 1000000000LL;
	struct identity now;
	struct stat status;

	if (fstat(file, &status))
		return false;
	now = identity_of(&status);
	return memcmp(&now, identity, sizeof(now)) == 0 && identity->modified_ns < settled_ns &&
	       identity->changed_ns < settled_ns;
}

/* The place of a watch; NULL: nothing of it is kept. */
static struct place *place_of(struct kept_outputs *kept, const struct agent_watch *watch)
{
	struct place *place = kept ? &kept->places[watch - kept->watches] : NULL;

	return place && place->file >= 0 ? place : NULL;
}

static struct escape_output *read_open(struct kept_outputs *kept, const struct agent_watch *watch, int file,
				       const struct identity *identity, struct error *error)
{
	struct place *place = place_of(kept, watch);
	struct escape_output *output = NULL;
	bool is_of_file = place && place_map(place, identity);

	if (is_of_file)
		output = escape_image_read((char *)place->bytes + sizeof(*identity), place->size - sizeof(*identity));
	if (output)
		return output;
	output = escape_read_open(file, watch->escape, error);
	if (!output || !place || !is_settled(file, identity))
		return output;
	if (is_of_file && place->size == sizeof(*identity)) /* there was no room for it */
		return output;
	if (size_of(place->file))
		kept->outdated[place - kept->places] = true;
	else
		keep(kept, place->file, identity, output);
	return output;
}

struct escape_output *kept_outputs_read(struct kept_outputs *kept, const struct agent_watch *watch, struct error *error)
{
	struct escape_output *output;
	struct identity identity;
	struct stat status;
	int file = escape_open(watch->escape, FILE_MAX, &status, error);

	if (file < 0)
		return NULL;
	identity = identity_of(&status);
	output = read_open(kept, watch, file, &identity, error);
	close(file);
	return output;
}
