/* param: the initial value of a parameter, a node over the parameter's indices:
 *     ~ dist(...)    a draw for each element        = expr    a number for all, or an array
 * The draws of a parameter have its number in the model as their stream. */
#include "sema/internal.h"

#include <string.h>

static int number_of(const struct model_def *m, const struct parameter *p)
{
	for (int k = 0; k < m->param.n; k++)
		if (m->param.at[k] == p)
			return k;
	BUG("parameter '%s' is not of its model", p->name);
}

/* x as an array of the parameter's shape (its axes become the parameter's indices) or a number. */
static struct node *over_param(struct term *t, const struct parameter *p, const struct rt *x,
                               struct span at)
{
	bool fits = !x->naxis || x->naxis == p->sym->rank;
	int64_t dim[2 * MAX_RANK];
	for (int k = 0; k < x->naxis; k++) {
		dim[k] = sema_ix(x->axis[k])->size;
		fits = fits && dim[k] == p->sym->dim[k];
	}
	if (!fits) {
		diag(t->s->cx->diags, DIAG_SEMA_INIT_SHAPE, at, p->name,
		     p->sym->rank ? sema_shape(t->a, p->sym->dim, p->sym->rank) : "a single number",
		     sema_shape(t->a, dim, x->naxis));
		t->bad = true;
		return NULL;
	}
	for (int k = 0; k < x->naxis; k++)
		sema_ix(x->axis[k])->now = affine_idx(t->a, p->at[k]);
	return sema_build(t, x);
}

/* One expression of the initialiser, resolved and built on its own. */
static struct node *initial(struct sema *s, const struct scope *sc, struct model_def *m,
                            const struct parameter *p, const struct ast *e)
{
	struct term t;
	sema_term_init(&t, s, sc, m, TERM_INIT);
	for (int k = 0; k < p->sym->rank; k++)
		vec_push(t.a, &t.name, p->at[k]->name);
	struct rt *x = sema_resolve(&t, e);
	sema_term_finish(&t);
	return x && !t.bad ? over_param(&t, p, x, e->span) : NULL;
}

void sema_param_init(struct sema *s, const struct scope *sc, struct model_def *m,
                     struct parameter *p, const struct ast_decl *d)
{
	struct term names;
	sema_term_init(&names, s, sc, m, TERM_INIT);
	for (int k = 0; k < p->sym->rank; k++)
		p->at[k] = idx_new(s->a, sema_fresh_name(&names), p->sym->dim[k]);
	if (!d->rel) {
		diag(s->cx->diags, DIAG_SEMA_NO_INIT, d->name_span, d->name);
		sema_note(s, d->name_span, "write ~ normal(0, 0.01) or = 0 behind its type");
	} else if (d->rel == '~') {
		p->init = sema_initial_draw(s, sc, m, p, number_of(m, p), d->value);
	} else {
		p->init = initial(s, sc, m, p, d->value);
	}
	if (p->init)
		p->init = ex_with_span(s->a, p->init, d->value->span);
}
