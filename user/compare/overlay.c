/* SPDX-License-Identifier: BSD-2-Clause */
#include "compare/overlay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "text/json.h"

enum {
	OVERLAY_MAX = 16 << 20,	 /* bytes of an overlay that the user wrote */
	WRITTEN_MAX = 100 << 10, /* bytes of one that we write, which is passed as a single argument of a command */
	FILES_MAX = 2000,
};

static char *read_whole(const char *path, size_t most, struct error *error)
{
	FILE *stream = fopen(path, "re");
	char *text = NULL;
	size_t length = 0, got = 1;

	if (!stream) {
		error_set(error, STATUS_USAGE, "cannot read '%s': %m", path);
		return NULL;
	}
	while (got && length <= most) {
		text = memory_resize(text, length + (1 << 16) + 1, 1);
		got = fread(text + length, 1, 1 << 16, stream);
		length += got;
	}
	fclose(stream);
	text[length] = 0;
	if (length <= most)
		return text;
	error_set(error, STATUS_USAGE, "'%s' is larger than %zu bytes", path, most);
	free(text);
	return NULL;
}

/* Whether a file can be in that place: its directory is there. Where a relative path starts, only go knows. */
static bool has_place(const char *file)
{
	const char *slash = strrchr(file, '/');
	char *directory = memory_text_of(file, slash && slash > file ? (size_t)(slash - file) : 1);
	bool there = *file != '/' || access(directory, F_OK) == 0;

	free(directory);
	return there;
}

/* go ignores a replacement of what no package has: then both sides are the same, and nothing is proven. */
static int check_replacements(const cJSON *replace, const char *path, struct error *error)
{
	const cJSON *each;

	if (!replace->child)
		return error_set(error, STATUS_USAGE, "the overlay '%s' replaces no file", path);
	cJSON_ArrayForEach(each, replace)
	{
		const char *instead = cJSON_IsString(each) ? each->valuestring : "";

		if (!has_place(each->string))
			return error_set(error, STATUS_USAGE,
					 "the overlay '%s' replaces '%s', which is in no directory that exists", path,
					 each->string);
		if (*instead == '/' && access(instead, R_OK))
			return error_set(error, STATUS_USAGE, "cannot read '%s', of the overlay '%s': %m", instead,
					 path);
	}
	return 0;
}

char *overlay_check(const char *path, struct error *error)
{
	char *text = read_whole(path, OVERLAY_MAX, error), *absolute;
	cJSON *root = text ? cJSON_Parse(text) : NULL;
	const cJSON *replace = root ? cJSON_GetObjectItemCaseSensitive(root, "Replace") : NULL;
	bool good = cJSON_IsObject(replace);

	if (good)
		good = check_replacements(replace, path, error) == 0;
	else if (text)
		error_set(error, STATUS_USAGE,
			  "'%s' is not an overlay: {\"Replace\": {\"FILE OF THE SOURCE\": \"FILE TO READ INSTEAD\"}}",
			  path);
	free(text);
	cJSON_Delete(root);
	if (!good)
		return NULL;
	absolute = realpath(path, NULL);
	if (!absolute)
		error_set(error, STATUS_USAGE, "cannot find '%s': %m", path);
	return absolute;
}

/* Returns the path, relative to the directory if it is below it. The caller frees it. */
static char *relative_path(const char *path, const char *directory)
{
	char *absolute = *path == '/' ? memory_text(path) : memory_format("%s/%s", directory, path), *below;
	size_t length = strlen(directory);

	if (strncmp(absolute, directory, length) != 0 || absolute[length] != '/')
		return absolute;
	below = memory_text(absolute + length + 1);
	free(absolute);
	return below;
}

void overlay_name_originals(const char *overlay, const char *directory, struct escape_output *output)
{
	struct error ignored;
	char *text = read_whole(overlay, OVERLAY_MAX, &ignored), *here = realpath(directory, NULL);
	cJSON *root = text && here ? cJSON_Parse(text) : NULL;
	const cJSON *each;

	cJSON_ArrayForEach(each, cJSON_GetObjectItemCaseSensitive(root, "Replace"))
	{
		char *original = relative_path(each->string, here), *instead, *below;

		if (!cJSON_IsString(each)) {
			free(original);
			continue;
		}
		below = relative_path(each->valuestring, here);
		instead = *below == '/' ? memory_text(below) : memory_format("%s/%s", here, below);
		escape_rename_file(output, instead, original);
		escape_rename_file(output, below, original);
		free(original);
		free(instead);
		free(below);
	}
	cJSON_Delete(root);
	free(text);
	free(here);
}

