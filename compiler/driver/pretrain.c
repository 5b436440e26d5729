/* Parts of models that are trained by themselves, and data that models draw.
 *
 * pretrain v, h1: a variable is data where it has data, or where an earlier pretrain of the model
 * had it hidden and none of the data it was drawn from there is here; the rest is hidden.  The data
 * of h1 in a later pretrain h1, h2 are draws given v, by the part that h1 was hidden in, as its
 * training left it; so on upwards.  draw(MODEL.h, DATA) is the same by a whole model. */
#include "driver/driver.h"

#include <string.h>

enum { DRAWN_ROWS = 1024, DRAWN_STAGE = 2048 };

/* ---- which part ---- */
static bool names(const struct block_def *b, const struct group *g)
{
	const struct clause *cl = b->kind == BLOCK_TRAIN ? block_clause(b, "pretrain") : NULL;
	for (int i = 0; cl && i < cl->narg; i++)
		if (strcmp(cl->arg[i].name, g->name) == 0)
			return true;
	return false;
}

static bool is_data(const struct unit *u, const struct block_def *b, const struct group *g);

/* The last block before b that pretrains g as hidden; NULL: none. */
static const struct block_def *reached_in(const struct unit *u, const struct block_def *b,
                                          const struct group *g)
{
	const struct block_def *last = NULL;
	for (int i = 0; i < u->checked->block.n && u->checked->block.at[i] != b; i++) {
		const struct block_def *p = u->checked->block.at[i];
		if (p->model == b->model && names(p, g) && !is_data(u, p, g))
			last = p;
	}
	return last;
}

static bool is_data(const struct unit *u, const struct block_def *b, const struct group *g)
{
	const struct model *m = unit_model(u, b->model);
	const struct block_def *p = g->role == GROUP_HIDDEN ? reached_in(u, b, g) : NULL;
	if (p == NULL)
		return g->role != GROUP_HIDDEN;
	for (int i = 0; i < m->group.n; i++)
		if (names(b, m->group.at[i]) && names(p, m->group.at[i]) && is_data(u, p, m->group.at[i]))
			return false;
	return true;
}

struct model *block_model(struct unit *u, const struct block_def *b)
{
	struct model *m = unit_model(u, b->model);
	const struct clause *cl = b->kind == BLOCK_TRAIN ? block_clause(b, "pretrain") : NULL;
	bool *keep = NEW_ARRAY(u->cx.tmp, bool, m->group.n), *data, any = false;
	if (cl == NULL)
		return m;
	data = NEW_ARRAY(u->cx.tmp, bool, m->group.n);
	for (int k = 0; k < cl->narg; k++) {
		int i = 0;
		while (i < m->group.n && strcmp(m->group.at[i]->name, cl->arg[k].name) != 0)
			i++;
		if (i == m->group.n) {
			diag(u->cx.diags, DIAG_PRETRAIN, cl->arg[k].span, cl->arg[k].name);
			return NULL;
		}
	}
	for (int i = 0; i < m->group.n; i++) {
		const struct group *g = m->group.at[i];
		keep[i] = g->role == GROUP_GIVEN || names(b, g);
		data[i] = keep[i] && is_data(u, b, g);
		any = any || (data[i] && g->role != GROUP_GIVEN);
	}
	if (!any) {
		diag(u->cx.diags, DIAG_PRETRAIN_DATA, cl->span);
		return NULL;
	}
	return model_part(&u->cx, m, keep, data, cl->span);
}

static bool learns(const struct model *m, const struct weight *w)
{
	for (int i = 0; i < m->E.n; i++)
		if (ex_mentions(m->E.at[i].node, w->sym))
			return true;
	return false;
}

bool pretrain_check(struct unit *u, const struct compiled *c)
{
	const struct clause *cl = block_clause(c->block, "objective");
	if (c->m == c->whole)
		return true;
	for (int i = 0; i < c->m->weight.n; i++)
		c->x->frozen[i] = c->x->frozen[i] || !learns(c->m, c->m->weight.at[i]);
	if (model_whole(c->m))
		return true;
	const struct value *sum = cl ? &cl->arg[0] : NULL;
	for (int i = 0; sum && i < sum->nterm; i++)
		if (strcmp(sum->term[i].call->name, "cd") != 0) {
			diag(u->cx.diags, DIAG_PRETRAIN_OBJECTIVE, sum->term[i].span);
			return false;
		}
	for (int i = 0; i < c->m->weight.n; i++) {
		const struct idx *at[MAX_RANK];
		bool means;
		energy F;
		if (!model_free_energy(&u->cx, c->m, &c->m->E, &F))
			return false;
		fresh_axes(u->cx.tmp, c->m->weight.at[i]->sym, at);
		model_gradient(c->m, &c->m->E, &F, model_role(c->m, GROUP_HIDDEN), c->m->weight.at[i], at,
		               &means);
		if (means)
			continue;
		diag(u->cx.diags, DIAG_PRETRAIN_MEANS, block_clause(c->block, "pretrain")->span);
		return false;
	}
	return true;
}

