/* SPDX-License-Identifier: BSD-2-Clause */
#include "escape/escape_shapes.h"

#include <ctype.h>
#include <pthread.h>
#include <string.h>

enum place { AT_START, AT_END, INSIDE };

/*
 * One form of a message. `words` are at the start, at the end or inside of the message; the rest is the subject.
 * `finish`, if any, parses the rest and may reject it.
 */
struct shape {
	enum place place;
	struct span words;
	enum escape_kind kind;
	bool (*finish)(struct span left, struct span right, struct message *message);
};

static struct span trim_colon(struct span span)
{
	return span.length && span.text[span.length - 1] == ':' ? span_to(span, span.length - 1) : span;
}

/* "F with cost N as: BODY", "F as: BODY" (before 1.13) or "F". */
static bool finish_can_inline(struct span left, struct span right, struct message *message)
{
	static const struct span with = SPAN(" with "), as = SPAN(" as: ");
	ptrdiff_t body = span_find(right, as), cost;

	(void)left;
	message->subject = body < 0 ? right : span_to(right, (size_t)body);
	cost = span_find(message->subject, with);
	if (cost >= 0) {
		message->detail = span_from(message->subject, (size_t)cost + with.length);
		message->subject = span_to(message->subject, (size_t)cost);
	}
	message->function = message->subject;
	return true;
}

/* "F: REASON", at a call also "F into G: REASON". */
static bool finish_cannot_inline(struct span left, struct span right, struct message *message)
{
	static const struct span colon = SPAN(": "), into = SPAN(" into ");
	ptrdiff_t reason = span_find(right, colon), caller;

	(void)left;
	message->subject = reason < 0 ? right : span_to(right, (size_t)reason);
	if (reason >= 0)
		message->detail = span_from(right, (size_t)reason + colon.length);
	caller = span_find(message->subject, into);
	if (caller < 0) {
		message->function = message->subject;
	} else {
		message->function = span_from(message->subject, (size_t)caller + into.length);
		message->subject = span_to(message->subject, (size_t)caller);
	}
	return true;
}

/* "E: REASON". */
static bool finish_reason(struct span left, struct span right, struct message *message)
{
	bool split = finish_cannot_inline(left, right, message);

	message->function = span_to(message->subject, 0);
	return split;
}

/*
 * "F", before 1.13 at -m=2 also "F func(int) int { BODY }" and "T.M method(T) func() { BODY }", with scored inlining
 * "F with score N".
 */
static bool finish_inlined_call(struct span left, struct span right, struct message *message)
{
	static const struct span bodies[] = {SPAN(" func("), SPAN(" method("), SPAN(" with score ")};

	(void)left;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
		ptrdiff_t body = span_find(right, bodies[i]);

		if (body > 0)
			right = span_to(right, (size_t)body);
	}
	message->subject = right;
	return true;
}

/* "P" or "P to result R level=N"; the level is missing before 1.5. */
static bool finish_leak(struct span left, struct span right, struct message *message)
{
	static const struct span to = SPAN(" to result ");
	ptrdiff_t result = span_find(right, to);

	(void)left;
	message->subject = right;
	if (result > 0) {
		message->kind = ESCAPE_LEAKING_PARAM_TO_RESULT;
		message->subject = span_to(right, (size_t)result);
		message->detail = span_from(right, (size_t)result + to.length);
		return message->detail.length > 0;
	}
	return true;
}

