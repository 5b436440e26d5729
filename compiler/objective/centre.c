/* Centred training (Montavon & Mueller 2012; Melchior, Fischer & Wiskott 2016).  With offsets m,
 * one a unit, the same distributions are had from E'(x) = E(x - m) with other biases: the coupling
 * of x[i] and x[k] acts on their distances from m, and training is better conditioned.  The
 * parameters are then a function T of the centred ones t', and a step along the gradient in t' is,
 * in the parameters of the energy as it is written,
 *
 *     dT/dt' (dT/dt')' gradient.
 *
 * The model stays what it is, wherever the offsets are; they follow the means of the units over the
 * examples.
 *
 * For a parameter w let s = dE/dw, of degree two in the units; for the bias b of a unit x let
 * dE/db = k x.  What s(x - m) holds of x alone is - ds/dx at m, and b takes it up:
 *
 *     gradient of w -= sum over the units of (ds/dx at m)/k * gradient of b             into t'
 *     gradient of b -= sum over the elements of w of (ds/dx at m)/k * gradient of w     back
 */
#include "objective/internal.h"

struct taker {                /* the bias that takes up what a group's offset moves */
	const struct sym *offset; /* NULL: nothing is moved to it */
	int bias;                 /* number of the weight */
	struct node *scale;       /* k, over at */
	const struct idx *at[MAX_RANK];
};
struct centre {
	struct expansion *x;
	struct function *f;
	struct taker *of; /* one a group */
	bool *coupling;   /* one a weight */
};

static bool drawn(const struct model *m, int i)
{
	return m->group.at[i]->role != GROUP_GIVEN;
}

static bool mentions(const struct model *m, const struct node *e, bool given_alone)
{
	for (int i = 0; i < m->group.n; i++)
		if (!(given_alone && drawn(m, i)) && ex_mentions(e, m->group.at[i]->sym))
			return true;
	return false;
}

static struct node *slope(struct arena *a, struct node *e, const struct sym *s,
                          const struct idx *const *at)
{
	struct affine k[MAX_RANK];
	for (int r = 0; r < s->rank; r++)
		k[r] = affine_idx(a, at[r]);
	return ex_diff(a, e, s, k);
}

static struct node *put_offset(struct arena *a, const struct node *access, void *offset)
{
	return ex_access(a, offset, NULL, access->map);
}

static struct node *at_offsets(const struct centre *c, struct node *e)
{
	const struct model *m = c->x->m;
	for (int i = 0; i < m->group.n; i++)
		if (ex_mentions(e, m->group.at[i]->sym))
			e = ex_subst(m->a, e,
			             &(struct subst){.from = m->group.at[i]->sym,
			                             .fn = put_offset,
			                             .arg = (void *)c->of[i].offset});
	return e;
}

/* dE/dw */
static struct node *statistic_of(const struct centre *c, int weight, const struct idx *const *at)
{
	const struct model *m = c->x->m;
	return slope(m->a, energy_node(m->a, &m->E), m->weight.at[weight]->sym, at);
}

/* ---- what can be centred ---- */
/* Is dE/db[at] = k x[at] + what is free of units, with k free of all variables?  Then k; else NULL.
 */
static struct node *bias_scale(const struct centre *c, int weight, int group)
{
	const struct model *m = c->x->m;
	const struct sym *s = m->group.at[group]->sym, *b = m->weight.at[weight]->sym;
	const struct idx *other[MAX_RANK];
	bool fits = b->rank == s->rank && !c->x->frozen[weight];
	for (int r = 0; r < s->rank && fits; r++)
		fits = b->dim[r] == s->dim[r];
	if (!fits)
		return NULL;
	struct node *e = statistic_of(c, weight, c->of[group].at);
	for (int g = 0; g < m->group.n; g++)
		if (g != group && drawn(m, g) && ex_mentions(e, m->group.at[g]->sym))
			return NULL;
	fresh_axes(m->a, s, other);
	struct node *d = slope(m->a, e, s, other);
	struct node *k = ex_reduce(m->a, RED_SUM, other, s->rank, NULL, 0, d);
	struct node *alone = ex_mul(m->a, k, ex_at(m->a, s, m->batch, c->of[group].at));
	bool is =
	    !ex_is_num(k, 0) && !mentions(m, k, false) && ex_same(d, slope(m->a, alone, s, other));
	return is ? k : NULL;
}

