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

void block_suggest(struct unit *u, struct span at, const char *near)
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

const struct data_def *const *figure_data(struct unit *u, const struct model *m,
                                          const struct figure_kind *k, const struct value *v)
{
	int want = groups_with_data(m) * (k->gap ? 2 : 1);
	const struct data_def **out = NEW_ARRAY(u->cx.prog, const struct data_def *, want + 1);
	if (v->call->narg != want) {
		diag(u->cx.diags, DIAG_FIGURE_DATA, v->span, k->name, want,
		     k->gap ? "training sets first" : "in order of declaration");
		return NULL;
	}
	for (int i = 0; i < want; i++) {
		const struct value *a = &v->call->arg[i];
		out[i] = a->kind == VAL_NAME ? data_named(u, a->name) : NULL;
		if (out[i] == NULL) {
			diag(u->cx.diags, DIAG_FIGURE_NOT_DATA, a->span, k->name);
			return NULL;
		}
	}
	return out;
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

/* Where a clause asks for what cannot be derived, the clause is at fault; what stands in the way is
 * told in notes. */
static struct diags *blame_begin(struct unit *u)
{
	struct diags *all = u->cx.diags;
	u->cx.diags = diags_new(u->cx.prog);
	return all;
}

static bool blame_end(struct unit *u, struct diags *all, const struct compiled *c, bool ok,
                      struct span at, const char *what)
{
	if (!ok)
		diag(all, DIAG_FIGURE_CANNOT, at, what, c->whole->name);
	diags_add(all, u->cx.diags, !ok);
	u->cx.diags = all;
	return ok;
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
		if (k == NULL) {
			diag(u->cx.diags, DIAG_FIGURE_UNKNOWN, v->call->name_span, v->call->name);
			block_suggest(u, v->call->name_span, near_figure(v->call->name));
			ok = false;
			continue;
		}
		if (!model_whole(c->m) && strcmp(k->name, "reconstruction") != 0) {
			diag(u->cx.diags, DIAG_PRETRAIN_FIGURE, v->call->name_span, k->name);
			ok = false;
			continue;
		}
		const struct data_def *const *data = figure_data(u, c->whole, k, v);
		if (!data || !draws_before(u, c->block, data, v)) {
			ok = false;
			continue;
		}
		struct diags *all = blame_begin(u);
		ok = blame_end(u, all, c, want_figure(c, w, k), v->span, k->name) && ok;
	}
	return ok;
}

bool monitors(const struct clause *cl)
{
	return strcmp(cl->name, "monitor") == 0 || strcmp(cl->name, "stop") == 0;
}

bool posterior_read(struct unit *u, const struct value *value, struct posterior *out)
{
	const struct call bare = {.name = value->name, .span = value->span, .name_span = value->span},
	                  *call = value->kind == VAL_CALL ? value->call : &bare;
	struct value v[3];
	if (call->name == NULL || strcmp(call->name, "meanfield") != 0) {
		diag(u->cx.diags, DIAG_POSTERIOR, call->name_span,
		     call->name ? call->name : "of this name");
		return false;
	}
	if (!call_bind(&u->cx, call, "iterations:int=10 tolerance:num[0,)=0 damping:num[0,1)=0", v,
	               NULL))
		return false;
	*out = (struct posterior){true, (int64_t)v[0].num, v[1].num, v[2].num};
	return true;
}

static bool read_posterior(struct unit *u, const struct block_def *b, struct posterior *out)
{
	const struct clause *cl = block_clause(b, "posterior");
	*out = (struct posterior){0};
	return cl == NULL || posterior_read(u, &cl->arg[0], out);
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
		block_suggest(u, call->name_span, nearest_word(call->name, names, n));
		return false;
	}
	if (!call_bind(&u->cx, call, how->signature, v, NULL))
		return false;
	const struct value *steps = argument_named(how->signature, v, "steps"),
	                   *step = argument_named(how->signature, v, "step"),
	                   *acceptance = argument_named(how->signature, v, "acceptance");
	*out = (struct sampling){.how = cl ? how : NULL,
	                         .steps = steps ? (int64_t)steps->num : 1,
	                         .step = step ? step->num : 0,
	                         .acceptance = acceptance ? acceptance->num : 0,
	                         .temperatures =
	                             (int64_t)argument_named(how->signature, v, "temperatures")->num,
	                         .span = cl ? cl->span : b->span};
	return true;
}

