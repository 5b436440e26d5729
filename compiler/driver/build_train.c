/* The updates of a model's training, for programs that embed it: the last train block that is of
 * the whole model, as the runtime takes it, but for data, monitors and first values. */
#include "driver/driver.h"

#include <string.h>

static const struct block_def *last_training(struct unit *u, const struct model *m)
{
	for (int k = u->checked->block.n - 1; k >= 0; k--) {
		const struct block_def *b = u->checked->block.at[k];
		if (b->kind == BLOCK_TRAIN && unit_model(u, b->model) == m && block_model(u, b) == m)
			return b;
	}
	return NULL;
}

/* Does what an update calls, or the beginning of chains, read it? */
static bool is_read(const struct compiled *c, const struct sym *s)
{
	const struct program *p = c->x->p;
	for (int f = 0; s && f < p->function.n; f++) {
		const struct function *fn = p->function.at[f];
		bool called = strncmp(fn->name, "train.", 6) == 0 || strcmp(fn->name, "chains.begin") == 0;
		for (int k = 0; k < fn->nstmt && called; k++)
			if (ex_mentions(fn->stmt[k].rhs, s))
				return true;
	}
	return false;
}

static const char *handed(const struct compiled *c)
{
	for (int i = 0; i < c->m->from.n; i++)
		if (is_read(c, c->m->from.at[i].sym))
			return "updates read parameters of another model";
	return NULL;
}

static struct object_train *refused(struct unit *u, const char *why)
{
	struct object_train *t = NEW(u->cx.prog, struct object_train);
	t->refused = why;
	return t;
}

/* What is of this process, or of a training's beginning and end, is left out. */
static void keep_updates(struct dgm_updates *to, const struct dgm_train *t)
{
	to->train = *t;
	to->first_values = t->init != NULL;
	to->train.init = NULL;
	to->train.orthonormal = NULL;
	to->train.positive = (struct dgm_positive){0};
	for (int k = 0; k < t->ndescent; k++) {
		to->optimizer[k] = t->descent[k].optimizer->name;
		to->train.descent[k].optimizer = NULL;
	}
}

/* What the input's blocks hold together; groups are inputs in their order, without the hidden ones.
 */
static void set_blocks(const struct model *m, const struct group *g, struct dgm_updates_input *in)
{
	in->total = -1;
	if (!g->total && g->family->shape != SHAPE_ONEHOT)
		return;
	memcpy(in->block, g->block, sizeof in->block);
	in->empty = g->family->empty;
	for (int i = 0, n = 0; i < m->group.n; i++) {
		if (g->total && m->group.at[i]->sym == g->total)
			in->total = n;
		n += m->group.at[i]->role != GROUP_HIDDEN;
	}
}

static void add_inputs(struct unit *u, const struct compiled *c, struct dgm_updates *to,
                       struct object_train *t)
{
	const struct embed none = {0};
	struct dgm_updates_input *in = NEW_ARRAY(u->cx.prog, struct dgm_updates_input, c->m->group.n);
	struct entry_arg *arg = NEW_ARRAY(u->cx.prog, struct entry_arg, c->m->group.n + 1);
	for (int i = 0; i < c->m->group.n; i++) {
		const struct group *g = c->m->group.at[i];
		struct embed_arg from = {
		    .name = g->name, .what = "", .sym = g->sym, .group = g, .way = EMBED_IN};
		if (g->role == GROUP_HIDDEN)
			continue;
		struct entry_arg a = build_argument(u->cx.prog, &none, &from);
		in[to->ninput] = (struct dgm_updates_input){.slot = dgm_slot_find(c->mod, g->sym->name),
		                                            .lo = (float)a.lo,
		                                            .hi = (float)a.hi,
		                                            .two = a.two,
		                                            .whole = a.whole};
		set_blocks(c->m, g, &in[to->ninput++]);
		arg[t->ninput++] = a;
	}
	to->input = in;
	t->input = arg;
}

static void add_mean(struct unit *u, const struct compiled *c, const struct sym *s,
                     const char *name, struct dgm_updates *to, struct object_train *t,
                     struct entry_param *mean, int *at)
{
	if (!is_read(c, s))
		return;
	at[to->nmean++] = dgm_slot_find(c->mod, s->name);
	mean[t->nmean++] = (struct entry_param){.name = c_name(u->cx.prog, name), .sym = s};
}

static void add_means(struct unit *u, const struct compiled *c, struct dgm_updates *to,
                      struct object_train *t)
{
	struct arena *a = u->cx.prog;
	struct entry_param *mean = NEW_ARRAY(a, struct entry_param, 2 * c->m->group.n + 1);
	int *at = NEW_ARRAY(a, int, 2 * c->m->group.n);
	for (int i = 0; i < c->m->group.n; i++) {
		const struct group *g = c->m->group.at[i];
		add_mean(u, c, g->mean, arena_printf(a, "mean_%s", g->name), to, t, mean, at);
		add_mean(u, c, g->var, arena_printf(a, "variance_%s", g->name), to, t, mean, at);
	}
	to->mean = at;
	t->mean = mean;
}

static void add_params(struct unit *u, const struct model *m, struct object_train *t)
{
	struct entry_param *p = NEW_ARRAY(u->cx.prog, struct entry_param, m->weight.n + 1);
	for (int k = 0; k < m->weight.n; k++)
		p[k] = (struct entry_param){.name = c_name(u->cx.prog, m->weight.at[k]->name),
		                            .sym = m->weight.at[k]->sym};
	t->param = p;
	t->nparam = m->weight.n;
}

const struct object_train *build_train(struct unit *u, struct model *m)
{
	struct unit quiet = *u; /* a training that cannot be had is no error of the file */
	struct session s = {.u = &quiet};
	const struct block_def *b = last_training(u, m);
	struct compiled *c = NEW(u->cx.prog, struct compiled);
	struct dgm_updates *to = NEW(u->cx.prog, struct dgm_updates);
	struct dgm_train t = {.model = m->name};
	quiet.cx.diags = diags_new(u->cx.prog);
	quiet.session = &s;
	if (b == NULL)
		return refused(u, "the file has no train block of the whole model");
	if (!block_expand(&quiet, b, c))
		return refused(u, diags_error(quiet.cx.diags));
	if (handed(c))
		return refused(u, handed(c));
	block_plan(&quiet, c);
	c->mod = codegen_module(&quiet.cx, c->plan);
	t.batch = block_clause(b, "batch") ? (int64_t)block_clause(b, "batch")->arg[0].num : BATCH_ROWS;
	if (!train_settings(&s, c, &t))
		return refused(u, diags_error(quiet.cx.diags));
	keep_updates(to, &t);
	to->module = c->mod;
	train_capacity(c, &t, to->capacity);
	struct object_train *made = refused(u, NULL);
	add_inputs(u, c, to, made);
	add_means(u, c, to, made);
	add_params(u, m, made);
	made->plan = c->plan;
	made->updates = to;
	return made;
}
