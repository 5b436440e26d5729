/* A sample block: chains that start at independent units or at data, and their sweeps; and
 * parameters as pictures (filters). */
#include "driver/driver.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int64_t units_of(const struct group *g)
{
	int64_t n = 1;
	for (int i = 0; i < g->sym->rank; i++)
		n *= g->sym->dim[i];
	return n;
}

const struct group *first_visible(const struct model *m)
{
	int i = 0;
	while (m->group.at[i]->role != GROUP_VISIBLE)
		i++;
	return m->group.at[i];
}

/* The width by the group's own last axis, or its data's; 0: neither has two axes. */
static int64_t width_of(struct session *s, const struct group *g)
{
	if (g->sym->rank >= 2)
		return g->sym->dim[g->sym->rank - 1];
	for (int i = 0; i < s->u->checked->block.n; i++) {
		const struct block_def *b = s->u->checked->block.at[i];
		for (int k = 0; k < b->nbind; k++) {
			int status;
			if (b->bind[k].var->sym != g->sym || b->bind[k].data == NULL ||
			    is_drawn(b->bind[k].data))
				continue;
			const struct dgm_data *d = dataset(s->u, b->bind[k].data, true, &status);
			if (d && d->items == units_of(g) && d->rank >= 2)
				return d->dim[d->rank - 1];
		}
	}
	return 0;
}

/* Where no axes say, it is nearly square. */
void job_picture(struct session *s, const struct group *g, int64_t *h, int64_t *w)
{
	const int64_t items = units_of(g);
	*w = width_of(s, g);
	if (*w == 0) {
		*h = (int64_t)sqrt((double)items);
		while (items % *h)
			--*h;
		*w = items / *h;
	}
	*h = items / *w;
}

int64_t job_columns(int64_t n, int64_t each, int64_t h, int64_t w)
{
	const double columns = sqrt((double)(n * h) / (double)(each * w));
	return each * (int64_t)fmin((double)n, ceil(columns));
}

bool job_pictured(struct session *s, const struct group *g)
{
	enum { COLUMNS = 32 };
	return units_of(g) > COLUMNS || width_of(s, g) > 0;
}

const char *job_path(struct session *s, const char *path)
{
	return path[0] == '/' ? path : arena_printf(s->u->cx.prog, "%s/%s", s->out_dir, path);
}

/* Which axes of the parameter are the visible group's: first or last. 0: neither. */
static int visible_axes(const struct sym *p, const struct sym *v)
{
	bool first = p->rank > v->rank, last = p->rank > v->rank;
	for (int i = 0; i < v->rank && (first || last); i++) {
		first = first && p->dim[i] == v->dim[i];
		last = last && p->dim[p->rank - v->rank + i] == v->dim[i];
	}
	return first ? 1 : last ? -1 : 0;
}

/* Pictures of a parameter: the axes that are a visible group's, each picture as that group's; else
 * its last two axes. */
struct filters {
	const struct group *of; /* NULL: no group's */
	bool first;             /* pixels are the parameter's first axes, else its last */
	int64_t pixels, w;      /* w: where they are no group's */
};

static bool filters_find(const struct model *m, const char *name, struct filters *out)
{
	const struct sym *p = NULL;
	*out = (struct filters){.pixels = 1};
	for (int i = 0; i < m->weight.n; i++)
		if (strcmp(m->weight.at[i]->name, name) == 0)
			p = m->weight.at[i]->sym;
	for (int i = 0; p && i < m->group.n && out->of == NULL; i++) {
		const struct group *g = m->group.at[i];
		int side = g->role == GROUP_VISIBLE ? visible_axes(p, g->sym) : 0;
		if (side == 0)
			continue;
		out->of = g;
		out->first = side > 0;
		for (int k = 0; k < g->sym->rank; k++)
			out->pixels *= g->sym->dim[k];
	}
	if (out->of)
		return true;
	if (p == NULL || p->rank < 2)
		return false;
	out->w = p->dim[p->rank - 1];
	out->pixels = p->dim[p->rank - 2] * out->w;
	return true;
}

bool filters_check(struct unit *u, const struct compiled *c)
{
	struct filters found;
	bool ok = true;
	for (int i = 0; i < c->block->nclause; i++) {
		const struct clause *cl = &c->block->clause[i];
		if (strcmp(cl->name, "filters") != 0 || filters_find(c->m, cl->arg[0].name, &found))
			continue;
		diag(u->cx.diags, DIAG_FILTERS, cl->arg[0].span, cl->arg[0].name);
		ok = false;
	}
	return ok;
}

