/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit/audit_calls.h"

#include <ctype.h>
#include <string.h>

#include "audit/audit_value.h"
#include "profile/type_name.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* By prefix; the first match wins. */
static const struct {
	const char *prefix;
	unsigned family;
} families[] = {
	{"runtime.newobject", CALL_OBJECT},
	{"runtime.mallocgc", CALL_OBJECT}, /* Go 1.27 calls size-specialised variants instead of newobject */
	{"runtime.newarray", CALL_OBJECT},
	{"runtime.makeslice", CALL_SLICE},
	{"runtime.makechan", CALL_CHAN},
	{"runtime.makemap", CALL_MAP},
	{"runtime.mapassign", CALL_MAP_GROWTH},
	{"internal/runtime/maps.", CALL_MAP_GROWTH},
	{"runtime.convI2I", CALL_ASSERT},
	{"runtime.conv", CALL_BOX},
	{"runtime.growslice", CALL_APPEND},
	{"runtime.moveSlice", CALL_MOVE},
	{"runtime.move2heap", CALL_MOVE},
	{"runtime.concatbyte", CALL_FROM_STRING},
	{"runtime.concat", CALL_CONCAT},
	{"runtime.slicebytetostring", CALL_TO_STRING},
	{"runtime.slicerunetostring", CALL_TO_STRING},
	{"runtime.intstring", CALL_TO_STRING},
	{"runtime.stringtoslice", CALL_FROM_STRING},
	{"runtime.newproc", CALL_GO},
	{"runtime.defer", CALL_DEFER},
	{"runtime.newcoro", CALL_COROUTINE},
	{"runtime.chan", CALL_WAIT},
	{"runtime.selectgo", CALL_WAIT},
	{"runtime.selectnb", CALL_WAIT},
	{"runtime.goPanic", CALL_PANIC},
	{"runtime.panic", CALL_PANIC},
	{"runtime.sigpanic", CALL_PANIC},
	{"runtime.efaceeq", CALL_PANIC}, /* allocates only to say that a type cannot be compared */
	{"runtime.ifaceeq", CALL_PANIC},
	{"runtime.typeAssert", CALL_ASSERT},
	{"runtime.interfaceSwitch", CALL_ASSERT},
	{"runtime.assertE2I", CALL_ASSERT},
	{"runtime.getitab", CALL_ASSERT},
	{"runtime.gostring", CALL_FROM_C},
	{"runtime.gobytes", CALL_FROM_C},
	{"reflect.", CALL_REFLECT},
};

unsigned call_family(const char *runtime_call)
{
	if (!runtime_call)
		return 0;
	for (size_t i = 0; i < COUNT(families); i++) {
		if (strncmp(runtime_call, families[i].prefix, strlen(families[i].prefix)) == 0)
			return families[i].family;
	}
	return CALL_OTHER;
}

/* What these allocate, whatever the type of the value that they box: src/runtime/iface.go. */
static const struct {
	const char *call, *type;
} boxes[] = {
	{"runtime.convT16", "runtime.uint16InterfacePtr"},   {"runtime.convT32", "runtime.uint32InterfacePtr"},
	{"runtime.convT64", "runtime.uint64InterfacePtr"},   {"runtime.convTstring", "runtime.stringInterfacePtr"},
	{"runtime.convTslice", "runtime.sliceInterfacePtr"},
};

struct call call_of(const char *runtime_call, const char *type)
{
	struct call call = {call_family(runtime_call), type};

	for (size_t i = 0; call.family == CALL_BOX && !call.type && i < COUNT(boxes); i++) {
		if (strcmp(runtime_call, boxes[i].call) == 0)
			call.type = boxes[i].type;
	}
	return call;
}