/* The group's bias and its offset; false: it has no bias. */
static bool take(struct centre *c, int group)
{
	const struct model *m = c->x->m;
	const struct group *g = m->group.at[group];
	struct taker *t = &c->of[group];
	const struct idx *at[MAX_RANK];
	if (t->offset)
		return true;
	fresh_axes(m->a, g->sym, t->at);
	for (t->bias = 0; t->bias < m->weight.n && !t->scale; t->bias++)
		t->scale = bias_scale(c, t->bias, group);
	t->bias--;
	if (!t->scale) {
		diag(c->x->cx->diags, DIAG_CENTERED_BIAS, g->span, g->name);
		return false;
	}
	t->offset = sym_new(m->a, arena_printf(m->a, "%s.offset", g->name), SYM_INPUT, VALUES_REAL,
	                    false, g->sym->rank, g->sym->dim, g->span);
	program_tensor(c->x->p, t->offset, SPACE_STATE, -1, NULL);
	fresh_axes(m->a, g->sym, at);
	assign(c->x, program_function(c->x->p, "chains.begin"), t->offset, NULL, at,
	       g->mean ? ex_at(m->a, g->mean, NULL, at) : ex_num(m->a, meanfield_first(g)));
	return true;
}

/* Does dE/dw join units?  Then those have biases; false: refused. */
static bool find(struct centre *c, int weight)
{
	const struct model *m = c->x->m;
	const struct weight *w = m->weight.at[weight];
	const struct idx *at[MAX_RANK], *i[MAX_RANK], *k[MAX_RANK];
	fresh_axes(m->a, w->sym, at);
	struct node *s = statistic_of(c, weight, at);
	for (int g = 0; g < m->group.n; g++) {
		if (!drawn(m, g) || !ex_mentions(s, m->group.at[g]->sym))
			continue;
		fresh_axes(m->a, m->group.at[g]->sym, i);
		struct node *d = slope(m->a, s, m->group.at[g]->sym, i);
		bool joins = false, bad = mentions(m, d, true);
		for (int h = 0; h < m->group.n; h++) {
			fresh_axes(m->a, m->group.at[h]->sym, k);
			struct node *dd =
			    drawn(m, h) ? slope(m->a, d, m->group.at[h]->sym, k) : ex_num(m->a, 0);
			joins = joins || !ex_is_num(dd, 0);
			bad = bad || mentions(m, dd, false);
		}
		if (joins && bad) {
			diag(c->x->cx->diags, DIAG_CENTERED_DEGREE, w->span, w->name);
			return false;
		}
		if (joins && !take(c, g))
			return false;
		c->coupling[weight] = c->coupling[weight] || joins;
	}
	return true;
}

/* Else it is not the same function of centred parameters. */
static bool free_of_biases(const struct centre *c, int weight)
{
	const struct model *m = c->x->m;
	const struct weight *w = m->weight.at[weight];
	const struct idx *at[MAX_RANK];
	fresh_axes(m->a, w->sym, at);
	struct node *s = statistic_of(c, weight, at);
	for (int g = 0; g < m->group.n; g++)
		if (c->of[g].offset && ex_mentions(s, m->weight.at[c->of[g].bias]->sym)) {
			diag(c->x->cx->diags, DIAG_CENTERED_DEGREE, w->span, w->name);
			return false;
		}
	return true;
}

/* ---- the statements ---- */
/* (ds/dx at the offsets)/k * of: over the elements of w and the group's units */
static struct node *taken_up(const struct centre *c, int weight, const struct idx *const *at,
                             int group, struct node *of)
{
	const struct model *m = c->x->m;
	const struct taker *t = &c->of[group];
	struct node *d =
	    at_offsets(c, slope(m->a, statistic_of(c, weight, at), m->group.at[group]->sym, t->at));
	return ex_mul(m->a, ex_mul(m->a, d, ex_op2(m->a, OP_POW, t->scale, ex_num(m->a, -1))), of);
}

