/* What a model offers to programs that embed it.
 *
 * Of an energy: E and F of given states, each group's conditional means and draws given all others,
 * means of a visible group given the other visible ones, mean-field means of the hidden groups, and
 * chains: fresh ones, ones that go on, and ones with known values held, whose conditional means are
 * averaged over the sweeps.  Of a directed model: the log-probability or a bound, the posterior's
 * means and draws, those of the visible groups given the hidden ones, and ancestral samples.
 *
 * requires: a model; ensures: every offer has a program of its own or the reason why not. */
#include "objective/making.h"

#include <string.h>

#define NO_DRAW 1e30 /* more than any energy, and exp(-it) is 0 */

static bool refuse(struct making *k, const char *why)
{
	k->e->refused = why;
	return false;
}

/* ---- arguments and phases ---- */
void embed_argument(struct making *k, const struct group *g, const struct sym *sym,
                    enum embed_way way, const char *what)
{
	struct embed_arg arg = {.name = g->name, .what = what, .sym = sym, .group = g, .way = way};
	vec_push(k->x->cx->prog, &k->e->arg, arg);
}

static void real_output(struct making *k, const char *name, const struct sym *sym, const char *what)
{
	struct embed_arg arg = {.name = name, .what = what, .sym = sym, .way = EMBED_OUT};
	vec_push(k->x->cx->prog, &k->e->arg, arg);
}

void embed_mean_output(struct making *k, const struct group *g, const struct sym *sym,
                       const char *what)
{
	real_output(k, arena_printf(k->x->cx->prog, "mean_%s", g->name), sym, what);
}

struct embed_phase *embed_phase(struct making *k, const char *count, int64_t least)
{
	vec_push(k->x->cx->prog, &k->e->phase, ((struct embed_phase){.count = count, .least = least}));
	return &k->e->phase.at[k->e->phase.n - 1];
}

static void step(struct embed_phase *p, const char *function, int64_t times)
{
	if (p->ncall == EMBED_CALLS)
		BUG("embed: more than %d calls in a phase", EMBED_CALLS);
	p->call[p->ncall].function = function;
	p->call[p->ncall++].times = times;
}

struct function *embed_once(struct making *k, const char *function)
{
	step(embed_phase(k, NULL, 0), function, 1);
	return program_function(k->x->p, function);
}

void embed_times(struct making *k, const char *function, int64_t times)
{
	if (times)
		step(embed_phase(k, NULL, 0), function, times);
}

static const struct sym *symbol(const struct making *k, const char *name)
{
	const struct program *p = k->x->p;
	for (int i = 0; i < p->tensor.n; i++)
		if (strcmp(p->tensor.at[i].sym->name, name) == 0)
			return p->tensor.at[i].sym;
	BUG("embed: no symbol %s", name);
}

const struct sym *embed_named(const struct making *k, const struct group *g, const char *suffix)
{
	return symbol(k, arena_printf(k->x->cx->prog, "%s.%s", g->name, suffix));
}

/* The groups but one as inputs, of the roles that are wanted. */
static void inputs(struct making *k, const struct walkers *w, const struct group *except,
                   bool hidden)
{
	const struct model *m = k->x->m;
	for (int i = 0; i < m->group.n; i++)
		if (m->group.at[i] != except && (hidden || m->group.at[i]->role != GROUP_HIDDEN))
			embed_argument(k, m->group.at[i], w->state[i], EMBED_IN, "");
}

void embed_examples(struct making *k)
{
	struct walkers data = walkers_data(k->x);
	inputs(k, &data, NULL, false);
}

static bool has_role(const struct model *m, enum group_role role)
{
	for (int i = 0; i < m->group.n; i++)
		if (m->group.at[i]->role == role)
			return true;
	return false;
}

