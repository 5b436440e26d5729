/* A train, evaluate or sample block as a program: the objective by its table, the figures that its
 * clauses ask for, each once. */
#include "driver/driver.h"

#include <string.h>

static const struct figure_kind figures[] = {
#define FIGURE(name, function, gap, per_unit, higher, expand) \
	{name, function, gap, per_unit, higher, expand},
#include "driver/figure.def"
#undef FIGURE
};
enum { NFIGURE = sizeof figures / sizeof *figures };

const struct figure_kind *figure_find(const char *name)
{
	for (int i = 0; i < NFIGURE; i++)
		if (strcmp(figures[i].name, name) == 0)
			return &figures[i];
	return NULL;
}

static const char *near_figure(const char *name)
{
	const char *words[NFIGURE];
	for (int i = 0; i < NFIGURE; i++)
		words[i] = figures[i].name;
	return nearest_word(name, words, NFIGURE);
}

static void suggest(struct unit *u, struct span at, const char *near)
{
	if (near)
		diag(u->cx.diags, DIAG_NOTE, at, arena_printf(u->cx.prog, "did you mean '%s'?", near));
}

static int groups_with_data(const struct model *m)
{
	int n = 0;
	for (int i = 0; i < m->group.n; i++)
		n += m->group.at[i]->role != GROUP_HIDDEN;
	return n;
}

bool figure_data(struct unit *u, const struct model *m, const struct figure_kind *k,
                 const struct value *v, const struct data_def **out)
{
	int want = groups_with_data(m) * (k->gap ? 2 : 1);
	if (v->call->narg != want) {
		diag(u->cx.diags, DIAG_FIGURE_DATA, v->span, k->name, want,
		     k->gap ? "training sets first" : "in order of declaration");
		return false;
	}
	for (int i = 0; i < want; i++) {
		const struct value *a = &v->call->arg[i];
		out[i] = a->kind == VAL_NAME ? data_named(u, a->name) : NULL;
		if (out[i] == NULL) {
			diag(u->cx.diags, DIAG_FIGURE_NOT_DATA, a->span, k->name);
			return false;
		}
	}
	return true;
}

struct wanted { /* figures already expanded */
	bool function[NFIGURE];
};

static bool want_figure(struct compiled *c, struct wanted *w, const struct figure_kind *k)
{
	for (int i = 0; i < NFIGURE; i++) {
		if (strcmp(figures[i].function, k->function) != 0)
			continue;
		if (w->function[i])
			return true;
		w->function[i] = true;
		return k->expand(c->x);
	}
	BUG("figure %s", k->name);
}

/* Are those of the data sets that models draw of models trained before the block? */
static bool draws_before(struct unit *u, const struct block_def *b,
                         const struct data_def *const *data, const struct value *v)
{
	for (int i = 0; i < v->call->narg; i++)
		if (!drawn_before(u, b, data[i], v->call->arg[i].span))
			return false;
	return true;
}

static bool expand_monitor(struct unit *u, struct compiled *c, struct wanted *w,
                           const struct clause *cl)
{
	bool ok = true;
	int n = strcmp(cl->name, "monitor") == 0 ? cl->narg : 1;
	for (int i = 0; i < n; i++) {
		const struct value *v = &cl->arg[i];
		const struct figure_kind *k = figure_find(v->call->name);
		const struct data_def *data[2 * DGM_MAX_POP];
		if (k == NULL) {
			diag(u->cx.diags, DIAG_FIGURE_UNKNOWN, v->call->name_span, v->call->name);
			suggest(u, v->call->name_span, near_figure(v->call->name));
			ok = false;
			continue;
		}
		if (!model_whole(c->m) && strcmp(k->name, "reconstruction") != 0) {
			diag(u->cx.diags, DIAG_PRETRAIN_FIGURE, v->call->name_span, k->name);
			ok = false;
			continue;
		}
		ok = figure_data(u, c->whole, k, v, data) && draws_before(u, c->block, data, v) &&
		     want_figure(c, w, k) && ok;
	}
	return ok;
}

bool monitors(const struct clause *cl)
{
	return strcmp(cl->name, "monitor") == 0 || strcmp(cl->name, "stop") == 0;
}

