/* The objective of a train block: what its calls say, each term of the sum by the table. */
#include "driver/driver.h"

#include <string.h>

const struct value *argument_named(const char *signature, const struct value *v, const char *name)
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

static const struct value *goal_value(const struct goal *g, const char *name)
{
	return argument_named(g->objective->signature, g->arg, name);
}

const struct value *objective_value(const struct compiled *c, const char *name)
{
	const struct value *v = NULL;
	for (int i = 0; i < c->goal.n && v == NULL; i++)
		v = goal_value(&c->goal.at[i], name);
	return v;
}

const struct group *block_target(struct unit *u, const struct model *m, const struct value *v)
{
	for (int i = 0; i < m->group.n; i++)
		if (m->group.at[i]->role == GROUP_VISIBLE && strcmp(m->group.at[i]->name, v->name) == 0)
			return m->group.at[i];
	diag(u->cx.diags, DIAG_TARGET, v->span, v->name);
	return NULL;
}

bool block_mark(struct unit *u, const struct model *m, const struct value *v, bool condition,
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
		ok = block_mark(u, m, &what->arg[i], false, of, NULL) && ok;
	for (int i = 0; both && i < v->given->narg; i++)
		ok = block_mark(u, m, &v->given->arg[i], true, given, of) && ok;
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
	return block_mark(u, m, target, false, which, NULL);
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

bool goal_expand(struct unit *u, struct compiled *c, const struct value *term)
{
	struct goal g = {.scale = term->num};
	struct objective_args args = {.damping = c->posterior.damping};
	const struct call *call = term->call;
	g.objective = objective_find(call->name);
	if (g.objective == NULL) {
		int n;
		const char *const *names = objective_names(&n);
		diag(u->cx.diags, DIAG_OBJECTIVE_UNKNOWN, call->name_span, call->name);
		block_suggest(u, call->name_span, nearest_word(call->name, names, n));
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