/* ---- numbers of the examples ---- */
static bool make_energy(struct making *k)
{
	struct expansion *x = k->x;
	struct arena *a = x->cx->prog;
	struct walkers w = walkers_new(x, "state", POP_DATA);
	struct node *e = ex_add(a, energy_node(a, &x->m->E), base_measure(x));
	inputs(k, &w, NULL, true);
	assign(x, embed_once(k, "energy"), out_sym(x, "energy", POP_DATA), w.batch, NULL,
	       at_walkers(x, e, &w));
	real_output(k, "out", symbol(k, "out.energy"), "E");
	return true;
}

/* A figure under its own name; minus: its sign is turned. */
static bool figure(struct making *k, bool (*expand)(struct expansion *x), const char *function,
                   bool minus, const char *what)
{
	struct expansion *x = k->x;
	struct arena *a = x->cx->prog;
	embed_examples(k);
	if (!expand(x))
		return false;
	struct function *f = embed_once(k, function);
	const struct sym *out = symbol(k, arena_printf(a, "out.%s", function));
	if (minus)
		assign(x, f, out, x->m->batch, NULL, ex_neg(a, ex_access(a, out, x->m->batch, NULL)));
	real_output(k, "out", out, what);
	return true;
}

static bool make_free_energy(struct making *k)
{
	return figure(k, objective_free_energy, "free_energy", false, "F");
}

static bool make_pseudo(struct making *k)
{
	return figure(k, objective_pseudo_likelihood, "pseudo_likelihood", false, "nats");
}

static bool make_log_probability(struct making *k)
{
	return figure(k, objective_nll, "nll", true, "nats");
}

static bool make_elbo(struct making *k)
{
	k->e->random = true;
	return figure(k, objective_elbo, "elbo", false, "nats");
}

static bool make_prior_bound(struct making *k)
{
	k->e->random = true;
	return figure(k, objective_free_energy, "free_energy", false, "nats");
}

static bool make_importance(struct making *k)
{
	struct expansion *x = k->x;
	struct arena *a = x->cx->prog;
	const struct idx *n = x->m->batch;
	embed_examples(k);
	if (!objective_importance(x))
		return false;
	k->e->random = true;
	embed_once(k, "importance.start");
	step(embed_phase(k, "passes", 1), "importance.pass", 1);
	struct function *f = embed_once(k, "importance");
	const struct sym *out = symbol(k, "out.importance");
	struct node *passes = ex_access(a, scalar_sym(x, "passes"), NULL, NULL);
	struct node *particles = ex_op1(a, OP_LOG, ex_scale(a, OBJECTIVE_PARTICLES, passes));
	assign(x, f, out, n, NULL, ex_neg(a, ex_add(a, ex_access(a, out, n, NULL), particles)));
	real_output(k, "out", out, "nats");
	return true;
}

/* ---- conditionals ---- */
/* Has the group a conditional of its own given all others, or only each unit, given the group's
 * other units too?  *own is then true. */
static bool conditional(struct making *k, bool *own)
{
	struct cx quiet = *k->x->cx;
	struct conditional c;
	quiet.diags = diags_new(quiet.tmp);
	*own = !model_conditional(&quiet, k->x->m, &k->x->m->E, k->group, &c);
	return model_element(k->x->cx, k->x->m, &k->x->m->E, k->group, &c);
}

static bool make_mean(struct making *k)
{
	struct expansion *x = k->x;
	struct walkers w = walkers_new(x, "state", POP_DATA);
	bool own;
	if (!conditional(k, &own))
		return false;
	if (own && k->group->role == GROUP_HIDDEN)
		return refuse(k, "units of the group are coupled");
	const struct sym *mean = mean_sym(x, k->group, "mean", POP_DATA);
	if (!mean_group(x, embed_once(k, "mean"), &x->m->E, k->group, &w, mean))
		return false;
	inputs(k, &w, own ? NULL : k->group, true);
	embed_mean_output(k, k->group, mean, own ? "of each unit given all others" : "");
	return true;
}

