/* resolve_reduce: sum(i, j < i) body and its relatives, and the conditions of their binders.
 * A name in a binder that is no index yet, and nothing else in a formula, becomes one: sum(i < d)
 * binds i where d is an index already, and both where it is not. */
#include "sema/internal.h"

#include <string.h>

bool sema_is_reduction(const char *name, enum reduce *red, bool *mean)
{
	static const struct {
		const char *name;
		enum reduce red;
		bool mean;
	} table[] = {{"sum", RED_SUM, false},   {"mean", RED_SUM, true},
	             {"prod", RED_PROD, false}, {"max", RED_MAX, false},
	             {"min", RED_MIN, false},   {"logsumexp", RED_LOGSUMEXP, false}};
	for (size_t k = 0; k < sizeof table / sizeof *table; k++) {
		if (strcmp(table[k].name, name))
			continue;
		*red = table[k].red;
		*mean = table[k].mean;
		return true;
	}
	return false;
}

/* Binds a name; the index is active whether or not an error was given. */
static void bind_index(struct term *t, const struct ast *name, struct rt *r)
{
	const struct ix *before = sema_active(t, name->name);
	const struct entry *n = sema_hidden_by_index(t->scope, name->name);
	if (before) {
		diag(t->s->cx->diags, DIAG_SEMA_INDEX_TWICE, name->span, name->name);
		sema_note(t->s, before->span, "it is bound here");
		t->bad = true;
	} else if (n) {
		diag(t->s->cx->diags, DIAG_SEMA_INDEX_SHADOWS, name->span, name->name, sema_kind_word(n));
		sema_note(t->s, n->span, "'%s' is declared here", n->name);
		t->bad = true;
	}
	struct ix *i = sema_ix_new(t, name->name, name->span);
	i->poison = before || n;
	vec_push(t->a, &t->active, i);
	r->bound[r->nbound++] = i;
}

static int count_names(const struct ast *e)
{
	int n = 0;
	for (; e->kind == AST_BIN; e = e->kid[0])
		n += count_names(e->kid[1]);
	n += e->kind == AST_NAME;
	for (int k = 0; k < e->nkid; k++)
		n += count_names(e->kid[k]);
	return n;
}

static void bind_new_names(struct term *t, const struct ast *e, struct rt *r)
{
	if (e->kind == AST_NAME) {
		if (!sema_active(t, e->name) && !sema_hidden_by_index(t->scope, e->name))
			bind_index(t, e, r);
	} else if (e->kind == AST_NEG) {
		bind_new_names(t, e->kid[0], r);
	} else if (e->kind == AST_BIN) {
		struct ast_spine line = ast_spine(t->a, e, "+-*/@^<>lg=!");
		bind_new_names(t, line.first, r);
		for (int k = 0; k < line.n; k++)
			bind_new_names(t, line.node[k]->kid[1], r);
	}
}

bool sema_condition(struct term *t, const struct ast *e, struct cond *out)
{
	struct aff x, y;
	bool ok = sema_affine(t, e->kid[0], &x);
	if (!sema_affine(t, e->kid[1], &y) || !ok)
		return false;
	struct aff one = sema_aff_const(1);
	struct aff up = sema_aff_add(t->a, y, x, -1), down = sema_aff_add(t->a, x, y, -1);
	out->rel = COND_GE;
	switch (e->op) {
	case '<':
		out->e = sema_aff_add(t->a, up, one, -1);
		return true;
	case '>':
		out->e = sema_aff_add(t->a, down, one, -1);
		return true;
	case 'l':
		out->e = up;
		return true;
	case 'g':
		out->e = down;
		return true;
	case '=':
	case '!':
		out->rel = e->op == '=' ? COND_EQ : COND_NE;
		out->e = down;
		return true;
	default:
		BUG("comparison '%c'", e->op);
	}
}

static bool is_comparison(const struct ast *e)
{
	return e->kind == AST_BIN && e->op && strchr("<>lg=!", e->op);
}

struct rt *sema_resolve_reduce(struct term *t, const struct ast *e)
{
	struct rt *r = sema_rt(t, RT_REDUCE, NULL);
	if (!sema_is_reduction(e->name, &r->red, &r->mean))
		BUG("reduction '%s'", e->name);
	int nactive = t->active.n, ncond = t->cond.n, names = 0;
	for (int k = 1; k < e->nkid; k++)
		names += count_names(e->kid[k]);
	r->bound = NEW_ARRAY(t->a, struct ix *, names);
	r->cond = NEW_ARRAY(t->a, struct cond, e->nkid);
	for (int k = 1; k < e->nkid; k++) {
		const struct ast *b = e->kid[k];
		if (b->kind == AST_NAME) {
			bind_index(t, b, r);
			continue;
		}
		if (!is_comparison(b)) {
			t->bad = true; /* the parser has said so */
			continue;
		}
		bind_new_names(t, b, r);
		if (sema_condition(t, b, &r->cond[r->ncond])) {
			vec_push(t->a, &t->cond, r->cond[r->ncond]);
			r->ncond++;
		}
	}
	if (!r->nbound && !t->bad) {
		diag(t->s->cx->diags, DIAG_SEMA_BINDER, e->nkid > 1 ? e->kid[1]->span : e->span, e->name);
		sema_note(t->s, e->span, "name the index as well: %s(i, i < j)", e->name);
		t->bad = true;
	}
	if (t->active.n > MAX_BOUND && nactive <= MAX_BOUND) {
		diag(t->s->cx->diags, DIAG_SEMA_BOUND, e->span, t->active.n, MAX_BOUND);
		t->bad = true;
	}
	struct rt *body = sema_resolve(t, e->kid[0]);
	for (int k = 0; k < r->nbound; k++)
		sema_bounded(r->bound[k], r->cond, r->ncond);
	sema_range(t, r, e, ncond);
	t->active.n = nactive;
	t->cond.n = ncond;
	if (!body)
		return sema_poison(t);
	r->axis = body->axis;
	r->naxis = body->naxis;
	r->kid = NEW_ARRAY(t->a, struct rt *, 1);
	r->kid[r->nkid++] = body;
	return r;
}

struct rt *sema_resolve_over_axes(struct term *t, const struct ast *e, struct rt *body)
{
	if (!body->naxis) {
		diag(t->s->cx->diags, DIAG_SEMA_NOTHING_TO_REDUCE, e->span, e->name);
		sema_note(t->s, e->span, "name the index: %s(i) ...", e->name);
		return sema_poison(t);
	}
	struct rt *r = sema_rt(t, RT_REDUCE, NULL);
	sema_is_reduction(e->name, &r->red, &r->mean);
	r->bound = body->axis;
	r->nbound = body->naxis;
	r->kid = NEW_ARRAY(t->a, struct rt *, 1);
	r->kid[r->nkid++] = body;
	return r;
}
