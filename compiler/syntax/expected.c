/* expected: turns the list of tokens the grammar could have taken into words for the user.  Tokens
 * that can begin an operand, and those that can go on behind one, are told as one thing each. */
#include "syntax/parser.h"

#include <string.h>

/* All of an expression's beginnings or none: the marks are told together. */
static const char *const operand[] = {"a name", "a number", "a string", "'('", "'sum(...)'", "'-'"};
static const char *const operator[] = {"'+'",  "'-'",  "'*'",  "'/'",  "'@'",  "'^'",
                                       "'<'",  "'>'",  "'<='", "'>='", "'=='", "'!='",
                                       "'..'", "'->'", "'|>'", "'['",  "'.'",  "'('"};
enum { OPERAND_MARKS = 5, OPERATOR_MARKS = 6 }; /* how many of each must be there */
static const char *const setting[] = {"a name",     "'model'",  "'data'",   "'train'",
                                      "'evaluate'", "'sample'", "'energy'", "'posterior'",
                                      "'state'",    "'stage'"};
static const char *const closer[] = {"';'", "')'", "']'", "','", "'}'"};

#define COUNT(list) ((int)(sizeof(list) / sizeof *(list)))

bool expected_has(const char *const *expected, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(expected[i], name))
			return true;
	return false;
}

static bool has_all(const char *const *expected, int n, const char *const *list, int count)
{
	for (int i = 0; i < count; i++)
		if (!expected_has(expected, n, list[i]))
			return false;
	return true;
}

const char *expected_text(struct arena *a, const char *const *expected, int n)
{
	VEC(const char *) told = {0};
	bool operands = has_all(expected, n, operand, OPERAND_MARKS);
	bool operators = has_all(expected, n, operator, OPERATOR_MARKS);
	bool settings = has_all(expected, n, setting, COUNT(setting));
	for (int i = 0; i < COUNT(closer); i++)
		if (expected_has(expected, n, closer[i]))
			vec_push(a, &told, closer[i]);
	for (int i = 0; i < n; i++) {
		const char *name = expected[i];
		if (!expected_has(closer, COUNT(closer), name) &&
		    !(settings && expected_has(setting, COUNT(setting), name)) &&
		    !(n > 1 && !strcmp(name, "end of file")) &&
		    !(operands && expected_has(operand, COUNT(operand), name)) &&
		    !(operators && expected_has(operator, COUNT(operator), name)))
			vec_push(a, &told, name);
	}
	if (settings)
		vec_push(a, &told, "the name of a setting");
	if (operands)
		vec_push(a, &told, "an expression");
	if (operators)
		vec_push(a, &told, "an operator");
	struct buf b;
	buf_init(&b, a);
	for (int i = 0; i < told.n; i++)
		buf_printf(&b, "%s%s", i == 0 ? "" : i == told.n - 1 ? " or " : ", ", told.at[i]);
	return b.s ? b.s : "nothing more";
}

const char *expected_near(struct arena *a, const char *name, const char *const *expected, int n)
{
	VEC(const char *) words = {0};
	for (int i = 0; i < n; i++)
		if (expected[i][0] == '\'' && expected[i][1] >= 'a' && expected[i][1] <= 'z')
			vec_push(a, &words,
			         arena_printf(a, "%.*s", (int)strlen(expected[i]) - 2, expected[i] + 1));
	const char *word = nearest_word(name, words.at, words.n);
	return word ? arena_printf(a, "'%s'", word) : NULL;
}
