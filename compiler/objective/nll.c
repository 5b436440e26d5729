/* The exact negative log-likelihood of visible groups T given others C, whatever is in neither (and
 * all hidden groups) summed out:
 *     -log p(T | C) = F(T, C) + log sum over T of exp(-F(T, C)),    F the free energy of T and C.
 * Groups of T that can be summed out of F in closed form, one after the other, each give the
 * log-partition of their conditional less its value at the example (for one categorical unit:
 * Larochelle & Bengio 2008). What is left of T is enumerated inside the program, with an index for
 * each unit:
 *     F_T(y) + logsumexp(s1, s2, ...) -F_T(s1, s2, ...),     F_T the terms of F that mention T.
 * Without C the sum is over all states of the model and is done by the runtime.
 *
 * And the share of a target's units that are predicted wrongly. */
#include "objective/flow.h"

enum { MAX_STATES = 1024 }; /* of the units that are enumerated together */

struct node *taken(struct expansion *x, const struct group *y, const struct idx *const *at)
{
	struct arena *a = x->cx->prog;
	struct node *v = ex_at(a, y->sym, x->m->batch, at);
	return ex_scale(a, 1 / (y->family->hi - y->family->lo),
	                ex_add(a, v, ex_num(a, -y->family->lo)));
}

/* ---- closed forms ---- */
/* log of an element's (unnormalised) density at the example, relative to the base of the partition.
 */
static struct node *score(struct expansion *x, const struct conditional *c)
{
	struct arena *a = x->cx->prog;
	const struct group *y = c->group;
	struct node *v = ex_at(a, y->sym, x->m->batch, c->at);
	switch (y->family->shape) {
	case SHAPE_TWO:
	case SHAPE_ONEHOT:
		return ex_mul(a, taken(x, y, c->at), c->field);
	case SHAPE_GAUSS:
		return ex_sub(
		    a, ex_mul(a, v, c->field),
		    ex_scale(a, 0.5, ex_mul(a, c->precision, ex_op2(a, OP_POW, v, ex_num(a, 2)))));
	case SHAPE_GAMMA:
		return ex_add(a, ex_mul(a, v, c->field), ex_mul(a, ex_op1(a, OP_LOG, v), c->precision));
	case SHAPE_TOTAL:
	case SHAPE_EXPONENTIAL:
		v = ex_mul(a, v, c->field);
		return y->family->base
		           ? ex_sub(a, v, y->family->base(a, ex_at(a, y->sym, x->m->batch, c->at)))
		           : v;
	}
	BUG("shape %d", (int)y->family->shape);
}

/* -log p(y | all else in F), its blocks independent given that. */
static struct node *closed_loss(struct expansion *x, const energy *F, const struct group *y)
{
	struct arena *a = x->cx->prog;
	struct conditional c;
	double base = y->family->shape == SHAPE_TWO ? y->family->lo : 0;
	if (!model_conditional(x->cx, x->m, F, y, &c))
		return NULL;
	struct node *norm = y->family->log_partition(a, &c, base);
	return ex_sub(a, ex_reduce(a, RED_SUM, c.b.block, c.b.n, NULL, 0, norm),
	              ex_reduce(a, RED_SUM, c.at, y->sym->rank, NULL, 0, score(x, &c)));
}

/* ---- enumeration inside the program ---- */
struct listing {
	const struct group *g;
	const struct idx **state; /* one a unit: which of its values */
};

static int64_t units_of(const struct group *g)
{
	return group_units(g) / (int64_t)block_units(g);
}

static double values_of(const struct group *g)
{
	return g->family->shape == SHAPE_TWO ? 2 : block_units(g) + g->family->empty;
}

/* An element of the group in the listed state: the sum over its units (blocks) of [this unit] * its
 * value; of a block the state is the place, in row-major order, of what is 1. */
