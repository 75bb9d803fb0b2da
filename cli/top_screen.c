/* SPDX-License-Identifier: BSD-2-Clause */
#include "top_screen.h"

#include <curses.h>
#include <fcntl.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/printable.h"
#include "profile/pprof.h"
#include "recording.h"

enum { FILTER_MAX = 64, KEY_ESCAPE = 27, KEY_ERASE = 127 };

struct top_screen {
	struct top_display *display;
	const char *output;
	FILE *in, *out; /* the terminal */
	SCREEN *curses;
	bool away;
	int kept[3]; /* standard files while they are away */
	int suspend; /* the key that suspends; ERR if there is none */
	char filter[FILTER_MAX * PRINTABLE_GROWTH + 1], typed[FILTER_MAX];
	char prompt[FILTER_MAX + 1100];
	struct top_text page;
	bool helps;		      /* the page is the help */
	struct report_row_key chosen; /* the row that the cursor follows */
};

bool top_screen_is_possible(const char **why)
{
	const char *terminal = getenv("TERM"), *ignored;
	int error;

	why = why ? why : &ignored;
	*why = "standard input and output are not a terminal";
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return false;
	*why = "TERM names no terminal that is known here";
	if (!terminal || setupterm(terminal, STDOUT_FILENO, &error) != OK)
		return false;
	*why = "the cursor of this terminal cannot be moved";
	return tigetstr("cup") != NULL && tigetstr("cup") != (char *)-1;
}

static void put_away(struct top_screen *screen)
{
	int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i < 3; i++) {
		screen->kept[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
		if (i == 0 || isatty(i))
			dup2(nowhere, i);
	}
	close(nowhere);
	screen->away = true;
}

static void put_back(struct top_screen *screen)
{
	for (int i = 0; screen->away && i < 3; i++) {
		dup2(screen->kept[i], i);
		close(screen->kept[i]);
	}
}

struct top_screen *top_screen_new(struct top_display *display, const char *output, enum terminal_color color, bool away)
{
	struct top_screen *screen = memory_zeroed(1, sizeof(*screen));

	screen->display = display;
	screen->output = output;
	display->unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	display->color = terminal_has_color(color, stdout);
	screen->in = fdopen(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10), "r");
	screen->out = fdopen(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10), "w");
	if (!screen->in || !screen->out)
		memory_out();
	if (away)
		put_away(screen);
	return screen;
}

/*
 * Makes the key that suspends (^Z) one that is read like others. ncurses ignores SIGTSTP while it draws, so that a signal from
 * the terminal would be lost then.
 */
static void read_suspend_key(struct top_screen *screen)
{
	struct termios mode;

	screen->suspend = ERR;
	if (tcgetattr(fileno(screen->in), &mode) || mode.c_cc[VSUSP] == _POSIX_VDISABLE)
		return;
	screen->suspend = mode.c_cc[VSUSP];
	mode.c_cc[VSUSP] = _POSIX_VDISABLE;
	if (tcsetattr(fileno(screen->in), TCSADRAIN, &mode))
		screen->suspend = ERR;
	else
		def_prog_mode(); /* what ncurses sets when the program goes on */
}

int top_screen_take(struct top_screen *screen, struct error *error)
{
	struct top_display *display = screen->display;

	if (screen->curses)
		return 0;
	screen->curses = newterm(NULL, screen->out, screen->in);
	if (!screen->curses)
		return error_set(error, STATUS_CANNOT_MEASURE,
				 "cannot use this terminal (TERM=%s); --batch prints blocks of text", getenv("TERM"));
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(50);
	read_suspend_key(screen);
	display->color = display->color && has_colors();
	if (display->color) {
		start_color();
		use_default_colors();
	}
	return 0;
}

