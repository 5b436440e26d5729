/* state: state u[t] : real[U] = f(u[t-1], ...), u[-1] = start.  A computed symbol over [T,U] whose
 * elements at step t are made of those at earlier steps; what is read at step -1 is the start. */
#include "sema/internal.h"

#include <string.h>

struct node *sema_state_at(struct arena *a, const struct def *d, const struct idx *batch,
                           const struct affine *map)
{
	struct node *u = ex_access(a, d->sym, batch, map), *start = d->start;
	int64_t least = map[0].c;
	for (int k = 0; k < map[0].n; k++)
		if (map[0].coef[k] < 0)
			least += map[0].coef[k] * (map[0].ix[k]->size - 1);
	if (least >= 0)
		return u;
	for (int k = 1; k < d->sym->rank; k++)
		start = ex_subst_idx(a, start, d->at[k], map[k]);
	struct guard later = {false, map[0]};
	struct guard first = {true, affine_add(a, map[0], affine_const(1), 1)};
	return ex_add(a, ex_mask(a, &later, 1, u), ex_mask(a, &first, 1, start));
}

/* The open axes of r are the axes of the state behind the first; they become at[1..]. */
static bool over_axes(struct term *t, const struct ast_decl *d, const char *what,
                      const struct rt *r, const struct def *def, struct span at)
{
	int rank = def->sym->rank - 1;
	bool fits = r->naxis == rank || (r->naxis == 0 && def->start == NULL);
	for (int k = 0; fits && k < r->naxis; k++)
		fits = sema_ix(r->axis[k])->size == def->sym->dim[k + 1];
	if (!fits) {
		int64_t dim[2 * MAX_RANK];
		for (int k = 0; k < r->naxis; k++)
			dim[k] = sema_ix(r->axis[k])->size;
		diag(t->s->cx->diags, DIAG_SEMA_STATE_SHAPE, at, what, d->name,
		     r->naxis ? sema_shape(t->a, dim, r->naxis) : "a single number",
		     rank ? sema_shape(t->a, def->sym->dim + 1, rank) : "a single number");
		return false;
	}
	for (int k = 0; k < r->naxis; k++)
		sema_ix(r->axis[k])->now = affine_idx(t->a, def->at[k + 1]);
	return true;
}

static struct node *start_value(struct sema *s, const struct scope *sc, struct model_def *m,
                                const struct ast_decl *d, const struct def *def)
{
	struct term t;
	sema_term_init(&t, s, sc, m, TERM_DEF);
	struct rt *r = sema_resolve(&t, d->start);
	sema_term_finish(&t);
	if (!r || t.bad || !over_axes(&t, d, "the start", r, def, d->start->span))
		return NULL;
	return sema_build(&t, r);
}

static bool axes(struct sema *s, const struct scope *sc, const struct ast_decl *d, int64_t *dim)
{
	bool ok = d->type.ndim < MAX_RANK && !strcmp(d->type.name, "real");
	if (!ok)
		diag(s->cx->diags, DIAG_SEMA_PARAM_TYPE, d->type.span, d->name, d->type.name);
	for (int k = 0; ok && k < d->type.ndim; k++)
		ok = sema_size(s, sc, d->type.dim[k], arena_printf(s->a, "axis %d of '%s'", k + 2, d->name),
		               &dim[k + 1]);
	return ok;
}

void sema_state(struct sema *s, struct scope *sc, struct model_def *m, const struct ast_decl *d)
{
	struct def *def = NEW(s->a, struct def);
	struct let left = {0};
	struct term t;
	int64_t dim[MAX_RANK] = {0};
	bool ok = axes(s, sc, d, dim);
	struct entry *e = sema_declare(s, sc, ENTRY_DEF, d->name, d->name_span);
	if (!e)
		return;
	e->bad = true;
	if (!ok || d->value->kind == AST_BAD)
		return;
	def->state = true;
	def->span = d->span;
	def->sym =
	    sym_new(s->a, d->name, SYM_TEMP, VALUES_REAL, true, d->type.ndim + 1, dim, d->name_span);
	def->sym->info = def;
	e->sym = def->sym;
	e->bad = false;
	sema_term_init(&t, s, sc, m, TERM_DEF);
	sema_bind_left(&t, d, &left);
	struct rt *r = sema_resolve(&t, d->value);
	sema_term_finish(&t);
	const struct ix *steps = sema_ix(left.axis[0]);
	e->bad = !r || t.bad;
	if (!e->bad && !steps->size) {
		diag(s->cx->diags, DIAG_SEMA_STATE_RANGE, d->span, d->name, d->index[0], d->index[0]);
		e->bad = true;
	}
	if (e->bad)
		return;
	def->sym->dim[0] = steps->size;
	for (int k = 0; k < def->sym->rank; k++)
		def->at[k] = idx_new(s->a, k ? sema_fresh_name(&t) : d->index[0], def->sym->dim[k]);
	e->type = arena_printf(s->a, "real%s", sema_shape(s->a, def->sym->dim, def->sym->rank));
	def->start = start_value(s, sc, m, d, def);
	e->bad = !def->start || !over_axes(&t, d, "the value", r, def, d->value->span);
	if (e->bad)
		return;
	sema_ix(left.axis[0])->now = affine_idx(s->a, def->at[0]);
	t.at = def->at;
	t.nat = def->sym->rank;
	t.about = d->name;
	def->rhs = sema_build(&t, r);
	vec_push(s->a, &m->def, def);
}