static void less(const struct centre *c, int weight, const struct idx *const *at, struct node *e)
{
	struct stmt s = {.dst = c->x->grad[weight], .accumulate = true, .rhs = ex_neg(c->x->m->a, e)};
	for (int r = 0; r < s.dst->rank; r++)
		s.at[r] = at[r];
	program_stmt(c->x->p, c->f, s);
}

static void into_centred(const struct centre *c, int weight)
{
	const struct model *m = c->x->m;
	const struct idx *at[MAX_RANK];
	struct node *sum = ex_num(m->a, 0);
	fresh_axes(m->a, m->weight.at[weight]->sym, at);
	for (int g = 0; g < m->group.n; g++) {
		const struct taker *t = &c->of[g];
		if (!t->offset)
			continue;
		struct node *e = taken_up(c, weight, at, g, ex_at(m->a, c->x->grad[t->bias], NULL, t->at));
		sum = ex_add(m->a, sum,
		             ex_reduce(m->a, RED_SUM, t->at, m->group.at[g]->sym->rank, NULL, 0, e));
	}
	less(c, weight, at, sum);
}

static void back(const struct centre *c, int group)
{
	const struct model *m = c->x->m;
	const struct taker *t = &c->of[group];
	struct node *sum = ex_num(m->a, 0);
	for (int w = 0; w < m->weight.n; w++) {
		const struct idx *at[MAX_RANK];
		if (!c->coupling[w])
			continue;
		fresh_axes(m->a, m->weight.at[w]->sym, at);
		struct node *e = taken_up(c, w, at, group, ex_at(m->a, c->x->grad[w], NULL, at));
		sum =
		    ex_add(m->a, sum, ex_reduce(m->a, RED_SUM, at, m->weight.at[w]->sym->rank, NULL, 0, e));
	}
	less(c, t->bias, t->at, sum);
}

/* offset += rate*(mean over the examples - offset) */
static void follow(const struct centre *c, int group, double rate)
{
	struct arena *a = c->x->m->a;
	const struct walkers *seen = c->x->seen;
	const struct sym *offset = c->of[group].offset;
	const struct idx *at[MAX_RANK], *n = seen->batch;
	fresh_axes(a, offset, at);
	struct node *inv_n = ex_access(a, scalar_sym(c->x, "inv_n"), NULL, NULL);
	struct node *mean = ex_mul(
	    a, inv_n, ex_reduce(a, RED_SUM, &n, 1, NULL, 0, ex_at(a, seen->state[group], n, at)));
	struct node *now = ex_at(a, offset, NULL, at);
	assign(c->x, c->f, offset, NULL, at, ex_add(a, now, ex_scale(a, rate, ex_sub(a, mean, now))));
}

bool objective_centre(struct expansion *x, double rate, struct span span)
{
	const struct model *m = x->m;
	struct centre c = {.x = x, .f = program_function(x->p, "train.centre")};
	c.of = NEW_ARRAY(m->a, struct taker, m->group.n + 1);
	c.coupling = NEW_ARRAY(m->a, bool, m->weight.n + 1);
	if (!x->seen || !model_whole(m)) {
		diag(x->cx->diags, DIAG_CENTERED_OBJECTIVE, span);
		return false;
	}
	for (int w = 0; w < m->weight.n; w++)
		if (!x->frozen[w] && !find(&c, w))
			return false;
	for (int w = 0; w < m->weight.n; w++)
		if (c.coupling[w] && !free_of_biases(&c, w))
			return false;
	for (int w = 0; w < m->weight.n; w++)
		if (c.coupling[w])
			into_centred(&c, w);
	for (int g = 0; g < m->group.n; g++)
		if (c.of[g].offset)
			back(&c, g);
	for (int g = 0; g < m->group.n; g++)
		if (c.of[g].offset && rate > 0)
			follow(&c, g, rate);
	return true;
}
