/* lexer: the actions of grammar/dgm.l.  They turn a matched span of the source into a token and its
 * value, and say what is wrong with text that is none. */
#include "syntax/lexer.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *span_text(struct parser *p, struct span at)
{
	return p->src->text + at.beg;
}

static int span_len(struct span at)
{
	return (int)(at.end - at.beg);
}

static const char *span_intern(struct parser *p, struct span at)
{
	return intern_n(span_text(p, at), at.end - at.beg);
}

static int token_done(struct parser *p, int token)
{
	p->line_start = false;
	p->after_dot = token == '.';
	return token;
}

void lex_comment(struct parser *p, struct span at)
{
	while (at.end > at.beg && strchr(" \t\r", p->src->text[at.end - 1]))
		at.end--;
	vec_push(p->a, &p->comment, ((struct ast_comment){at, p->line_start}));
}

int lex_sign(struct parser *p, int token)
{
	if (token == '(' || token == '[')
		p->parens++;
	else if ((token == ')' || token == ']') && p->parens > 0)
		p->parens--;
	else if (token == '{' || token == '}' || token == ';')
		p->parens = 0;
	return token_done(p, token);
}

/* ---- words ---------------------------------------------------------------------------------- */
static const struct {
	const char *text;
	int token;
} words[] = {
    {"model", MODEL},
    {"data", DATA},
    {"const", CONST},
    {"train", TRAIN},
    {"evaluate", EVALUATE},
    {"sample", SAMPLE},
    {"visible", VISIBLE},
    {"hidden", HIDDEN},
    {"given", GIVEN},
    {"param", PARAM},
    {"let", LET},
    {"energy", ENERGY},
    {"stage", STAGE},
    {"every", EVERY},
    {"sum", REDUCE_WORD},
    {"mean", REDUCE_WORD},
    {"max", REDUCE_WORD},
    {"min", REDUCE_WORD},
    {"prod", REDUCE_WORD},
    {"logsumexp", REDUCE_WORD},
    {"net", NET},
    {"layer", LAYER},
    {"dist", DIST},
    {"fn", FN},
    {"import", IMPORT},
    {"posterior", POSTERIOR},
    {"state", STATE},
    {"where", WHERE},
    {"in", IN},
    {"as", AS},
};

/* The first byte behind blanks and comments, and the one after it. */
static const char *peek(const char *s)
{
	for (;; s++) {
		if (*s == '#') {
			while (*s && *s != '\n')
				s++;
		}
		if (!*s || !strchr(" \t\r\n\f\v", *s))
			return s;
	}
}

int lex_word(struct parser *p, DGM_YYSTYPE *value, struct span at)
{
	const char *text = span_text(p, at);
	size_t len = at.end - at.beg;
	int token = NAME;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strlen(words[i].text) == len && !memcmp(words[i].text, text, len))
			token = words[i].token;
	if (token != NAME) {
		const char *next = peek(text + len);
		bool key = p->parens > 0 && next[0] == '=' && next[1] != '=';
		if (p->after_dot || key || (token == REDUCE_WORD && *next != '(') ||
		    (token != REDUCE_WORD && token != EVERY && *next == '('))
			token = NAME;
	}
	value->NAME = span_intern(p, at);
	return token_done(p, token);
}

int lex_foreign_word(struct parser *p, DGM_YYSTYPE *value, struct span at)
{
	value->NAME = span_intern(p, at);
	diag(p->cx->diags, DIAG_SYNTAX_NAME_CHAR, at, value->NAME);
	return token_done(p, NAME);
}

/* ---- numbers ----------------------------------------------------------------------------------
 */
int lex_number(struct parser *p, DGM_YYSTYPE *value, struct span at, const char *text)
{
	double num = strtod(text, NULL);
	if (isfinite(num)) {
		value->NUMBER = node_num(p, num, at);
	} else {
		diag(p->cx->diags, DIAG_SYNTAX_NUMBER_LARGE, at, token_text(p, at));
		value->NUMBER = node_bad(p, at);
	}
	return token_done(p, NUMBER);
}

int lex_bad_number(struct parser *p, DGM_YYSTYPE *value, struct span at)
{
	diag(p->cx->diags, DIAG_SYNTAX_NUMBER, at, token_text(p, at));
	if (*span_text(p, at) == '.')
		diag(p->cx->diags, DIAG_NOTE, at, "write a digit before the point, as in 0.5");
	value->NUMBER = node_bad(p, at);
	return token_done(p, NUMBER);
}

/* ---- strings ----------------------------------------------------------------------------------
 */
