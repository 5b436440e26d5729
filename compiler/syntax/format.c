/* format: a file in its canonical layout.  One declaration or setting a line, two blanks of indent,
 * the fewest parentheses, lines broken at WIDTH where an expression offers a place.  Comments stay
 * where they are: on their own line before what follows, or behind what they trail.  A statement
 * with a comment inside is left as it was written.  Blank lines: at most one, only where there was
 * one.  Formatting twice changes nothing. */
#include "syntax/unparse.h"

#include <string.h>

enum { WIDTH = 100, INDENT = 2, CONTINUE = 4 };

struct format {
	const struct ast_file *file;
	const struct source *src;
	struct arena *a;
	FILE *out;
	int indent;
	int comment;   /* the next one to write */
	uint32_t last; /* the source is written up to here */
	bool fresh;    /* nothing written since the file or the block began: no blank line */
};

/* ---- lines ---------------------------------------------------------------------------------- */
static bool is_break(char c)
{
	return c >= BREAK && c < BREAK + BREAK_MAX;
}

/* Writes s, turning breaks of depth < `depth` into line ends where the line would get too long, the
 * others into blanks.  Gives the longest line; with `out` NULL only that. */
static int fill(const char *s, int column, int indent, int depth, FILE *out)
{
	int longest = 0;
	for (const char *at = s; *at;) {
		const char *end = at;
		int width = 0; /* of the piece up to the next usable break, in characters */
		while (*end && !(is_break(*end) && *end < BREAK + depth)) {
			if (((unsigned char)*end & 0xC0) != 0x80)
				width++;
			end++;
		}
		if (at != s) { /* there is a break before this piece */
			if (column + 1 + width > WIDTH) {
				column = indent;
				if (out)
					fprintf(out, "\n%*s", indent, "");
			} else {
				column++;
				if (out)
					fputc(' ', out);
			}
		}
		for (const char *c = at; out && c < end; c++)
			fputc(is_break(*c) ? ' ' : *c, out);
		column += width;
		if (column > longest)
			longest = column;
		at = *end ? end + 1 : end;
	}
	return longest;
}

static void put_filled(struct format *f, const char *s)
{
	int depth = 0;
	while (depth < BREAK_MAX && fill(s, f->indent, f->indent + CONTINUE, depth, NULL) > WIDTH)
		depth++;
	fprintf(f->out, "%*s", f->indent, "");
	fill(s, f->indent, f->indent + CONTINUE, depth, f->out);
}

/* A blank line before what stands at `at`, where the source has one. */
static void put_gap(struct format *f, uint32_t at)
{
	int lines = 0;
	for (uint32_t i = f->last; i < at && strchr(" \t\r\n\f\v;", f->src->text[i]); i++)
		if (f->src->text[i] == '\n')
			lines++;
	if (!f->fresh && lines > 1)
		fputc('\n', f->out);
	f->fresh = false;
}

/* ---- comments ------------------------------------------------------------------------------- */
static const struct ast_comment *next_comment(const struct format *f)
{
	return f->comment < f->file->ncomment ? &f->file->comment[f->comment] : NULL;
}

static void put_comment(struct format *f)
{
	const struct ast_comment *c = next_comment(f);
	fwrite(f->src->text + c->span.beg, 1, c->span.end - c->span.beg, f->out);
	f->last = c->span.end;
	f->comment++;
}

static void comments_before(struct format *f, uint32_t at)
{
	for (const struct ast_comment *c; (c = next_comment(f)) && c->span.beg < at;) {
		put_gap(f, c->span.beg);
		fprintf(f->out, "%*s", f->indent, "");
		put_comment(f);
		fputc('\n', f->out);
	}
}

/* Ends the line of what ended at `at` in the source, with the comment behind it there. */
static void end_line(struct format *f, uint32_t at)
{
	f->last = at;
	const struct ast_comment *c = next_comment(f);
	uint32_t i = at;
	while (i < f->src->len && strchr(" \t\r;", f->src->text[i]) && f->src->text[i])
		i++;
	if (c && c->span.beg == i) {
		fputs("  ", f->out);
		put_comment(f);
	}
	fputc('\n', f->out);
}

/* ---- statements -------------------------------------------------------------------------------
 */
static void statement(struct format *f, struct span at, const char *text)
{
	comments_before(f, at.beg);
	put_gap(f, at.beg);
	const struct ast_comment *c = next_comment(f);
	if (c && c->span.beg < at.end) {
		fprintf(f->out, "%*s", f->indent, "");
		for (uint32_t i = at.beg; i < at.end; i++) {
			if (f->src->text[i] != '\r')
				fputc(f->src->text[i], f->out);
		}
		while ((c = next_comment(f)) && c->span.beg < at.end)
			f->comment++;
	} else {
		put_filled(f, text);
	}
	end_line(f, at.end);
}

