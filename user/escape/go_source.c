/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scans tokens of the Go specification, as far as they matter here: comments, strings and runes are skipped, words and
 * brackets are distinguished, and a newline ends a statement if a semicolon would be inserted there. A `func` at the
 * outermost level is a declaration; elsewhere it is a literal if a body follows its signature, else a type.
 */
#include "escape/go_source.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { DEPTH_MAX = 1000 };

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_PUNCTUATION, TOKEN_VALUE, TOKEN_SEMICOLON };

struct token {
	enum token_kind kind;
	const char *text;
	size_t length;
	uint32_t line, column;
};

struct scanner {
	const char *at, *end, *line_start;
	uint32_t line;
	bool ends_statement;  /* a newline here is a semicolon */
	struct token token;   /* the current one */
	bool after_bracket;   /* the previous token was a "]" */
	bool statement_start; /* the previous token ended a statement */
	struct source_functions *found;
	size_t capacity;
};

static bool is_word(unsigned char c)
{
	return isalnum(c) || c == '_' || c >= 0x80;
}

static void newline(struct scanner *s)
{
	s->line++;
	s->line_start = s->at;
}

/* Skips past `end`, counting lines. */
static void skip_past(struct scanner *s, const char *end)
{
	size_t length = strlen(end);

	for (; s->at < s->end; s->at++) {
		if ((size_t)(s->end - s->at) >= length && memcmp(s->at, end, length) == 0) {
			s->at += length;
			return;
		}
		if (*s->at == '\n') {
			s->at++;
			newline(s);
			s->at--;
		}
	}
}

static void skip_quoted(struct scanner *s, char quote)
{
	for (s->at++; s->at < s->end && *s->at != quote && *s->at != '\n'; s->at++) {
		if (*s->at == '\\' && s->at + 1 < s->end)
			s->at++;
	}
	if (s->at < s->end && *s->at == quote)
		s->at++;
}

/* After these words a newline ends the statement; after other keywords it does not. */
static bool word_ends_statement(const struct token *token)
{
	static const char *const open[] = {"break",  "case",	    "chan", "const",   "continue", "default", "defer",
					   "else",   "fallthrough", "for",  "func",    "go",	   "goto",    "if",
					   "import", "interface",   "map",  "package", "range",	   "return",  "select",
					   "struct", "switch",	    "type", "var"};
	static const char *const ending[] = {"break", "continue", "fallthrough", "return"};

	for (size_t i = 0; i < sizeof(ending) / sizeof(*ending); i++) {
		if (strlen(ending[i]) == token->length && memcmp(ending[i], token->text, token->length) == 0)
			return true;
	}
	for (size_t i = 0; i < sizeof(open) / sizeof(*open); i++) {
		if (strlen(open[i]) == token->length && memcmp(open[i], token->text, token->length) == 0)
			return false;
	}
	return true;
}

static void take(struct scanner *s, enum token_kind kind, const char *start, bool ends_statement)
{
	s->token.kind = kind;
	s->token.text = start;
	s->token.length = (size_t)(s->at - start);
	s->ends_statement = ends_statement;
}