static bool make_draw(struct making *k)
{
	struct expansion *x = k->x;
	struct walkers w = walkers_new(x, "state", POP_DATA);
	bool own;
	if (!conditional(k, &own) || !draw_group(x, embed_once(k, "draw"), &x->m->E, k->group, &w))
		return false;
	k->e->random = true;
	inputs(k, &w, k->group, true);
	embed_argument(k, k->group, w.state[group_number(x, k->group)], own ? EMBED_INOUT : EMBED_OUT,
	               own ? "one sweep over its units, each given all others" : "");
	return true;
}

static bool make_predict(struct making *k)
{
	struct expansion *x = k->x;
	struct walkers w = walkers_data(x);
	struct conditional c;
	energy F;
	if (!model_free_energy(x->cx, x->m, &x->m->E, &F) ||
	    !model_conditional(x->cx, x->m, &F, k->group, &c))
		return false;
	struct function *f = embed_once(k, "predict");
	own_states(x, f);
	const struct sym *mean = mean_sym(x, k->group, "mean", POP_DATA);
	if (!mean_group(x, f, &F, k->group, &w, mean))
		return false;
	inputs(k, &w, k->group, false);
	embed_mean_output(k, k->group, mean, "");
	return true;
}

static bool make_meanfield(struct making *k)
{
	struct expansion *x = k->x;
	const bool *hidden = model_role(x->m, GROUP_HIDDEN);
	struct walkers data = walkers_data(x), q = walkers_means_of(x, "q", &data, hidden);
	if (!meanfield_allowed(x->cx, x->m, hidden) || !meanfield(x, "start", "pass", &q, hidden, 0))
		return false;
	embed_once(k, "start");
	step(embed_phase(k, "iterations", 1), "pass", 1);
	struct function *f = embed_once(k, "bound");
	assign(x, f, out_sym(x, "bound", POP_DATA), q.batch, NULL,
	       ex_sub(x->cx->prog, base_measure(x), meanfield_bound(x, &q)));
	embed_examples(k);
	for (int i = 0; i < x->m->group.n; i++)
		if (x->m->group.at[i]->role == GROUP_HIDDEN)
			embed_mean_output(k, x->m->group.at[i], q.state[i], "");
	real_output(k, "out", symbol(k, "out.bound"), "a bound from above on F");
	return true;
}

/* ---- chains ---- */
/* Of blocks that are known in part, what is known is 0: there E is so large that no draw is 1. */
static void bar(struct making *k, struct function *f, energy *E, const struct walkers *w, int i)
{
	struct expansion *x = k->x;
	struct arena *a = x->cx->prog;
	const struct group *g = x->m->group.at[i];
	const struct idx *at[MAX_RANK];
	const struct sym *barred = mean_sym(x, g, "barred", POP_DATA);
	fresh_axes(a, g->sym, at);
	struct node *known = ex_at(a, embed_named(k, g, "known"), w->batch, at);
	struct node *part = ex_sub(a, known, ex_at(a, w->held[i], w->batch, at));
	assign(x, f, barred, w->batch, at, ex_scale(a, NO_DRAW, part));
	struct node *term =
	    ex_mul(a, ex_at(a, barred, w->batch, at), ex_at(a, g->sym, x->m->batch, at));
	energy_push(a, E, ex_reduce(a, RED_SUM, at, g->sym->rank, NULL, 0, term), g->span);
}

/* GROUP.held := where all of a unit's block is known; E := what chains with them move in. */
static void hold(struct making *k, struct function *f, energy *E, struct walkers *w, int i)
{
	struct expansion *x = k->x;
	struct arena *a = x->cx->prog;
	const struct group *g = x->m->group.at[i];
	const struct idx *at[MAX_RANK];
	const struct sym *known = mean_sym(x, g, "known", POP_DATA);
	fresh_axes(a, g->sym, at);
	struct blocks b = model_places(a, g, at);
	struct node *all = ex_access(a, known, w->batch, b.k);
	struct conditional c = {.group = g, .b = b};
	memcpy(c.at, at, sizeof at);
	if (b.m)
		all = model_at_element(a, &c, ex_reduce(a, RED_PROD, b.in, b.m, NULL, 0, all));
	w->held[i] = mean_sym(x, g, "held", POP_DATA);
	assign(x, f, w->held[i], w->batch, at, b.m ? all : ex_at(a, known, w->batch, at));
	embed_argument(k, g, w->state[i], EMBED_KNOWN,
	               g->total
	                   ? "what is not a number is filled in; a block is known or not as a whole"
	                   : "what is not a number is filled in");
	k->e->arg.at[k->e->arg.n - 1].known = known;
	if (b.m && !g->total)
		bar(k, f, E, w, i);
}

