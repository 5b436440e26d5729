/* inspect: the samples of a sample block looked at beside data.  Here is what its calls have in
 * common: they are checked before anything runs, their data are read, their results recorded, with
 * a warning where a test finds something wrong. */
#include "driver/look.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ARGS = 8, HELD = 2000 };

static const struct inspection {
	const char *name, *signature;
	int (*run)(struct look *l);
} inspections[] = {
#define INSPECTION(name, arguments, run) {name, arguments, run},
#include "driver/inspection.def"
#undef INSPECTION
};
enum { NINSPECTION = sizeof inspections / sizeof *inspections };

static const struct inspection *inspection_find(const char *name)
{
	for (int i = 0; i < NINSPECTION; i++)
		if (strcmp(inspections[i].name, name) == 0)
			return &inspections[i];
	return NULL;
}

/* ---- before anything runs ---- */
const struct figure_kind look_energies = {
    .name = "free_energy", .function = "free_energy", .gap = true};

static const struct group *visible_named(const struct model *m, const char *name)
{
	for (int i = 0; i < m->group.n; i++)
		if (m->group.at[i]->role == GROUP_VISIBLE &&
		    (*name == 0 || strcmp(m->group.at[i]->name, name) == 0))
			return m->group.at[i];
	return NULL;
}

/* The place of the argument `of`; -1: the inspection has none. */
static int place_of(const struct inspection *i)
{
	int n = 0;
	for (const char *p = i->signature; *p; n++) {
		if (strncmp(p, "of:", 3) == 0)
			return n;
		p += strcspn(p, " ");
		p += strspn(p, " ");
	}
	return -1;
}

static bool check_names(struct unit *u, const struct compiled *c, const struct inspection *i,
                        const struct value *v)
{
	const int of = place_of(i);
	if (!visible_named(c->m, v[of].name)) {
		diag(u->cx.diags, DIAG_INSPECT_VARIABLE, v[of].span, i->name, v[of].name);
		return false;
	}
	for (int k = 0; k < MAX_ARGS; k++)
		if (k != of && v[k].kind == VAL_NAME && v[k].name && *v[k].name &&
		    !data_named(u, v[k].name)) {
			diag(u->cx.diags, DIAG_FIGURE_NOT_DATA, v[k].span, i->name);
			return false;
		}
	return true;
}

static bool check_call(struct unit *u, struct compiled *c, const struct value *what, bool *energies)
{
	const struct inspection *i = inspection_find(what->call->name);
	struct value v[MAX_ARGS] = {{0}};
	if (i == NULL) {
		diag(u->cx.diags, DIAG_INSPECT_UNKNOWN, what->call->name_span, what->call->name);
		return false;
	}
	if (place_of(i) >= 0)
		return call_bind(&u->cx, what->call, i->signature, v, NULL) && check_names(u, c, i, v);
	bool first = !*energies;
	*energies = true;
	return figure_data(u, c->m, &look_energies, what) &&
	       (!first || block_figure(c, figure_find("free_energy")));
}

bool inspect_expand(struct unit *u, struct compiled *c)
{
	bool ok = true, energies = false;
	for (int i = 0; i < c->block->nclause; i++)
		for (int k = 0; k < c->block->clause[i].narg; k++)
			if (strcmp(c->block->clause[i].name, "inspect") == 0)
				ok = check_call(u, c, &c->block->clause[i].arg[k], &energies) && ok;
	return ok;
}

/* Data for `of`, and labels, named "labels" in signatures, one for each example of the first set.
 */
int inspect_ready(struct unit *u, const struct model *m, const struct value *what)
{
	const struct inspection *i = inspection_find(what->call->name);
	const int of = place_of(i);
	struct value v[MAX_ARGS] = {{0}};
	int status = EXIT_DONE;
	if (of < 0)
		return figure_ready(u, m, &look_energies, what);
	call_bind(&u->cx, what->call, i->signature, v, NULL);
	const struct value *labels = argument_named(i->signature, v, "labels");
	for (int k = 0; k < of && status == EXIT_DONE; k++)
		if (v[k].kind == VAL_NAME && *v[k].name && &v[k] != labels)
			status = data_ready(u, &v[k], visible_named(m, v[of].name));
	if (status != EXIT_DONE || !labels || !*labels->name)
		return status;
	const struct data_def *def = data_named(u, labels->name);
	const struct dgm_data *d = dataset_outline(u, def, false, &status),
	                      *x = dataset_outline(u, data_named(u, v[0].name), false, &status);
	if (d == NULL || x == NULL)
		return status;
	return dataset_labels(u, d, x->name, x->n, labels->span) ? EXIT_DONE : EXIT_FILE;
}

