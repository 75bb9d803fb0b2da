/* SPDX-License-Identifier: BSD-2-Clause */
/* Each executable file is read once, however many processes map it, and different files never share an image. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cut_files.h"
#include "symbols/image_cache.h"

/* The mapping of our own text. */
static uint64_t start, limit, offset;

static int note_text(struct dl_phdr_info *image, size_t size, void *context)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	(void)size, (void)context;
	for (int i = 0; i < image->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &image->dlpi_phdr[i];

		if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X))
			continue;
		start = (image->dlpi_addr + segment->p_vaddr) & -page;
		limit = (image->dlpi_addr + segment->p_vaddr + segment->p_memsz + page - 1) & -page;
		offset = segment->p_offset & -page;
	}
	return 1; /* the executable comes first */
}

static int open_files(void)
{
	DIR *listing = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(listing))
		count++;
	closedir(listing);
	return count;
}

static struct image *share(struct image_cache *cache, const char *path)
{
	return image_share(cache, open(path, O_RDONLY | O_CLOEXEC), path, start, limit, offset);
}

static void an_address_is_looked_up_once_for_all_processes(void **state)
{
	struct profile *profile = profile_new();
	struct image_cache *cache = image_cache_new(profile);
	uint64_t address = (uint64_t)(uintptr_t)open_files + 1;
	const struct profile_location *location;
	struct image *image = share(cache, "/proc/self/exe");
	int files;

	(void)state;
	location = image_locate(image, address, true);
	assert_true(location->frame_count > 0);
	assert_string_equal(location->frames[location->frame_count - 1].function, "open_files");
	assert_ptr_equal(location->mapping, image_mapping(image));
	files = open_files();
	assert_ptr_equal(share(cache, "/proc/self/exe"), image);
	assert_int_equal(open_files(), files);
	assert_ptr_equal(image_locate(image, address, true), location);
	image_release(image);
	image_release(image);
	/* The cache keeps an image that no process maps any more. */
	assert_ptr_equal(share(cache, "/proc/self/exe"), image);
	assert_ptr_equal(image_locate(image, address, true), location);
	image_release(image);
	image_cache_free(cache);
	profile_free(profile);
}

static void a_file_is_read_once_wherever_it_is_mapped(void **state)
{
	struct profile *profile = profile_new();
	struct image_cache *cache = image_cache_new(profile);
	uint64_t address = (uint64_t)(uintptr_t)open_files + 1;
	struct image *images[] = {share(cache, "/proc/self/exe"),
				  image_share(cache, open("/proc/self/exe", O_RDONLY | O_CLOEXEC), "another name",
					      start + 4096, limit + 4096, offset)};
	const struct profile_location *location;
	int files;

	(void)state;
	image_locate(images[0], address, true);
	files = open_files();
	location = image_locate(images[1], address + 4096, true);
	assert_int_equal(open_files(), files);
	assert_string_equal(location->frames[location->frame_count - 1].function, "open_files");
	image_release(images[0]);
	image_release(images[1]);
	image_cache_free(cache);
	profile_free(profile);
}

static void copy_self(const char *path)
{
	int from = open("/proc/self/exe", O_RDONLY), to = open(path, O_WRONLY | O_CREAT | O_EXCL, 0700);
	struct stat status;

	assert_int_equal(fstat(from, &status), 0);
	for (off_t done = 0; done < status.st_size;)
		assert_true(sendfile(to, from, &done, (size_t)(status.st_size - done)) > 0);
	close(from);
	close(to);
}

static void another_file_or_place_is_another_image(void **state)
{
	struct profile *profile = profile_new();
	struct image_cache *cache = image_cache_new(profile);
	char path[] = "/tmp/escapement-image-XXXXXX";
	struct image *images[5];

	(void)state;
	close(mkstemp(path));
	unlink(path);
	copy_self(path);
	images[0] = share(cache, path);
	images[1] = image_share(cache, open(path, O_RDONLY), path, start + 4096, limit + 4096, offset);
	images[2] = image_share(cache, open(path, O_RDONLY), "another name", start, limit, offset);
	unlink(path);
	copy_self(path);
	images[3] = share(cache, path);
	assert_int_equal(truncate(path, 100), 0); /* the same inode with another size */
	images[4] = share(cache, path);
	for (int i = 0; i < 5; i++) {
		for (int j = 0; j < i; j++)
			assert_ptr_not_equal(images[i], images[j]);
	}
	/* Files that cannot be opened never share an image, because they may differ. */
	struct image *unknown = image_share(cache, -1, path, start, limit, offset);
	struct image *other = image_share(cache, -1, path, start, limit, offset);
	assert_ptr_not_equal(unknown, other);
	assert_int_equal(image_locate(unknown, start + 1, true)->frame_count, 0);
	image_release(unknown);
	image_release(other);
	for (int i = 0; i < 5; i++)
		image_release(images[i]);
	unlink(path);
	image_cache_free(cache);
	profile_free(profile);
}