static void next(struct scanner *s)
{
	s->after_bracket = s->token.length == 1 && *s->token.text == ']';
	s->statement_start = s->token.kind == TOKEN_SEMICOLON || !s->token.text;
	for (;;) {
		const char *start = s->at;
		char c;

		s->token.line = s->line;
		s->token.column = (uint32_t)(s->at - s->line_start) + 1;
		if (s->at >= s->end) {
			take(s, TOKEN_END, s->at, false);
			return;
		}
		c = *s->at;
		if (c == '\n') {
			bool ends = s->ends_statement;

			s->at++;
			newline(s);
			if (!ends)
				continue;
			take(s, TOKEN_SEMICOLON, start, false);
			return;
		}
		if (c == '/' && s->at + 1 < s->end && s->at[1] == '/') {
			s->at = memchr(s->at, '\n', (size_t)(s->end - s->at));
			if (!s->at)
				s->at = s->end;
			continue;
		}
		if (c == '/' && s->at + 1 < s->end && s->at[1] == '*') {
			s->at += 2;
			skip_past(s, "*/");
			continue;
		}
		if (is_word((unsigned char)c)) {
			while (s->at < s->end && is_word((unsigned char)*s->at))
				s->at++;
			take(s, TOKEN_WORD, start, true);
			s->ends_statement = word_ends_statement(&s->token);
			return;
		}
		if (c == '"' || c == '\'') {
			skip_quoted(s, c);
			take(s, TOKEN_VALUE, start, true);
			return;
		}
		if (c == '`') {
			s->at++;
			skip_past(s, "`");
			take(s, TOKEN_VALUE, start, true);
			return;
		}
		s->at++;
		if (isspace((unsigned char)c))
			continue;
		take(s, c == ';' ? TOKEN_SEMICOLON : TOKEN_PUNCTUATION, start,
		     c == ')' || c == ']' || c == '}' ||
			     ((c == '+' || c == '-') && start > s->line_start && start[-1] == c));
		return;
	}
}

static bool is(const struct scanner *s, const char *text)
{
	return s->token.kind != TOKEN_END && s->token.kind != TOKEN_VALUE && s->token.length == strlen(text) &&
	       memcmp(s->token.text, text, s->token.length) == 0;
}

static size_t add_function(struct scanner *s, struct source_function function)
{
	struct source_functions *found = s->found;

	if (found->count == s->capacity) {
		s->capacity = s->capacity ? s->capacity * 2 : 16;
		found->functions = memory_resize(found->functions, s->capacity, sizeof(*found->functions));
	}
	found->functions[found->count] = function;
	return found->count++;
}