/* Conditions on the Go type of an object that an expression creates. */
enum type_rule {
	ANY_TYPE,
	CLOSURE,      /* a function and what it captured */
	ARRAY,	      /* "[4]int" */
	BYTES,	      /* an array of bytes or runes, "[4]uint8" */
	NAMED,	      /* the type after the prefix, up to the infix or the last bracket */
	ELEMENT,      /* the same, as the type of a slice's elements: "make([]T, n)" */
	ARRAY_OF,     /* an array of that type: "[]T{...}" */
	WITHOUT_TYPE, /* plain bytes, allocated by a runtime call */
};

/* Forms of expressions: how they begin, what they contain and how they end; the first match wins. */
static const struct expression {
	const char *prefix, *infix, *suffix;
	unsigned lowered, possible;
	enum type_rule object; /* condition on what newobject allocates */
	enum type_rule slice;  /* condition on what makeslice allocates */
} expressions[] = {
	{"new(", NULL, ")", CALL_OBJECT, 0, NAMED, 0},
	{"&", "{", "}", CALL_OBJECT, 0, NAMED, 0},
	{"&", NULL, NULL, 0, 0, 0, 0}, /* Go 1.12 and older: the address of a variable, which has a line of its own */
	{"make([]", ",", ")", CALL_SLICE | CALL_MOVE, CALL_OBJECT, WITHOUT_TYPE, ELEMENT},
	{"make(chan", NULL, ")", CALL_CHAN, 0, 0, 0},
	{"make(<-chan", NULL, ")", CALL_CHAN, 0, 0, 0},
	{"make(map[", NULL, ")", CALL_MAP, 0, 0, 0},
	{"make(", NULL, ")", CALL_SLICE | CALL_CHAN | CALL_MAP | CALL_MOVE, CALL_OBJECT, WITHOUT_TYPE, 0},
	{"func literal", NULL, NULL, CALL_OBJECT, 0, CLOSURE, 0},
	{"... argument", NULL, NULL, CALL_OBJECT, 0, ARRAY, 0},
	{"append", NULL, NULL, CALL_APPEND | CALL_MOVE, 0, 0, 0},
	{"string(", NULL, ")", CALL_TO_STRING | CALL_BOX, 0, 0, 0},
	{"([]byte)(", NULL, "\")", CALL_OBJECT | CALL_FROM_STRING | CALL_BOX, 0, BYTES, 0},
	{"([]rune)(", NULL, "\")", CALL_OBJECT | CALL_FROM_STRING | CALL_BOX, 0, BYTES, 0},
	{"([]byte)(", NULL, ")", CALL_FROM_STRING | CALL_BOX, CALL_OBJECT, BYTES, 0},
	{"([]rune)(", NULL, ")", CALL_FROM_STRING | CALL_BOX, CALL_OBJECT, BYTES, 0},
	{"[]byte(", NULL, ")", CALL_FROM_STRING | CALL_BOX, CALL_OBJECT, BYTES, 0},
	{"[]rune(", NULL, ")", CALL_FROM_STRING | CALL_BOX, CALL_OBJECT, BYTES, 0},
	{"map[", "{", "}", CALL_MAP | CALL_BOX, 0, 0, 0},
	{"[]", "{", "}", CALL_OBJECT | CALL_BOX, 0, ARRAY_OF, 0},
	{"[", "{", "}", CALL_OBJECT | CALL_BOX, 0, ARRAY, 0},
	{"", "{", "}", CALL_OBJECT | CALL_MAP | CALL_BOX, 0, 0, 0},
	{"", " + ", NULL, CALL_CONCAT | CALL_BOX, 0, 0, 0},
	{"", "(\"", "\")", CALL_BOX, CALL_TO_STRING | CALL_FROM_STRING | CALL_OBJECT, BYTES, 0}, /* Bytes("constant") */
	{"", ".", ")", CALL_BOX, CALL_TO_STRING | CALL_FROM_STRING, 0, 0},
	{"", ".", NULL, CALL_OBJECT | CALL_BOX, 0, CLOSURE, 0}, /* t.Method as a value is a closure */
	{"", NULL, ")", CALL_BOX, CALL_TO_STRING | CALL_FROM_STRING | CALL_OBJECT, BYTES,
	 0}, /* T(x) of a string type T */
	{"", NULL, NULL, CALL_BOX, 0, 0, 0},
};

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), tail = strlen(end);

	return length >= tail && strcmp(text + length - tail, end) == 0;
}