/* Replicas are of chains that live on. */
static bool temperatures_used(struct unit *u, const struct compiled *c)
{
	if (c->x->sampling.temperatures > 1)
		diag(u->cx.diags, DIAG_SAMPLER_TEMPERATURES, c->x->sampling.span);
	return c->x->sampling.temperatures == 1;
}

static bool expand_centered(struct unit *u, struct compiled *c)
{
	const struct clause *cl = block_clause(c->block, "centered");
	struct value rate = {.num = 0};
	if (!cl)
		return true;
	struct call call = {cl->name, cl->span, cl->name_span, cl->arg, cl->key, cl->narg};
	if (!call_bind(&u->cx, &call, "rate:num[0,1]=0.01", &rate, NULL))
		return false;
	c->centered = true;
	c->offset_rate = rate.num;
	return objective_centre(c->x, rate.num, cl->span);
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
	if (!chains && !temperatures_used(u, c))
		return false;
	for (int i = 0; i < sum->nterm; i++)
		if (!goal_expand(u, c, &sum->term[i]))
			return false;
	const struct clause *batch = block_clause(c->block, "batch");
	return expand_centered(u, c) && (!batch || batch_fits(u, c, (int64_t)batch->arg[0].num, NULL));
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
	const bool normalised = model_normalised(c->m);
	bool bound = false, asked = false, ok = temperatures_used(u, c);
	c->x->particles = particles_of(u, c);
	for (int i = 0; i < c->block->nclause; i++) {
		const struct clause *cl = &c->block->clause[i];
		const struct figure_kind *k = figure_find(cl->name);
		asked = asked || k || strcmp(cl->name, "error") == 0 || strcmp(cl->name, "loglik") == 0;
		if (k) {
			struct diags *all = blame_begin(u);
			ok = blame_end(u, all, c, want_figure(c, w, k), cl->span, cl->name) && ok;
		}
		if (k && k->gap && (c->block->nbind != 1 || data_named(u, cl->arg[0].name) == NULL)) {
			diag(u->cx.diags, DIAG_GAP, cl->span, k->name);
			ok = false;
		}
		if (strcmp(cl->name, "error") == 0) {
			const struct group *y = block_target(u, c->m, &cl->arg[0]);
			ok = y && objective_error(c->x, y, c->posterior.given, c->posterior.damping) && ok;
		}
		if (strcmp(cl->name, "per") == 0)
			ok = block_mark(u, c->m, &cl->arg[0], true, NEW_ARRAY(u->cx.tmp, bool, c->m->group.n),
			                NULL) &&
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
		if (!call_bind(&u->cx, how, es->signature, v, NULL)) {
			ok = false;
			continue;
		}
		struct diags *all = blame_begin(u);
		bool had = (!normalised || seen || es->expand(c->x)) &&
		           (es->likelihood || want_free_energy(c, w, &bound)) &&
		           (normalised || seen || es->expand(c->x));
		ok = blame_end(u, all, c, had, cl->span, how->name) && ok;
	}
	if (!asked)
		diag(u->cx.diags, DIAG_NO_FIGURE, c->block->span,
		     c->m->factor.n == 0 ? "pseudo_likelihood"
		     : c->m->posterior.n ? "loglik importance(samples = 1000)"
		                         : "loglik exact()");
	return ok && asked;
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
		for (int k = 0; k < b->nbind; k++) {
			if (b->bind[k].var->sym != g->sym)
				continue;
			c->x->bound[i] = true;
			if (model_normalised(c->m) && g->role != GROUP_GIVEN)
				diag(c->x->cx->diags, DIAG_SAMPLE_BOUND, b->bind[k].span, g->name);
		}
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
	if (b->kind == BLOCK_TRAIN && ok && !out->centered)
		expand_often(out, &t);
	for (int i = 0; b->kind == BLOCK_TRAIN && i < b->nclause; i++)
		if (monitors(&b->clause[i]))
			ok = expand_monitor(u, out, &w, &b->clause[i]) && ok;
	return filters_check(u, out) && ok && clauses_used(u, out);
}