/* A transition: its begin and its steps where it has them, its end. */
void embed_transition_calls(struct making *k, struct embed_phase *p, const char *name)
{
	const struct program *prog = k->x->p;
	const char *start = arena_printf(k->x->cx->prog, "%s.begin", name);
	const char *leap = arena_printf(k->x->cx->prog, "%s.step", name);
	for (int i = 0; i < prog->function.n; i++)
		if (strcmp(prog->function.at[i]->name, start) == 0) {
			step(p, start, 1);
			step(p, leap, k->x->sampling.steps);
		}
	step(p, name, 1);
}

static void group_arguments(struct making *k, const struct walkers *w, enum embed_way way)
{
	for (int i = 0; i < k->x->m->group.n; i++)
		if (k->x->m->group.at[i]->role != GROUP_GIVEN)
			embed_argument(k, k->x->m->group.at[i], w->state[i], way, "");
}

static void given_arguments(struct making *k, const struct walkers *w)
{
	for (int i = 0; i < k->x->m->group.n; i++)
		if (k->x->m->group.at[i]->role == GROUP_GIVEN)
			embed_argument(k, k->x->m->group.at[i], w->state[i], EMBED_IN, "");
}

/* The start of fresh chains: independent units, of which held ones keep their values.  A function
 * has a step of its own, so that it may draw from the same streams as others: sweeps are the same
 * code whatever came before them. */
static bool begin(struct making *k, const energy *E, struct walkers *w)
{
	struct expansion *x = k->x;
	struct function *f = embed_once(k, "begin");
	if (!draw_independent(x, f, w, GROUP_VISIBLE, false) ||
	    !draw_independent(x, f, w, GROUP_HIDDEN, false) || !mover_new(x, "begin", E, w))
		return false;
	if (w->mover && !sweep_role(x, f, E, w, GROUP_HIDDEN))
		return false;
	x->p->ndraw = 0;
	return true;
}

static bool make_sample(struct making *k)
{
	struct expansion *x = k->x;
	struct walkers w = walkers_new(x, "state", POP_DATA);
	k->e->random = true;
	given_arguments(k, &w);
	if (!begin(k, &x->m->E, &w) || !transition(x, "sweep", &x->m->E, &w))
		return false;
	struct embed_phase *p = embed_phase(k, "sweeps", 0);
	p->adapt = true;
	embed_transition_calls(k, p, "sweep");
	group_arguments(k, &w, EMBED_OUT);
	return true;
}

static bool make_sweep(struct making *k)
{
	struct expansion *x = k->x;
	struct walkers w = walkers_new(x, "state", POP_DATA);
	k->e->random = true;
	given_arguments(k, &w);
	if (!mover_new(x, "begin", &x->m->E, &w))
		return false;
	if (w.mover)
		return refuse(k,
		              "groups move along the gradient, with steps whose size is found in sample");
	if (!transition(x, "sweep", &x->m->E, &w))
		return false;
	embed_transition_calls(k, embed_phase(k, "sweeps", 0), "sweep");
	group_arguments(k, &w, EMBED_INOUT);
	return true;
}