static const struct expression *expression_of(const char *subject)
{
	size_t i;

	for (i = 0; i < COUNT(expressions) - 1; i++) {
		const struct expression *expression = &expressions[i];

		if ((!*expression->prefix || *expression->prefix == *subject) && /* most differ there already */
		    strncmp(subject, expression->prefix, strlen(expression->prefix)) == 0 &&
		    (!expression->infix || strstr(subject, expression->infix)) &&
		    (!expression->suffix || ends_with(subject, expression->suffix)))
			break;
	}
	return &expressions[i];
}

/* Whether the subject is a variable. "append" is not: the compiler uses it for every append on a line. */
static bool is_name(const char *subject)
{
	if (strcmp(subject, "append") == 0)
		return false;
	for (; *subject; subject++) {
		if (!isalnum((unsigned char)*subject) && *subject != '_' && !((unsigned char)*subject & 0x80))
			return false;
	}
	return true;
}

bool call_allocates(const struct escape_annotation *annotation)
{
	switch (annotation->kind) {
	case ESCAPE_MOVED_TO_HEAP:
		return true;
	case ESCAPE_ESCAPES:
	case ESCAPE_DOES_NOT_ESCAPE:
		return expression_of(annotation->subject)->lowered != 0;
	default:
		return false;
	}
}

bool call_is_closure(const char *type)
{
	return type && type_name_is_closure(type);
}

static bool is_bytes(const char *type)
{
	return type && type[0] == '[' && (ends_with(type, "]uint8") || ends_with(type, "]int32"));
}

int call_fits(const struct call *call, const struct escape_annotation *annotation)
{
	const struct expression *expression;

	if (!call_allocates(annotation))
		return 0;
	if (annotation->kind == ESCAPE_MOVED_TO_HEAP)
		return call->family == 0 ? 1 : call->family & CALL_OBJECT ? 2 : 0;
	expression = expression_of(annotation->subject);
	/* "p does not escape" is more often about a parameter than about a value boxed on the stack */
	if (call->family == 0)
		return annotation->kind == ESCAPE_ESCAPES || !is_name(annotation->subject);
	if (call->family & CALL_OBJECT && ((expression->object == BYTES && !is_bytes(call->type)) ||
					   (expression->object == WITHOUT_TYPE && call->type)))
		return 0;
	return call->family & expression->lowered ? 2 : call->family & expression->possible ? 1 : 0;
}

static const struct {
	unsigned family;
	const char *unannotated;
	const char *inlined; /* the text in an inlined callee; NULL: the same */
	const char *contradicted;
} reasons[] = {
	{CALL_OBJECT, "an object that the compiler output does not mention: is it from this build?", NULL, NULL},
	{CALL_SLICE, "a slice that the compiler output does not mention: is it from this build?", NULL,
	 "a make of variable size, too large for the stack"},
	{CALL_CHAN, "a channel, which the compiler never mentions", NULL, NULL},
	{CALL_MAP, "a map that the compiler output does not mention: is it from this build?", NULL,
	 "a map of this size does not fit its space on the stack"},
	{CALL_MAP_GROWTH, "map growth", NULL, "map growth"},
	{CALL_BOX, "interface boxing", "interface boxing in an inlined callee", NULL},
	{CALL_APPEND, "append growth", NULL, "append outgrew its space on the stack"},
	{CALL_MOVE, "a slice that began on the stack moves to the heap", NULL,
	 "the slice outgrew its space on the stack"},
	{CALL_CONCAT, "string concatenation", NULL, "a result longer than the 32 bytes that the stack has for it"},
	{CALL_TO_STRING, "conversion to string", NULL, "a result longer than the 32 bytes that the stack has for it"},
	{CALL_FROM_STRING, "conversion from string", NULL,
	 "a result longer than the 32 bytes that the stack has for it"},
	{CALL_GO, "goroutine start", NULL, NULL},
	{CALL_DEFER, "deferred call in a loop", NULL, NULL},
	{CALL_REFLECT, "reflection", NULL, NULL},
	{CALL_COROUTINE, "a coroutine with its goroutine", NULL, NULL},
	{CALL_WAIT, "the runtime's record of a goroutine that waits", NULL, NULL},
	{CALL_PANIC, "the value of a run-time panic", NULL, NULL},
	{CALL_ASSERT, "the runtime's tables for interface types", NULL, NULL},
	{CALL_FROM_C, "C.GoString and C.GoBytes copy, which the compiler never mentions", NULL, NULL},
	{CALL_OTHER, "inside the runtime", NULL, NULL},
};