static bool read_posterior(struct unit *u, const struct block_def *b, struct posterior *out)
{
	const struct clause *cl = block_clause(b, "posterior");
	struct value v[3];
	*out = (struct posterior){0};
	if (cl == NULL)
		return true;
	const struct call *call = cl->arg[0].call;
	if (strcmp(call->name, "meanfield") != 0) {
		diag(u->cx.diags, DIAG_POSTERIOR, call->name_span, call->name);
		return false;
	}
	if (!call_bind(&u->cx, call, "iterations:int=10 tolerance:num[0,)=0 damping:num[0,1)=0", v,
	               NULL))
		return false;
	*out = (struct posterior){true, (int64_t)v[0].num, v[1].num, v[2].num};
	return true;
}

/* The value bound to an argument of a signature; NULL: it has none of this name. */
static const struct value *named(const char *signature, const struct value *v, const char *name)
{
	size_t n = strlen(name);
	for (; *signature; v++) {
		if (strncmp(signature, name, n) == 0 && signature[n] == ':')
			return v;
		signature += strcspn(signature, " ");
		signature += strspn(signature, " ");
	}
	return NULL;
}

bool block_sampler(struct unit *u, const struct block_def *b, struct sampling *out)
{
	const struct clause *cl = block_clause(b, "sampler");
	const struct call standard = {.name = "hmc", .span = b->span};
	const struct call *call = cl ? cl->arg[0].call : &standard;
	const struct sampler *how = sampler_find(call->name);
	struct value v[8];
	if (how == NULL) {
		int n;
		const char *const *names = sampler_names(&n);
		diag(u->cx.diags, DIAG_SAMPLER_UNKNOWN, call->name_span, call->name);
		suggest(u, call->name_span, nearest_word(call->name, names, n));
		return false;
	}
	if (!call_bind(&u->cx, call, how->signature, v, NULL))
		return false;
	const struct value *steps = named(how->signature, v, "steps"),
	                   *step = named(how->signature, v, "step"),
	                   *acceptance = named(how->signature, v, "acceptance");
	*out = (struct sampling){.how = cl ? how : NULL,
	                         .steps = steps ? (int64_t)steps->num : 1,
	                         .step = step ? step->num : 0,
	                         .acceptance = acceptance ? acceptance->num : 0,
	                         .temperatures = (int64_t)named(how->signature, v, "temperatures")->num,
	                         .span = cl ? cl->span : b->span};
	return true;
}

/* ---- objectives ---- */
static const struct value *goal_value(const struct goal *g, const char *name)
{
	return named(g->objective->signature, g->arg, name);
}

const struct value *objective_value(const struct compiled *c, const char *name)
{
	const struct value *v = NULL;
	for (int i = 0; i < c->goal.n && v == NULL; i++)
		v = goal_value(&c->goal.at[i], name);
	return v;
}

static const struct group *target_group(struct unit *u, const struct model *m,
                                        const struct value *v)
{
	for (int i = 0; i < m->group.n; i++)
		if (m->group.at[i]->role == GROUP_VISIBLE && strcmp(m->group.at[i]->name, v->name) == 0)
			return m->group.at[i];
	diag(u->cx.diags, DIAG_TARGET, v->span, v->name);
	return NULL;
}

/* Marks the group that v names; conditions may be given variables. */
static bool mark(struct unit *u, const struct model *m, const struct value *v, bool condition,
                 bool *to, const bool *other)
{
	int i = 0;
	while (i < m->group.n && strcmp(m->group.at[i]->name, v->name) != 0)
		i++;
	enum group_role role = i < m->group.n ? m->group.at[i]->role : GROUP_HIDDEN;
	if (role == GROUP_HIDDEN || (role == GROUP_GIVEN && !condition)) {
		diag(u->cx.diags, condition ? DIAG_CONDITION : DIAG_TARGET, v->span, v->name);
		return false;
	}
	if (to[i] || (other && other[i])) {
		diag(u->cx.diags, DIAG_BOTH_SIDES, v->span, v->name);
		return false;
	}
	to[i] = true;
	return true;
}

