/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbols/image_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cut_files.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/regular_file.h"
#include "symbols/symbolizer.h"
#include "symbols/elf_file.h"

enum { IDLE_MAX = 8 }; /* images kept that no process maps any more */

/* The identity of an image: of its file, and where that is mapped. Padding must be zero. */
struct image_key {
	uint64_t device, inode, size, modified_s, modified_ns;
	uint64_t start, limit, offset;
};

/* What reads a file, for all images of it: processes map it at different addresses. */
struct reader {
	struct symbolizer *symbolizer; /* NULL if it is no program or library */
	unsigned images;
	bool is_cut; /* by somebody, while it was read; nothing more is read of it */
};

struct image {
	struct image_cache *cache;
	struct image *next;
	struct image_key key;
	char *path;
	unsigned users;
	uint64_t released; /* when, by the cache's own counter */
	int file;	   /* -1 if it could not be opened: then it is not shared */
	uint64_t bias;
	bool bias_known;
	struct reader *reader;		       /* NULL until it is first needed, or if the file could not be opened */
	const struct profile_mapping *mapping; /* NULL until then */
	struct location_map located;
};

struct image_cache {
	struct profile *profile;
	struct image *images;
	uint64_t releases;
	unsigned idle;
};

/* --- locations by address --- */

static bool location_same(const void *entries, uint64_t item, const void *key)
{
	const struct located *known = (const struct located *)entries + item - 1, *wanted = key;

	return known->address == wanted->address && known->call == wanted->call;
}

const struct profile_location **location_map_at(struct location_map *map, uint64_t address, bool call)
{
	const struct located key = {.address = address, .call = call};
	uint64_t *item = hash_index_at(&map->index, hash_fold(call, address), location_same, map->entries, &key);

	if (!*item) {
		if (map->index.count > map->capacity) {
			map->capacity = map->capacity ? 2 * map->capacity : 32;
			map->entries = memory_resize(map->entries, map->capacity, sizeof(*map->entries));
		}
		*item = map->index.count;
		map->entries[*item - 1] = key;
	}
	return &map->entries[*item - 1].location;
}

void location_map_free(struct location_map *map)
{
	hash_index_free(&map->index);
	free(map->entries);
	*map = (struct location_map){0};
}

/* --- images --- */

struct image_cache *image_cache_new(struct profile *profile)
{
	struct image_cache *cache = memory_zeroed(1, sizeof(*cache));

	cache->profile = profile;
	return cache;
}

static void reader_release(struct reader *reader)
{
	if (!reader || --reader->images)
		return;
	symbolizer_close(reader->symbolizer);
	free(reader);
}

static void image_free(struct image *image)
{
	struct image **link = &image->cache->images;

	while (*link != image)
		link = &(*link)->next;
	*link = image->next;
	reader_release(image->reader);
	if (image->file >= 0)
		close(image->file);
	location_map_free(&image->located);
	free(image->path);
	free(image);
}

void image_cache_free(struct image_cache *cache)
{
	if (!cache)
		return;
	while (cache->images)
		image_free(cache->images);
	free(cache);
}

/* Returns false if the file cannot be identified. */
static bool identify(struct image_key *key, int file)
{
	struct stat status;

	if (file < 0 || fstat(file, &status))
		return false;
	key->device = status.st_dev;
	key->inode = status.st_ino;
	key->size = (uint64_t)status.st_size;
	key->modified_s = (uint64_t)status.st_mtim.tv_sec;
	key->modified_ns = (uint64_t)status.st_mtim.tv_nsec;
	return true;
}

static struct image *find(const struct image_cache *cache, const struct image_key *key, const char *path)
{
	struct image *image = cache->images;

	while (image &&
	       (image->file < 0 || memcmp(&image->key, key, sizeof(*key)) != 0 || strcmp(image->path, path) != 0))
		image = image->next;
	return image;
}