/* mean := (of its conditional means after each sweep); `each` adds one up, `end` divides. */
static bool average(struct making *k, const energy *E, const struct walkers *w,
                    const struct group *g, struct function *start, struct function *each,
                    struct function *end)
{
	struct expansion *x = k->x;
	struct arena *a = x->cx->prog;
	const struct idx *at[MAX_RANK];
	int i = group_number(x, g);
	const struct sym *mean = mean_sym(x, g, "mean", POP_DATA),
	                 *now = mean_sym(x, g, "now", POP_DATA);
	fresh_axes(a, g->sym, at);
	struct node *sum = ex_at(a, mean, w->batch, at);
	struct node *share = ex_access(a, scalar_sym(x, "inv_sweeps"), NULL, NULL);
	assign(x, start, mean, w->batch, at, ex_num(a, 0));
	if (w->mover && w->mover->moved[i])
		assign(x, each, now, w->batch, at, ex_at(a, w->state[i], w->batch, at));
	else if (!mean_group(x, each, E, g, w, now))
		return false;
	assign(x, each, mean, w->batch, at, ex_add(a, sum, ex_at(a, now, w->batch, at)));
	assign(x, end, mean, w->batch, at, ex_mul(a, share, sum));
	embed_mean_output(k, g, mean,
	                  "means of the conditional means over the sweeps behind the first `burn`");
	return true;
}

static bool make_complete(struct making *k)
{
	struct expansion *x = k->x;
	struct walkers w = walkers_new(x, "state", POP_DATA);
	struct function *start = program_function(x->p, "begin");
	energy E = {0};
	for (int i = 0; i < x->m->E.n; i++)
		vec_push(x->cx->prog, &E, x->m->E.at[i]);
	k->e->random = true;
	given_arguments(k, &w);
	for (int i = 0; i < x->m->group.n; i++)
		if (x->m->group.at[i]->role != GROUP_GIVEN)
			hold(k, start, &E, &w, i);
	if (!begin(k, &E, &w) || !transition(x, "sweep", &E, &w))
		return false;
	struct embed_phase *burn = embed_phase(k, "burn", 0);
	burn->adapt = true;
	embed_transition_calls(k, burn, "sweep");
	struct embed_phase *kept = embed_phase(k, "sweeps", 1);
	embed_transition_calls(k, kept, "sweep");
	step(kept, "each", 1);
	struct function *each = program_function(x->p, "each"), *end = embed_once(k, "end");
	for (int i = 0; i < x->m->group.n; i++)
		if (x->m->group.at[i]->role == GROUP_VISIBLE &&
		    !average(k, &E, &w, x->m->group.at[i], start, each, end))
			return false;
	return true;
}

/* ---- the list ---- */
/* A function of the runtime or of libm that the expression needs; NULL: none. */
static const char *library(const struct node *x)
{
	const char *name = x->kind == N_OP && op_flags(x->op) & OPF_LIBRARY ? op_name(x->op) : NULL;
	for (int k = 0; k < x->nkid && !name; k++)
		name = library(x->kid[k]);
	return name;
}

static bool freestanding(struct making *k)
{
	const struct program *p = k->x->p;
	for (int i = 0; i < p->function.n; i++)
		for (int s = 0; s < p->function.at[i]->nstmt; s++) {
			const char *name = library(p->function.at[i]->stmt[s].rhs);
			if (name)
				return refuse(k, arena_printf(k->x->cx->prog,
				                              "it needs %s, which a freestanding object has not",
				                              name));
		}
	return true;
}

struct offering {
	struct cx *cx;
	struct model *m;
	const struct sampling *sampling;
	bool loops, bare;
	embed_list *out;
};

