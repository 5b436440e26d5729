/* parse: runs the lexer and the grammar over a source.  Between them sits a token filter that keeps
 * one mistake from becoming many:
 *   - a word that begins an item (train NAME {, ...) while a '{' is open: the '}' is missing; says
 * so and supplies it;
 *   - after an error, a word that begins a statement at the start of a line: supplies the ';' at
 *     which the grammar goes on, so that this statement is not skipped as well;
 *   - a header that ends its line without '{': supplies it after the message. */
#include "syntax/lexer.h"

#include <string.h>

struct token {
	int kind;
	DGM_YYSTYPE value;
	struct span at;
	bool supplied; /* not in the source */
	bool again;    /* a token has been supplied before it */
};

struct filter {
	void *scanner;
	bool begun;
	bool recovering;        /* from an error to the next ';', '{' or '}' */
	bool in_block;          /* the last item word was train, evaluate or sample, not model */
	int depth;              /* of '{' */
	struct span open;       /* the last '{' */
	struct token last, cur; /* handed to the grammar, cur after last */
	struct token held;
	bool has_held;
	bool brace_first; /* before the held token comes a supplied '{' */
};

static bool first_on_line(const struct source *src, uint32_t at)
{
	while (at > 0 && strchr(" \t\r\f\v", src->text[at - 1]) && src->text[at - 1])
		at--;
	return at == 0 || src->text[at - 1] == '\n';
}

static const char *skip_blanks(const char *s)
{
	while (*s && strchr(" \t", *s))
		s++;
	return s;
}