/* ---- data ---- */
void look_data(struct look *l, const struct dgm_data *d)
{
	struct arena *a = l->k->s->u->cx.prog;
	l->data = l->data ? arena_printf(a, "%s and %s", l->data, d->name) : d->name;
	l->key = l->key && strcmp(l->key, d->key) != 0 ? arena_printf(a, "%s and %s", l->key, d->key)
	                                               : d->key;
	l->digest = l->digest * 0x9E3779B97F4A7C15u + d->digest;
}

int look_load(struct look *l, const struct value *name, int64_t most, struct dgm_points *out,
              int64_t **which)
{
	struct unit *u = l->k->s->u;
	int status;
	struct dgm_data *d = dataset(u, data_named(u, name->name), false, &status);
	if (d == NULL)
		return status;
	const struct dgm_slot slot = {.name = d->name, .pop = POP_DATA, .rank = 1, .dim = {d->items}};
	const uint64_t seed = (uint64_t)u->opt->seed;
	int64_t *index = malloc((size_t)d->n * sizeof *index);
	float *row = NEW_ARRAY(u->cx.tmp, float, dgm_item_stride(&slot));
	*out = (struct dgm_points){NULL, d->n < most ? d->n : most, d->items};
	out->x = malloc((size_t)(out->n * out->items) * sizeof *out->x);
	status = index && out->x ? DGM_OK
	                         : dgm_fail(DGM_ENOMEM, "no memory for the examples of %s", d->name);
	if (status == DGM_OK)
		dgm_permutation(index, d->n, seed, 0);
	for (int64_t i = 0; i < out->n && status == DGM_OK; i++) {
		if (out->n == d->n)
			index[i] = i;
		status = dgm_data_batch(d, &index[i], 1, &slot, row, seed, 0);
		memcpy(out->x + i * d->items, row, (size_t)d->items * sizeof *row);
	}
	look_data(l, d);
	if (which && status == DGM_OK)
		*which = index;
	else
		free(index);
	return status == DGM_OK ? EXIT_DONE : run_failed();
}

int64_t look_held(const struct look *l)
{
	return l->samples.n > HELD ? l->samples.n : HELD;
}

/* ---- results ---- */
int look_record(struct look *l, struct result r)
{
	r.model = l->k->c->m->name;
	r.data = l->data;
	r.key = l->key;
	r.n = r.n ? r.n : l->samples.n;
	r.digest = dgm_params_digest(l->k->store);
	r.data_digest = l->digest;
	return job_record(l->k->s, &r) == DGM_OK ? EXIT_DONE : run_failed();
}

int look_judge(struct look *l, struct result r, double p, const char *wrong, const char *blind)
{
	struct session *s = l->k->s;
	struct arena *a = s->u->cx.prog;
	const char *model = l->k->c->m->name;
	const bool found = p < LOOK_LEVEL;
	r.detail[0] = (struct member){"p", p, NULL};
	r.detail[1] = (struct member){"verdict", 0,
	                              found   ? wrong
	                              : blind ? "cannot tell"
	                                      : "nothing found"};
	if (found)
		job_warn(s, model, arena_printf(a, "%s of %s: %s", wrong, model, r.method));
	else if (blind)
		job_warn(s, model,
		         arena_printf(a, "%s of model %s cannot tell: %s", r.figure, model, blind));
	if (!found && blind)
		r.method = arena_printf(a, "%s; this cannot tell: %s", r.method, blind);
	return look_record(l, r);
}

void look_tell(const struct look *l, const char *path)
{
	if (!l->k->s->u->opt->json)
		printf("%s: %s\n", l->k->c->m->name, path);
}

/* ---- the clauses ---- */
static int obey(struct chains *k, const struct value *what)
{
	const struct inspection *i = inspection_find(what->call->name);
	struct value v[MAX_ARGS];
	struct look l = {.k = k, .arg = what};
	const int of = place_of(i);
	if (of >= 0) {
		call_bind(&k->s->u->cx, what->call, i->signature, v, NULL);
		l.arg = v;
	}
	l.g = visible_named(k->c->m, of >= 0 ? v[of].name : "");
	l.samples = (struct dgm_points){keep_states(k, l.g), k->rows, 1};
	for (int r = 0; r < l.g->sym->rank; r++)
		l.samples.items *= l.g->sym->dim[r];
	if (l.samples.x == NULL) {
		dgm_fail(DGM_ENOMEM, "no memory for the samples of %s", k->c->m->name);
		return run_failed();
	}
	int status = i->run(&l);
	free(l.samples.x);
	return status;
}

int inspect_samples(struct chains *k)
{
	int status = EXIT_DONE;
	for (int i = 0; i < k->c->block->nclause; i++) {
		const struct clause *cl = &k->c->block->clause[i];
		for (int a = 0; a < cl->narg && status == EXIT_DONE && strcmp(cl->name, "inspect") == 0;
		     a++)
			status = obey(k, &cl->arg[a]);
	}
	return status;
}
