/* A train, evaluate or sample block as a program: the objective by its table, the figures that its
 * clauses ask for, each once. */
#include "driver/driver.h"

#include <string.h>

static const struct figure_kind figures[] = {
#define FIGURE(name, function, gap, per_unit, expand) {name, function, gap, per_unit, expand},
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

static int visible_groups(const struct model *m)
{
	int n = 0;
	for (int i = 0; i < m->group.n; i++)
		n += m->group.at[i]->role != GROUP_HIDDEN;
	return n;
}

bool figure_data(struct unit *u, const struct model *m, const struct figure_kind *k,
                 const struct value *v, const struct data_def **out)
{
	int want = visible_groups(m) * (k->gap ? 2 : 1);
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

static bool expand_monitor(struct unit *u, struct compiled *c, struct wanted *w,
                           const struct clause *cl)
{
	bool ok = true;
	for (int i = 0; i < cl->narg; i++) {
		const struct value *v = &cl->arg[i];
		const struct figure_kind *k = figure_find(v->call->name);
		const struct data_def *data[2 * DGM_MAX_POP];
		if (k == NULL) {
			diag(u->cx.diags, DIAG_FIGURE_UNKNOWN, v->call->name_span, v->call->name);
			suggest(u, v->call->name_span, near_figure(v->call->name));
			ok = false;
			continue;
		}
		ok = figure_data(u, c->m, k, v, data) && want_figure(c, w, k) && ok;
	}
	return ok;
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

const struct value *objective_value(const struct compiled *c, const char *name)
{
	const char *p = c->objective->signature;
	size_t n = strlen(name);
	for (int i = 0; *p; i++) {
		if (strncmp(p, name, n) == 0 && p[n] == ':')
			return &c->objective_arg[i];
		p += strcspn(p, " ");
		p += strspn(p, " ");
	}
	return NULL;
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

static bool read_objective_args(struct unit *u, const struct compiled *c,
                                struct objective_args *out)
{
	const struct value *statistics = objective_value(c, "statistics"),
	                   *sigma = objective_value(c, "sigma"), *target = objective_value(c, "target");
	if (statistics) {
		out->samples = strcmp(statistics->name, "samples") == 0;
		if (!out->samples && strcmp(statistics->name, "means") != 0) {
			diag(u->cx.diags, DIAG_STATISTICS, statistics->span, statistics->name);
			return false;
		}
	}
	out->sigma = sigma ? sigma->num : 0;
	out->target = target ? target_group(u, c->m, target) : NULL;
	return target == NULL || out->target != NULL;
}

static bool expand_train(struct unit *u, struct compiled *c)
{
	const struct clause *obj = block_clause(c->block, "objective");
	struct objective_args args = {.meanfield = c->posterior.given, .damping = c->posterior.damping};
	if (obj == NULL) {
		diag(u->cx.diags, DIAG_NO_OBJECTIVE, c->block->span);
		return false;
	}
	const struct call *call = obj->arg[0].call;
	c->objective = objective_find(call->name);
	if (c->objective == NULL) {
		int n;
		const char *const *names = objective_names(&n);
		diag(u->cx.diags, DIAG_OBJECTIVE_UNKNOWN, call->name_span, call->name);
		suggest(u, call->name_span, nearest_word(call->name, names, n));
		return false;
	}
	if (!call_bind(&u->cx, call, c->objective->signature, c->objective_arg, NULL))
		return false;
	if (c->posterior.given && !c->objective->chains) {
		diag(u->cx.diags, DIAG_POSTERIOR_UNUSED, block_clause(c->block, "posterior")->span,
		     c->objective->name);
		return false;
	}
	for (int i = 0; i < c->m->E.n; i++) {
		const char *op;
		if (ex_differentiable(c->m->E.at[i].node, &op))
			continue;
		diag(u->cx.diags, DIAG_NO_DERIVATIVE, c->m->E.at[i].span, op);
		return false;
	}
	return read_objective_args(u, c, &args) && c->objective->expand(c->x, &args);
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

static bool expand_evaluate(struct unit *u, struct compiled *c, struct wanted *w)
{
	bool bound = false, ok = true;
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
			ok = y && objective_error(c->x, y) && ok;
		}
		if (strcmp(cl->name, "loglik") != 0)
			continue;
		const struct call *how = cl->arg[0].call;
		const struct estimator *es = estimator_find(how->name);
		struct value v[4];
		bool seen = false;
		if (es == NULL) {
			diag(u->cx.diags, DIAG_LOGLIK, how->name_span, how->name);
			ok = false;
			continue;
		}
		for (int earlier = 0; earlier < i; earlier++)
			seen = seen || (strcmp(c->block->clause[earlier].name, "loglik") == 0 &&
			                estimator_find(c->block->clause[earlier].arg[0].call->name) == es);
		ok = want_free_energy(c, w, &bound) && ok;
		ok = call_bind(&u->cx, how, es->signature, v, NULL) && (seen || es->expand(c->x)) && ok;
	}
	return ok;
}

bool block_expand(struct unit *u, const struct block_def *b, struct compiled *out)
{
	struct wanted w = {{false}};
	*out = (struct compiled){.block = b, .m = unit_model(u, b->model)};
	out->x = expansion_new(&u->cx, out->m);
	if (!read_posterior(u, b, &out->posterior))
		return false;
	bool ok = true;
	if (b->kind == BLOCK_TRAIN)
		ok = optimizer_read(u, b, &(struct dgm_train){0}) & expand_train(u, out);
	else if (b->kind == BLOCK_EVALUATE)
		ok = expand_evaluate(u, out, &w);
	else
		ok = objective_sampler(out->x);
	for (int i = 0; b->kind == BLOCK_TRAIN && i < b->nclause; i++)
		if (strcmp(b->clause[i].name, "monitor") == 0)
			ok = expand_monitor(u, out, &w, &b->clause[i]) && ok;
	return filters_check(u, out) && ok;
}
