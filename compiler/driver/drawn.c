/* Data that a model makes of other data, batch after batch:
 *
 *     draw(MODEL.h, DATA)                      draws of h given the data, with the other hidden
 * variables mean(MODEL.h, DATA)                      the means of h given the data, the others
 * summed out mean(MODEL.h, DATA, posterior = ...)     the same by mean field
 *
 * by the parameters that the model has when the block begins that uses them. */
#include "driver/driver.h"

#include <string.h>

enum { DRAWN_ROWS = 1024, DRAWN_STAGE = 2048 };

/* ---- drawers ---- */
struct drawer {
	const struct model *m;
	struct making how;
	struct compiled c;
	struct dgm_store *store;
};

static bool same_making(const struct making *a, const struct making *b)
{
	const struct posterior *p = &a->posterior, *q = &b->posterior;
	return p->given == q->given && p->iterations == q->iterations && p->tolerance == q->tolerance &&
	       p->damping == q->damping && (p->given || a->mean == b->mean);
}

static bool expand_making(struct expansion *x, const struct making *how)
{
	return how->posterior.given ? objective_meanfield(x, how->posterior.damping)
	       : how->mean          ? objective_mean(x, how->mean)
	                            : objective_draw(x);
}

/* The code by which `as` makes data for m; NULL: *status. */
static struct drawer *drawer_of(struct session *s, const struct model *m, struct model *as,
                                const struct making *how, int *status)
{
	struct unit *u = s->u;
	for (int i = 0; i < s->drawer.n; i++)
		if (s->drawer.at[i]->m == m && same_making(&s->drawer.at[i]->how, how))
			return s->drawer.at[i];
	struct drawer *d = NEW(u->cx.perm, struct drawer);
	int64_t capacity[DGM_MAX_POP] = {DRAWN_ROWS, 1, 1, 1, 1};
	d->m = m;
	d->how = *how;
	d->c = (struct compiled){
	    .m = as, .whole = as, .x = expansion_new(&u->cx, as), .posterior = how->posterior};
	if (!expand_making(d->c.x, how))
		BUG("model %s makes no data", as->name);
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

/* What draws of a variable and its means are, by the domain. */
static const struct products {
	const char *domain;
	enum dgm_data_domain values;
	const char *mean_domain;
	enum dgm_data_domain mean_values;
} products[] = {{"binary", DGM_DATA_BINARY, "unit", DGM_DATA_UNIT},
                {"categorical", DGM_DATA_BINARY, "unit", DGM_DATA_UNIT},
                {"unit", DGM_DATA_UNIT, "unit", DGM_DATA_UNIT},
                {"count", DGM_DATA_COUNT, "real", DGM_DATA_REAL},
                {"spin", DGM_DATA_REAL, "real", DGM_DATA_REAL}};

static struct products products_of(const struct group *g)
{
	for (size_t i = 0; i < sizeof products / sizeof *products; i++)
		if (strcmp(products[i].domain, g->domain) == 0)
			return products[i];
	return (struct products){g->domain, DGM_DATA_REAL, g->domain, DGM_DATA_REAL};
}

/* What the drawer makes of g, with the data of its other groups in order. */
static struct dgm_data *drawn_set(struct session *s, const struct drawer *d, const struct group *g,
                                  struct dgm_data *const *of, const char *name, int *status)
{
	struct arena *a = s->u->cx.perm;
	bool mean = d->how.mean, field = d->how.posterior.given;
	struct products m = products_of(g);
	struct dgm_input *in = NEW_ARRAY(a, struct dgm_input, d->c.m->group.n);
	const char *suffix = field ? ".q" : mean ? ".mean" : "";
	struct dgm_drawn spec = {
	    .store = d->store,
	    .fn = dgm_function_find(d->c.mod, field  ? "meanfield.start"
	                                      : mean ? "mean"
	                                             : "draw"),
	    .slot = dgm_slot_find(d->c.mod, arena_printf(a, "%s%s", g->sym->name, suffix)),
	    .pop = POP_DATA,
	    .input = in,
	    .seed = (uint64_t)s->u->opt->seed,
	    .domain = mean ? m.mean_domain : m.domain,
	    .values = mean ? m.mean_values : m.values};
	if (field)
		spec.refine = job_refine(s, &d->c, "meanfield.pass");
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
		in[spec.ninput++] = (struct dgm_input){slot, of[i]};
	}
	buf_printf(&key,
	           field  ? ", mean field of %s by %s"
	           : mean ? ", mean of %s by %s"
	                  : ", %s drawn by %s",
	           g->name, d->c.m->name);
	*status = refresh(s, d);
	if (*status == EXIT_DONE && dgm_drawn_new(&spec, name, key.s, &made) != DGM_OK)
		*status = run_failed();
	return made;
}

