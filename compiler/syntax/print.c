/* print: the syntax tree as indented text, for dgm emit --stage=ast and the golden tests.  An
 * expression is (head kid kid ...), on one line where it fits, else one kid a line; of a + b - c
 * and a * b / c that do not fit, an operand a line, each behind its operator. */
#include "syntax/unparse.h"

#include <string.h>

enum { WIDTH = 96, FLAT_MAX = 400 };

static const char *const decl_word[] = {
    [DECL_VISIBLE] = "visible",     [DECL_HIDDEN] = "hidden", [DECL_GIVEN] = "given",
    [DECL_PARAM] = "param",         [DECL_CONST] = "const",   [DECL_LET] = "let",
    [DECL_ENERGY] = "energy",       [DECL_STATE] = "state",   [DECL_FACTOR] = "factor",
    [DECL_POSTERIOR] = "posterior",
};
static const char *const block_word[] = {
    [BLOCK_TRAIN] = "train", [BLOCK_EVALUATE] = "evaluate", [BLOCK_SAMPLE] = "sample"};

static bool is_leaf(const struct ast *e)
{
	return e->kind == AST_BAD || e->kind == AST_NUM || e->kind == AST_STR || e->kind == AST_NAME;
}

static void head(const struct ast *e, struct buf *out)
{
	switch (e->kind) {
	case AST_BAD:
	case AST_NUM:
	case AST_STR:
	case AST_NAME:
		ast_expr_print(e, out);
		break;
	case AST_INDEX:
		buf_puts(out, "index");
		break;
	case AST_CALL:
		buf_printf(out, "call %s", e->name);
		break;
	case AST_FIELD:
		buf_printf(out, "field %s", e->name);
		break;
	case AST_NEG:
		buf_puts(out, "neg");
		break;
	case AST_BIN:
		buf_puts(out, e->op == 'l'   ? "<="
		              : e->op == 'g' ? ">="
		              : e->op == '=' ? "=="
		              : e->op == '!' ? "!="
		                             : (char[]){e->op, '\0'});
		break;
	case AST_REDUCE:
		buf_printf(out, "reduce %s", e->name);
		break;
	case AST_RAMP:
		buf_puts(out, "ramp");
		break;
	case AST_PIPE:
		buf_puts(out, "pipe");
		break;
	case AST_RANGE:
		buf_puts(out, "range");
		break;
	case AST_TUPLE:
		buf_puts(out, "tuple");
		break;
	case AST_GIVEN:
		buf_puts(out, "given");
		break;
	}
}

/* A reduction's binders come before its body, as they are written. */
static int kid_at(const struct ast *e, int k)
{
	return e->kind == AST_REDUCE ? (k + 1) % e->nkid : k;
}

static const char *key_at(const struct ast *e, int k)
{
	return (e->kind == AST_CALL || e->kind == AST_TUPLE) && e->key ? e->key[k] : NULL;
}

/* Stops soon after the text is longer than FLAT_MAX: it will not be used. */
static void flat(const struct ast *e, struct buf *out)
{
	if (out->n > FLAT_MAX)
		return;
	if (is_leaf(e)) {
		head(e, out);
		return;
	}
	buf_putc(out, '(');
	head(e, out);
	for (int i = 0; i < e->nkid && out->n <= FLAT_MAX; i++) {
		int k = kid_at(e, i);
		buf_putc(out, ' ');
		if (key_at(e, k))
			buf_printf(out, "%s=", key_at(e, k));
		flat(e->kid[k], out);
	}
	buf_putc(out, ')');
}

struct printer {
	struct arena *a;
	FILE *out;
};

/* Writes e behind what stands on the line already (`indent` blanks and a little more). */
static void expr(struct printer *p, const struct ast *e, int indent)
{
	struct buf b;
	buf_init(&b, p->a);
	flat(e, &b);
	if (is_leaf(e) || b.n + (size_t)indent <= WIDTH) {
		fprintf(p->out, "%s\n", b.s);
		return;
	}
	if (ast_chain_of(e) != CHAIN_NONE) {
		const char *ops = ast_chain_of(e) == CHAIN_SUM ? "+-" : "*/";
		struct ast_spine s = ast_spine(p->a, e, ops);
		fprintf(p->out, "%s\n%*s", ast_chain_of(e) == CHAIN_SUM ? "sum" : "product", indent + 2,
		        "");
		expr(p, s.first, indent + 2);
		for (int k = 0; k < s.n; k++) {
			fprintf(p->out, "%*s%c ", indent + 2, "", s.node[k]->op);
			expr(p, s.node[k]->kid[1], indent + 2);
		}
		return;
	}
	buf_init(&b, p->a);
	head(e, &b);
	fprintf(p->out, "%s\n", b.s);
	for (int i = 0; i < e->nkid; i++) {
		int k = kid_at(e, i);
		const char *key = key_at(e, k);
		fprintf(p->out, "%*s%s%s", indent + 2, "", key ? key : "", key ? "=" : "");
		expr(p, e->kid[k], indent + 2);
	}
}