static struct unparse begin(struct format *f, struct buf *b)
{
	buf_init(b, f->a);
	return (struct unparse){.out = b, .breaks = true};
}

static void decl(struct format *f, const struct ast_decl *d)
{
	static const char *const word[] = {
	    [DECL_VISIBLE] = "visible",     [DECL_HIDDEN] = "hidden", [DECL_GIVEN] = "given",
	    [DECL_PARAM] = "param",         [DECL_CONST] = "const",   [DECL_LET] = "let",
	    [DECL_ENERGY] = "energy",       [DECL_STATE] = "state",   [DECL_FACTOR] = "",
	    [DECL_POSTERIOR] = "posterior",
	};
	struct buf b;
	struct unparse u = begin(f, &b);
	buf_puts(&b, word[d->kind]);
	if (d->name)
		buf_printf(&b, "%s%s", *word[d->kind] ? " " : "", d->name);
	for (int k = 0; k < d->nindex; k++) {
		buf_puts(&b, k ? "," : "[");
		if (d->index_bound[k])
			unparse_expr(&u, d->index_bound[k]);
		else
			buf_puts(&b, d->index[k]);
		buf_puts(&b, k == d->nindex - 1 ? "]" : "");
	}
	if (d->has_type) {
		buf_printf(&b, " : %s", d->type.name);
		if (d->type.ndim)
			unparse_subscripts(&u, d->type.dim, d->type.ndim);
	}
	if (d->rule) {
		buf_puts(&b, " in ");
		unparse_expr(&u, d->rule);
	}
	if (d->alias)
		buf_printf(&b, " as %s", d->alias);
	if (d->rel) {
		buf_printf(&b, " %c ", d->rel);
		unparse_expr(&u, d->value);
	}
	if (d->where) {
		buf_puts(&b, " where ");
		unparse_expr(&u, d->where);
	}
	if (d->start) {
		buf_printf(&b, ", %s[-1] = ", d->name);
		unparse_expr(&u, d->start);
	}
	buf_putc(&b, ';');
	statement(f, d->span, b.s);
}

static void setting(struct format *f, const struct ast_setting *s)
{
	struct buf b;
	struct unparse u = begin(f, &b);
	buf_puts(&b, s->name);
	if (s->every) {
		buf_puts(&b, " every ");
		unparse_expr(&u, s->every);
		buf_puts(&b, " :");
	}
	if (s->binds)
		buf_puts(&b, " =");
	if (s->narg) {
		buf_putc(&b, ' ');
		unparse_args(&u, s->arg, s->key, s->narg);
	}
	buf_putc(&b, ';');
	statement(f, s->span, b.s);
}

static void open_block(struct format *f, struct span item, const char *header);
static void close_block(struct format *f, struct span item);

static void settings(struct format *f, const struct ast_setting *s, int n)
{
	for (int k = 0; k < n; k++) {
		if (!s[k].stage) {
			setting(f, &s[k]);
			continue;
		}
		open_block(f, s[k].span, arena_printf(f->a, "stage %s {", s[k].name));
		settings(f, s[k].setting, s[k].nsetting);
		close_block(f, s[k].span);
	}
}

static void data(struct format *f, const struct ast_data *d, const char *word)
{
	struct buf b;
	struct unparse u = begin(f, &b);
	buf_printf(&b, "%s %s = ", word, d->name);
	unparse_expr(&u, d->value);
	buf_putc(&b, ';');
	statement(f, d->span, b.s);
}

/* ---- braces --------------------------------------------------------------------------------- */
/* The end of the '{' that opens the block whose header runs from `at`. */
static uint32_t brace_end(const struct format *f, uint32_t at)
{
	const char *s = f->src->text;
	bool in_string = false;
	for (; at < f->src->len; at++) {
		if (in_string) {
			if (s[at] == '\\')
				at++;
			else if (s[at] == '"')
				in_string = false;
		} else if (s[at] == '"') {
			in_string = true;
		} else if (s[at] == '#') {
			while (at < f->src->len && s[at] != '\n')
				at++;
		} else if (s[at] == '{') {
			return at + 1;
		}
	}
	return at;
}

static void open_block(struct format *f, struct span item, const char *header)
{
	uint32_t end = brace_end(f, item.beg);
	statement(f, (struct span){item.src, item.beg, end}, header);
	f->indent += INDENT;
	f->fresh = true;
}

