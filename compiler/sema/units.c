/* units: which units of a variable a clause means: all of it (v), or those at which conditions on
 * named subscripts hold:
 *     v[y,x], y < 14, x != y      over y, x:  [y < 14] * [x != y]
 * A subscript that is a number picks one place of its axis. */
#include "sema/internal.h"

#include <string.h>

static struct node *at_place(struct sema *s, const struct scope *sc, const struct variable *v,
                             int axis, const struct ast *e, const struct idx *ix)
{
	double c;
	if (!sema_const(s, sc, e, &c))
		return NULL;
	if (!(c >= 0 && c < (double)v->sym->dim[axis]) || c != (double)(int64_t)c) {
		diag(s->cx->diags, DIAG_SEMA_OUT_OF_RANGE, e->span, c, c, axis + 1, v->name,
		     (long long)v->sym->dim[axis]);
		return NULL;
	}
	struct affine gap = affine_add(s->a, affine_const(-(int64_t)c), affine_idx(s->a, ix), 1);
	return ex_mask(s->a, &(struct guard){true, gap}, 1, ex_num(s->a, 1));
}

static struct ix *name_axis(struct term *t, const struct variable *v, int axis, const struct ast *e)
{
	const struct ix *before = sema_active(t, e->name);
	if (before) {
		diag(t->s->cx->diags, DIAG_SEMA_INDEX_TWICE, e->span, e->name);
		sema_note(t->s, before->span, "it is bound here");
		t->bad = true;
	}
	struct ix *i = sema_ix_new(t, e->name, e->span);
	sema_use(
	    t, i,
	    (struct use){.size = v->sym->dim[axis], .of = v->name, .axis = axis + 1, .span = e->span});
	vec_push(t->a, &t->active, i);
	return i;
}

/* The index of each axis, and in *held the product of the places that numbers pick. */
static bool read_subscripts(struct term *t, const struct ast *e, struct units *u)
{
	struct sema *s = t->s;
	const struct sym *sym = u->var->sym;
	bool ok = true;
	if (e->nkid - 1 != sym->rank) {
		diag(s->cx->diags, DIAG_SEMA_SUBSCRIPTS, e->span, u->var->name, sym->rank,
		     sym->rank == 1 ? "axis" : "axes", e->nkid - 1);
		return false;
	}
	for (int k = 0; k < sym->rank; k++) {
		const struct ast *sub = e->kid[k + 1];
		if (sub->kind == AST_NAME && !sema_hidden_by_index(t->scope, sub->name)) {
			name_axis(t, u->var, k, sub)->now = affine_idx(s->a, u->at[k]);
			continue;
		}
		struct node *here = at_place(s, t->scope, u->var, k, sub, u->at[k]);
		ok = ok && here != NULL;
		if (here)
			u->held = ex_mul(s->a, u->held, here);
	}
	return ok;
}

static int64_t sym_units(const struct sym *s)
{
	int64_t n = 1;
	for (int k = 0; k < s->rank; k++)
		n *= s->dim[k];
	return n;
}

/* How many units the factor of *held is 1 at. */
static int64_t units_at(const struct units *u, const struct node *here)
{
	const struct sym *v = u->var->sym;
	struct env env = {.load = NULL};
	struct binding b[MAX_RANK];
	int64_t n = 0;
	for (int64_t i = 0; i < sym_units(v); i++) {
		int64_t rest = i;
		for (int k = v->rank - 1; k >= 0; rest /= v->dim[k--])
			b[k] = (struct binding){u->at[k], rest % v->dim[k]};
		n += ex_eval(here, &env, b, v->rank) != 0;
	}
	return n;
}

static void warn_idle(const struct sema *s, const struct units *u, const struct node *here,
                      struct span at)
{
	int64_t n = units_at(u, here);
	if (n == 0 || n == sym_units(u->var->sym))
		diag(s->cx->diags, DIAG_SEMA_CONDITION_IDLE, at, n ? "every" : "no", u->var->name);
}

struct units *sema_units(struct sema *s, const struct scope *sc, struct model_def *m,
                         struct ast *const *arg, int narg)
{
	struct units *u = NEW(s->a, struct units);
	struct term t;
	const struct ast *of = arg[0]->kind == AST_INDEX ? arg[0]->kid[0] : arg[0];
	for (int k = 0; k < m->var.n && of->kind == AST_NAME; k++)
		if (!strcmp(m->var.at[k]->name, of->name))
			u->var = m->var.at[k];
	if (!u->var) {
		diag(s->cx->diags, DIAG_SEMA_UNITS, of->span, m->name);
		return NULL;
	}
	for (int k = 0; k < u->var->sym->rank; k++)
		u->at[k] = idx_new(s->a,
		                   arg[0]->kind == AST_INDEX && k + 1 < arg[0]->nkid &&
		                           arg[0]->kid[k + 1]->kind == AST_NAME
		                       ? arg[0]->kid[k + 1]->name
		                       : "i",
		                   u->var->sym->dim[k]);
	u->held = ex_num(s->a, 1);
	sema_term_init(&t, s, sc, m, TERM_UNITS);
	bool ok = arg[0]->kind != AST_INDEX || read_subscripts(&t, arg[0], u);
	struct rt **cond = NEW_ARRAY(s->a, struct rt *, narg);
	for (int k = 1; ok && k < narg; k++) {
		cond[k] = sema_resolve(&t, arg[k]);
		if (cond[k] && cond[k]->kind != RT_WHERE) {
			diag(s->cx->diags, DIAG_SEMA_CONDITION, arg[k]->span);
			t.bad = true;
		}
	}
	sema_term_finish(&t);
	if (!ok || t.bad)
		return NULL;
	for (int k = 1; k < narg; k++) {
		struct node *here = sema_build(&t, cond[k]);
		warn_idle(s, u, here, arg[k]->span);
		u->held = ex_mul(s->a, u->held, here);
	}
	u->held = ex_with_span(s->a, u->held, span_join(arg[0]->span, arg[narg - 1]->span));
	return u;
}
