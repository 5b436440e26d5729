/* The common ground of all expansions: the program with parameters, gradients, examples and init;
 * walkers (states of the groups in a population); statements that draw or average a group. */
#include "objective/internal.h"

#include <string.h>

static const char *const pop_names[] = {"data", "chains", "states", "ais", "samples"};

struct expansion *expansion_new(struct cx *cx, struct model *m)
{
	struct arena *a = cx->prog;
	struct expansion *x = NEW(a, struct expansion);
	x->cx = cx;
	x->m = m;
	x->scale = 1;
	x->bound = NEW_ARRAY(a, bool, m->group.n);
	x->frozen = NEW_ARRAY(a, bool, m->weight.n);
	x->p = program_new(a, m->name);
	for (int i = 0; i < POP_COUNT; i++)
		program_pop(x->p, pop_names[i]);
	x->grad = NEW_ARRAY(a, const struct sym *, m->weight.n + 1);
	for (int i = 0; i < m->weight.n; i++)
		program_tensor(x->p, m->weight.at[i]->sym, SPACE_PARAM, -1, NULL);
	for (int i = 0; i < m->weight.n; i++) {
		const struct weight *w = m->weight.at[i];
		x->grad[i] = sym_new(a, arena_printf(a, "grad.%s", w->name), SYM_TEMP, VALUES_REAL, false,
		                     w->sym->rank, w->sym->dim, w->span);
		program_tensor(x->p, x->grad[i], SPACE_GRAD, -1, w->sym);
	}
	for (int i = 0; i < m->group.n; i++) {
		const struct group *g = m->group.at[i];
		if (g->role != GROUP_HIDDEN)
			program_tensor(x->p, g->sym, SPACE_STATE, POP_DATA, NULL);
		if (g->mean)
			program_tensor(x->p, g->mean, SPACE_STATE, -1, NULL);
		if (g->var)
			program_tensor(x->p, g->var, SPACE_STATE, -1, NULL);
	}
	for (int i = 0; i < m->absent.n; i++)
		if (m->absent.at[i]->mean) /* initial values may read it */
			program_tensor(x->p, m->absent.at[i]->mean, SPACE_STATE, -1, NULL);
	for (int i = 0; i < m->from.n; i++)
		program_tensor(x->p, m->from.at[i].sym, SPACE_STATE, -1, NULL);
	struct function *f = program_function(x->p, "init");
	while (x->p->ndraw <
	       m->weight.n) /* an initial distribution's stream is its parameter's number */
		program_stream(x->p);
	for (int i = 0; i < m->weight.n; i++) {
		const struct weight *w = m->weight.at[i];
		assign(x, f, w->sym, NULL, w->at, w->init);
	}
	expand_proper(x);
	return x;
}

static int same_group(const struct model *m, const struct group *g)
{
	int i = 0;
	while (m->group.at[i]->sym != g->sym)
		i++;
	return i;
}

struct expansion *expansion_prior(const struct expansion *x)
{
	struct expansion *p = arena_copy(x->cx->prog, x, sizeof *x);
	p->m = x->m->prior;
	p->held.n = 0;
	p->bound = NEW_ARRAY(x->cx->prog, bool, p->m->group.n);
	for (int i = 0; i < p->m->group.n; i++)
		p->bound[i] = x->bound[same_group(x->m, p->m->group.at[i])];
	return p;
}

struct walkers walkers_part(const struct expansion *prior, const struct expansion *x,
                            const struct walkers *w)
{
	struct arena *a = x->cx->prog;
	struct walkers part = {.batch = w->batch, .pop = w->pop};
	part.state = NEW_ARRAY(a, const struct sym *, prior->m->group.n);
	part.held = NEW_ARRAY(a, const struct sym *, prior->m->group.n);
	for (int i = 0; i < prior->m->group.n; i++)
		part.state[i] = w->state[same_group(x->m, prior->m->group.at[i])];
	return part;
}

void assign(struct expansion *x, struct function *f, const struct sym *dst, const struct idx *batch,
            const struct idx *const *at, struct node *rhs)
{
	struct stmt s = {.dst = dst, .batch = batch, .rhs = rhs};
	for (int i = 0; i < dst->rank; i++)
		s.at[i] = at[i];
	program_stmt(x->p, f, s);
}

void set_gradient(struct expansion *x, struct function *f, int i, const struct idx *const *at,
                  struct node *g)
{
	if (x->frozen[i])
		return;
	struct stmt s = {
	    .dst = x->grad[i], .accumulate = x->begun, .rhs = ex_scale(x->cx->prog, x->scale, g)};
	for (int r = 0; r < x->grad[i]->rank; r++)
		s.at[r] = at[r];
	program_stmt(x->p, f, s);
}