bool call_has_room_on_the_stack(const char *runtime_call)
{
	return call_family(runtime_call) &
	       (CALL_APPEND | CALL_MOVE | CALL_MAP_GROWTH | CALL_CONCAT | CALL_TO_STRING | CALL_FROM_STRING);
}

bool call_is_always_spoken_of(const struct call *call)
{
	return call->family & (CALL_OBJECT | CALL_SLICE | CALL_MAP) && !call_is_closure(call->type);
}

const char *call_unannotated_reason(const struct call *call, bool inlined)
{
	/* A type assertion that fails panics in the call that looks for the type's methods. */
	bool failed = call->type && strcmp(call->type, "runtime.TypeAssertionError") == 0;
	unsigned family = failed ? CALL_PANIC : call->family;

	if (call_is_closure(call->type))
		return "a closure that the compiler output does not mention: it mentions those for go and defer only "
		       "at -m=2";
	for (size_t i = 0; i < COUNT(reasons); i++) {
		if (family & reasons[i].family)
			return inlined && reasons[i].inlined ? reasons[i].inlined : reasons[i].unannotated;
	}
	return "growth of a slice, map or string, or a call of the runtime: the profile does not name it";
}

/* Whether the last argument of a make is not a constant. */
static bool variable_size(const char *subject)
{
	size_t length = strlen(subject);
	const char *comma = strrchr(subject, ',');

	if (!comma || length < 2)
		return false;
	for (comma++; *comma == ' '; comma++)
		continue;
	return !isdigit((unsigned char)*comma);
}

const char *call_contradicted_reason(const struct call *call, const struct escape_annotation *annotation, bool alone)
{
	if (call->family == 0)
		return "the profile does not name the runtime call: the annotation may be about something else on "
		       "this line";
	for (size_t i = 0; i < COUNT(reasons); i++) {
		if (!(call->family & reasons[i].family) || !reasons[i].contradicted)
			continue;
		if (call->family == CALL_SLICE && !variable_size(annotation->subject))
			break;
		return reasons[i].contradicted;
	}
	return alone ? "the annotations are from another build"
		     : "the annotations are about something else on this line, or from another build";
}

static bool is_letter(char c)
{
	return isalpha((unsigned char)c) || c == '_' || (c & 0x80);
}

/*
 * Returns one token of an expression without package qualifiers: of "example.com/a/sub.T" the token is "T". Advances
 * *text and returns the token's length; 0 at the end.
 */
static size_t next_token(const char **text, const char **token)
{
	const char *c = *text;

	*token = c;
	if (!*c)
		return 0;
	if (*c == '"' || *c == '`') {
		for (c++; *c && *c != **token; c++)
			c += *c == '\\' && c[1];
		c += *c != 0;
		if (*c == '.' && is_letter(c[1])) { /* one of several packages of a name: "example.com/a/sub".T */
			*text = c + 1;
			return next_token(text, token);
		}
	} else if (isalnum((unsigned char)*c) || *c == '_' || (*c & 0x80)) {
		for (;;) {
			while (isalnum((unsigned char)*c) || *c == '_' || (*c & 0x80))
				c++;
			if (*c != '.' || !is_letter(c[1]))
				break;
			*token = ++c;
		}
	} else {
		c++;
	}
	*text = c;
	return (size_t)(c - *token);
}