/* y, z given v, w */
static bool read_subject(struct unit *u, const struct model *m, const struct call *call,
                         struct objective_args *out)
{
	bool *of = NEW_ARRAY(u->cx.prog, bool, m->group.n), ok = true;
	bool *given = NEW_ARRAY(u->cx.prog, bool, m->group.n);
	const struct value *v = call->arg;
	bool both = call->narg == 1 && v->kind == VAL_GIVEN;
	const struct call *what = both ? v->call : call;
	for (int i = 0; i < what->narg; i++)
		ok = mark(u, m, &what->arg[i], false, of, NULL) && ok;
	for (int i = 0; both && i < v->given->narg; i++)
		ok = mark(u, m, &v->given->arg[i], true, given, of) && ok;
	out->of = what->narg ? of : NULL;
	out->given = given;
	return ok;
}

static bool yes_or_no(struct unit *u, const struct value *v, bool *yes)
{
	*yes = strcmp(v->name, "yes") == 0;
	if (*yes || strcmp(v->name, "no") == 0)
		return true;
	diag(u->cx.diags, DIAG_YES_NO, v->span, v->name);
	return false;
}

/* Which of the words is it?  false: none, refused. */
static bool which_word(struct unit *u, const struct value *v, const char *const *words, int n,
                       enum diag_id none, int *k)
{
	for (*k = 0; *k < n; ++*k)
		if (strcmp(words[*k], v->name) == 0)
			return true;
	diag(u->cx.diags, none, v->span, v->name);
	return false;
}

/* The critic, its loss, the kernel: of implicit models. */
static bool read_implicit(struct unit *u, const struct block_def *b, const struct goal *g,
                          const struct call *call, struct objective_args *out)
{
	static const char *const losses[] = {"nonsaturating", "minimax", "wasserstein"};
	const struct value *critic = goal_value(g, "critic"), *loss = goal_value(g, "loss"),
	                   *kernel = goal_value(g, "kernel"), *of = goal_value(g, "through");
	out->span = call->span;
	if (critic) {
		int k;
		out->net = critic->name;
		out->penalty = goal_value(g, "penalty")->num;
		if (!which_word(u, loss, losses, 3, DIAG_LOSS_WORD, &k))
			return false;
		out->loss = k;
	}
	if (kernel) {
		const struct call *rbf = kernel->call;
		double *s = NEW_ARRAY(u->cx.prog, double, rbf->narg + 1);
		bool ok = strcmp(rbf->name, "rbf") == 0 && rbf->narg > 0;
		for (int i = 0; i < rbf->narg; i++) {
			ok = ok && rbf->arg[i].kind == VAL_NUM && rbf->arg[i].num > 0;
			s[i] = rbf->arg[i].num;
		}
		if (!ok) {
			diag(u->cx.diags, DIAG_KERNEL, kernel->span);
			return false;
		}
		out->sigmas = s;
		out->nsigma = rbf->narg;
		const struct clause *batch = block_clause(b, "batch");
		int64_t rows = batch ? (int64_t)batch->arg[0].num : BATCH_ROWS;
		out->rows = rows > EVAL_ROWS ? rows : EVAL_ROWS;
		bool square = true;
		if (!yes_or_no(u, goal_value(g, "square"), &square) ||
		    !yes_or_no(u, goal_value(g, "unbiased"), &out->unbiased))
			return false;
		out->root = !square;
		if (out->root && out->unbiased) {
			diag(u->cx.diags, DIAG_MMD_ROOT, goal_value(g, "unbiased")->span);
			return false;
		}
		out->net = strcmp(of->name, "data") == 0 ? NULL : of->name;
		const struct value *with = goal_value(g, "variable");
		out->generated = strcmp(with->name, "same") == 0 ? NULL : with->name;
	}
	return true;
}

/* What it is of: y, z given v; target = y. */
static bool read_of(struct unit *u, const struct model *m, const struct goal *g,
                    const struct call *call, struct objective_args *out)
{
	const struct value *target = goal_value(g, "target");
	if (goal_value(g, "of"))
		return read_subject(u, m, call, out);
	if (target == NULL || strcmp(target->name, "all") == 0)
		return true;
	bool *which = NEW_ARRAY(u->cx.prog, bool, m->group.n);
	out->of = which;
	return mark(u, m, target, false, which, NULL);
}