static int write_filters(struct session *s, const struct compiled *c, struct dgm_store *store,
                         const struct clause *cl)
{
	int number = dgm_slot_find(c->mod, cl->arg[0].name);
	struct filters of;
	filters_find(c->m, cl->arg[0].name, &of);
	int64_t pixels = of.pixels, n = dgm_slot_items(&c->mod->slot[number]) / pixels;
	int64_t shown = n < 100 ? n : 100, w = of.w, h = of.of ? 0 : pixels / w;
	const float *from = store->slot[number];
	float *tiles = malloc(sizeof *tiles * (size_t)(shown * pixels));
	if (tiles == NULL)
		return dgm_fail(DGM_ENOMEM, "no memory for the picture of %s", cl->arg[0].name),
		       run_failed();
	for (int64_t t = 0; t < shown; t++)
		for (int64_t x = 0; x < pixels; x++)
			tiles[t * pixels + x] = of.first ? from[x * n + t] : from[t * pixels + x];
	if (of.of)
		job_picture(s, of.of, &h, &w);
	const char *path = job_path(s, cl->arg[1].name);
	int status =
	    dgm_png_grid(path, tiles, shown, h, w, pixels, (int64_t)ceil(sqrt((double)shown)), 0, 0);
	free(tiles);
	if (status != DGM_OK)
		return run_failed();
	if (!s->u->opt->json)
		printf("%s: %s\n", c->m->name, path);
	return EXIT_DONE;
}

int job_filters(struct session *s, const struct compiled *c, struct dgm_store *store)
{
	int status = EXIT_DONE;
	for (int i = 0; i < c->block->nclause && status == EXIT_DONE; i++)
		if (strcmp(c->block->clause[i].name, "filters") == 0)
			status = write_filters(s, c, store, &c->block->clause[i]);
	return status;
}

/* Data into the groups that are bound: row c starts at example c, modulo the number of examples. */
static int load_start(struct chains *k)
{
	struct session *s = k->s;
	struct dgm_input *in = NEW_ARRAY(s->u->cx.prog, struct dgm_input, k->c->m->group.n);
	const int64_t rows = k->rows * k->c->x->sampling.temperatures;
	int64_t *index = NEW_ARRAY(s->u->cx.prog, int64_t, rows), examples;
	int n = 0;
	k->start = NEW_ARRAY(s->u->cx.prog, const struct dgm_data *, k->c->m->group.n);
	k->example = index;
	for (int i = 0; i < k->c->m->group.n; i++) {
		const struct group *g = k->c->m->group.at[i];
		for (int b = 0; b < k->c->block->nbind; b++) {
			const struct binding_def *bind = &k->c->block->bind[b];
			bool given = g->role == GROUP_GIVEN;
			int status;
			if (bind->var->sym != g->sym)
				continue;
			const struct dgm_data *d = dataset(s->u, bind->data, !given, &status);
			if (d == NULL)
				return status;
			const char *name =
			    arena_printf(s->u->cx.prog, "%s.%s", g->name, given ? "sample" : "data");
			int slot = dgm_slot_find(k->c->mod, name);
			k->start[i] = d;
			if (slot >= 0)
				in[n++] = (struct dgm_input){slot, d};
		}
	}
	if (dgm_inputs_check(k->store, in, n, POP_SAMPLES, &examples) != DGM_OK)
		return run_failed();
	for (int64_t c = 0; c < rows; c++) /* replicas of a chain begin alike */
		index[c] = examples ? c % k->rows % examples : 0;
	if (dgm_inputs_load(k->store, in, n, index, rows, (uint64_t)s->u->opt->seed, 0) != DGM_OK)
		return run_failed();
	for (int i = 0; i < k->c->m->group.n; i++) {
		const char *name = arena_printf(s->u->cx.prog, "%s.known", k->c->m->group.at[i]->name);
		int slot = dgm_slot_find(k->c->mod, name);
		if (slot >= 0)
			dgm_data_known(k->start[i], index, rows, &k->c->mod->slot[slot], k->store->slot[slot]);
	}
	return EXIT_DONE;
}

void sample_elements(const struct compiled *c, const struct dgm_call *call)
{
	const struct dgm_function *element = dgm_function_find(c->mod, "sample.element");
	for (int64_t i = 0; element && i < model_in_order(c->m); i++)
		dgm_run(element, call);
}