/* "parameter P leaks to DST[ for F] with derefs=N:": the heading of a leak. */
static bool finish_leak_heading(struct span left, struct span right, struct message *message)
{
	static const struct span leaks = SPAN(" leaks to "), derefs = SPAN(" with derefs="), function = SPAN(" for "),
				 closing = SPAN("} for "), heap = SPAN("{heap}");
	ptrdiff_t at = span_find(right, leaks), level, in;
	struct span to;

	(void)left;
	if (at < 0 || right.text[right.length - 1] != ':')
		return false;
	message->subject = span_to(right, (size_t)at);
	to = span_from(trim_colon(right), (size_t)at + leaks.length);
	level = span_find_last(to, derefs);
	if (level < 0)
		return false;
	for (size_t i = (size_t)level + derefs.length; i < to.length; i++) {
		if (!isdigit((unsigned char)to.text[i]) || message->derefs > INT32_MAX / 16)
			return false;
		message->derefs = message->derefs * 10 + to.text[i] - '0';
	}
	to = span_to(to, (size_t)level);
	in = span_find(to, to.length && to.text[0] == '{' ? closing : function);
	if (in >= 0) {
		in += to.text[0] == '{';
		message->function = span_from(to, (size_t)in + function.length);
		to = span_to(to, (size_t)in);
	}
	message->role = MESSAGE_HEADING;
	message->detail = to;
	if (span_starts(to, heap))
		message->kind = message->derefs ? ESCAPE_LEAKING_PARAM_CONTENT : ESCAPE_LEAKING_PARAM;
	else
		message->kind = ESCAPE_LEAKING_PARAM_TO_RESULT;
	return to.length > 0;
}

/* "X escapes to heap:" opens an explanation. */
static bool finish_heading(struct span left, struct span right, struct message *message)
{
	(void)right;
	message->role = MESSAGE_HEADING;
	message->subject = left;
	return true;
}

/* The same since Go 1.25: "X escapes to heap in F:". */
static bool finish_heading_in(struct span left, struct span right, struct message *message)
{
	static const struct span words = SPAN(" escapes to heap in ");
	ptrdiff_t at;

	(void)right;
	at = span_find_last(left, words);
	if (at <= 0)
		return false;
	message->role = MESSAGE_HEADING;
	message->subject = span_to(left, (size_t)at);
	message->function = span_from(left, (size_t)at + words.length);
	return true;
}

static bool is_name_byte(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '*' || c == '(' || c == ')' || (c & 0x80);
}

static bool is_one_of(struct span word, const struct span *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (word.length == words[i].length && memcmp(word.text, words[i].text, word.length) == 0)
			return true;
	}
	return false;
}

/*
 * Before Go 1.13 a negative began with the function's name: "bar new(int) does not escape". It is distinguished from an
 * expression with spaces, "a + b", by what follows the first word: an operand here, an operator in an expression.
 */
static bool finish_negative(struct span left, struct span right, struct message *message)
{
	static const struct span keywords[] = {SPAN("func"), SPAN("struct"), SPAN("interface"), SPAN("chan"),
					       SPAN("map")};
	static const struct span literal[] = {SPAN("literal")};
	const char *space = memchr(left.text, ' ', left.length);
	struct span first, second;

	(void)right;
	message->subject = left;
	if (!space || space == left.text || space + 1 == left.text + left.length)
		return true;
	first = span_to(left, (size_t)(space - left.text));
	second = span_from(left, first.length + 1);
	for (size_t i = 0; i < first.length; i++) {
		if (!is_name_byte(first.text[i]))
			return true;
	}
	if ((!isalpha((unsigned char)first.text[0]) && !strchr("_(\x80", first.text[0]) && !(first.text[0] & 0x80)) ||
	    is_one_of(first, keywords, sizeof(keywords) / sizeof(*keywords)) || is_one_of(second, literal, 1))
		return true;
	if (strchr("+-*/%&|^<>=!", second.text[0]) && (second.length == 1 || strchr(" =|&<>^", second.text[1])))
		return true;
	message->function = first;
	message->subject = second;
	return true;
}

/* "F capturing by ref: V (addr=B assign=B width=N)"; the parenthesis since 1.5. */
static bool finish_captured(struct span left, struct span right, struct message *message)
{
	static const struct span colon = SPAN(": "), properties = SPAN(" (");
	ptrdiff_t how = span_find(right, colon), end;

	if (how < 0)
		return false;
	message->function = left;
	message->subject = span_from(right, (size_t)how + colon.length);
	message->detail = right;
	end = span_find(message->subject, properties);
	if (end > 0)
		message->subject = span_to(message->subject, (size_t)end);
	return true;
}