static void line(struct printer *p, int indent, const char *what, const struct ast *e)
{
	fprintf(p->out, "%*s%s ", indent, "", what);
	expr(p, e, indent);
}

static void type(struct printer *p, const struct ast_type *t)
{
	fprintf(p->out, "    type %s\n", t->name);
	for (int k = 0; k < t->ndim; k++)
		line(p, 6, "dim", t->dim[k]);
}

static void formal(struct printer *p, const char *what, const struct ast_formal *f)
{
	fprintf(p->out, "  %s %s", what, f->name);
	for (int k = 0; k < f->nindex; k++)
		fprintf(p->out, "%s%s%s", k ? "," : "[", f->index[k], k == f->nindex - 1 ? "]" : "");
	fputc('\n', p->out);
	if (f->type)
		type(p, f->type);
	if (f->value)
		line(p, 4, "=", f->value);
}

static void decl(struct printer *p, const struct ast_decl *d)
{
	fprintf(p->out, "  %s%s%s", decl_word[d->kind], d->name ? " " : "", d->name ? d->name : "");
	for (int k = 0; k < d->nindex; k++)
		fprintf(p->out, "%s%s%s", k ? "," : "[", d->index[k], k == d->nindex - 1 ? "]" : "");
	fputc('\n', p->out);
	for (int k = 0; k < d->nindex; k++)
		if (d->index_bound[k])
			line(p, 4, "where", d->index_bound[k]);
	if (d->has_type)
		type(p, &d->type);
	if (d->rule)
		line(p, 4, "in", d->rule);
	if (d->alias)
		fprintf(p->out, "    as %s\n", d->alias);
	if (d->rel)
		line(p, 4, d->rel == '~' ? "~" : "=", d->value);
	if (d->where)
		line(p, 4, "where", d->where);
	if (d->start)
		line(p, 4, "start", d->start);
}

static void model(struct printer *p, const struct ast_model *m)
{
	fprintf(p->out, "model %s\n", m->name);
	for (int k = 0; k < m->nsize; k++)
		line(p, 2, arena_printf(p->a, "size %s =", m->size[k].name), m->size[k].value);
	for (int k = 0; k < m->ndecl; k++)
		decl(p, &m->decl[k]);
}

static void net(struct printer *p, const char *word, const struct ast_net *n)
{
	fprintf(p->out, "%s %s\n", word, n->name);
	if (n->self.name)
		formal(p, "of", &n->self);
	for (int k = 0; k < n->nformal; k++)
		formal(p, "argument", &n->formal[k]);
	for (int k = 0; k < n->ndecl; k++)
		decl(p, &n->decl[k]);
	if (n->value)
		line(p, 2, "value", n->value);
}

static void fn(struct printer *p, const struct ast_fn *x)
{
	fprintf(p->out, "fn %s", x->name);
	for (int k = 0; k < x->narg; k++)
		fprintf(p->out, " %s", x->arg[k]);
	line(p, 0, " =", x->value);
}

static void settings(struct printer *p, int indent, const struct ast_setting *s, int n)
{
	for (const struct ast_setting *end = s + n; s < end; s++) {
		const char *what = s->stage ? "stage" : s->binds ? "bind" : "set";
		fprintf(p->out, "%*s%s %s\n", indent, "", what, s->name);
		if (s->every)
			line(p, indent + 2, "every", s->every);
		for (int i = 0; i < s->narg; i++)
			line(p, indent + 2, s->key[i] ? arena_printf(p->a, "arg %s =", s->key[i]) : "arg",
			     s->arg[i]);
		settings(p, indent + 2, s->setting, s->nsetting);
	}
}

static void block(struct printer *p, const struct ast_block *b)
{
	fprintf(p->out, "%s %s\n", block_word[b->kind], b->model);
	settings(p, 2, b->setting, b->nsetting);
}

void ast_print(const struct ast_file *f, FILE *out)
{
	struct printer p = {arena_new(), out};
	for (int k = 0; k < f->nitem; k++) {
		const struct ast_item *i = &f->item[k];
		switch (i->kind) {
		case ITEM_MODEL:
			model(&p, i->model);
			break;
		case ITEM_NET:
			net(&p, "net", i->net);
			break;
		case ITEM_LAYER:
			net(&p, "layer", i->net);
			break;
		case ITEM_DIST:
			net(&p, "dist", i->net);
			break;
		case ITEM_FN:
			fn(&p, i->fn);
			break;
		case ITEM_IMPORT:
			line(&p, 0, "import", i->data->value);
			break;
		case ITEM_DATA:
		case ITEM_CONST:
			line(&p, 0,
			     arena_printf(p.a, "%s %s =", i->kind == ITEM_DATA ? "data" : "const",
			                  i->data->name),
			     i->data->value);
			break;
		case ITEM_BLOCK:
			block(&p, i->block);
			break;
		}
	}
	arena_free(p.a);
}
