/* The backward half of a flow: adjoints of its steps from the last to the first, then the
 * parameters. */
#include "objective/flow.h"

/* The sum over the elements of a step of adjoint * value, as a number (for each example). */
static struct node *pulled(struct arena *a, const struct step *s)
{
	struct node *adj = ex_at(a, s->adjoint, s->batch, s->at);
	return ex_reduce(a, RED_SUM, s->at, s->sym->rank, NULL, 0, ex_mul(a, adj, s->rhs));
}

/* What is to be differentiated: the loss and the steps with an adjoint. */
struct reader {
	struct node *value;
	const struct idx *batch;
};
typedef VEC(struct reader) reader_vec;

/* Sum over the readers of d reader / d s[at]; over the examples too where s is the same for all. */
static struct node *adjoint(struct arena *a, const reader_vec *r, const struct sym *s,
                            const struct idx *const *at)
{
	struct affine k[MAX_RANK];
	struct node *sum = ex_num(a, 0);
	for (int i = 0; i < s->rank; i++)
		k[i] = affine_idx(a, at[i]);
	for (int i = 0; i < r->n; i++) {
		if (!ex_mentions(r->at[i].value, s))
			continue;
		struct node *d = ex_diff(a, r->at[i].value, s, k);
		if (!s->batched && r->at[i].batch)
			d = ex_reduce(a, RED_SUM, &r->at[i].batch, 1, NULL, 0, d);
		sum = ex_add(a, sum, d);
	}
	return sum;
}

/* Does a step depend on one of the parameters, through steps before it too? */
static void mark(const struct flow *fl, const bool *which, bool *needed)
{
	const struct model *m = fl->x->m;
	for (int i = 0; i < fl->step.n; i++) {
		const struct step *s = &fl->step.at[i];
		for (int k = 0; !s->constant && k < m->weight.n; k++)
			needed[i] |= (!which || which[k]) && ex_mentions(s->rhs, m->weight.at[k]->sym);
		for (int k = 0; !s->constant && k < i; k++)
			needed[i] |= needed[k] && ex_mentions(s->rhs, fl->step.at[k].sym);
	}
}

bool flow_gradient(struct flow *fl, struct node *loss, const bool *which, bool accumulate)
{
	struct arena *a = fl->x->cx->prog;
	const struct model *m = fl->x->m;
	bool *needed = NEW_ARRAY(a, bool, fl->step.n + 1);
	reader_vec readers = {0};
	const char *op;
	vec_push(a, &readers, ((struct reader){loss, fl->batch}));
	mark(fl, which, needed);
	for (int i = fl->step.n - 1; i >= -1; i--) {
		struct node *e = i >= 0 ? fl->step.at[i].rhs : loss;
		if ((i < 0 || needed[i]) && !ex_differentiable(e, &op)) {
			diag(fl->x->cx->diags, DIAG_NO_DERIVATIVE, e->span, op);
			return false;
		}
	}
	for (int i = fl->step.n - 1; i >= 0; i--) {
		struct step *s = &fl->step.at[i];
		if (!needed[i])
			continue;
		struct node *d = adjoint(a, &readers, s->sym, s->at);
		if (ex_is_num(d, 0))
			continue;
		s->adjoint = sym_new(a, arena_printf(a, "%s.adjoint", s->sym->name), SYM_TEMP, VALUES_REAL,
		                     s->sym->batched, s->sym->rank, s->sym->dim, (struct span){0});
		program_tensor(fl->x->p, s->adjoint, SPACE_TEMP, s->sym->batched ? fl->pop : -1, NULL);
		assign(fl->x, fl->f, s->adjoint, s->batch, s->at, d);
		vec_push(a, &readers, ((struct reader){pulled(a, s), s->batch}));
	}
	for (int k = 0; k < m->weight.n; k++) {
		struct stmt st = {.dst = fl->x->grad[k], .accumulate = accumulate};
		const struct weight *w = m->weight.at[k];
		if (which && !which[k])
			continue;
		fresh_axes(a, w->sym, st.at);
		st.rhs = adjoint(a, &readers, w->sym, st.at);
		program_stmt(fl->x->p, fl->f, st);
	}
	return true;
}
