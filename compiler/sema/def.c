/* def: what is computed once: the value of an expression over its axes, as a symbol that others
 * use.  Noise, the draws in an expression, is computed on its own, so that whatever reads it twice
 * (a gradient does) reads the same numbers. */
#include "sema/internal.h"

#include <string.h>

/* Does x depend on the example?  Then the symbol has a value for each. */
static bool batched(const struct node *x)
{
	if ((x->kind == N_ACCESS && x->batch) || (x->kind == N_OP && op_flags(x->op) & OPF_DRAW))
		return true;
	for (int k = 0; k < x->nkid; k++)
		if (batched(x->kid[k]))
			return true;
	return false;
}

struct def *sema_def_new(struct sema *s, struct model_def *m, const char *name,
                         const struct idx *const *at, int nat, struct node *rhs, struct span span)
{
	struct def *d = NEW(s->a, struct def);
	int64_t dim[MAX_RANK];
	for (int k = 0; k < nat; k++) {
		d->at[k] = at[k];
		dim[k] = at[k]->size;
	}
	d->rhs = rhs;
	d->span = span;
	d->sym = sym_new(s->a, name, SYM_TEMP, VALUES_REAL, batched(rhs), nat, dim, span);
	d->sym->info = d;
	vec_push(s->a, &m->def, d);
	return d;
}

/* Indices of a term's own for axes, named like them. */
static void own_indices(struct term *t, struct ix *const *axis, int n, const struct idx **at)
{
	for (int k = 0; k < n; k++)
		if (sema_ix(axis[k])->name)
			vec_push(t->a, &t->name, sema_ix(axis[k])->name);
	for (int k = 0; k < n; k++) {
		struct ix *i = sema_ix(axis[k]);
		at[k] = idx_new(t->a, i->name ? i->name : sema_fresh_name(t), i->size);
		i->now = affine_idx(t->a, at[k]);
	}
}

static bool rank_fits(struct term *t, struct span at, const char *name, int rank)
{
	if (rank <= MAX_RANK)
		return true;
	diag(t->s->cx->diags, DIAG_SEMA_RANK, at, arena_printf(t->a, "'%s'", name), rank, MAX_RANK);
	return false;
}

/* x where the conditions hold that have none but these indices. */
static struct node *where_known(struct term *t, struct ix *const *at, int nat, struct node *x)
{
	struct guard *g = NEW_ARRAY(t->a, struct guard, t->cond.n);
	int n = 0;
	for (int k = 0; k < t->cond.n; k++)
		if (sema_made_of(&t->cond.at[k], at, nat))
			g[n++] = (struct guard){t->cond.at[k].rel == COND_EQ, sema_now(t->a, t->cond.at[k].e)};
	return ex_mask(t->a, g, n, x);
}

const struct sym *sema_compute(struct term *t, struct rt *r, struct ix *const *lead, int nlead,
                               const char *name, struct span at)
{
	const struct idx *own[MAX_RANK];
	struct ix *axis[MAX_RANK];
	int rank = nlead + r->naxis;
	if (t->bad || !rank_fits(t, at, name, rank))
		return NULL;
	for (int k = 0; k < rank; k++)
		axis[k] = k < nlead ? lead[k] : r->axis[k - nlead];
	bool whole = r->kind == RT_ACCESS && rank == r->sym->rank;
	for (int k = 0; whole && k < rank; k++)
		whole = r->map[k].n == 1 && r->map[k].c == 0 && r->map[k].coef[0] == 1 &&
		        sema_ix(r->map[k].ix[0]) == sema_ix(axis[k]);
	if (whole)
		return r->sym;
	own_indices(t, axis, rank, own);
	t->at = own;
	t->nat = rank;
	t->about = name;
	struct node *rhs = where_known(t, axis, nlead, sema_build(t, r));
	return sema_def_new(t->s, t->model, name, own, rank, rhs, at)->sym;
}

const struct sym *sema_computed(struct sema *s, const struct scope *sc, struct model_def *m,
                                const struct ast *e, const char *name, int *lead)
{
	struct term t;
	sema_term_init(&t, s, sc, m, TERM_DEF);
	struct rt *r = sema_resolve(&t, e);
	sema_term_finish(&t);
	*lead = t.lead ? s->site->nlead : 0;
	return r ? sema_compute(&t, r, t.lead, *lead, name, e->span) : NULL;
}