void top_screen_free(struct top_screen *screen)
{
	if (!screen)
		return;
	if (screen->curses) {
		move(LINES - 1,
		     0); /* a terminal without a second screen keeps what is there: the prompt gets a line of its own */
		clrtoeol();
		refresh();
		endwin();
		delscreen(screen->curses);
	}
	put_back(screen);
	fclose(screen->in);
	fclose(screen->out);
	top_text_free(&screen->page);
	free(screen);
}

int top_screen_input(const struct top_screen *screen)
{
	return fileno(screen->in);
}

/* --- what is shown --- */

/* Rows change places. The cursor stays on its row, unless it was on the first one. */
static void follow(struct top_screen *screen)
{
	struct top_display *display = screen->display;

	for (size_t i = 0; display->cursor && i < display->count; i++) {
		struct report_row_key key = report_row_key(&display->rows[i].row);

		if (memcmp(&key, &screen->chosen, sizeof(key)) == 0) {
			display->cursor = i;
			return;
		}
	}
}

static void ask(struct top_screen *screen)
{
	struct top_display *display = screen->display;

	display->rows = top_model_rows(display->model, &display->question, &display->count);
	follow(screen);
}

static void draw(struct top_screen *screen)
{
	struct top_display *display = screen->display;

	if (!top_model_profile(display->model))
		return;
	render_top_screen(display);
	if (display->cursor < display->count)
		screen->chosen = report_row_key(&display->rows[display->cursor].row);
}

void top_screen_update(struct top_screen *screen)
{
	ask(screen);
	draw(screen);
}

static void say(struct top_screen *screen, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct top_screen *screen, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	printable_format(screen->prompt, sizeof(screen->prompt), format, arguments);
	va_end(arguments);
	screen->display->prompt = screen->prompt;
}

/* --- keys --- */

static void show_page(struct top_screen *screen, struct top_text page)
{
	top_text_free(&screen->page);
	screen->page = page;
	screen->display->page = &screen->page;
	screen->display->scroll = 0;
}

static void show_help(struct top_screen *screen)
{
	screen->helps = true;
	show_page(screen, render_top_help());
}

static void next_grouping(struct top_question *question)
{
	static const enum report_by groupings[] = {BY_SITE, BY_FUNCTION, BY_TYPE, BY_SIZE_CLASS};
	size_t i = 0, count = sizeof(groupings) / sizeof(groupings[0]);

	while (i < count && groupings[i] != question->by)
		i++;
	question->by = groupings[(i + 1) % count];
}

/* The next value that the rows measure. */
static void next_order(struct top_display *display)
{
	uint32_t measured = top_model_profile(display->model)->row_measured;
	int value = display->question.sort;

	do {
		value = profile_value_next(value, VALUE_SHOWN);
		if (value == VALUE_COUNT)
			value = profile_value_next(-1, VALUE_SHOWN);
	} while (value != (int)display->question.sort && !(measured & 1u << value));
	display->question.sort = (enum profile_value)value;
}

static void save(struct top_screen *screen)
{
	const struct profile *profile = top_model_profile(screen->display->model);
	struct error error;

	if (pprof_write(profile, screen->output, &error))
		say(screen, "not saved: %s", error.text);
	else
		say(screen, "saved %zu rows to '%s'", profile->sample_count, screen->output);
}

static void show_typed(struct top_screen *screen)
{
	size_t length = printable_copy(screen->filter, screen->typed, strlen(screen->typed));

	screen->filter[length] = 0;
	screen->display->question.filter = screen->filter[0] ? screen->filter : NULL;
	say(screen, "/%s", screen->filter);
}

/* Characters may be several bytes, which come one by one. */
static void type(struct top_screen *screen, int key)
{
	size_t length = strlen(screen->typed);

	if (key == '\r' || key == '\n' || key == KEY_ENTER || key == KEY_ESCAPE) {
		screen->display->typing = false;
		screen->display->prompt = NULL;
		if (key != KEY_ESCAPE)
			return;
		screen->typed[0] = 0;
		show_typed(screen);
		screen->display->prompt = NULL;
		return;
	}
	if (key == KEY_BACKSPACE || key == KEY_ERASE || key == '\b') {
		while (length && ((unsigned char)screen->typed[--length] & 0xc0) == 0x80)
			;
		screen->typed[length] = 0;
	} else if (key >= ' ' && key < 256 && length + 1 < sizeof(screen->typed)) {
		screen->typed[length] = (char)key;
		screen->typed[length + 1] = 0;
	}
	show_typed(screen);
}