static struct node *in_state(struct arena *a, const struct node *access, void *arg)
{
	const struct listing *l = arg;
	const struct group *g = l->g;
	struct node *sum = ex_num(a, 0);
	int64_t units = units_of(g);
	for (int64_t u = 0; u < units; u++) {
		struct guard own[2 * MAX_RANK + 1];
		struct affine state = affine_idx(a, l->state[u]), place = affine_const(0);
		struct node *value = ex_num(a, 1);
		int64_t rest = u, step = 1;
		int n = 0;
		for (int r = g->sym->rank - 1; r >= 0; r--) {
			int64_t size = g->block[r], count = g->sym->dim[r] / size;
			struct affine in = affine_add(a, access->map[r], affine_const(rest % count * size), -1);
			rest /= count;
			own[n++] = (struct guard){size == 1, in};
			if (size == 1)
				continue;
			own[n++] = (struct guard){false, affine_add(a, affine_const(size - 1), in, -1)};
			place = affine_add(a, place, in, step);
			step *= size;
		}
		if (g->family->shape == SHAPE_TWO)
			value = ex_add(a, ex_num(a, g->family->lo),
			               ex_scale(a, g->family->hi - g->family->lo, ex_index(a, state)));
		else
			own[n++] = (struct guard){true, affine_add(a, place, state, -1)};
		sum = ex_add(a, sum, ex_mask(a, own, n, value));
	}
	return sum;
}

static bool countable(const struct group *g)
{
	return g->family->shape == SHAPE_TWO || g->family->shape == SHAPE_ONEHOT;
}

static double states_of(const struct group *g)
{
	double n = 1;
	for (int64_t u = 0; u < units_of(g) && n <= MAX_STATES; u++)
		n *= values_of(g);
	return n;
}

/* -log p(listed groups | all else in F) */
static struct node *listed_loss(struct expansion *x, const energy *F, const bool *listed)
{
	struct arena *a = x->cx->prog;
	const struct idx *bound[MAX_BOUND];
	int nbound = 0;
	struct node *at_data = ex_num(a, 0);
	for (int t = 0; t < F->n; t++) {
		bool mentions = false;
		for (int i = 0; i < x->m->group.n; i++)
			mentions =
			    mentions || (listed[i] && ex_mentions(F->at[t].node, x->m->group.at[i]->sym));
		if (mentions)
			at_data = ex_add(a, at_data, F->at[t].node);
	}
	struct node *at_state = at_data;
	for (int i = 0; i < x->m->group.n; i++) {
		struct listing l = {.g = x->m->group.at[i], .state = &bound[nbound]};
		if (!listed[i])
			continue;
		int64_t units = units_of(l.g);
		int64_t values = (int64_t)values_of(l.g);
		for (int64_t u = 0; u < units; u++, nbound++)
			bound[nbound] = idx_new(a, arena_printf(a, "s%d", nbound + 1), values);
		at_state =
		    ex_subst(a, at_state, &(struct subst){.from = l.g->sym, .fn = in_state, .arg = &l});
	}
	struct node *norm = ex_reduce(a, RED_LOGSUMEXP, bound, nbound, NULL, 0, ex_neg(a, at_state));
	return ex_add(a, at_data, norm);
}

/* ---- which way ---- */
/* The fewest states such that, these groups of T listed, the others of T are summed out in closed
 * form; false: there is no such choice. */
static bool choose(const struct model *m, const energy *F, const bool *of, bool *listed,
                   struct elimination *out)
{
	bool *rest = NEW_ARRAY(m->a, bool, m->group.n), *list = NEW_ARRAY(m->a, bool, m->group.n);
	double best = MAX_STATES + 1;
	for (uint32_t set = 0; set < 1u << (m->group.n < MAX_BOUND ? m->group.n : MAX_BOUND); set++) {
		struct elimination el;
		double states = 1;
		int64_t units = 0;
		bool fits = true;
		for (int i = 0; i < m->group.n; i++) {
			list[i] = i < MAX_BOUND && (set >> i & 1);
			rest[i] = of[i] && !list[i];
			fits = fits && (!list[i] || (of[i] && countable(m->group.at[i])));
			if (!list[i] || !fits)
				continue;
			states *= states_of(m->group.at[i]);
			units += units_of(m->group.at[i]);
		}
		if (!fits || states >= best || units > MAX_BOUND || !model_eliminate(m, F, rest, &el))
			continue;
		best = states;
		*out = el;
		for (int i = 0; i < m->group.n; i++)
			listed[i] = list[i];
	}
	return best <= MAX_STATES;
}

/* What stands in the way: groups of T that no choice covers. */
static bool refuse(struct expansion *x, const energy *F, const bool *of)
{
	energy none;
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		if (!of[i] || !countable(g) || model_sum_out_group(x->m, F, g, &none))
			continue;
		diag(x->cx->diags, DIAG_NLL_STATES, g->span, g->name, MAX_STATES, MAX_BOUND);
		diag(x->cx->diags, DIAG_NLL_STATES_NOTE, g->span);
		return false;
	}
	return model_sum_out(x->cx, x->m, F, of, &none);
}