struct overlay_files {
	cJSON *root;
	char *directory, *found;
};

struct overlay_files *overlay_files_read(const char *overlay, const char *directory)
{
	struct error ignored;
	char *text = read_whole(overlay, OVERLAY_MAX, &ignored);
	struct overlay_files *files = text ? memory_zeroed(1, sizeof(*files)) : NULL;

	if (files) {
		files->root = cJSON_Parse(text);
		files->directory = realpath(directory ? directory : ".", NULL);
	}
	free(text);
	return files;
}

void overlay_files_free(struct overlay_files *files)
{
	if (!files)
		return;
	cJSON_Delete(files->root);
	free(files->directory);
	free(files->found);
	free(files);
}

const char *overlay_files_find(struct overlay_files *files, const char *file)
{
	const cJSON *replace = files ? cJSON_GetObjectItemCaseSensitive(files->root, "Replace") : NULL, *instead;
	char *absolute;

	if (!replace || !files->directory)
		return NULL;
	instead = cJSON_GetObjectItemCaseSensitive(replace, file);
	absolute = memory_format("%s/%s", files->directory, file);
	if (!instead)
		instead = cJSON_GetObjectItemCaseSensitive(replace, absolute);
	free(absolute);
	if (!cJSON_IsString(instead))
		return NULL;
	free(files->found);
	files->found = *instead->valuestring == '/' ? memory_text(instead->valuestring)
						    : memory_format("%s/%s", files->directory, instead->valuestring);
	return files->found;
}

/* --- patches --- */

/* Files that a patch reads or writes, relative to where it is applied. */
struct touched {
	char *names[FILES_MAX];
	int count;
};

/* Whether a path stays below the directory that it is relative to. */
static bool stays_below(const char *path)
{
	if (!*path || *path == '/')
		return false;
	for (const char *part = path; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL) {
		if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || !part[2]))
			return false;
	}
	return true;
}

static void touch(struct touched *touched, const char *name, size_t length)
{
	char *copy = memory_text_of(name, length);

	for (int i = 0; i < touched->count; i++) {
		if (strcmp(touched->names[i], copy) == 0) {
			free(copy);
			return;
		}
	}
	if (touched->count < FILES_MAX && stays_below(copy))
		touched->names[touched->count++] = copy;
	else
		free(copy);
}

static void touched_clear(struct touched *touched)
{
	for (int i = 0; i < touched->count; i++)
		free(touched->names[i]);
	touched->count = 0;
}

/* Collects the files that git lists for the patch, and the sources of renames and copies, which git does not list. */
static void list_touched(struct touched *touched, const char *numbers, const char *patch)
{
	static const char *const sources[] = {"rename from ", "copy from "};

	for (const char *line = numbers; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *name = strchr(line, '\t');

		name = name ? strchr(name + 1, '\t') : NULL;
		if (name)
			touch(touched, name + 1, strcspn(name + 1, "\n"));
	}
	for (const char *line = patch; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		for (int i = 0; i < 2; i++) {
			if (strncmp(line, sources[i], strlen(sources[i])) == 0)
				touch(touched, line + strlen(sources[i]), strcspn(line + strlen(sources[i]), "\n"));
		}
	}
}

/* One attempt to apply a patch: the base of its paths, and how many components to remove. */
struct attempt {
	const char *base;
	const char *strip; /* "-p1" */
};

static char *git_apply(const struct workspace *workspace, const char *directory, const char *strip, const char *what,
		       const char *patch, struct error *error)
{
	const char *const words[] = {"git", "-c", "core.quotePath=false", "apply", strip, what, "--", patch, NULL};
	char *ceiling = memory_format("GIT_CEILING_DIRECTORIES=%s", workspace->directory), *answer;
	const char *const environment[] = {ceiling, "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", NULL};
	struct subprocess process = workspace_command(workspace, words);

	process.place = (struct start_place){directory, environment};
	answer = workspace_run(workspace, &process, error);
	free(ceiling);
	return answer;
}