static size_t moved(size_t at, int key, size_t page, size_t count)
{
	switch (key) {
	case KEY_UP:
		return at ? at - 1 : 0;
	case KEY_DOWN:
		return at + 1 < count ? at + 1 : at;
	case KEY_PPAGE:
		return at > page ? at - page : 0;
	case KEY_NPAGE:
		return at + page < count ? at + page : count ? count - 1 : 0;
	case KEY_HOME:
		return 0;
	case KEY_END:
		return count ? count - 1 : 0;
	}
	return at;
}

/* In a page. */
static void read_page(struct top_screen *screen, int key)
{
	struct top_display *display = screen->display;

	if (key == '?' && !screen->helps)
		show_help(screen);
	else if (key == 'q' || key == '\r' || key == '\n' || key == KEY_ENTER || key == KEY_ESCAPE || key == '?')
		display->page = NULL;
	else
		display->scroll = moved(display->scroll, key, (size_t)LINES, screen->page.count);
}

static void freeze(struct top_screen *screen)
{
	struct top_display *display = screen->display;

	if (!display->ended)
		display->frozen = !display->frozen;
}

/* In the table. False: to end. */
static bool choose(struct top_screen *screen, int key)
{
	struct top_display *display = screen->display;

	switch (key) {
	case 'q':
		return false;
	case 'b':
		next_grouping(&display->question);
		display->cursor = display->first = 0;
		break;
	case 'o':
		next_order(display);
		break;
	case 't':
		display->question.by_total = !display->question.by_total;
		break;
	case '/':
		screen->typed[0] = 0;
		display->typing = true;
		show_typed(screen);
		break;
	case ' ':
		freeze(screen);
		break;
	case 's':
		save(screen);
		break;
	case '?':
		show_help(screen);
		break;
	case '\r':
	case '\n':
	case KEY_ENTER:
		screen->helps = false;
		if (display->cursor < display->count)
			show_page(screen, render_top_detail(display, &display->rows[display->cursor], COLS));
		break;
	default:
		display->cursor = moved(display->cursor, key, (size_t)render_top_screen_rows(), display->count);
		screen->chosen = display->cursor < display->count ? report_row_key(&display->rows[display->cursor].row)
								  : screen->chosen;
	}
	return true;
}

bool top_screen_keys(struct top_screen *screen)
{
	struct top_display *display = screen->display;
	bool any = false;
	int key;

	while ((key = getch()) != ERR) {
		any = true;
		if (key == screen->suspend) {
			kill(0,
			     SIGTSTP); /* to the same processes as the terminal; ncurses gives the screen back, and takes it again */
			continue;
		}
		if (!top_model_profile(display->model)) {
			if (key == 'q')
				return false;
			continue;
		}
		if (!display->typing)
			display->prompt = NULL;
		if (key == KEY_RESIZE)
			continue;
		if (display->typing)
			type(screen, key);
		else if (display->page)
			read_page(screen, key);
		else if (!choose(screen, key))
			return false;
		ask(screen);
	}
	if (any)
		draw(screen);
	return true;
}

void top_screen_linger(struct top_screen *screen, const char *why)
{
	struct pollfd terminal = {.fd = fileno(screen->in), .events = POLLIN};

	screen->display->ended = why;
	screen->display->frozen = false;
	top_screen_update(screen);
	while (!recording_is_ending()) {
		if (poll(&terminal, 1, -1) > 0 && terminal.revents & (POLLHUP | POLLERR | POLLNVAL))
			return;
		if (!top_screen_keys(screen))
			return;
	}
}