static bool same_tokens(const char *a, const char *b)
{
	for (;;) {
		const char *x, *y;
		size_t m = next_token(&a, &x), n = next_token(&b, &y);

		if (m != n || strncmp(x, y, m) != 0)
			return false;
		if (m == 0)
			return true;
	}
}

int call_same_subject(const char *a, const char *b)
{
	if (strcmp(a, b) == 0 || same_tokens(a, b))
		return 2;
	return expression_of(a) == expression_of(b) && !is_name(a) && !is_name(b);
}

/* Go 1.18 to 1.20 number the shapes that stand for type arguments: go.shape.int_0. */
static size_t without_shape_number(const char *token, size_t length, const char *text)
{
	static const char shape[] = "go.shape.";
	const size_t prefix = sizeof(shape) - 1;

	if (length > 2 && token[length - 2] == '_' && isdigit((unsigned char)token[length - 1]) &&
	    (size_t)(token - text) >= prefix && strncmp(token - prefix, shape, prefix) == 0)
		return length - 2;
	return length;
}

/* Replaces an alias by the type's name at run time. */
static size_t without_alias(const char **token, size_t length)
{
	static const struct {
		const char *alias, *name;
	} aliases[] = {{"byte", "uint8"}, {"rune", "int32"}};

	for (size_t i = 0; i < COUNT(aliases); i++) {
		if (strlen(aliases[i].alias) == length && memcmp(*token, aliases[i].alias, length) == 0) {
			*token = aliases[i].name;
			return strlen(*token);
		}
	}
	return length;
}

/* Whether the type in [a, end) is spelled differently from `b`, a type of the runtime, to which `any` is what it stands for. */
static bool types_differ(const char *a, const char *end, const char *b)
{
	static const char empty[] = "interface {}";
	const char *a_text = a, *b_text = b, *x, *y;

	while (a < end) {
		size_t m = next_token(&a, &x), n;

		if (m == strlen("any") && memcmp(x, "any", m) == 0 && strncmp(b, empty, strlen(empty)) == 0) {
			b += strlen(empty);
			continue;
		}
		n = next_token(&b, &y);
		m = without_alias(&x, without_shape_number(x, m, a_text));
		n = without_alias(&y, without_shape_number(y, n, b_text));
		if (m != n || strncmp(x, y, m) != 0)
			return true;
	}
	return *b != 0;
}

/* Whether a type can be spelled in several ways (structs, functions, methods), or a shape stands for several types. */
static bool is_ambiguous(const char *text, size_t length)
{
	static const char *const signs[] = {"struct", "func(", "interface { ", "go.shape.", "<node"};

	for (size_t i = 0; i < COUNT(signs); i++) {
		if (memmem(text, length, signs[i], strlen(signs[i])))
			return true;
	}
	return false;
}

/* Returns the end of the type that follows a form's prefix: at the first infix outside of brackets, or before the last
 * byte. */
static const char *end_of_type(const char *start, const struct expression *expression)
{
	int depth = 0;

	if (!expression->infix)
		return start + strlen(start) - (*start != 0);
	for (; *start; start++) {
		if (depth == 0 && *start == *expression->infix)
			return start;
		depth += (*start == '[' || *start == '(' || *start == '{') -
			 (*start == ']' || *start == ')' || *start == '}');
	}
	return NULL;
}

/* What a type argument is, as far as its shape or name tells. */
enum argument { ARGUMENT_UNKNOWN, ARGUMENT_STRUCT, ARGUMENT_BASIC };

static const char *without_shape(const char *argument)
{
	static const char shape[] = "go.shape.";

	return argument + (strncmp(argument, shape, strlen(shape)) == 0 ? strlen(shape) : 0);
}