static struct node *conditional_loss(struct expansion *x, const energy *F, const bool *of)
{
	struct arena *a = x->cx->prog;
	struct elimination el = {0};
	bool *listed = NEW_ARRAY(a, bool, x->m->group.n), any = false;
	if (!choose(x->m, F, of, listed, &el)) {
		refuse(x, F, of);
		return NULL;
	}
	struct node *loss = ex_num(a, 0);
	for (int i = 0; i < el.n; i++) {
		struct node *part = closed_loss(x, &el.before[i], el.group[i]);
		if (part == NULL)
			return NULL;
		loss = ex_add(a, loss, part);
	}
	for (int i = 0; i < x->m->group.n; i++)
		any = any || listed[i];
	return any ? ex_add(a, loss, listed_loss(x, &el.rest, listed)) : loss;
}

static bool directed_likelihood(struct expansion *x, const bool *of, const bool *known)
{
	if (!directed_conditional(x, of, known))
		return false;
	struct flow *fl = flow_training(x, 1);
	struct node *loss = directed_nll(fl, of, known);
	if (loss)
		return directed_descend(fl, loss);
	for (int i = 0; i < x->m->group.n; i++)
		if (!of[i] && !known[i]) {
			diag(x->cx->diags, DIAG_HIDDEN_LIKELIHOOD, x->m->group.at[i]->span,
			     x->m->group.at[i]->name);
			return false;
		}
	diag(x->cx->diags, DIAG_NO_DENSITY, x->m->group.at[0]->span, "the likelihood",
	     x->m->group.at[0]->name);
	return false;
}

bool expand_nll(struct expansion *x, const struct objective_args *args)
{
	const struct model *m = x->m;
	bool *of = NEW_ARRAY(m->a, bool, m->group.n), *rest = NEW_ARRAY(m->a, bool, m->group.n);
	bool conditional = model_reads_states(m), all = true;
	energy F;
	for (int i = 0; i < m->group.n; i++) {
		bool known = m->group.at[i]->role == GROUP_GIVEN || (args->given && args->given[i]);
		of[i] = args->of ? args->of[i] : m->group.at[i]->role == GROUP_VISIBLE;
		rest[i] = !of[i] && !known;
		conditional = conditional || known;
		all = all && (of[i] || m->group.at[i]->role != GROUP_VISIBLE);
	}
	if (m->factor.n) {
		bool *known = NEW_ARRAY(m->a, bool, m->group.n);
		for (int i = 0; i < m->group.n; i++)
			known[i] = m->group.at[i]->role == GROUP_GIVEN || (args->given && args->given[i]);
		return directed_likelihood(x, of, known);
	}
	if (!conditional && all)
		return exact_likelihood(x);
	for (int i = 0; i < m->group.n && model_reads_states(m); i++)
		if (rest[i] && m->group.at[i]->role == GROUP_VISIBLE)
			return without_given(x, "a sum over visible variables");
	if (!model_sum_out(x->cx, m, &m->E, rest, &F))
		return false;
	struct node *loss =
	    conditional ? conditional_loss(x, &F, of) : energy_node(m->a, &F); /* else + log Z */
	return loss && descend(x, program_function(x->p, "train.final"), loss) &&
	       (conditional || objective_enumerate(x, true));
}

/* Of an energy whose states each example gives: normalised for each. */
bool objective_states_nll(struct expansion *x)
{
	energy F;
	struct function *f = program_function(x->p, "nll");
	if (!model_free_energy(x->cx, x->m, &x->m->E, &F))
		return false;
	own_states(x, f);
	struct node *loss = conditional_loss(x, &F, model_role(x->m, GROUP_VISIBLE));
	if (loss)
		assign(x, f, out_sym(x, "nll", POP_DATA), x->m->batch, NULL, loss);
	return loss != NULL;
}

/* ---- errors ---- */
/* The group because of which y's factor is not its conditional given all else that is visible. */
static const struct group *in_the_way(const struct model *m, const struct factor *y)
{
	for (int i = 0; i < m->group.n; i++) {
		const struct group *g = m->group.at[i];
		const struct factor *f = model_factor(m, g);
		bool reads = model_reads(m, y->mean, g->sym);
		if (reads && (g == y->group || g->role == GROUP_HIDDEN))
			return g;
		if (f && f != y && model_reads(m, f->log_density ? f->log_density : f->draw, y->group->sym))
			return g;
	}
	return NULL;
}