struct dgm_data *drawn_from(struct session *s, const struct model *m, struct model *as,
                            const struct making *how, const struct group *g,
                            struct dgm_data *const *of, const char *name, int *status)
{
	const struct drawer *d = drawer_of(s, m, as, how, status);
	return d ? drawn_set(s, d, g, of, name, status) : NULL;
}

/* ---- draw(MODEL.h, DATA), mean(MODEL.h, DATA, posterior = ...) ---- */
struct draw_form {
	const struct model_def *model;
	const struct group *group;
	const struct data_def **of; /* one a group that has data, in order */
	int n;
	struct making how;
};

static bool is_mean(const struct data_def *def)
{
	return strcmp(def->reader->name, "mean") == 0;
}

bool is_drawn(const struct data_def *def)
{
	return is_mean(def) || strcmp(def->reader->name, "draw") == 0;
}

/* The hidden variable of m that the set is of; NULL: it is of no variable of m. */
static const struct group *variable_of(const struct data_def *def, const struct model *m)
{
	const struct call *c = def->reader;
	const char *path = c->narg && c->arg[0].kind == VAL_NAME ? c->arg[0].name : "";
	size_t n = strlen(m->name);
	for (int i = 0; i < m->group.n; i++)
		if (m->group.at[i]->role == GROUP_HIDDEN && strncmp(path, m->name, n) == 0 &&
		    path[n] == '.' && strcmp(path + n + 1, m->group.at[i]->name) == 0)
			return m->group.at[i];
	return NULL;
}

/* The posterior that means are approximated by; NULL: none is written. */
static const struct value *posterior_of(const struct data_def *def)
{
	const struct call *c = def->reader;
	int last = c->narg - 1;
	bool is = is_mean(def) && last >= 0 && c->key[last] && strcmp(c->key[last], "posterior") == 0;
	return is ? &c->arg[last] : NULL;
}

const struct group *drawn_mean_of(const struct data_def *def, const struct model *m,
                                  bool *approximated)
{
	*approximated = posterior_of(def);
	return is_mean(def) ? variable_of(def, m) : NULL;
}

static bool read_form(struct unit *u, const struct data_def *def, struct draw_form *out)
{
	const struct call *c = def->reader;
	const struct value *posterior = posterior_of(def);
	int want = 0, narg = c->narg - (posterior != NULL);
	*out = (struct draw_form){.of = NEW_ARRAY(u->cx.prog, const struct data_def *, c->narg)};
	for (int i = 0; i < u->checked->model.n && !out->group; i++) {
		out->model = u->checked->model.at[i];
		out->group = variable_of(def, unit_model(u, out->model));
	}
	const struct model *m = out->group ? unit_model(u, out->model) : NULL;
	for (int i = 0; m && i < m->group.n; i++)
		want += m->group.at[i]->role != GROUP_HIDDEN;
	for (int k = 1; k < narg; k++, out->n++)
		out->of[out->n] = c->arg[k].kind == VAL_NAME ? data_named(u, c->arg[k].name) : NULL;
	bool ok = out->group && out->n == want && narg == want + 1 && def->nstep == 0;
	for (int k = 0; k < narg; k++)
		ok = ok && c->key[k] == NULL;
	for (int k = 0; k < out->n; k++)
		ok = ok && out->of[k] && out->of[k] != def;
	if (!ok)
		diag(u->cx.diags, DIAG_DRAW_FORM, def->span);
	out->how.mean = is_mean(def) ? out->group : NULL;
	return ok && (!posterior || posterior_read(u, posterior, &out->how.posterior));
}

/* Means are what an expansion gives, or its messages. */
static bool mean_check(struct unit *u, const struct draw_form *f, struct model *m, struct span at)
{
	if (m->factor.n) {
		diag(u->cx.diags, DIAG_MEAN_ENERGY, at, f->group->name, m->name);
		return false;
	}
	if (expand_making(expansion_new(&u->cx, m), &f->how))
		return true;
	if (!f->how.posterior.given)
		diag(u->cx.diags, DIAG_MEAN_POSTERIOR, at);
	return false;
}

bool drawn_check(struct unit *u, const struct data_def *def)
{
	struct draw_form f;
	struct elimination el;
	if (!read_form(u, def, &f))
		return false;
	struct model *m = unit_model(u, f.model);
	if (f.how.mean)
		return mean_check(u, &f, m, def->span);
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
	struct products made = products_of(f.group);
	drawn->domain = f.how.mean ? made.mean_domain : made.domain;
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
	return drawn_from(u->session, m, m, &f.how, f.group, of, def->name, status);
}