/* The length of a word such as "int" or "uint8". */
static size_t word_length(const char *text)
{
	size_t length = 0;

	while (islower((unsigned char)text[length]) || isdigit((unsigned char)text[length]))
		length++;
	return length;
}

static enum argument argument_of(const char *text)
{
	size_t length = word_length(text);

	if (strncmp(text, "struct {", strlen("struct {")) == 0)
		return ARGUMENT_STRUCT;
	return length && text[length] && strchr("],_", text[length]) ? ARGUMENT_BASIC : ARGUMENT_UNKNOWN;
}

size_t call_argument_length(const char *argument)
{
	const char *end = argument;

	for (int depth = 0; *end; end++) {
		if (*end == '"') { /* a struct's tag */
			for (end++; *end && *end != '"'; end++)
				end += *end == '\\' && end[1];
			if (!*end)
				break;
		}
		if (depth == 0 && strchr(",])}", *end))
			break;
		depth += (*end == '[' || *end == '(' || *end == '{') - (*end == ']' || *end == ')' || *end == '}');
	}
	return (size_t)(end - argument);
}

/* Returns the type argument behind this one; NULL if it is the last one. */
static const char *next_argument(const char *text)
{
	const char *end = text + call_argument_length(text);

	return *end == ',' ? end + 1 : NULL;
}

/* Whether two arguments are a struct and a number or string, or two of these. Structs have shapes of their own, which can be spelled
 * in several ways; a type with a name has the shape of another. */
static bool arguments_differ(const char *a, const char *b)
{
	enum argument kind = argument_of(a), other = argument_of(b);

	if (kind == ARGUMENT_UNKNOWN || other == ARGUMENT_UNKNOWN)
		return false;
	return kind != other ||
	       (kind == ARGUMENT_BASIC && (word_length(a) != word_length(b) || strncmp(a, b, word_length(a)) != 0));
}

/* Whether both are of a generic type, and of other instances: in expressions the compiler prints type arguments as shapes. */
static bool instances_differ(const char *of_expression, const char *type)
{
	static const char shapes[] = "[go.shape.";
	const char *a = of_expression, *b = type, *name;

	next_token(&a, &name);
	next_token(&b, &name);
	if (strncmp(a, shapes, strlen(shapes)) != 0 || *b != '[')
		return false;
	for (a++, b++; a && b; a = next_argument(a), b = next_argument(b)) {
		if (arguments_differ(without_shape(a), without_shape(b)))
			return true;
	}
	return false;
}

/* The first token of a type, its name or what kind of literal it is. Returns its length; 0 for a shape, which stands for several. */
static size_t first_token(const char *type, const char **token)
{
	size_t length;

	if (*type == '<' || strncmp(type, "go.shape.", strlen("go.shape.")) == 0)
		return 0;
	length = next_token(&type, token);
	if (length == strlen("any") && memcmp(*token, "any", length) == 0) {
		*token = "interface";
		return strlen(*token);
	}
	return without_alias(token, length);
}

/* Whether one is a list and the other a tree, or a channel: what their type arguments or elements are does not matter then. */
static bool first_tokens_differ(const char *a, const char *b)
{
	const char *x, *y;
	size_t m = first_token(a, &x), n = first_token(b, &y);

	return m && n && (m != n || memcmp(x, y, m) != 0);
}

static bool excluded_by_name(const struct expression *expression, const char *subject, const char *type,
			     bool shapes_decide)
{
	const char *start = subject + strlen(expression->prefix), *end = end_of_type(start, expression);

	if (!end || end <= start)
		return false;
	if (first_tokens_differ(start, type) || (shapes_decide && instances_differ(start, type)))
		return true;
	/* In a generic function, the compiler prints types with the shapes that they have at run time. */
	if (shapes_decide && !strstr(type, "struct {") && !strstr(type, "func(") && !strstr(subject, "*uint8") &&
	    !strstr(subject, "struct") && !strstr(subject, "<node"))
		return types_differ(start, end, type);
	return !is_ambiguous(start, (size_t)(end - start)) && !is_ambiguous(type, strlen(type)) &&
	       types_differ(start, end, type);
}

