/* state: state u[t] : real[U] = f(u[t-1], ...), u[-1] = start.  A computed symbol over [T,U] whose
 * elements at step t are made of those at earlier steps; what is read at step -1 is the start.
 * Nets and layers in f carry the axis of the steps along; what they compute of u is put in its
 * place in f. */
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
	start = ex_subst_at(a, start, d->at + 1, map + 1, d->sym->rank - 1);
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

/* The size of the axis that a subscript of an array is for; 0: not known. */
static int64_t axis_size(const struct entry *n, int axis)
{
	if (!n || n->bad)
		return 0;
	if (n->kind == ENTRY_LET)
		return axis < n->let->naxis ? sema_ix(n->let->axis[axis])->size : 0;
	return n->sym && axis < n->sym->rank ? n->sym->dim[axis] : 0;
}

/* The size of an axis at which index t stands alone in e; 0: there is none. */
static int64_t steps_of(const struct scope *sc, const struct ast *e, const char *t)
{
	int64_t size = 0;
	for (; e->kind == AST_BIN && !size; e = e->kid[0])
		size = steps_of(sc, e->kid[1], t);
	bool array = e->kind == AST_INDEX && e->kid[0]->kind == AST_NAME;
	for (int k = 0; k < e->nkid && !size; k++)
		size = array && k > 0 && e->kid[k]->kind == AST_NAME && !strcmp(e->kid[k]->name, t)
		           ? axis_size(sema_lookup(sc, e->kid[0]->name), k - 1)
		           : steps_of(sc, e->kid[k], t);
	return size;
}

static struct node *in_place(struct arena *a, const struct node *access, void *arg)
{
	const struct def *d = arg;
	return ex_subst_at(a, d->rhs, d->at, access->map, d->sym->rank);
}

/* Is the definition made of the state u, or of one from `first` on that is? */
static bool made_of(const struct model_def *m, const struct def *d, const struct def *u,
                    const bool *own, int first)
{
	bool made = ex_mentions(d->rhs, u->sym);
	for (int k = first; m->def.at[k] != d && !made; k++)
		made = own[k] && ex_mentions(d->rhs, m->def.at[k]->sym);
	return made;
}

static void forget_value(struct model_def *m, const struct sym *s)
{
	int n = 0;
	for (int k = 0; k < m->value.n; k++)
		if (m->value.at[k].sym != s)
			m->value.at[n++] = m->value.at[k];
	m->value.n = n;
}

/* Definitions from `first` on that are made of u are put in their place in u's value; they are no
 * definitions then. */
static bool take_in(struct sema *s, struct model_def *m, struct def *u, int first)
{
	bool *own = NEW_ARRAY(s->a, bool, m->def.n + 1);
	int n = first;
	for (int k = first; k < m->def.n; k++) {
		own[k] = made_of(m, m->def.at[k], u, own, first);
		if (!own[k] || !m->def.at[k]->average)
			continue;
		diag(s->cx->diags, DIAG_SEMA_STATE_MEAN, u->span, m->def.at[k]->sym->name, u->sym->name);
		return false;
	}
	for (int k = m->def.n - 1; k >= first; k--) {
		struct def *d = m->def.at[k];
		struct subst put = {.from = d->sym, .fn = in_place, .arg = d};
		if (own[k])
			u->rhs = ex_subst(s->a, u->rhs, &put);
	}
	for (int k = first; k < m->def.n; k++)
		if (own[k])
			forget_value(m, m->def.at[k]->sym);
		else
			m->def.at[n++] = m->def.at[k];
	m->def.n = n;
	return true;
}

/* The symbol and its start, before its value is there; NULL: an error was given. */
static struct def *declare(struct sema *s, struct scope *sc, struct term *t, struct model_def *m,
                           const struct ast_decl *d, int64_t steps)
{
	struct def *def = NEW(s->a, struct def);
	int64_t dim[MAX_RANK] = {steps};
	if (!axes(s, sc, d, dim) || d->value->kind == AST_BAD)
		return NULL;
	def->state = true;
	def->span = d->span;
	def->sym =
	    sym_new(s->a, d->name, SYM_TEMP, VALUES_REAL, true, d->type.ndim + 1, dim, d->name_span);
	def->sym->info = def;
	vec_push(s->a, &t->name, d->name);
	for (int k = 1; k < def->sym->rank; k++)
		def->at[k] = idx_new(s->a, sema_fresh_name(t), dim[k]);
	def->start = start_value(s, sc, m, d, def);
	return def->start ? def : NULL;
}

void sema_state(struct sema *s, struct scope *sc, struct model_def *m, const struct ast_decl *d)
{
	struct let left = {0};
	struct term t;
	sema_term_init(&t, s, sc, m, TERM_DEF);
	sema_bind_left(&t, d, &left);
	struct ix *steps = left.axis[0];
	if (!steps->size)
		steps->size = steps_of(sc, d->value, d->index[0]);
	struct def *def = declare(s, sc, &t, m, d, steps->size);
	struct entry *e = sema_declare(s, sc, ENTRY_DEF, d->name, d->name_span);
	if (!e)
		return;
	e->bad = !def;
	if (!def)
		return;
	e->sym = def->sym;
	int first = m->def.n;
	struct rt *r = sema_resolve(&t, d->value);
	sema_term_finish(&t);
	e->bad = !r || t.bad;
	if (!e->bad && !steps->size) {
		diag(s->cx->diags, DIAG_SEMA_STATE_RANGE, d->span, d->name, d->index[0], d->index[0]);
		e->bad = true;
	}
	if (e->bad)
		return;
	def->sym->dim[0] = steps->size;
	def->at[0] = idx_new(s->a, d->index[0], steps->size);
	e->type = arena_printf(s->a, "real%s", sema_shape(s->a, def->sym->dim, def->sym->rank));
	e->bad = !over_axes(&t, d, "the value", r, def, d->value->span);
	if (e->bad)
		return;
	steps->now = affine_idx(s->a, def->at[0]);
	t.at = def->at;
	t.nat = def->sym->rank;
	t.about = d->name;
	def->rhs = sema_build(&t, r);
	e->bad = !take_in(s, m, def, first);
	vec_push(s->a, &m->def, def);
}