static bool finish_in_function(struct span left, struct span right, struct message *message)
{
	message->function = left;
	message->subject = right;
	return true;
}

/* "E to T". */
static bool finish_devirtualized(struct span left, struct span right, struct message *message)
{
	static const struct span to = SPAN(" to ");
	ptrdiff_t at = span_find_last(right, to);

	(void)left;
	if (at < 0)
		return false;
	message->subject = span_to(right, (size_t)at);
	message->detail = span_from(right, (size_t)at + to.length);
	return true;
}

/* "P derefs=N". */
static bool finish_mutation(struct span left, struct span right, struct message *message)
{
	static const struct span derefs = SPAN(" derefs=");
	ptrdiff_t at = span_find(right, derefs);

	(void)left;
	message->subject = at < 0 ? right : span_to(right, (size_t)at);
	if (at >= 0)
		message->detail = span_from(right, (size_t)at + 1);
	return true;
}

/* "P is unsafe uintptr", "P as escaping uintptr", "P as ...uintptr". */
static bool finish_uintptr(struct span left, struct span right, struct message *message)
{
	const char *space = memchr(right.text, ' ', right.length);

	(void)left;
	if (!space || right.text[right.length - 1] != 'r')
		return false;
	message->subject = span_to(right, (size_t)(space - right.text));
	message->detail = span_from(right, message->subject.length + 1);
	return true;
}

/* "function F considered 'big'; reducing max cost of inlinees". */
static bool finish_big(struct span left, struct span right, struct message *message)
{
	static const struct span function = SPAN("function ");

	if (!span_starts(left, function))
		return false;
	message->subject = message->function = span_from(left, function.length);
	message->detail = right;
	return true;
}