static char *format_name(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *format_name(const char *format, ...)
{
	va_list arguments;
	char *name;

	va_start(arguments, format);
	name = memory_format_list(format, arguments);
	va_end(arguments);
	return name;
}

/* The function being read. */
struct scope {
	const char *name;
	bool literal;	   /* it is a literal */
	unsigned literals; /* literals found in it so far */
};

static void scan_block(struct scanner *s, struct scope *scope, const char *closing, int depth);

/* Scans from an opening bracket past its closing one. */
static void scan_brackets(struct scanner *s, struct scope *scope, int depth)
{
	const char *closing = is(s, "(") ? ")" : is(s, "[") ? "]" : "}";

	next(s);
	scan_block(s, scope, closing, depth + 1);
	next(s);
}

/* Skips result types. Returns true at the brace that opens a body. */
static bool skip_results(struct scanner *s, struct scope *scope, int depth)
{
	bool type_body = false; /* the next brace is that of `struct {` or `interface {` */

	while (s->token.kind == TOKEN_WORD || is(s, "*") || is(s, "[") || is(s, "(") || is(s, ".") || is(s, "<") ||
	       is(s, "-") || is(s, "{")) {
		if (is(s, "{") && !type_body)
			return true;
		if (is(s, "(") || is(s, "[") || is(s, "{")) {
			type_body = false;
			scan_brackets(s, scope, depth);
			continue;
		}
		type_body = is(s, "struct") || is(s, "interface");
		next(s);
	}
	return false;
}

/* Scans the body of a function, from its opening brace past its closing one. */
static void scan_body(struct scanner *s, size_t number, bool literal, int depth)
{
	struct scope scope = {.name = s->found->functions[number].name, .literal = literal};

	next(s);
	scan_block(s, &scope, "}", depth + 1);
	s->found->functions[number].end_line = s->token.line;
	s->found->functions[number].end_column = s->token.column;
	next(s);
}

/* Scans a `func` that is not a declaration: a literal if a body follows its signature, else a type. */
static void scan_literal(struct scanner *s, struct scope *scope, int depth)
{
	struct source_function function = {
		.line = s->token.line,
		.column = s->token.column,
		.name_line = s->token.line,
		.name_column = s->token.column,
	};
	bool element = s->after_bracket; /* `[]func(){f, g}` is a composite literal */

	next(s);
	if (element || !is(s, "("))
		return;
	scan_brackets(s, scope, depth);
	if (!skip_results(s, scope, depth))
		return;
	scope->literals++;
	function.name = format_name(scope->literal ? "%s.%u" : "%s.func%u", scope->name, scope->literals);
	scan_body(s, add_function(s, function), true, depth);
}

/* Scans up to the closing bracket, which becomes the current token, or to the end. */
static void scan_block(struct scanner *s, struct scope *scope, const char *closing, int depth)
{
	if (depth > DEPTH_MAX)
		s->at = s->end;
	while (s->token.kind != TOKEN_END && !is(s, closing)) {
		if (is(s, "func"))
			scan_literal(s, scope, depth);
		else if (is(s, "(") || is(s, "[") || is(s, "{"))
			scan_brackets(s, scope, depth);
		else
			next(s);
	}
}

/* Scans a receiver: "(t *T[K])" gives "(*T[...])", "(t T)" gives "T". The current token is the opening parenthesis; the
 * scan ends after the closing one. */
static char *scan_receiver(struct scanner *s)
{
	const char *type = "";
	size_t length = 0;
	bool pointer = false, generic = false;
	int brackets = 0;

	for (next(s); s->token.kind != TOKEN_END && !is(s, ")"); next(s)) {
		if (is(s, "[")) {
			generic = true;
			brackets++;
		} else if (is(s, "]")) {
			brackets--;
		} else if (is(s, "*") && !brackets) {
			pointer = true;
		} else if (s->token.kind == TOKEN_WORD && !brackets) {
			type = s->token.text;
			length = s->token.length;
		}
	}
	next(s);
	return format_name(pointer ? "(*%.*s%s)" : "%.*s%s", (int)length, type, generic ? "[...]" : "");
}

static void scan_declaration(struct scanner *s)
{
	struct source_function function = {.line = s->token.line, .column = s->token.column};
	struct scope signature = {.name = "init"};
	char *receiver = NULL, *name;
	size_t number;

	next(s);
	function.name_line = s->token.line;
	function.name_column = s->token.column;
	if (is(s, "("))
		receiver = scan_receiver(s);
	name = format_name("%.*s", s->token.kind == TOKEN_WORD ? (int)s->token.length : 0, s->token.text);
	if (*name)
		next(s);
	function.end_line = s->token.line;
	function.end_column = s->token.column;
	function.name =
		format_name("%s%s%s%s", receiver ? receiver : "", receiver ? "." : "", name, is(s, "[") ? "[...]" : "");
	free(receiver);
	free(name);
	number = add_function(s, function);
	if (is(s, "["))
		scan_brackets(s, &signature, 1);
	if (is(s, "("))
		scan_brackets(s, &signature, 1);
	if (skip_results(s, &signature, 1))
		scan_body(s, number, false, 1);
}

void go_source_scan(const char *text, size_t length, struct source_functions *functions)
{
	struct scanner s = {.at = text, .end = text + length, .line_start = text, .line = 1, .found = functions};
	struct scope package = {.name = "init"};

	*functions = (struct source_functions){0};
	if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		s.at += 3;
	next(&s);
	while (s.token.kind != TOKEN_END) {
		if (is(&s, "func") && s.statement_start)
			scan_declaration(&s);
		else if (is(&s, "func"))
			scan_literal(&s, &package, 0);
		else if (is(&s, "(") || is(&s, "[") || is(&s, "{"))
			scan_brackets(&s, &package, 0);
		else
			next(&s);
	}
}

void go_functions_free(struct source_functions *functions)
{
	for (size_t i = 0; i < functions->count; i++)
		free(functions->functions[i].name);
	free(functions->functions);
	*functions = (struct source_functions){0};
}