/* Copies the files into an empty directory. */
static int copy_files(const struct workspace *workspace, const struct attempt *attempt, const struct touched *touched,
		      const char *directory, struct error *error)
{
	/* A file that the patch makes is not there yet. */
	static const char script[] = "rm -rf -- \"$0\" && mkdir -p -- \"$0\" && for f; do "
				     "if [ -f \"$f\" ]; then cp --parents -- \"$f\" \"$0\" || exit 1; fi; done";
	const char **words = memory_zeroed((size_t)touched->count + 5, sizeof(*words));
	struct subprocess process = workspace_command(workspace, words);
	char *answer;
	int count = 0;

	words[count++] = "sh";
	words[count++] = "-c";
	words[count++] = script;
	words[count++] = directory;
	for (int i = 0; i < touched->count; i++)
		words[count++] = touched->names[i];
	process.place.directory = attempt->base;
	answer = workspace_run(workspace, &process, error);
	free(answer);
	free(words);
	return answer ? 0 : -1;
}

/* Writes the overlay as the user: it is the user's directory. */
static int write_overlay(const struct workspace *workspace, const struct attempt *attempt,
			 const struct touched *touched, const char *directory, const char *path, struct error *error)
{
	cJSON *root = json_object(), *replace = json_object();
	char *text, *answer;
	const char *words[] = {"sh", "-c", "printf %s \"$1\" > \"$0\"", path, NULL, NULL};
	struct subprocess process = workspace_command(workspace, words);

	for (int i = 0; i < touched->count; i++) {
		char *from = memory_format("%s/%s", attempt->base, touched->names[i]);
		char *to = memory_format("%s/%s", directory, touched->names[i]);

		/* "" stands for a file that is not there any more */
		cJSON_AddStringToObject(replace, from, access(to, F_OK) == 0 ? to : "");
		free(from);
		free(to);
	}
	json_add(root, "Replace", replace);
	text = cJSON_PrintUnformatted(root);
	cJSON_Delete(root);
	if (strlen(text) > WRITTEN_MAX) {
		free(text);
		return error_set(error, STATUS_USAGE, "the patch changes too many files");
	}
	words[4] = text;
	answer = workspace_run(workspace, &process, error);
	free(text);
	free(answer);
	return answer ? 0 : -1;
}

static int apply(const struct workspace *workspace, const struct attempt *attempt, const char *patch, const char *text,
		 const char *overlay, struct error *error)
{
	char *directory = workspace_path(workspace, "patched"), *numbers, *applied = NULL;
	struct touched touched = {.count = 0};
	int failed = -1;

	numbers = git_apply(workspace, workspace->directory, attempt->strip, "--numstat", patch, error);
	if (numbers)
		list_touched(&touched, numbers, text);
	if (numbers && !touched.count)
		error_set(error, STATUS_USAGE, "it changes no file below '%s'", attempt->base);
	else if (numbers && copy_files(workspace, attempt, &touched, directory, error) == 0)
		applied = git_apply(workspace, directory, attempt->strip, "--whitespace=nowarn", patch, error);
	if (applied)
		failed = write_overlay(workspace, attempt, &touched, directory, overlay, error);
	touched_clear(&touched);
	free(numbers);
	free(applied);
	free(directory);
	return failed;
}

/* The top directory of the repository that we are in, or NULL. */
static char *top_directory(const struct workspace *workspace)
{
	static const char *const words[] = {"git", "rev-parse", "--show-toplevel", NULL};
	struct subprocess process = workspace_command(workspace, words);
	struct error ignored;

	return workspace_run(workspace, &process, &ignored);
}

char *overlay_of_patch(const struct workspace *workspace, const char *patch, struct error *error)
{
	char *absolute = realpath(patch, NULL), *text = absolute ? read_whole(absolute, OVERLAY_MAX, error) : NULL;
	char *here = realpath(".", NULL), *top = top_directory(workspace);
	char *overlay = workspace_path(workspace, "overlay.json");
	const struct attempt attempts[] = {{top, "-p1"}, {here, "-p1"}, {here, "-p0"}};
	struct error first, later;
	bool tried = false, applied = false;

	if (!absolute)
		error_set(error, STATUS_USAGE, "cannot read '%s': %m", patch);
	for (int i = 0; text && here && i < 3 && !applied && !*workspace->stop; i++) {
		if (!attempts[i].base)
			continue;
		applied = apply(workspace, &attempts[i], absolute, text, overlay, tried ? &later : &first) == 0;
		tried = true;
	}
	if (text && !applied) {
		if (*workspace->stop)
			workspace_interrupted(error);
		else
			error_set(error, STATUS_USAGE, "the patch '%s' does not apply: %s", patch, first.text);
		free(overlay);
		overlay = NULL;
	} else if (!text) {
		free(overlay);
		overlay = NULL;
	}
	free(absolute);
	free(text);
	free(here);
	free(top);
	return overlay;
}