static const char *skip_name(const char *s)
{
	while (*s == '_' || (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') ||
	       (*s >= 'A' && *s <= 'Z'))
		s++;
	return s;
}

/* Whether t begins an item as nothing inside a block does: "train NAME {", "model NAME (", or
 * "data NAME =" at the very start of a line. */
static bool begins_item(const struct parser *p, const struct token *t)
{
	bool is_data = t->kind == DATA;
	bool is_part = t->kind == MODEL || t->kind == NET || t->kind == LAYER;
	if (!is_data && !is_part && t->kind != TRAIN && t->kind != EVALUATE && t->kind != SAMPLE)
		return false;
	if (is_data && t->at.beg > 0 && p->src->text[t->at.beg - 1] != '\n')
		return false;
	const char *name = skip_blanks(p->src->text + t->at.end);
	const char *behind = skip_name(name);
	if (behind == name)
		return false;
	behind = skip_blanks(behind);
	return is_data ? *behind == '=' : *behind == '{' || (is_part && *behind == '(');
}

/* Whether t, the first on its line, begins a statement where the grammar stands. */
static bool begins_statement(const struct parser *p, const struct token *t)
{
	const struct filter *f = p->filter;
	if (!first_on_line(p->src, t->at.beg))
		return false;
	if (f->depth == 0)
		return t->kind == MODEL || t->kind == NET || t->kind == LAYER || t->kind == DIST ||
		       t->kind == FN || t->kind == IMPORT || t->kind == DATA || t->kind == CONST ||
		       t->kind == TRAIN || t->kind == EVALUATE || t->kind == SAMPLE;
	if (f->in_block)
		return p->parens == 0 &&
		       (t->kind == NAME || t->kind == STAGE || t->kind == MODEL || t->kind == DATA ||
		        t->kind == SAMPLE || t->kind == TRAIN || t->kind == EVALUATE || t->kind == ENERGY);
	return t->kind == VISIBLE || t->kind == HIDDEN || t->kind == GIVEN || t->kind == PARAM ||
	       t->kind == CONST || t->kind == LET || t->kind == STATE || t->kind == POSTERIOR ||
	       t->kind == ENERGY;
}

static void hold(struct filter *f, const struct token *t, bool again)
{
	f->held = *t;
	f->held.again = again;
	f->has_held = true;
}

/* A token that is not in the source, just behind the last one that is. */
static struct token supply(const struct parser *p, int kind)
{
	uint32_t end = p->filter->cur.at.end;
	return (struct token){.kind = kind, .at = {p->src->id, end, end}, .supplied = true};
}

static struct token next_token(struct parser *p)
{
	struct filter *f = p->filter;
	struct token t = {0};
	if (f->brace_first) {
		f->brace_first = false;
		return supply(p, '{');
	}
	if (f->has_held) {
		f->has_held = false;
		t = f->held;
	} else {
		t.kind = dgm_scan(&t.value, &t.at, f->scanner);
	}
	if (f->depth > 0 && !p->one_value && (t.kind == END || begins_item(p, &t))) {
		struct token brace = supply(p, '}');
		if (!t.again) { /* a stage and its block end here */
			diag(p->cx->diags, DIAG_SYNTAX_UNCLOSED, brace.at,
			     t.kind == END ? "the end of the file"
			                   : arena_printf(p->cx->tmp, "'%s'", token_text(p, t.at)));
			diag(p->cx->diags, DIAG_NOTE, f->open, "this '{' is not closed");
		}
		f->depth = f->in_block ? f->depth : 1;
		hold(f, &t, true);
		return brace;
	}
	if (f->recovering && !t.again && begins_statement(p, &t)) {
		hold(f, &t, true);
		return supply(p, ';');
	}
	return t;
}

int dgm_yylex(DGM_YYSTYPE *value, struct span *at, struct parser *p)
{
	struct filter *f = p->filter;
	if (!f->begun) {
		f->begun = true;
		*at = (struct span){p->src->id, 0, 0};
		return p->one_value ? START_SET : START_FILE;
	}
	struct token t = next_token(p);
	if (t.kind == '{') {
		f->depth++;
		f->open = t.at;
	} else if (t.kind == '}' && f->depth > 0) {
		f->depth--;
	} else if (f->depth == 0 &&
	           (t.kind == MODEL || t.kind == NET || t.kind == LAYER || t.kind == DIST)) {
		f->in_block = false;
	} else if (f->depth == 0 && (t.kind == TRAIN || t.kind == EVALUATE || t.kind == SAMPLE)) {
		f->in_block = true;
	}
	if (t.kind == ';' || t.kind == '{' || t.kind == '}')
		f->recovering = false;
	f->last = f->cur;
	f->cur = t;
	*value = t.value;
	*at = t.at;
	return t.kind;
}

/* ---- messages ------------------------------------------------------------------------------- */
const char *token_text(struct parser *p, struct span at)
{
	enum { LONGEST = 40 };
	uint32_t end = at.end;
	if (end - at.beg <= LONGEST)
		return arena_printf(p->cx->tmp, "%.*s", (int)(end - at.beg), p->src->text + at.beg);
	end = at.beg + LONGEST - 3;
	while (end > at.beg && ((unsigned char)p->src->text[end] & 0xC0) == 0x80)
		end--;
	return arena_printf(p->cx->tmp, "%.*s...", (int)(end - at.beg), p->src->text + at.beg);
}

void syntax_too_deep(struct parser *p, struct span at)
{
	if (!p->too_deep)
		diag(p->cx->diags, DIAG_SYNTAX_DEEP, at, AST_DEPTH_MAX);
	p->too_deep = true;
}

static const char *const declarations[] = {"'visible'", "'hidden'", "'given'",
                                           "'param'",   "'const'",  "'let'",
                                           "'energy'",  "'state'",  "'posterior'"};

void syntax_unexpected(struct parser *p, const char *const *expected, int n)
{
	struct filter *f = p->filter;
	struct token t = f->cur;
	bool was_recovering = f->recovering;
	f->recovering = true;
	if (t.supplied) /* what it stands for has been told */
		return;
	bool ended = t.kind == END;
	if (!ended && first_on_line(p->src, t.at.beg))
		ended = expected_has(expected, n, "';'") || expected_has(expected, n, "')'") ||
		        expected_has(expected, n, "']'");
	struct span at = t.at;
	if (ended && f->last.at.src)
		at.beg = at.end = f->last.at.end;
	const char *what = t.kind != END  ? arena_printf(p->cx->tmp, "'%s'", token_text(p, t.at))
	                   : p->one_value ? "end of the value"
	                                  : "end of the file";
	diag(p->cx->diags, DIAG_SYNTAX_UNEXPECTED, at, what, expected_text(p->cx->tmp, expected, n));

	const char *word = NULL;
	struct token meant = t; /* hiden h : ...; the odd word is the one before */
	if (t.kind == NAME && f->last.kind == NAME && f->depth > 0 && !f->in_block)
		meant = f->last;
	if (meant.at.beg != t.at.beg)
		word = expected_near(p->cx->tmp, meant.value.NAME, declarations,
		                     sizeof declarations / sizeof *declarations);
	else if (t.kind == NAME)
		word = expected_near(p->cx->tmp, t.value.NAME, expected, n);
	if (word)
		diag(p->cx->diags, DIAG_NOTE, meant.at, arena_printf(p->cx->tmp, "did you mean %s?", word));
	else if (t.kind >= MODEL && t.kind <= EVERY && !first_on_line(p->src, t.at.beg) &&
	         expected_has(expected, n, "a name"))
		diag(p->cx->diags, DIAG_NOTE, t.at,
		     arena_printf(p->cx->tmp, "'%s' is a word of the language and cannot be a name here",
		                  token_text(p, t.at)));
	if (was_recovering || t.again)
		return;
	if (begins_statement(p, &t)) {
		hold(f, &t, false);
	} else if ((t.kind == NAME || (t.kind >= VISIBLE && t.kind <= ENERGY)) &&
	           expected_has(expected, n, "'{'") && first_on_line(p->src, t.at.beg)) {
		hold(f, &t, true);
		f->brace_first = true;
	}
}

/* ---- entry points -------------------------------------------------------------------------------
 */
static void run(struct parser *p)
{
	struct filter f = {.scanner = lex_begin(p)};
	p->filter = &f;
	p->a = p->cx->prog;
	p->line_start = true;
	dgm_yyparse(p);
	lex_end(f.scanner);
}

struct ast_file *parse(struct cx *cx, const struct source *src)
{
	struct parser p = {.cx = cx, .src = src};
	run(&p);
	struct ast_file *file = NEW(cx->prog, struct ast_file);
	file->src = src->id;
	file->item = p.item.at;
	file->nitem = p.item.n;
	file->comment = p.comment.at;
	file->ncomment = p.comment.n;
	return file;
}

struct ast_setting *parse_value(struct cx *cx, const struct source *src)
{
	int before = diags_errors(cx->diags);
	struct parser p = {.cx = cx, .src = src, .one_value = true};
	run(&p);
	return diags_errors(cx->diags) == before ? p.value : NULL;
}