struct image *image_share(struct image_cache *cache, int file, const char *path, uint64_t start, uint64_t limit,
			  uint64_t offset)
{
	struct image_key key = {.start = start, .limit = limit, .offset = offset};
	struct image *image = identify(&key, file) ? find(cache, &key, path) : NULL;

	if (image) {
		close(file);
		cache->idle -= image->users++ == 0;
		return image;
	}
	image = memory_zeroed(1, sizeof(*image));
	*image = (struct image){
		.cache = cache, .next = cache->images, .key = key, .path = memory_text(path), .users = 1, .file = file};
	cache->images = image;
	return image;
}

void image_release(struct image *image)
{
	struct image_cache *cache = image->cache;
	struct image *oldest = NULL;

	if (--image->users)
		return;
	image->released = cache->releases++;
	if (image->file < 0 || !image->mapping) { /* contains nothing worth keeping */
		image_free(image);
		return;
	}
	if (++cache->idle <= IDLE_MAX)
		return;
	for (struct image *other = cache->images; other; other = other->next) {
		if (!other->users && (!oldest || other->released < oldest->released))
			oldest = other;
	}
	cache->idle--;
	image_free(oldest);
}

/* Returns the reader of the image's file, which others may have already. `path`: by which the file is opened. */
static struct reader *reader_share(const struct image *image, const char *path)
{
	struct reader *reader = NULL;
	struct error why;

	for (const struct image *other = image->cache->images; other && !reader; other = other->next) {
		if (memcmp(&other->key, &image->key, offsetof(struct image_key, start)) == 0)
			reader = other->reader;
	}
	if (!reader) {
		reader = memory_zeroed(1, sizeof(*reader));
		reader->symbolizer = symbolizer_open(path, &why);
		if (!reader->symbolizer && why.status != STATUS_USAGE)
			profile_warn(image->cache->profile, "%s: functions in it have no names: %s", image->path,
				     why.text);
	}
	reader->images++;
	return reader;
}

const struct profile_mapping *image_mapping(struct image *image)
{
	struct profile_mapping mapping = {
		.start = image->key.start, .limit = image->key.limit, .offset = image->key.offset, .file = image->path};
	unsigned cut = cut_files_pages();
	char name[REGULAR_FILE_NAME];
	const char *path;

	if (image->mapping)
		return image->mapping;
	if (image->file >= 0) {
		path = regular_file_name(image->file, name);
		image->bias_known = !elf_load_bias(path, mapping.start, mapping.offset, &image->bias, NULL);
		image->reader = reader_share(image, path);
		image->reader->is_cut |= cut_files_pages() != cut;
		if (image->reader->symbolizer && !image->reader->is_cut)
			mapping.build_id = symbolizer_gnu_build_id(image->reader->symbolizer);
	}
	image->mapping = profile_mapping(image->cache->profile, &mapping);
	return image->mapping;
}

const char *image_build_id(struct image *image)
{
	const char *id;

	image_mapping(image); /* opens the file */
	id = image->reader && image->reader->symbolizer && !image->reader->is_cut
		     ? symbolizer_build_id(image->reader->symbolizer)
		     : NULL;
	return profile_string(image->cache->profile, id);
}

const struct profile_location *image_locate(struct image *image, uint64_t address, bool call)
{
	const struct profile_location **location = location_map_at(&image->located, address, call);
	const struct profile_mapping *mapping = image_mapping(image);
	struct reader *reader = image->reader;
	struct profile_frame frames[SYMBOLIZER_INLINE_MAX];
	unsigned cut = cut_files_pages();
	const char *limit = NULL;
	size_t count = 0;

	if (*location)
		return *location;
	if (reader && reader->symbolizer && !reader->is_cut) {
		if (image->bias_known)
			count = symbolizer_lookup(reader->symbolizer, address - (call ? 1 : 0) - image->bias, frames);
		limit = symbolizer_limit(reader->symbolizer);
		reader->is_cut = cut_files_pages() != cut;
	}
	if (reader && reader->is_cut) {
		count = 0;
		limit = "somebody has cut the file while it was read: functions in it have no names from then on";
	}
	if (limit)
		profile_warn(image->cache->profile, "%s: %s", image->path, limit);
	*location = profile_location(image->cache->profile, address, mapping, frames, (uint32_t)count);
	return *location;
}