static bool read_objective_args(struct unit *u, const struct compiled *c, const struct goal *g,
                                const struct call *call, struct objective_args *out)
{
	const struct value *statistics = goal_value(g, "statistics"), *sigma = goal_value(g, "sigma");
	if (statistics) {
		out->samples = strcmp(statistics->name, "samples") == 0;
		if (!out->samples && strcmp(statistics->name, "means") != 0) {
			diag(u->cx.diags, DIAG_STATISTICS, statistics->span, statistics->name);
			return false;
		}
	}
	out->sigma = sigma ? sigma->num : 0;
	if (!read_implicit(u, c->block, g, call, out))
		return false;
	static const char *const phases[] = {"sleep", "wake", "both"};
	const struct value *phase = goal_value(g, "posterior");
	int which = 0;
	if (phase && !which_word(u, phase, phases, 3, DIAG_PHASE, &which))
		return false;
	out->phase = which;
	const struct value *k = goal_value(g, "k"), *chains = goal_value(g, "chains");
	out->particles = goal_value(g, "samples") ? goal_value(g, "samples")->num : 1;
	out->steps = goal_value(g, "steps") ? goal_value(g, "steps")->num : 1;
	out->drop = goal_value(g, "drop") ? goal_value(g, "drop")->num : 0;
	out->damping = goal_value(g, "damping") ? goal_value(g, "damping")->num : out->damping;
	out->persistent = chains && chains->num > 0;
	out->chains = out->persistent || (k && (k->kind == VAL_RAMP || k->num != 1));
	return read_of(u, c->m, g, call, out);
}

/* One term of the sum: its functions and its part of the gradients. */
static bool expand_goal(struct unit *u, struct compiled *c, const struct value *term)
{
	struct goal g = {.scale = term->num};
	struct objective_args args = {.damping = c->posterior.damping};
	const struct call *call = term->call;
	g.objective = objective_find(call->name);
	if (g.objective == NULL) {
		int n;
		const char *const *names = objective_names(&n);
		diag(u->cx.diags, DIAG_OBJECTIVE_UNKNOWN, call->name_span, call->name);
		suggest(u, call->name_span, nearest_word(call->name, names, n));
		return false;
	}
	g.arg = NEW_ARRAY(u->cx.prog, struct value, call->narg + 8);
	if (!call_bind(&u->cx, call, g.objective->signature, g.arg, NULL))
		return false;
	args.meanfield = c->posterior.given && g.objective->chains;
	const char *clash = NULL;
	for (int i = 0; i < c->goal.n && goal_value(&g, "k"); i++)
		if (goal_value(&c->goal.at[i], "k"))
			clash = g.objective->energy
			            ? "draws chains"
			            : arena_printf(u->cx.prog, "is %s", c->goal.at[i].objective->name);
	vec_push(u->cx.prog, &c->goal, g);
	bool before = c->x->exact;
	c->x->exact = false;
	if (!clash && !(read_objective_args(u, c, &g, call, &args) &&
	                objective_add(c->x, g.objective, &args, g.scale)))
		return false;
	c->goal.at[c->goal.n - 1].args = args;
	if (before && c->x->exact)
		clash = "sums over all states";
	c->x->exact = before || c->x->exact;
	if (clash)
		diag(u->cx.diags, DIAG_OBJECTIVES, term->span, g.objective->name, clash);
	return clash == NULL;
}

/* Replicas are of chains that live on. */
static bool temperatures_used(struct unit *u, const struct compiled *c)
{
	if (c->x->sampling.temperatures > 1)
		diag(u->cx.diags, DIAG_SAMPLER_TEMPERATURES, c->x->sampling.span);
	return c->x->sampling.temperatures == 1;
}

