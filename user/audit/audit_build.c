/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit/audit_build.h"

#include <stdlib.h>
#include <string.h>

#include "audit/audit_program.h"
#include "base/memory.h"
#include "base/pointer_map.h"

/* The bit of the build that the program has of packages which were built for several main packages. */
static uint16_t build_of(const struct go_binary *binary, const struct escape_output *output)
{
	const char *path = binary->build_info ? strstr(binary->build_info, "path\t") : NULL;
	size_t length = path ? strcspn(path += strlen("path\t"), "\t\n") : 0;
	char profile[2];

	if (!go_binary_setting(binary, "-pgo", profile, sizeof(profile)))
		return 1;
	for (size_t i = 0; i < output->build_count; i++) {
		if (strlen(output->builds[i]) == length && memcmp(output->builds[i], path, length) == 0)
			return (uint16_t)(2u << i);
	}
	return output->build_count == ESCAPE_BUILDS ? 1u << ESCAPE_BUILDS : 1;
}

/* The builds of each package. */
static struct pointer_map builds_of_packages(const struct escape_output *output)
{
	struct pointer_map packages = {0};

	for (size_t i = 0; i < output->annotation_count; i++) {
		const struct escape_annotation *annotation = &output->annotations[i];
		uint32_t *builds = annotation->package ? pointer_map_at(&packages, annotation->package) : NULL;

		if (builds)
			*builds = (*builds == POINTER_MAP_NONE ? 0 : *builds) | annotation->builds;
	}
	return packages;
}

/* Copies the annotations of one build, and all of those packages that do not have it: they were built elsewhere. */
static struct audit_build *copy_build(const struct escape_output *output, uint16_t bit)
{
	struct pointer_map packages = builds_of_packages(output);
	struct audit_build *build = memory_allocate(sizeof(*build));
	struct escape_output *copy = &build->output;

	*build = (struct audit_build){.output = *output, .original = output};
	build->origins = memory_resize(NULL, output->annotation_count + 1, sizeof(*build->origins));
	copy->annotations = memory_resize(NULL, output->annotation_count + 1, sizeof(*copy->annotations));
	copy->annotation_count = 0;
	for (size_t i = 0; i < output->annotation_count; i++) {
		const struct escape_annotation *annotation = &output->annotations[i];

		if (annotation->package && !(annotation->builds & bit) &&
		    (pointer_map_get(&packages, annotation->package) & bit)) {
			copy->counts[annotation->kind]--;
			continue;
		}
		build->origins[copy->annotation_count] = (uint32_t)i;
		copy->annotations[copy->annotation_count++] = *annotation;
	}
	pointer_map_free(&packages);
	return build;
}

struct audit_build *audit_build_new(const struct profile *profile, const struct escape_output *output, char **unknown)
{
	struct go_binary *binary;
	struct audit_build *build;

	*unknown = NULL;
	if (!output->build_count)
		return NULL;
	binary = audit_program_open(profile);
	if (!binary) {
		*unknown = memory_format(
			"the compiler output has packages that were built again with the profile of %s (PGO); the "
			"program's file, which would tell whether it has these builds, is not there, so words about a "
			"line may be of another build",
			output->builds[0]);
		return NULL;
	}
	build = copy_build(output, build_of(binary, output));
	go_binary_close(binary);
	return build;
}

void audit_build_free(struct audit_build *build)
{
	if (!build)
		return;
	free(build->output.annotations);
	free(build->origins);
	free(build);
}

void audit_build_end(const struct audit_build *build, struct audit *audit)
{
	for (size_t i = 0; i < audit->row_count; i++) {
		const struct audit_row *row = &audit->rows[i];
		/* the row's own */
		const struct escape_annotation **list = (const struct escape_annotation **)row->annotations;

		for (uint32_t j = 0; j < row->annotation_count; j++)
			list[j] = &build->original->annotations[build->origins[list[j] - build->output.annotations]];
	}
	audit->output = build->original;
}