/* Forms with the same first (or last) byte are tried in this order. */
static const struct shape shapes[] = {
	{AT_START, SPAN("moved to heap: "), ESCAPE_MOVED_TO_HEAP, NULL},
	{AT_START, SPAN("inlining call to "), ESCAPE_INLINED_CALL, finish_inlined_call},
	{AT_START, SPAN("can inline "), ESCAPE_CAN_INLINE, finish_can_inline},
	{AT_START, SPAN("cannot inline "), ESCAPE_CANNOT_INLINE, finish_cannot_inline},
	{AT_START, SPAN("leaking param content: "), ESCAPE_LEAKING_PARAM_CONTENT, finish_leak},
	{AT_START, SPAN("leaking param: "), ESCAPE_LEAKING_PARAM, finish_leak},
	{AT_START, SPAN("leaking closure reference "), ESCAPE_LEAKING_PARAM, NULL}, /* to 1.12 */
	{AT_START, SPAN("parameter "), ESCAPE_LEAKING_PARAM, finish_leak_heading},
	{AT_START, SPAN("zero-copy "), ESCAPE_ZERO_COPY_CONVERSION, NULL},     /* 1.22 on */
	{AT_START, SPAN("mutates param: "), ESCAPE_MUTATION, finish_mutation}, /* 1.22 on */
	{AT_START, SPAN("calls param: "), ESCAPE_MUTATION, finish_mutation},
	{AT_START, SPAN("assuming "), ESCAPE_UNSAFE_UINTPTR, finish_uintptr},
	{AT_START, SPAN("marking "), ESCAPE_UNSAFE_UINTPTR, finish_uintptr},
	{AT_START, SPAN("devirtualizing "), ESCAPE_DEVIRTUALIZED, finish_devirtualized},
	{AT_START, SPAN("partially devirtualizing "), ESCAPE_DEVIRTUALIZED, finish_devirtualized},
	{AT_START, SPAN("PGO devirtualizing interface call "), ESCAPE_DEVIRTUALIZED, finish_devirtualized},
	{AT_START, SPAN("PGO devirtualizing function call "), ESCAPE_DEVIRTUALIZED, finish_devirtualized},
	{AT_START, SPAN("PGO devirtualizing "), ESCAPE_DEVIRTUALIZED, finish_devirtualized},
	{AT_START, SPAN("should not PGO devirtualize "), ESCAPE_NOTE, finish_cannot_inline},
	{AT_START, SPAN("cannot devirtualize "), ESCAPE_NOTE, finish_reason},
	{AT_START, SPAN("expr is unknown to bloop pass"), ESCAPE_NOTE, NULL},
	{AT_START, SPAN("unrecognized shape for assign list stmt"), ESCAPE_NOTE, NULL},
	{AT_START, SPAN("skip inlining within "), ESCAPE_NOTE, NULL}, /* 1.24, 1.25: in testing.B.Loop */
	{AT_END, SPAN(" escapes to heap"), ESCAPE_ESCAPES, NULL},
	{AT_END, SPAN(" escape to heap"), ESCAPE_ESCAPES, NULL},
	{AT_END, SPAN(" escapes to heap, not allowed in runtime"), ESCAPE_ESCAPES, NULL},
	{AT_END, SPAN(" does not escape"), ESCAPE_DOES_NOT_ESCAPE, finish_negative},
	{AT_END, SPAN(" does not escape, mutate, or call"), ESCAPE_DOES_NOT_ESCAPE, NULL},
	{AT_END, SPAN(" escapes to heap:"), ESCAPE_ESCAPES, finish_heading},
	{AT_END, SPAN(":"), ESCAPE_ESCAPES, finish_heading_in},
	{AT_END, SPAN(" bounds check elided"), ESCAPE_BOUNDS_CHECK_ELIDED, NULL},
	{AT_END, SPAN("imprecise interface call"), ESCAPE_NOTE, NULL}, /* 1.22 on: keeps methods from the linker */
	{AT_END, SPAN(" will be kept alive"), ESCAPE_NOTE, NULL},      /* 1.26 on: in testing.B.Loop */
	{INSIDE, SPAN(" capturing by "), ESCAPE_CAPTURED, finish_captured},
	{INSIDE, SPAN(" ignoring self-assignment in "), ESCAPE_SELF_ASSIGNMENT_IGNORED, finish_in_function},
	{INSIDE, SPAN(" ignoring self-assignment to "), ESCAPE_SELF_ASSIGNMENT_IGNORED, finish_in_function},
	{INSIDE, SPAN(" considered 'big'; "), ESCAPE_NOTE, finish_big},
};

enum { SHAPE_COUNT = sizeof(shapes) / sizeof(*shapes), BUCKET_SIZE = 8 };

/* The forms that begin (or end) with a byte, as indices + 1. */
static uint8_t by_first[256][BUCKET_SIZE], by_last[256][BUCKET_SIZE];
static pthread_once_t buckets_ready = PTHREAD_ONCE_INIT;

static void fill_buckets(void)
{
	for (size_t i = 0; i < SHAPE_COUNT; i++) {
		const struct span *words = &shapes[i].words;
		uint8_t *bucket;

		if (shapes[i].place == INSIDE)
			continue;
		bucket = shapes[i].place == AT_START ? by_first[(uint8_t)words->text[0]]
						     : by_last[(uint8_t)words->text[words->length - 1]];
		while (*bucket)
			bucket++;
		*bucket = (uint8_t)(i + 1);
	}
}

static bool try_shape(const struct shape *shape, struct span text, struct message *message)
{
	struct span left = {text.text, 0}, right = {text.text, 0};
	ptrdiff_t at;

	switch (shape->place) {
	case AT_START:
		if (!span_starts(text, shape->words))
			return false;
		right = span_from(text, shape->words.length);
		break;
	case AT_END:
		if (!span_ends(text, shape->words))
			return false;
		left = span_to(text, text.length - shape->words.length);
		break;
	case INSIDE:
		at = span_find(text, shape->words);
		if (at <= 0)
			return false;
		left = span_to(text, (size_t)at);
		right = span_from(text, (size_t)at + shape->words.length);
		break;
	}
	memset(message, 0, sizeof(*message));
	message->kind = shape->kind;
	if (shape->finish)
		return shape->finish(left, right, message);
	/* If the words are the whole message, they are its subject. If a name must follow the words, it must not be
	 * empty. */
	message->subject = left.length ? left : right.length ? right : text;
	if (shape->place == AT_START && !right.length && text.text[text.length - 1] == ' ')
		return false;
	return true;
}