/* The same where y has a directed factor that is it: what is compared are the means. */
static bool factor_field(struct expansion *x, const struct group *y, struct conditional *c)
{
	struct arena *a = x->cx->prog;
	const struct factor *f = model_factor(x->m, y);
	const struct group *bad = f->mean ? in_the_way(x->m, f) : y;
	if (bad) {
		diag(x->cx->diags, DIAG_ERROR_TARGET, f->span, y->name, bad->name);
		return false;
	}
	struct flow *fl = flow_new(x, program_function(x->p, "error"), "error", POP_DATA, 1);
	struct node *mean = flow_at(fl, f->mean);
	*c = (struct conditional){.group = y, .b = model_places(a, y, f->at)};
	for (int k = 0; k < y->sym->rank; k++)
		c->at[k] = f->at[k];
	c->field = ex_sub(a, mean, ex_num(a, (y->family->lo + y->family->hi) / 2));
	c->inner = mean;
	for (int k = 0; k < y->sym->rank; k++)
		c->inner = ex_subst_idx(a, c->inner, f->at[k], c->b.k[k]);
	return true;
}

/* The field of y at means that mean field has found for y and the hidden groups. */
static bool filled_in_field(struct expansion *x, const struct group *y, double damping,
                            struct conditional *c)
{
	bool *which = NEW_ARRAY(x->cx->prog, bool, x->m->group.n + 1);
	for (int i = 0; i < x->m->group.n; i++)
		which[i] = x->m->group.at[i]->role == GROUP_HIDDEN || x->m->group.at[i] == y;
	struct walkers data = walkers_data(x), q = walkers_means_of(x, "guess", &data, which);
	if (!meanfield_allowed(x->cx, x->m, which) ||
	    !meanfield(x, "error.start", "error.pass", &q, which, damping) ||
	    !model_element(x->cx, x->m, &x->m->E, y, c))
		return false;
	c->field = at_means(x, c->field, &q);
	c->inner = at_means(x, c->inner, &q);
	return true;
}

/* y's conditional given everything else visible: its field in the free energy. */
static bool target_field(struct expansion *x, const struct group *y, bool by_means, double damping,
                         struct conditional *c)
{
	energy F;
	if (y->family->shape != SHAPE_TWO && y->family->shape != SHAPE_ONEHOT) {
		diag(x->cx->diags, DIAG_LOSS_DOMAIN, y->span, "the share of errors",
		     "binary, spin or categorical", y->name, y->domain);
		return false;
	}
	if (model_factor(x->m, y))
		return factor_field(x, y, c);
	if (by_means)
		return filled_in_field(x, y, damping, c);
	return model_free_energy(x->cx, x->m, &x->m->E, &F) && model_conditional(x->cx, x->m, &F, y, c);
}

bool objective_error(struct expansion *x, const struct group *y, bool by_means, double damping)
{
	struct arena *a = x->cx->prog;
	struct conditional c;
	if (!target_field(x, y, by_means, damping, &c))
		return false;
	struct node *wrong;
	double blocks = (double)units_of(y);
	if (y->family->shape == SHAPE_ONEHOT) { /* some other value of the block has a larger field */
		struct node *v = ex_access(a, y->sym, x->m->batch, c.b.k);
		struct node *of = ex_reduce(a, RED_SUM, c.b.in, c.b.m, NULL, 0, ex_mul(a, v, c.inner));
		struct node *best = ex_reduce(a, RED_MAX, c.b.in, c.b.m, NULL, 0, c.inner);
		if (y->family->empty)
			best = ex_op2(a, OP_MAX, best, ex_num(a, 0));
		wrong = ex_op2(a, OP_LT, of, best);
	} else {
		struct node *up = ex_op2(a, OP_LT, ex_num(a, 0), c.field);
		wrong = ex_op2(a, OP_POW, ex_sub(a, taken(x, y, c.at), up), ex_num(a, 2));
	}
	wrong = ex_scale(a, 1 / blocks, ex_reduce(a, RED_SUM, c.b.block, c.b.n, NULL, 0, wrong));
	own_states(x, program_function(x->p, "error"));
	assign(x, program_function(x->p, "error"), out_sym(x, "error", POP_DATA), x->m->batch, NULL,
	       wrong);
	return true;
}