static bool expand_train(struct unit *u, struct compiled *c)
{
	const struct clause *obj = block_clause(c->block, "objective");
	bool chains = false;
	if (obj == NULL) {
		diag(u->cx.diags, DIAG_NO_OBJECTIVE, c->block->span);
		return false;
	}
	for (int i = 0; i < c->m->E.n; i++) {
		const char *op;
		if (ex_differentiable(c->m->E.at[i].node, &op))
			continue;
		diag(u->cx.diags, DIAG_NO_DERIVATIVE, c->m->E.at[i].span, op);
		return false;
	}
	const struct value *sum = &obj->arg[0];
	for (int i = 0; i < sum->nterm; i++) {
		const struct objective *o = objective_find(sum->term[i].call->name);
		chains = chains || o == NULL || o->chains;
	}
	if (c->posterior.given && !chains) {
		diag(u->cx.diags, DIAG_POSTERIOR_UNUSED, block_clause(c->block, "posterior")->span,
		     sum->term[0].call->name);
		return false;
	}
	if (!chains && !temperatures_used(u, c))
		return false;
	for (int i = 0; i < sum->nterm; i++)
		if (!expand_goal(u, c, &sum->term[i]))
			return false;
	return true;
}

/* Where some parameters do not move at each update: the gradients of the others. */
static void expand_often(struct compiled *c, const struct dgm_train *t)
{
	const struct sym **rare = NEW_ARRAY(c->x->cx->prog, const struct sym *, c->m->weight.n + 1);
	int n = 0;
	for (int i = 0; i < c->m->weight.n; i++)
		if (t->descent[c->descent_of[i]].every > 1)
			rare[n++] = c->x->grad[i];
	if (n)
		program_without(c->x->p, program_function(c->x->p, "train.final"), "train.often", rare, n);
}

/* The free energy of the data, or the bound on it where a posterior is asked for. */
static bool want_free_energy(struct compiled *c, struct wanted *w, bool *bound)
{
	if (!c->posterior.given)
		return want_figure(c, w, figure_find("free_energy"));
	bool first = !*bound;
	*bound = true;
	return !first || objective_bound(c->x, c->posterior.damping);
}

/* The most particles of a pass that passes of it make up the samples of every clause. */
static int particles_of(struct unit *u, const struct compiled *c)
{
	int64_t common = 0;
	int most = OBJECTIVE_PARTICLES;
	for (int i = 0; i < c->block->nclause; i++) {
		const struct clause *cl = &c->block->clause[i];
		const struct call *how = strcmp(cl->name, "loglik") == 0 ? cl->arg[0].call : NULL;
		const struct estimator *es = how ? estimator_find(how->name) : NULL;
		struct value v[ESTIMATOR_ARGS];
		struct cx quiet = u->cx;
		quiet.diags = diags_new(quiet.tmp);
		if (es && strcmp(es->name, "importance") == 0 &&
		    call_bind(&quiet, how, es->signature, v, NULL))
			for (int64_t n = (int64_t)v[0].num, rest; n != 0; n = rest) {
				rest = common % n;
				common = n;
			}
	}
	while (common % most != 0)
		most--;
	return most;
}

static bool expand_evaluate(struct unit *u, struct compiled *c, struct wanted *w)
{
	bool bound = false, ok = temperatures_used(u, c);
	c->x->particles = particles_of(u, c);
	for (int i = 0; i < c->block->nclause; i++) {
		const struct clause *cl = &c->block->clause[i];
		const struct figure_kind *k = figure_find(cl->name);
		if (k)
			ok = want_figure(c, w, k) && ok;
		if (k && k->gap && (c->block->nbind != 1 || data_named(u, cl->arg[0].name) == NULL)) {
			diag(u->cx.diags, DIAG_GAP, cl->span, k->name);
			ok = false;
		}
		if (strcmp(cl->name, "error") == 0) {
			const struct group *y = target_group(u, c->m, &cl->arg[0]);
			ok = y && objective_error(c->x, y, c->posterior.given, c->posterior.damping) && ok;
		}
		if (strcmp(cl->name, "per") == 0)
			ok =
			    mark(u, c->m, &cl->arg[0], true, NEW_ARRAY(u->cx.tmp, bool, c->m->group.n), NULL) &&
			    ok;
		if (strcmp(cl->name, "loglik") != 0)
			continue;
		const struct call *how = cl->arg[0].call;
		const struct estimator *es = estimator_find(how->name);
		struct value v[ESTIMATOR_ARGS];
		bool seen = false;
		if (es == NULL) {
			diag(u->cx.diags, DIAG_LOGLIK, how->name_span, how->name);
			ok = false;
			continue;
		}
		for (int earlier = 0; earlier < i; earlier++)
			seen = seen || (strcmp(c->block->clause[earlier].name, "loglik") == 0 &&
			                estimator_find(c->block->clause[earlier].arg[0].call->name) == es);
		for (int p = 0; p < how->narg; p++)
			if (how->arg[p].kind == VAL_NAME && !data_named(u, how->arg[p].name)) {
				diag(u->cx.diags, DIAG_FIGURE_NOT_DATA, how->arg[p].span, how->name);
				ok = false;
			}
		if (*es->worth && !seen)
			diag(u->cx.diags, DIAG_WORTH, cl->span, es->worth);
		ok = (es->likelihood || want_free_energy(c, w, &bound)) && ok;
		ok = call_bind(&u->cx, how, es->signature, v, NULL) && (seen || es->expand(c->x)) && ok;
	}
	return ok;
}