/* "flow: DST = SRC:", since 1.25 "flow: DST ← SRC:". */
static bool parse_flow(struct span text, struct message *message)
{
	static const struct span arrow = SPAN(" \xe2\x86\x90 "), equals = SPAN(" = "), closing = SPAN("} = ");
	struct span edge = trim_colon(text);
	ptrdiff_t at = span_find(edge, arrow);
	size_t width = arrow.length;

	if (at < 0) {
		at = span_find(edge, edge.length && edge.text[0] == '{' ? closing : equals);
		at += at >= 0 && edge.text[0] == '{';
		width = equals.length;
	}
	if (at <= 0)
		return false;
	message->role = MESSAGE_FLOW;
	message->subject = span_to(edge, (size_t)at);
	message->detail = span_from(edge, (size_t)at + width);
	/* `&x` is the address of x; `**x` is a pointer dereferenced twice. */
	if (message->detail.length && message->detail.text[0] == '&') {
		message->derefs = -1;
		message->detail = span_from(message->detail, 1);
	}
	while (message->detail.length && message->detail.text[0] == '*') {
		message->derefs++;
		message->detail = span_from(message->detail, 1);
	}
	return true;
}

/* "from E (WHY) at POS". */
static bool parse_step(struct span text, struct message *message)
{
	static const struct span behind = SPAN(") at ");
	ptrdiff_t at = span_find_last(text, behind);
	const char *open;

	if (at < 0)
		return false;
	message->role = MESSAGE_STEP;
	if (!position_at_end(span_from(text, (size_t)at + behind.length), &message->at))
		return false;
	open = memrchr(text.text, '(', (size_t)at);
	if (!open)
		return false;
	message->subject = span_to(text, (size_t)(open - text.text));
	if (message->subject.length && message->subject.text[message->subject.length - 1] == ' ')
		message->subject.length--;
	message->detail = (struct span){open + 1, (size_t)(text.text + at - open - 1)};
	return true;
}

/* Lines of an explanation are indented: by spaces since Go 1.13, by a tab before. */
static bool parse_indented(struct span text, struct message *message)
{
	static const struct span flow = SPAN("  flow: "), step = SPAN("    from "), old_step = SPAN("\tfrom "),
				 truncated = SPAN("  warning: truncated explanation");

	memset(message, 0, sizeof(*message));
	if (span_starts(text, step))
		return parse_step(span_from(text, step.length), message);
	if (span_starts(text, flow))
		return parse_flow(span_from(text, flow.length), message);
	if (span_starts(text, old_step))
		return parse_step(span_from(text, old_step.length), message);
	message->role = MESSAGE_TRUNCATED;
	return span_starts(text, truncated);
}

bool message_parse(struct span text, struct message *message)
{
	if (!text.length)
		return false;
	if (text.text[0] == ' ' || text.text[0] == '\t')
		return parse_indented(text, message);
	pthread_once(&buckets_ready, fill_buckets);
	for (const uint8_t *i = by_first[(uint8_t)text.text[0]]; *i; i++) {
		if (try_shape(&shapes[*i - 1], text, message))
			return true;
	}
	for (const uint8_t *i = by_last[(uint8_t)text.text[text.length - 1]]; *i; i++) {
		if (try_shape(&shapes[*i - 1], text, message))
			return true;
	}
	for (size_t i = 0; i < SHAPE_COUNT; i++) {
		if (shapes[i].place == INSIDE && try_shape(&shapes[i], text, message))
			return true;
	}
	return false;
}