bool without_states(struct expansion *x, const char *what)
{
	for (int i = 0; i < x->m->def.n && model_reads_states(x->m); i++)
		if (x->m->def.at[i]->state) {
			diag(x->cx->diags, DIAG_STATE_CHAINS, x->m->def.at[i]->span, what,
			     x->m->def.at[i]->sym->name);
			return false;
		}
	return true;
}

bool without_given(struct expansion *x, const char *what)
{
	for (int i = 0; i < x->m->group.n; i++)
		if (x->m->group.at[i]->role == GROUP_GIVEN) {
			diag(x->cx->diags, DIAG_GIVEN_CHAINS, x->m->group.at[i]->span, what,
			     x->m->group.at[i]->name);
			return false;
		}
	return without_states(x, what);
}

/* ---- walkers ---- */
static struct walkers walkers_empty(struct expansion *x, int pop)
{
	struct arena *a = x->cx->prog;
	struct walkers w = {.pop = pop};
	w.batch = pop == POP_DATA ? x->m->batch : idx_batch(a, pop_names[pop], pop);
	w.state = NEW_ARRAY(a, const struct sym *, x->m->group.n);
	w.held = NEW_ARRAY(a, const struct sym *, x->m->group.n);
	return w;
}

/* Numbers of the call and the rest: a parameter may have the name of such a number. */
static const struct sym *find_tensor(const struct program *p, const char *name, bool scalar)
{
	for (int i = 0; i < p->tensor.n; i++)
		if ((p->tensor.at[i].space == SPACE_SCALAR) == scalar &&
		    strcmp(p->tensor.at[i].sym->name, name) == 0)
			return p->tensor.at[i].sym;
	return NULL;
}

static const struct sym *state_sym(struct expansion *x, const struct group *g, const char *suffix,
                                   int pop, enum values values)
{
	struct arena *a = x->cx->prog;
	const char *name = arena_printf(a, "%s.%s", g->name, suffix), *own = name;
	for (int n = 2; find_tensor(x->p, own, false); n++) /* another objective has such states too */
		own = arena_printf(a, "%s%d", name, n);
	const struct sym *s =
	    sym_new(a, own, SYM_VAR, values, true, g->sym->rank, g->sym->dim, g->span);
	program_tensor(x->p, s, SPACE_STATE, pop, NULL);
	return s;
}

struct walkers walkers_new(struct expansion *x, const char *suffix, int pop)
{
	struct walkers w = walkers_empty(x, pop);
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		w.state[i] = g->role == GROUP_GIVEN && pop == POP_DATA
		                 ? g->sym
		                 : state_sym(x, g, suffix, pop, g->sym->values);
	}
	return w;
}

struct walkers walkers_data(struct expansion *x)
{
	struct walkers w = walkers_empty(x, POP_DATA);
	for (int i = 0; i < x->m->group.n; i++)
		w.state[i] = x->m->group.at[i]->sym;
	return w;
}

struct walkers walkers_means(struct expansion *x, const char *suffix, const struct walkers *w,
                             enum group_role role)
{
	return walkers_means_of(x, suffix, w, model_role(x->m, role));
}

struct walkers walkers_means_of(struct expansion *x, const char *suffix, const struct walkers *w,
                                const bool *which)
{
	struct walkers r = walkers_empty(x, w->pop);
	r.batch = w->batch;
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		r.state[i] = which[i] ? state_sym(x, g, suffix, w->pop, VALUES_REAL) : w->state[i];
	}
	return r;
}

const struct sym *mean_sym(struct expansion *x, const struct group *g, const char *suffix, int pop)
{
	return state_sym(x, g, suffix, pop, VALUES_REAL);
}

struct node *at_walkers(struct expansion *x, struct node *e, const struct walkers *w)
{
	for (int i = 0; i < x->m->group.n; i++) {
		struct subst s = {.from = x->m->group.at[i]->sym, .to = w->state[i], .batch = w->batch};
		if (s.from != s.to)
			e = ex_subst(x->cx->prog, e, &s);
	}
	return e;
}

/* The terms of degree two. */
static struct node *quadratic(struct arena *a, struct node *e, const struct sym *s)
{
	struct node **term, *sum = ex_num(a, 0);
	int n = ex_terms(e, &term);
	for (int i = 0; i < n; i++)
		sum = ex_degree(term[i], s) == 2 ? ex_add(a, sum, term[i]) : sum;
	return sum;
}