/* Sweeps, and behind each what is kept of it.  Steps are adapted in the first half. */
static int run_chains(struct chains *k, int64_t sweeps)
{
	const struct compiled *c = k->c;
	struct dgm_call call = dgm_call_on(k->store, (uint64_t)k->s->u->opt->seed);
	struct dgm_transition t =
	    dgm_transition_find(c->mod, "sample.sweep", POP_SAMPLES, c->x->sampling.steps);
	struct dgm_tempering tempering = job_tempering(c, "sample", POP_SAMPLES, k->rows);
	struct dgm_acceptance accepted = {0}, swaps = {0};
	struct dgm_progress p;
	int status = EXIT_DONE;
	call.stage = SAMPLE_STAGE;
	dgm_tempering_begin(&tempering, k->store);
	dgm_run(dgm_function_find(c->mod, "sample.begin"), &call);
	call.step++;
	dgm_progress_begin(&p, "sampling", (double)sweeps, k->s->u->opt->quiet);
	for (int64_t i = 0; i < sweeps && status == EXIT_DONE; i++) {
		bool fixed = 2 * i >= sweeps;
		if (fixed && 2 * i < sweeps + 2)
			accepted = (struct dgm_acceptance){0};
		dgm_transition_run(&t, t.end, k->store, &call, fixed ? DGM_FIXED : DGM_ADAPT, &accepted);
		sample_elements(c, &call);
		dgm_tempering_swap(&tempering, k->store, &call, &swaps);
		status = keep_sweep(k, &call, i + 1);
		trace_sweep(k, &call, i + 1);
		dgm_progress_at(&p, (double)(i + 1), "%lld sweeps", (long long)i + 1);
	}
	dgm_progress_end(&p);
	dgm_run(dgm_function_find(c->mod, "sample.mean"), &call);
	if (swaps.n && !k->s->u->opt->json)
		printf("%s: swaps %.3f\n", c->m->name, swaps.sum / (double)swaps.n);
	if (accepted.n && !k->s->u->opt->json)
		printf("%s: acceptance %.3f, step %.4g\n", c->m->name, accepted.sum / (double)accepted.n,
		       (double)*(const float *)k->store->slot[t.size]);
	return status;
}

/* An energy that is unbounded for some states of other variables shows in the samples. */
static int all_finite(const struct chains *k)
{
	for (int i = 0; i < k->c->m->group.n; i++) {
		const struct group *g = k->c->m->group.at[i];
		int slot = dgm_slot_find(k->c->mod, arena_printf(k->s->u->cx.prog, "%s.sample", g->name));
		if (g->role == GROUP_GIVEN || slot < 0 || k->c->mod->slot[slot].repr != DGM_F32)
			continue;
		const float *x = k->store->slot[slot];
		int64_t items = dgm_slot_items(&k->c->mod->slot[slot]),
		        stride = dgm_item_stride(&k->c->mod->slot[slot]);
		for (int64_t r = 0; r < k->rows; r++)
			for (int64_t u = 0; u < items; u++)
				if (!isfinite(x[r * stride + u]))
					return dgm_fail(DGM_ENONFINITE,
					                "the samples of '%s' are not finite: its distribution is not "
					                "proper for some "
					                "states of the other variables (an energy unbounded below?)",
					                g->name),
					       run_failed();
	}
	return EXIT_DONE;
}

int job_sample(struct session *s, const struct block_def *b)
{
	struct compiled c;
	const struct clause *chains = block_clause(b, "chains"), *steps = block_clause(b, "steps");
	struct chains k = {.s = s, .c = &c, .rows = chains ? (int64_t)chains->arg[0].num : 64};
	int status = EXIT_RUN;
	if (!block_expand(s->u, b, &c))
		return EXIT_FILE;
	int64_t capacity[DGM_MAX_POP] = {block_clause(b, "inspect") ? EVAL_ROWS : 1, 1, 1, 1,
	                                 k.rows * c.x->sampling.temperatures};
	block_plan(s->u, &c);
	if (!block_jit(s->u, &c) || (k.store = job_store(s, &c, capacity, &status)) == NULL)
		return status;
	status = load_start(&k);
	if (status == EXIT_DONE)
		status = keep_begin(&k);
	const int64_t sweeps = steps ? (int64_t)steps->arg[0].num : model_normalised(c.m) ? 1 : 1000;
	if (status == EXIT_DONE)
		status = trace_begin(&k, sweeps);
	if (status == EXIT_DONE)
		status = run_chains(&k, sweeps);
	if (status == EXIT_DONE)
		status = all_finite(&k);
	if (status == EXIT_DONE)
		status = keep_write(&k);
	if (status == EXIT_DONE)
		status = trace_write(&k);
	if (status == EXIT_DONE)
		status = inspect_samples(&k);
	if (status == EXIT_DONE)
		status = job_filters(s, &c, k.store);
	keep_free(&k);
	trace_free(&k);
	dgm_store_free(k.store);
	jit_free(c.jit);
	return status;
}