static void few_images_are_kept_that_nobody_has(void **state)
{
	enum { PLACES = 100 };
	struct profile *profile = profile_new();
	struct image_cache *cache = image_cache_new(profile);
	int files = open_files();

	(void)state;
	for (uint64_t i = 0; i < PLACES; i++) {
		struct image *image = image_share(cache, open("/proc/self/exe", O_RDONLY), "self", start + i * 4096,
						  limit + i * 4096, offset);

		assert_non_null(image_mapping(image)); /* opens its symbolizer */
		image_release(image);
	}
	assert_in_range(open_files(), files + 1, files + PLACES / 2);
	image_cache_free(cache);
	assert_int_equal(open_files(), files);
	profile_free(profile);
}

/* Who may write to the file can do that at any time. What is read then is zeros, and no name is made of them. */
static void a_file_that_is_cut_gives_no_more_names_and_does_not_end_us(void **state)
{
	static const off_t sizes[] = {0, 100, 1 << 14};

	(void)state;
	cut_files_read_as_zeros();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct profile *profile = profile_new();
		struct image_cache *cache = image_cache_new(profile);
		char path[] = "/tmp/escapement-image-XXXXXX";
		const struct profile_location *known;
		struct image *image;

		close(mkstemp(path));
		unlink(path);
		copy_self(path);
		image = share(cache, path);
		known = image_locate(image, (uint64_t)(uintptr_t)open_files + 1, true);
		assert_true(known->frame_count > 0);
		assert_int_equal(profile->warning_count, 0);
		assert_int_equal(truncate(path, sizes[i]), 0);
		for (uint64_t address = start; address < limit; address += 64)
			image_locate(image, address, true);
		assert_int_equal(image_locate(image, (uint64_t)(uintptr_t)copy_self + 1, true)->frame_count, 0);
		assert_string_equal(known->frames[known->frame_count - 1].function, "open_files");
		assert_int_equal(profile->warning_count, 1);
		assert_non_null(strstr(profile->warnings[0], "somebody has cut the file"));
		image_release(image);
		image_cache_free(cache);
		profile_free(profile);
		unlink(path);
	}
}

/* What is read of memory that is ours, and of what processes share, is not made up. */
static void only_what_is_mapped_privately_of_other_files_reads_as_zeros(void **state)
{
	char path[] = "/tmp/escapement-image-XXXXXX";
	int file = mkstemp(path);

	(void)state;
	unlink(path);
	for (int shared = 0; shared < 2; shared++) {
		volatile const char *page;
		int child, status;

		assert_int_equal(ftruncate(file, 4096), 0);
		page = mmap(NULL, 4096, PROT_READ, shared ? MAP_SHARED : MAP_PRIVATE, file, 0);
		assert_ptr_not_equal(page, MAP_FAILED);
		assert_int_equal(ftruncate(file, 0), 0);
		child = fork();
		if (child == 0) {
			signal(SIGBUS, SIG_DFL);
			cut_files_read_as_zeros();
			_exit(*page);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, shared ? SIGBUS : 0);
		munmap((void *)page, 4096);
	}
	close(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_looked_up_once_for_all_processes),
		cmocka_unit_test(a_file_is_read_once_wherever_it_is_mapped),
		cmocka_unit_test(another_file_or_place_is_another_image),
		cmocka_unit_test(few_images_are_kept_that_nobody_has),
		cmocka_unit_test(a_file_that_is_cut_gives_no_more_names_and_does_not_end_us),
		cmocka_unit_test(only_what_is_mapped_privately_of_other_files_reads_as_zeros),
	};

	dl_iterate_phdr(note_text, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