/* ---- drawers ---- */
struct drawer {
	const struct model *m;
	struct compiled c;
	struct dgm_store *store;
};

/* The code that draws the hidden variables of m given its others; NULL: *status. */
static struct drawer *drawer_of(struct session *s, const struct model *m, struct model *as,
                                int *status)
{
	struct unit *u = s->u;
	for (int i = 0; i < s->drawer.n; i++)
		if (s->drawer.at[i]->m == m)
			return s->drawer.at[i];
	struct drawer *d = NEW(u->cx.perm, struct drawer);
	int64_t capacity[DGM_MAX_POP] = {DRAWN_ROWS, 1, 1, 1, 1};
	d->m = m;
	d->c = (struct compiled){.m = as, .whole = as, .x = expansion_new(&u->cx, as)};
	if (!objective_draw(d->c.x))
		BUG("model %s cannot be drawn from", as->name);
	block_plan(u, &d->c);
	*status = EXIT_RUN;
	if (!block_jit(u, &d->c))
		return NULL;
	d->store = dgm_store_new(d->c.mod, capacity);
	if (d->store == NULL) {
		*status = run_failed();
		return NULL;
	}
	vec_push(u->cx.perm, &s->drawer, d);
	return d;
}

/* Parameters as they stand now. */
static int refresh(struct session *s, const struct drawer *d)
{
	const struct dgm_store *by = session_params(s, d->c.m->name);
	if (by == NULL)
		return dgm_fail(DGM_ESHAPE, "data are drawn by model %s, which has no parameters yet",
		                d->c.m->name),
		       run_failed();
	for (int i = 0; i < d->c.mod->nslot; i++) {
		const struct dgm_slot *slot = &d->c.mod->slot[i];
		int from = slot->space == DGM_PARAM ? dgm_slot_find(by->mod, slot->name) : -1;
		if (from >= 0)
			memcpy(d->store->slot[i], by->slot[from], sizeof(float) * (size_t)dgm_slot_items(slot));
	}
	struct dgm_call call = dgm_call_on(d->store, (uint64_t)s->u->opt->seed);
	const struct dgm_function *prepare = dgm_function_find(d->c.mod, "prepare");
	if (prepare)
		dgm_run(prepare, &call);
	return EXIT_DONE;
}

static enum dgm_data_domain values_of(const struct group *g)
{
	static const struct {
		const char *domain;
		enum dgm_data_domain values;
	} known[] = {{"binary", DGM_DATA_BINARY},
	             {"categorical", DGM_DATA_BINARY},
	             {"count", DGM_DATA_COUNT},
	             {"unit", DGM_DATA_UNIT}};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(known[i].domain, g->domain) == 0)
			return known[i].values;
	return DGM_DATA_REAL;
}

/* The set of draws of g, with the data of the drawer's other groups in order. */
static struct dgm_data *drawn_set(struct session *s, const struct drawer *d, const struct group *g,
                                  struct dgm_data *const *of, const char *name, int *status)
{
	struct arena *a = s->u->cx.perm;
	struct dgm_drawn spec = {.store = d->store,
	                         .fn = dgm_function_find(d->c.mod, "draw"),
	                         .slot = dgm_slot_find(d->c.mod, g->sym->name),
	                         .pop = POP_DATA,
	                         .seed = (uint64_t)s->u->opt->seed,
	                         .domain = g->domain,
	                         .values = values_of(g)};
	struct dgm_data *made = NULL;
	struct buf key;
	buf_init(&key, a);
	for (int i = 0; i < s->drawer.n; i++)
		if (s->drawer.at[i] == d)
			spec.stage = (uint32_t)(DRAWN_STAGE + i);
	for (int i = 0; i < d->c.m->group.n; i++) {
		int slot = dgm_slot_find(d->c.mod, d->c.m->group.at[i]->sym->name);
		if (d->c.m->group.at[i]->role == GROUP_HIDDEN)
			continue;
		buf_printf(&key, "%s%s", spec.ninput ? " and " : "", of[i]->key);
		spec.input[spec.ninput++] = (struct dgm_input){slot, of[i]};
	}
	buf_printf(&key, ", %s drawn by %s", g->name, d->c.m->name);
	*status = refresh(s, d);
	if (*status == EXIT_DONE && dgm_drawn_new(&spec, name, key.s, &made) != DGM_OK)
		*status = run_failed();
	return made;
}