bool sema_reduces(const struct rt *r)
{
	if (r->kind == RT_REDUCE || r->kind == RT_DRAW)
		return true;
	for (int k = 0; k < r->nkid; k++)
		if (sema_reduces(r->kid[k]))
			return true;
	return false;
}

struct def *sema_let_def(struct term *t, const struct entry *n)
{
	struct let *l = n->let;
	const struct idx *at[MAX_RANK];
	struct term own;
	bool in_net = *t->s->site->path;
	if (l->def || l->macro || l->ncheck || !l->touches || l->body->kind == RT_ACCESS)
		return l->def;
	if (!in_net && !sema_reduces(l->body))
		return NULL;
	for (int k = 0; k < l->naxis; k++)
		if (!sema_ix(l->axis[k])->size)
			return NULL;
	sema_term_init(&own, t->s, t->scope, t->model, TERM_DEF);
	own_indices(&own, l->axis, l->naxis, at);
	own.at = at;
	own.nat = l->naxis;
	own.about = n->name;
	const char *name = arena_printf(t->a, "%s%s", t->s->site->path, n->name);
	struct node *rhs = sema_build(&own, l->body);
	l->def = sema_def_new(t->s, t->model, name, at, l->naxis, rhs, n->span);
	return l->def;
}

/* The parameter that keeps a running mean; calls of a net share it. */
static const struct parameter *average(struct sema *s, struct model_def *m, const char *name,
                                       const struct def *d, double start)
{
	for (int k = 0; k < m->param.n; k++)
		if (!strcmp(m->param.at[k]->name, name))
			return m->param.at[k];
	struct parameter *p = NEW(s->a, struct parameter);
	p->name = intern(name);
	p->span = p->name_span = d->span;
	p->sym =
	    sym_new(s->a, p->name, SYM_PARAM, VALUES_REAL, false, d->sym->rank, d->sym->dim, d->span);
	p->sym->info = p;
	for (int k = 0; k < d->sym->rank; k++)
		p->at[k] = idx_new(s->a, d->at[k]->name, d->at[k]->size);
	p->init = ex_num(s->a, start);
	vec_push(s->a, &m->param, p);
	return p;
}

void sema_average(struct term *t, struct model_def *m, struct entry *n, double start)
{
	struct let *l = n->let;
	const struct idx *at[MAX_RANK];
	struct term own;
	if (t->mode != TERM_DEF || l->macro || l->ncheck) {
		diag(t->s->cx->diags, DIAG_SEMA_BATCH_MEAN, n->span);
		n->bad = true;
		return;
	}
	sema_term_init(&own, t->s, t->scope, m, TERM_DEF);
	own_indices(&own, l->axis, l->naxis, at);
	own.at = at;
	own.nat = l->naxis;
	own.about = n->name;
	const char *name = arena_printf(t->a, "%s%s", t->s->site->path, n->name);
	struct node *rhs = sema_build(&own, l->body);
	l->def = sema_def_new(t->s, m, name, at, l->naxis, rhs, n->span);
	l->def->sym->batched = false;
	l->def->average = average(t->s, m, arena_printf(t->a, "%s.average", name), l->def, start);
	l->touches = true;
}

/* Noise for each element (each block, where several elements make one draw), and for each value of
 * the indices of the distribution's let that it stands in. */
struct node *sema_noise(struct term *t, struct rt *draw)
{
	struct affine map[MAX_RANK];
	int n = t->nat - t->block, rank = n + draw->nbound;
	if (t->mode == TERM_INIT)
		return ex_draw(t->a, draw->op, t->stream);
	if (!rank_fits(t, (struct span){0}, t->about, rank))
		return ex_num(t->a, 0);
	if (!draw->def) {
		const struct idx *at[MAX_RANK];
		for (int k = 0; k < rank; k++)
			at[k] =
			    k < n ? t->at[k]
			          : idx_new(t->a, draw->bound[k - n]->name, sema_ix(draw->bound[k - n])->size);
		const char *name = arena_printf(t->a, "%s.%s", t->about, op_name(draw->op));
		draw->def = sema_def_new(t->s, t->model, name, at, rank, ex_draw(t->a, draw->op, 0),
		                         (struct span){0});
	}
	for (int k = 0; k < rank; k++)
		map[k] = k < n ? affine_idx(t->a, t->at[k]) : sema_ix(draw->bound[k - n])->now;
	return ex_access(t->a, draw->def->sym, t->model->batch, map);
}