static void offer(const struct offering *o, const char *name, make_fn *make, const struct group *g,
                  const char *what)
{
	struct arena *a = o->cx->prog;
	struct cx *cx = NEW(a, struct cx);
	struct embed *e = NEW(a, struct embed);
	*cx = *o->cx;
	cx->diags = diags_new(a); /* an offer that is refused is no error of the file */
	e->name = g ? arena_printf(a, "%s_%s", name, g->name) : name;
	e->what = what;
	e->x = expansion_new(cx, o->m);
	e->x->sampling = *o->sampling;
	e->x->p->function.n = e->x->p->ndraw = 0; /* without `init` */
	e->x->p->loops = o->loops;
	struct making k = {e, e->x, g};
	bool ok = make(&k);
	if (ok)
		embed_check(&k);
	ok = ok && (!o->bare || freestanding(&k));
	if (!ok && !e->refused)
		e->refused = diags_error_placed(cx->diags);
	if (!ok && !e->refused)
		BUG("embed: %s of %s is refused without a word", e->name, o->m->name);
	vec_push(a, o->out, e);
}

static bool make_no_completion(struct making *k)
{
	return refuse(k,
	              "the values of a directed model given some of them have no conditionals to draw "
	              "from; encode and decode, where it has them, go between the visible groups and "
	              "the hidden ones");
}

static void offer_directed(const struct offering *o)
{
	const struct model *m = o->m;
	bool hidden = has_role(m, GROUP_HIDDEN);
	if (!hidden)
		offer(o, "log_probability", make_log_probability, NULL, "log p of the visible values");
	if (m->prior)
		offer(o, "free_energy_bound", make_prior_bound, NULL,
		      "a bound from above on -log p of the visible values less the energy's log Z, by one "
		      "draw "
		      "from the posterior");
	if (m->posterior.n) {
		offer(o, "elbo", make_elbo, NULL,
		      "the evidence lower bound on log p of the visible values, by one draw from the "
		      "posterior");
		offer(
		    o, "log_probability_bound", make_importance, NULL,
		    "the importance-weighted bound on log p of the visible values, in passes of 50 draws");
		offer(o, "encode", make_encode, NULL, "the posterior of the hidden groups");
	}
	if (hidden)
		offer(o, "decode", make_decode, NULL, "the visible groups given the hidden ones");
	offer(o, "sample", make_ancestral, NULL,
	      m->prior ? "samples, what the energy is over by fresh Markov chains of so many sweeps"
	               : "independent samples");
	offer(o, "complete", make_no_completion, NULL, "");
}

/* Energies that read states, one a step, are normalised step by step: what stands at one example.
 */
static void offer_energy(const struct offering *o)
{
	const struct model *m = o->m;
	bool hidden = has_role(m, GROUP_HIDDEN), states = model_reads_states(m);
	if (!states)
		offer(o, "energy", make_energy, NULL, "the energy of states of all groups");
	offer(o, "free_energy", make_free_energy, NULL,
	      "minus the log of the sum of exp(-energy) over the hidden groups");
	offer(o, "pseudo_log_likelihood", make_pseudo, NULL,
	      "the sum over visible units of log p(unit | all others)");
	for (int i = 0; i < m->group.n && hidden; i++)
		if (m->group.at[i]->role == GROUP_VISIBLE)
			offer(o, "predict", make_predict, m->group.at[i],
			      "means of the group given the other visible ones, the hidden ones summed out");
	if (states)
		return;
	for (int i = 0; i < m->group.n; i++)
		if (m->group.at[i]->role != GROUP_GIVEN) {
			offer(o, "mean", make_mean, m->group.at[i], "means of the group given all others");
			offer(o, "draw", make_draw, m->group.at[i], "a draw of the group given all others");
		}
	if (hidden)
		offer(o, "encode", make_meanfield, NULL,
		      "mean-field means of the hidden groups, and the bound that they give");
	offer(o, "sample", make_sample, NULL, "states of fresh Markov chains after so many sweeps");
	offer(o, "sweep", make_sweep, NULL, "Markov chains go on for so many sweeps");
	offer(o, "complete", make_complete, NULL, "samples of what is unknown given what is known");
}

void embed_offers(struct cx *cx, struct model *m, const struct sampling *sampling, bool loops,
                  bool bare, embed_list *out)
{
	struct offering o = {cx, m, sampling, loops, bare, out};
	if (m->factor.n)
		offer_directed(&o);
	else
		offer_energy(&o);
}
