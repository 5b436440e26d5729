/* The backward half of a flow: adjoints of its steps from the last to the first, then the
 * parameters. */
#include "objective/flow.h"

/* The adjoint of an element; that of a state is kept last step first. */
static struct node *adjoint_at(struct arena *a, const struct step *s)
{
	struct affine map[MAX_RANK];
	for (int k = 0; k < s->sym->rank; k++)
		map[k] = affine_idx(a, s->at[k]);
	int t = s->along;
	if (s->state)
		map[t] = affine_add(a, affine_const(s->sym->dim[t] - 1), map[t], -1);
	return ex_access(a, s->adjoint, s->adjoint->batched ? s->batch : NULL, map);
}

/* The sum over the elements of a step of adjoint * value, as a number for each example where it has
 * a value for each, or is a sum over them. */
static struct node *pulled(struct arena *a, const struct step *s)
{
	struct node *adj = adjoint_at(a, s);
	return ex_reduce(a, RED_SUM, s->at, s->sym->rank, NULL, 0,
	                 ex_mul(a, adj, s->each ? s->each : s->rhs));
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

static const struct sym *adjoint_sym(struct flow *fl, const struct step *s)
{
	const struct sym *adj = sym_new(
	    fl->x->cx->prog, arena_printf(fl->x->cx->prog, "%s.adjoint", s->sym->name), SYM_TEMP,
	    VALUES_REAL, s->sym->batched, s->sym->rank, s->sym->dim, (struct span){0});
	program_tensor(fl->x->p, adj, SPACE_TEMP, s->sym->batched ? fl->pop : -1, NULL);
	return adj;
}

struct part { /* the adjoint of a part of a state, at its at[], from that of the state */
	const struct step *s;
	struct node *value;
};

static struct node *in_place(struct arena *a, const struct node *access, void *arg)
{
	const struct part *p = arg;
	struct node *x = p->value;
	for (int k = 0; k < p->s->sym->rank; k++)
		x = ex_subst_idx(a, x, p->s->at[k], access->map[k]);
	return x;
}

/* A state u[t] = f(p[t], ...), p its parts, which read u at earlier steps; later steps may read
 * them too.  The adjoint of u at t is made of those at later steps, also through p: it is computed
 * from the last step to the first, the adjoints of the parts put in its place in it, and kept
 * afterwards. */
static void back_through(struct flow *fl, int i, reader_vec *readers)
{
	struct arena *a = fl->x->cx->prog;
	struct step *s = &fl->step.at[i];
	struct part *part = NEW_ARRAY(a, struct part, s->parts + 1);
	s->adjoint = adjoint_sym(fl, s);
	vec_push(a, readers, ((struct reader){pulled(a, s), s->batch}));
	for (int k = 0; k < s->parts; k++) { /* the last first: a part may be made of those before it */
		struct step *p = &fl->step.at[i - 1 - k];
		part[k] = (struct part){p, adjoint(a, readers, p->sym, p->at)};
		p->adjoint = adjoint_sym(fl, p);
		vec_push(a, readers, ((struct reader){pulled(a, p), p->batch}));
	}
	const int t = s->along;
	struct stmt st = {.dst = s->adjoint, .batch = s->batch, .sequential = true};
	st.inner = s->sym->rank - 1 - t;
	st.rhs = adjoint(a, readers, s->sym, s->at);
	for (int k = s->parts - 1; k >= 0; k--)
		st.rhs =
		    ex_subst(a, st.rhs,
		             &(struct subst){.from = part[k].s->adjoint, .fn = in_place, .arg = &part[k]});
	for (int k = 0; k < s->sym->rank; k++)
		st.at[k] = k != t ? s->at[k] : idx_new(a, s->at[t]->name, s->at[t]->size);
	struct affine back =
	    affine_add(a, affine_const(s->sym->dim[t] - 1), affine_idx(a, st.at[t]), -1);
	st.rhs = ex_subst_idx(a, st.rhs, s->at[t], back);
	program_stmt(fl->x->p, fl->f, st);
	for (int k = 0; k < s->parts; k++)
		assign(fl->x, fl->f, part[k].s->adjoint, part[k].s->batch, part[k].s->at, part[k].value);
}

struct node *flow_slope(struct flow *fl, struct node *value, const struct sym *s,
                        const struct idx *const *at)
{
	struct arena *a = fl->x->cx->prog;
	int n = fl->step.n;
	bool *needed = NEW_ARRAY(a, bool, n + 1);
	reader_vec readers = {0};
	vec_push(a, &readers, ((struct reader){value, fl->batch}));
	for (int i = 0; i < n; i++) {
		const struct step *st = &fl->step.at[i];
		needed[i] = ex_mentions(st->rhs, s);
		for (int k = 0; k < i; k++)
			needed[i] = needed[i] || (needed[k] && ex_mentions(st->rhs, fl->step.at[k].sym));
	}
	for (int i = n - 1; i >= 0; i--) {
		struct step st = fl->step.at[i];
		if (!needed[i])
			continue;
		if (st.state || st.each) {
			diag(fl->x->cx->diags, st.state ? DIAG_SLOPE_STATE : DIAG_SLOPE_MEAN, st.of->span,
			     st.of->name);
			return NULL;
		}
		struct node *d = adjoint(a, &readers, st.sym, st.at);
		st.adjoint =
		    flow_assign(fl, arena_printf(a, "%s.slope", st.sym->name), st.at, st.sym->rank, d);
		vec_push(a, &readers, ((struct reader){pulled(a, &st), st.batch}));
	}
	return adjoint(a, &readers, s, at);
}

static void record(struct flow *fl, const struct node *loss, const bool *which)
{
	struct arena *a = fl->x->cx->prog;
	struct descent d = {.function = fl->f, .loss = loss, .batch = fl->batch, .which = which};
	d.moving = NEW_ARRAY(a, const struct sym *, fl->step.n + 1);
	for (int i = 0; i < fl->step.n; i++)
		if (!fl->step.at[i].constant)
			d.moving[d.nmoving++] = fl->step.at[i].sym;
	vec_push(a, &fl->x->descent, d);
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
	record(fl, loss, which);
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
		if (s->state) {
			back_through(fl, i, &readers);
			i -= s->parts;
			continue;
		}
		struct node *d = adjoint(a, &readers, s->sym, s->at);
		if (ex_is_num(d, 0))
			continue;
		s->adjoint = adjoint_sym(fl, s);
		vec_push(a, &readers, ((struct reader){pulled(a, s), s->each ? fl->batch : s->batch}));
		assign(fl->x, fl->f, s->adjoint, s->batch, s->at, d);
	}
	for (int k = 0; k < m->weight.n; k++) {
		struct stmt st = {.dst = fl->x->grad[k], .accumulate = accumulate};
		const struct weight *w = m->weight.at[k];
		if (fl->x->frozen[k] || (which && !which[k]))
			continue;
		fresh_axes(a, w->sym, st.at);
		st.rhs = adjoint(a, &readers, w->sym, st.at);
		program_stmt(fl->x->p, fl->f, st);
	}
	return true;
}