bool block_figure(struct compiled *c, const struct figure_kind *k)
{
	return k->expand(c->x);
}

/* Which groups start at data, and which of their units stay as they are. */
static bool expand_sample(struct compiled *c)
{
	const struct block_def *b = c->block;
	for (int i = 0; i < c->m->group.n; i++) {
		const struct group *g = c->m->group.at[i];
		for (int k = 0; k < b->nbind; k++)
			c->x->bound[i] = c->x->bound[i] || b->bind[k].var->sym == g->sym;
		for (int k = 0; k < b->nclause; k++) {
			const struct units *u = b->clause[k].narg ? b->clause[k].arg[0].units : NULL;
			if (u && u->var->sym == g->sym)
				vec_push(c->x->cx->prog, &c->x->held, ((struct held){g, u->at, u->held}));
		}
	}
	for (int i = 0; i < c->x->held.n && c->x->sampling.temperatures > 1; i++) {
		const struct group *g = c->x->held.at[i].group;
		bool bound = false;
		for (int k = 0; k < b->nbind; k++)
			bound = bound || b->bind[k].var->sym == g->sym;
		if (!bound) {
			diag(c->x->cx->diags, DIAG_SAMPLER_HELD, c->x->sampling.span, g->name);
			return false;
		}
	}
	return objective_sampler(c->x);
}

bool block_chains(const struct compiled *c)
{
	static const char *const transitions[] = {"train.sweep", "ais.step", "sample.sweep"};
	for (int i = 0; i < c->x->p->function.n; i++)
		for (int k = 0; k < 3 && !model_normalised(c->m); k++)
			if (strcmp(c->x->p->function.at[i]->name, transitions[k]) == 0)
				return true;
	return false;
}

bool block_expand(struct unit *u, const struct block_def *b, struct compiled *out)
{
	struct wanted w = {{false}};
	*out = (struct compiled){.block = b, .whole = unit_model(u, b->model), .m = block_model(u, b)};
	if (out->m == NULL)
		return false;
	out->x = expansion_new(&u->cx, out->m);
	if (!read_posterior(u, b, &out->posterior) || !block_sampler(u, b, &out->x->sampling))
		return false;
	bool ok = true;
	struct dgm_train t = {0};
	for (int i = 0; i < b->nbind; i++)
		if (!drawn_before(u, b, b->bind[i].data, b->bind[i].span))
			return false;
	if (!freeze_read(u, out) || !pretrain_check(u, out) ||
	    (b->kind == BLOCK_TRAIN && !params_check(u, out)))
		return false;
	if (b->kind == BLOCK_TRAIN)
		ok = optimizer_read(u, out, &t) & max_norm_read(u, out, &t) & expand_train(u, out);
	else if (b->kind == BLOCK_EVALUATE)
		ok = expand_evaluate(u, out, &w);
	else
		ok = keep_check(u, out) & (expand_sample(out) && inspect_expand(u, out));
	if (b->kind == BLOCK_TRAIN && ok)
		expand_often(out, &t);
	for (int i = 0; b->kind == BLOCK_TRAIN && i < b->nclause; i++)
		if (monitors(&b->clause[i]))
			ok = expand_monitor(u, out, &w, &b->clause[i]) && ok;
	if (ok && block_clause(b, "sampler") && !block_chains(out)) {
		diag(u->cx.diags, DIAG_SAMPLER_UNUSED, block_clause(b, "sampler")->span);
		return false;
	}
	return filters_check(u, out) && ok;
}