/* The characters between the quotes; `at` is without the quotes. */
static const char *unescape(struct parser *p, struct span at)
{
	struct buf b;
	buf_init(&b, p->a);
	buf_puts(&b, "");
	for (uint32_t i = at.beg; i < at.end; i++) {
		char c = p->src->text[i];
		struct span here = {at.src, i, i + 1};
		if (((unsigned char)c < 0x20 && c != '\t') || c == 0x7F) {
			diag(p->cx->diags, DIAG_SYNTAX_STRING_BYTE, here, (unsigned)(unsigned char)c);
			continue;
		}
		if (c != '\\' || i + 1 >= at.end) {
			buf_putc(&b, c);
			continue;
		}
		char next = p->src->text[++i];
		if (next == 'n') {
			buf_putc(&b, '\n');
		} else if (next == '"' || next == '\\') {
			buf_putc(&b, next);
		} else {
			here.end = i + 1;
			while (here.end < at.end && ((unsigned char)p->src->text[here.end] & 0xC0) == 0x80)
				here.end++;
			diag(p->cx->diags, DIAG_SYNTAX_ESCAPE, here, token_text(p, here));
			buf_putc(&b, next);
		}
	}
	return intern_n(b.s, b.n);
}

int lex_string(struct parser *p, DGM_YYSTYPE *value, struct span at)
{
	struct span inside = {at.src, at.beg + 1, at.end - 1};
	value->STRING = node_name(p, AST_STR, unescape(p, inside), at);
	return token_done(p, STRING);
}

/* The string is taken to end before what most likely follows it, so that the statement goes on. */
int lex_open_string(struct parser *p, DGM_YYSTYPE *value, struct span *at, void *scanner)
{
	struct span whole = *at;
	uint32_t end = at->end;
	while (end > at->beg + 1 && strchr(" \t\r;,)", p->src->text[end - 1]) && p->src->text[end - 1])
		end--;
	lex_keep(at, end - at->beg, scanner);
	while (whole.end > end && strchr(" \t\r", p->src->text[whole.end - 1]))
		whole.end--;
	diag(p->cx->diags, DIAG_SYNTAX_STRING_OPEN, whole);
	value->STRING = node_bad(p, *at);
	return token_done(p, STRING);
}

/* ---- characters outside the language ---- */
static const struct {
	uint32_t code;
	int token;        /* what it stands for; 0: nothing, it is skipped */
	const char *mend; /* how to write that */
} lookalikes[] = {
    {0x2212, '-', "'-'"},         {0x2013, '-', "'-'"},     {0x2014, '-', "'-'"},
    {0xD7, '*', "'*'"},           {0xB7, '*', "'*'"},       {0x22C5, '*', "'*'"},
    {0x2217, '*', "'*'"},         {0xF7, '/', "'/'"},       {0x2264, LE, "'<='"},
    {0x2265, GE, "'>='"},         {0x2260, NE, "'!='"},     {0x2192, ARROW, "'->'"},
    {0x223C, '~', "'~'"},         {0x2026, DOTDOT, "'..'"}, {0x2211, 0, "'sum(i) ...'"},
    {0x220F, 0, "'prod(i) ...'"}, {0xB2, 0, "'^2'"},        {0xB3, 0, "'^3'"},
    {0xA0, 0, "a plain blank"},   {0x201C, 0, "'\"'"},      {0x201D, 0, "'\"'"},
    {0x2018, 0, "'\"'"},          {0x2019, 0, "'\"'"},      {'\'', 0, "'\"'"},
    {'|', PIPE, "'|>'"},          {'!', NE, "'!='"},        {'%', 0, "'#' for a comment"},

};

/* Decodes a well-formed character; the lexer has checked its shape. */
static uint32_t decode(const char *s, int len)
{
	static const unsigned char mask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
	uint32_t code = (unsigned char)s[0] & mask[len];
	for (int i = 1; i < len; i++)
		code = code << 6 | ((unsigned char)s[i] & 0x3F);
	return code;
}

int lex_bad_char(struct parser *p, struct span at)
{
	struct diags *d = p->cx->diags;
	const char *text = span_text(p, at);
	int len = span_len(at);
	bool again = p->bad_end == at.beg && at.beg > 0;
	p->bad_end = at.end;
	if (len == 1 && (unsigned char)*text >= 0x80) {
		if (!again)
			diag(d, DIAG_SYNTAX_BYTE, at, (unsigned)(unsigned char)*text);
		return 0;
	}
	uint32_t code = decode(text, len);
	if (code == 0xFEFF && at.beg == 0) /* a byte order mark */
		return 0;
	size_t k = 0, n = sizeof lookalikes / sizeof *lookalikes;
	while (k < n && lookalikes[k].code != code)
		k++;
	if (!again) {
		const char *named =
		    code < 0x20 || (code >= 0x7F && code <= 0xA0)
		        ? arena_printf(p->cx->tmp, "U+%04X", (unsigned)code)
		    : code < 0x7F ? arena_printf(p->cx->tmp, "'%c'", (int)code)
		                  : arena_printf(p->cx->tmp, "'%.*s' (U+%04X)", len, text, (unsigned)code);
		diag(d, DIAG_SYNTAX_CHAR, at, named);
		if (k < n && lookalikes[k].mend)
			diag(d, DIAG_NOTE, at, arena_printf(p->cx->tmp, "write %s", lookalikes[k].mend));
	}
	return k < n && lookalikes[k].token ? lex_sign(p, lookalikes[k].token) : 0;
}