static void close_block(struct format *f, struct span item)
{
	comments_before(f, item.end - 1);
	f->indent -= INDENT;
	f->fresh = false;
	fprintf(f->out, "%*s}", f->indent, "");
	end_line(f, item.end);
}

static void model(struct format *f, const struct ast_model *m)
{
	struct buf b;
	struct unparse u = begin(f, &b);
	buf_printf(&b, "model %s", m->name);
	if (m->nsize) {
		VEC(struct ast *) value = {0};
		VEC(const char *) key = {0};
		for (int k = 0; k < m->nsize; k++) {
			vec_push(f->a, &value, m->size[k].value);
			vec_push(f->a, &key, m->size[k].name);
		}
		buf_putc(&b, '(');
		unparse_args(&u, value.at, key.at, m->nsize);
		buf_putc(&b, ')');
	}
	buf_puts(&b, " {");
	open_block(f, m->span, b.s);
	for (int k = 0; k < m->ndecl; k++)
		decl(f, &m->decl[k]);
	close_block(f, m->span);
}

static void formal(struct unparse *u, const struct ast_formal *x)
{
	buf_puts(u->out, x->name);
	for (int k = 0; k < x->nindex; k++)
		buf_printf(u->out, "%s%s%s", k ? "," : "[", x->index[k], k == x->nindex - 1 ? "]" : "");
	if (x->type) {
		buf_printf(u->out, " : %s", x->type->name);
		if (x->type->ndim)
			unparse_subscripts(u, x->type->dim, x->type->ndim);
	}
	if (x->value) {
		buf_puts(u->out, " = ");
		unparse_expr(u, x->value);
	}
}

static void net(struct format *f, const struct ast_net *n, const char *word)
{
	struct buf b;
	struct unparse u = begin(f, &b);
	buf_printf(&b, "%s ", word);
	if (n->self.name) {
		formal(&u, &n->self);
		buf_puts(&b, " ~ ");
	}
	buf_printf(&b, "%s(", n->name);
	for (int k = 0; k < n->nformal; k++) {
		buf_puts(&b, k ? ", " : "");
		formal(&u, &n->formal[k]);
	}
	buf_puts(&b, ") {");
	open_block(f, n->span, b.s);
	for (int k = 0; k < n->ndecl; k++)
		decl(f, &n->decl[k]);
	if (n->value) {
		u = begin(f, &b);
		unparse_expr(&u, n->value);
		statement(f, n->value->span, b.s);
	}
	close_block(f, n->span);
}

static void fn(struct format *f, const struct ast_fn *x)
{
	struct buf b;
	struct unparse u = begin(f, &b);
	buf_printf(&b, "fn %s(", x->name);
	for (int k = 0; k < x->narg; k++)
		buf_printf(&b, "%s%s", k ? ", " : "", x->arg[k]);
	buf_puts(&b, ") = ");
	unparse_expr(&u, x->value);
	buf_putc(&b, ';');
	statement(f, x->span, b.s);
}

static void import(struct format *f, const struct ast_data *d)
{
	struct buf b;
	struct unparse u = begin(f, &b);
	buf_puts(&b, "import ");
	unparse_expr(&u, d->value);
	buf_putc(&b, ';');
	statement(f, d->span, b.s);
}

static void block(struct format *f, const struct ast_block *b)
{
	static const char *const word[] = {
	    [BLOCK_TRAIN] = "train", [BLOCK_EVALUATE] = "evaluate", [BLOCK_SAMPLE] = "sample"};
	open_block(f, b->span, arena_printf(f->a, "%s %s {", word[b->kind], b->model));
	settings(f, b->setting, b->nsetting);
	close_block(f, b->span);
}

void ast_format(const struct ast_file *file, const struct source *src, FILE *out)
{
	struct format f = {.file = file, .src = src, .a = arena_new(), .out = out, .fresh = true};
	for (int k = 0; k < file->nitem; k++) {
		const struct ast_item *i = &file->item[k];
		switch (i->kind) {
		case ITEM_MODEL:
			model(&f, i->model);
			break;
		case ITEM_NET:
			net(&f, i->net, "net");
			break;
		case ITEM_LAYER:
			net(&f, i->net, "layer");
			break;
		case ITEM_DIST:
			net(&f, i->net, "dist");
			break;
		case ITEM_FN:
			fn(&f, i->fn);
			break;
		case ITEM_IMPORT:
			import(&f, i->data);
			break;
		case ITEM_DATA:
			data(&f, i->data, "data");
			break;
		case ITEM_CONST:
			data(&f, i->data, "const");
			break;
		case ITEM_BLOCK:
			block(&f, i->block);
			break;
		}
	}
	comments_before(&f, (uint32_t)src->len);
	arena_free(f.a);
}