struct node *at_means(struct expansion *x, struct node *e, const struct walkers *w)
{
	struct arena *a = x->cx->prog;
	e = at_walkers(x, e, w);
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		const struct idx *at[MAX_RANK];
		struct affine k[MAX_RANK];
		double lo = g->family->lo, hi = g->family->hi;
		bool known = g->role != GROUP_HIDDEN && w->state[i]->values != VALUES_REAL;
		if (known || g->family->shape != SHAPE_TWO)
			continue;
		struct node *squares = quadratic(a, e, w->state[i]);
		if (ex_is_num(squares, 0))
			continue;
		fresh_axes(a, g->sym, at);
		for (int r = 0; r < g->sym->rank; r++)
			k[r] = affine_idx(a, at[r]);
		struct node *second = ex_diff(a, ex_diff(a, squares, w->state[i], k), w->state[i], k);
		struct node *q = ex_at(a, w->state[i], w->batch, at);
		struct node *square = ex_op2(a, OP_POW, q, ex_num(a, 2));
		struct node *gap =
		    ex_sub(a, ex_add(a, ex_scale(a, lo + hi, q), ex_num(a, -lo * hi)), square);
		gap = ex_scale(a, 0.5, ex_mul(a, second, gap));
		e = ex_add(a, e, ex_reduce(a, RED_SUM, at, g->sym->rank, NULL, 0, gap));
	}
	return e;
}

/* ---- statements on walkers ---- */
int group_number(const struct expansion *x, const struct group *g)
{
	for (int i = 0; i < x->m->group.n; i++)
		if (x->m->group.at[i] == g)
			return i;
	BUG("group %s", g->name);
}

struct node *statistic(struct expansion *x, const energy *F, const struct weight *wt,
                       const struct idx *const *at, const struct walkers *w, const bool *which,
                       struct node *scale)
{
	struct arena *a = x->cx->prog;
	bool means;
	struct node *d = model_gradient(x->m, &x->m->E, F, which, wt, at, &means);
	d = F ? at_walkers(x, d, w) : at_means(x, d, w);
	const struct idx *n = w->batch;
	struct node *weighted = scale->kind == N_ACCESS && scale->batch ? ex_mul(a, scale, d) : d;
	struct node *sum = ex_reduce(a, RED_SUM, &n, 1, NULL, 0, weighted);
	return weighted == d ? ex_mul(a, scale, sum) : sum;
}

const struct sym *scalar_sym(struct expansion *x, const char *name)
{
	const struct sym *s = find_tensor(x->p, name, true);
	if (s == NULL) {
		s = sym_new(x->cx->prog, name, SYM_SCALAR, VALUES_REAL, false, 0, NULL, (struct span){0});
		program_tensor(x->p, s, SPACE_SCALAR, -1, NULL);
	}
	return s;
}

const struct sym *out_sym(struct expansion *x, const char *function, int pop)
{
	const char *name = arena_printf(x->cx->prog, "out.%s", function);
	const struct sym *s = find_tensor(x->p, name, false);
	if (s == NULL) {
		s = sym_new(x->cx->prog, name, SYM_TEMP, VALUES_REAL, pop >= 0, 0, NULL, (struct span){0});
		program_tensor(x->p, s, SPACE_STATE, pop, NULL);
	}
	return s;
}

/* ---- the table ---- */
bool objective_add(struct expansion *x, const struct objective *o,
                   const struct objective_args *args, double scale)
{
	x->scale = scale;
	if (o->energy && x->m->E.n == 0) {
		diag(x->cx->diags, DIAG_OBJECTIVE_ENERGY, args->span, o->name, x->m->name);
		return false;
	}
	bool ok = o->expand(x, args);
	x->begun = true;
	return ok;
}

static const struct objective objectives[] = {
#define OBJECTIVE(name, signature, chains, energy, expand, what) \
	{name, signature, chains, energy, expand, what},
#include "objective/objective.def"
#undef OBJECTIVE
};

const struct objective *objective_find(const char *name)
{
	for (size_t i = 0; i < sizeof objectives / sizeof *objectives; i++)
		if (strcmp(objectives[i].name, name) == 0)
			return &objectives[i];
	return NULL;
}

const char *const *objective_names(int *n)
{
	static const char *const names[] = {
#define OBJECTIVE(name, signature, chains, energy, expand, what) name,
#include "objective/objective.def"
#undef OBJECTIVE
	};
	*n = (int)(sizeof names / sizeof *names);
	return names;
}