/* ---- the data of a part ---- */
struct dgm_data *block_data(struct session *s, const struct block_def *b, const struct group *g,
                            struct dgm_data *const *of, int *status)
{
	const struct model *m = unit_model(s->u, b->model);
	const struct block_def *p;
	struct model *part;
	struct dgm_data **own;
	int i = 0;
	while (m->group.at[i]->sym != g->sym)
		i++;
	*status = EXIT_DONE;
	if (m->group.at[i]->role != GROUP_HIDDEN)
		return of[i];
	p = reached_in(s->u, b, m->group.at[i]);
	part = NULL;
	for (int k = 0; k < s->part.n; k++)
		if (s->part.at[k].block == p)
			part = s->part.at[k].m;
	if (part == NULL) {
		part = block_model(s->u, p);
		vec_push(s->u->cx.perm, &s->part, ((struct part){p, part}));
	}
	own = NEW_ARRAY(s->u->cx.perm, struct dgm_data *, part->group.n);
	for (int k = 0; k < part->group.n; k++) {
		if (part->group.at[k]->role == GROUP_HIDDEN)
			continue;
		own[k] = block_data(s, p, part->group.at[k], of, status);
		if (own[k] == NULL)
			return NULL;
	}
	const struct drawer *d = drawer_of(s, part, part, status);
	return d ? drawn_set(s, d, g, own, g->name, status) : NULL;
}

/* ---- draw(MODEL.h, DATA) ---- */
struct draw_form {
	const struct model_def *model;
	const struct group *group;
	const struct data_def *of[DGM_MAX_POP]; /* one a group that has data, in order */
	int n;
};

bool is_drawn(const struct data_def *def)
{
	return strcmp(def->reader->name, "draw") == 0;
}

static bool read_form(struct unit *u, const struct data_def *def, struct draw_form *out)
{
	const struct call *c = def->reader;
	const char *path = c->narg && c->arg[0].kind == VAL_NAME ? c->arg[0].name : "",
	           *dot = strchr(path, '.');
	int want = 0;
	*out = (struct draw_form){0};
	for (int i = 0; dot && i < u->checked->model.n; i++)
		if (strlen(u->checked->model.at[i]->name) == (size_t)(dot - path) &&
		    strncmp(u->checked->model.at[i]->name, path, (size_t)(dot - path)) == 0)
			out->model = u->checked->model.at[i];
	const struct model *m = out->model ? unit_model(u, out->model) : NULL;
	for (int i = 0; m && i < m->group.n; i++) {
		const struct group *g = m->group.at[i];
		if (g->role == GROUP_HIDDEN && strcmp(g->name, dot + 1) == 0)
			out->group = g;
		want += g->role != GROUP_HIDDEN;
	}
	for (int k = 1; k < c->narg && out->n < DGM_MAX_POP; k++, out->n++)
		out->of[out->n] = c->arg[k].kind == VAL_NAME ? data_named(u, c->arg[k].name) : NULL;
	bool ok = out->group && out->n == want && c->narg == want + 1 && def->nstep == 0;
	for (int k = 0; k < out->n; k++)
		ok = ok && out->of[k] && out->of[k] != def;
	if (!ok)
		diag(u->cx.diags, DIAG_DRAW_FORM, def->span);
	return ok;
}

bool drawn_check(struct unit *u, const struct data_def *def)
{
	struct draw_form f;
	struct elimination el;
	if (!read_form(u, def, &f))
		return false;
	const struct model *m = unit_model(u, f.model);
	if (m->factor.n == 0 && model_eliminate(m, &m->E, model_role(m, GROUP_HIDDEN), &el))
		return true;
	diag(u->cx.diags, DIAG_DRAW_ENERGY, def->span, f.group->name, m->name);
	return false;
}

const char *drawn_by(struct unit *u, const struct data_def *def)
{
	struct draw_form f;
	return is_drawn(def) && read_form(u, def, &f) ? f.model->name : NULL;
}

const struct dgm_data *drawn_outline(struct unit *u, const struct data_def *def, int *status)
{
	struct draw_form f;
	struct dgm_data *d = NEW(u->cx.prog, struct dgm_data);
	struct dgm_drawn *drawn = NEW(u->cx.prog, struct dgm_drawn);
	read_form(u, def, &f);
	drawn->domain = f.group->domain;
	*d = (struct dgm_data){.name = def->name, .items = 1, .drawn = drawn};
	for (int k = 0; k < f.group->sym->rank; k++)
		d->items *= f.group->sym->dim[k];
	*status = drawn_sources(u, unit_model(u, f.model), f.of, def->span, &d->n);
	return *status == EXIT_DONE ? d : NULL;
}

struct dgm_data *drawn_dataset(struct unit *u, const struct data_def *def, int *status)
{
	struct draw_form f;
	read_form(u, def, &f);
	struct model *m = unit_model(u, f.model);
	struct dgm_data **of = NEW_ARRAY(u->cx.perm, struct dgm_data *, m->group.n);
	for (int i = 0, n = 0; i < m->group.n; i++) {
		if (m->group.at[i]->role == GROUP_HIDDEN)
			continue;
		of[i] = dataset(u, f.of[n++], false, status);
		if (of[i] == NULL)
			return NULL;
	}
	const struct drawer *d = drawer_of(u->session, m, m, status);
	return d ? drawn_set(u->session, d, f.group, of, def->name, status) : NULL;
}