/* "[3]T" without its length. */
static const char *element_of(const char *array)
{
	const char *bracket = array[0] == '[' ? strchr(array, ']') : NULL;

	return bracket ? bracket + 1 : NULL;
}

/* Whether the expression is a string or a number. To box it takes no allocation, because the compiler puts its value into
 * read-only data (walk's dataWord). */
static bool is_literal(const char *subject)
{
	const char *text = subject, *token;

	if (*subject == '"') {
		next_token(&text, &token);
		return *text == 0;
	}
	text += *text == '-';
	return isdigit((unsigned char)*text) && text[strspn(text, "0123456789.e+-")] == 0;
}

/* The kinds of value that a call can be for. What convT… boxes has the type of the call, or one of its own (runtime/iface.go). */
static unsigned kinds_for(const struct call *call)
{
	const char *type = call->type;

	if (call->family & (CALL_CONCAT | CALL_TO_STRING))
		return KIND_STRING;
	if (call->family & CALL_FROM_STRING)
		return KIND_SLICE;
	if (!type) /* pointers need no box, and the runtime has those of bools */
		return KIND_NUMBER | KIND_STRING | KIND_SLICE | KIND_COMPOSITE;
	if (strcmp(type, "runtime.stringInterfacePtr") == 0 || strcmp(type, "string") == 0)
		return KIND_STRING;
	if (strcmp(type, "runtime.sliceInterfacePtr") == 0 || strncmp(type, "[]", 2) == 0)
		return KIND_SLICE;
	return type[0] == '[' ? KIND_COMPOSITE : KIND_NUMBER | KIND_COMPOSITE;
}

/* Whether what is boxed, of this type, cannot be the expression's value. */
static bool box_excludes(const char *subject, const char *type)
{
	/* "T{}" is 0, which the runtime has in read-only data, as other small numbers */
	return type && strncmp(type, "runtime.uint", strlen("runtime.uint")) == 0 && ends_with(subject, "{}");
}

/* Whether the compiler made up the variable, an int, for the state of a loop over a function. */
static bool is_loop_state(const char *name)
{
	const char *hash = strrchr(name, '#');

	return hash && strncmp(hash, "#state", strlen("#state")) == 0;
}

bool call_excludes(const struct call *call, const struct escape_annotation *annotation)
{
	const struct expression *expression = expression_of(annotation->subject);
	const char *type = call->type, *element;
	bool slice = call->family & CALL_SLICE;

	if (call->family & (CALL_BOX | CALL_CONCAT | CALL_TO_STRING | CALL_FROM_STRING) &&
	    annotation->kind != ESCAPE_MOVED_TO_HEAP && !(value_kinds(annotation->subject) & kinds_for(call)))
		return true;
	if (call->family == CALL_BOX)
		return is_literal(annotation->subject) || box_excludes(annotation->subject, type);
	if (!type || !(call->family & (CALL_OBJECT | CALL_SLICE)))
		return false;
	if (annotation->kind == ESCAPE_MOVED_TO_HEAP)
		return call_is_closure(type) || (is_loop_state(annotation->subject) && strcmp(type, "int") != 0);
	if (!slice && call_is_closure(type))
		return expression->object != CLOSURE;
	switch (slice ? expression->slice : expression->object) {
	case CLOSURE:
		return !call_is_closure(type);
	case ARRAY:
		return type[0] != '[';
	case BYTES:
		return !is_bytes(type);
	case WITHOUT_TYPE:
		return true;
	case NAMED:
		return excluded_by_name(expression, annotation->subject, type, true);
	case ELEMENT:
		return excluded_by_name(expression, annotation->subject, type, false);
	case ARRAY_OF:
		element = element_of(type);
		return !element || excluded_by_name(expression, annotation->subject, element, false);
	default:
		return false;
	}
}
