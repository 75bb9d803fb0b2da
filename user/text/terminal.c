/* SPDX-License-Identifier: BSD-2-Clause */
#include "text/terminal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "profile/profile.h"

enum { PROSE_DEFAULT = 80, WIDTH_MIN = 40 };

const char *const terminal_color_choices[] = {"auto", "always", "never", NULL};

bool terminal_has_color(enum terminal_color color, FILE *stream)
{
	const char *no = getenv("NO_COLOR"), *force = getenv("CLICOLOR_FORCE"), *some = getenv("CLICOLOR");
	const char *terminal = getenv("TERM");

	if (color != COLOR_AUTO)
		return color == COLOR_ALWAYS;
	if (no && *no)
		return false;
	if (force && *force && strcmp(force, "0") != 0)
		return true;
	if (some && strcmp(some, "0") == 0)
		return false;
	return isatty(fileno(stream)) && !(terminal && strcmp(terminal, "dumb") == 0);
}

int terminal_width(FILE *stream)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size = {0};
	long width = columns ? strtol(columns, NULL, 10) : 0;

	if (width <= 0 && ioctl(fileno(stream), TIOCGWINSZ, &size) == 0)
		width = size.ws_col;
	if (width <= 0)
		return TERMINAL_UNLIMITED;
	return width < WIDTH_MIN ? WIDTH_MIN : width > TERMINAL_UNLIMITED ? TERMINAL_UNLIMITED : (int)width;
}

int terminal_prose_width(int width)
{
	return width == TERMINAL_UNLIMITED ? PROSE_DEFAULT : width;
}

const struct terminal_style *terminal_style(bool color)
{
	static const struct terminal_style plain = {"", "", "", "", "", ""};
	static const struct terminal_style few = {"\033[1m", "\033[2m", "\033[31m", "\033[35m", "\033[32m", "\033[0m"};
	static const struct terminal_style many = {"\033[1m",
						   "\033[2m",
						   "\033[38;5;" TERMINAL_RED "m",
						   "\033[38;5;" TERMINAL_YELLOW "m",
						   "\033[38;5;" TERMINAL_GREEN "m",
						   "\033[0m"};
	const char *terminal = getenv("TERM");

	if (!color)
		return &plain;
	return terminal && strstr(terminal, "256color") ? &many : &few;
}

static const char *scaled(char text[TERMINAL_NUMBER_SIZE], int64_t number, double factor, const char *const *units)
{
	double value = (double)number;

	for (; value >= 999.5 && units[1]; units++)
		value /= factor;
	snprintf(text, TERMINAL_NUMBER_SIZE, "%.*f%s", value < 9.995 ? 2 : value < 99.95 ? 1 : 0, value, *units);
	return text;
}

static const char *const count_units[] = {"", "k", "M", "G", "T", "P", "E", NULL};

const char *terminal_count(char text[TERMINAL_NUMBER_SIZE], int64_t number)
{
	return number >= 100000 ? scaled(text, number, 1000, count_units) : terminal_number(text, number);
}

const char *terminal_number(char text[TERMINAL_NUMBER_SIZE], int64_t number)
{
	if (number >= 10000000000)
		return scaled(text, number, 1000, count_units);
	if (number == VALUE_UNMEASURED)
		strcpy(text, "-");
	else
		snprintf(text, TERMINAL_NUMBER_SIZE, "%" PRId64, number);
	return text;
}

const char *terminal_bytes(char text[TERMINAL_NUMBER_SIZE], int64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", NULL};

	if (bytes >= 1024)
		return scaled(text, bytes, 1024, units);
	if (bytes == VALUE_UNMEASURED)
		strcpy(text, "-");
	else
		snprintf(text, TERMINAL_NUMBER_SIZE, "%" PRId64 "B", bytes);
	return text;
}
