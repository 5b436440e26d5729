/* A sample block: chains, steps, a picture of the visible groups' conditional means and the drawn
 * states as a safetensors file; and parameters as pictures (filters). */
#include "driver/driver.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The height and width of a group's picture: its own last two axes, its data's, else nearly square.
 */
static void picture_size(struct session *s, const struct group *g, int64_t *h, int64_t *w)
{
	int64_t items = 1;
	for (int i = 0; i < g->sym->rank; i++)
		items *= g->sym->dim[i];
	*h = 0;
	if (g->sym->rank >= 2) {
		*w = g->sym->dim[g->sym->rank - 1];
		*h = items / *w;
	}
	for (int i = 0; i < s->u->checked->block.n && *h == 0; i++) {
		const struct block_def *b = s->u->checked->block.at[i];
		for (int k = 0; k < b->nbind; k++) {
			int status;
			if (b->bind[k].var->sym != g->sym || b->bind[k].data == NULL)
				continue;
			const struct dgm_data *d = dataset(s->u, b->bind[k].data, &status);
			if (d && d->items == items && d->rank >= 2) {
				*w = d->dim[d->rank - 1];
				*h = items / *w;
			}
		}
	}
	if (*h == 0) {
		*h = (int64_t)sqrt((double)items);
		while (items % *h)
			--*h;
		*w = items / *h;
	}
}

static const char *in_folder(struct session *s, const char *path)
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

/* The visible group whose axes the parameter has, and at which side; 0: none. */
static int filters_side(const struct model *m, const char *name, const struct group **g)
{
	const struct sym *p = NULL;
	int side = 0;
	for (int i = 0; i < m->weight.n; i++)
		if (strcmp(m->weight.at[i]->name, name) == 0)
			p = m->weight.at[i]->sym;
	for (int i = 0; p && i < m->group.n && side == 0; i++) {
		*g = m->group.at[i];
		side = (*g)->role == GROUP_VISIBLE ? visible_axes(p, (*g)->sym) : 0;
	}
	return side;
}

bool filters_check(struct unit *u, const struct compiled *c)
{
	const struct group *g;
	bool ok = true;
	for (int i = 0; i < c->block->nclause; i++) {
		const struct clause *cl = &c->block->clause[i];
		if (strcmp(cl->name, "filters") != 0 || filters_side(c->m, cl->arg[0].name, &g))
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
	const struct group *g = NULL;
	int side = filters_side(c->m, cl->arg[0].name, &g);
	int64_t total = dgm_slot_items(&c->mod->slot[number]), pixels = 1, h, w;
	for (int i = 0; i < g->sym->rank; i++)
		pixels *= g->sym->dim[i];
	int64_t n = total / pixels, shown = n < 100 ? n : 100;
	const float *from = store->slot[number];
	float *tiles = malloc(sizeof *tiles * (size_t)(shown * pixels));
	if (tiles == NULL)
		return dgm_fail(DGM_ENOMEM, "no memory for the picture of %s", cl->arg[0].name),
		       run_failed();
	for (int64_t t = 0; t < shown; t++)
		for (int64_t x = 0; x < pixels; x++)
			tiles[t * pixels + x] = side > 0 ? from[x * n + t] : from[t * pixels + x];
	picture_size(s, g, &h, &w);
	const char *path = in_folder(s, cl->arg[1].name);
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

/* A slot's items as bytes 0/1 or floats, dense. */
static void *dense(const struct dgm_module *m, const struct dgm_store *st, int slot, int64_t rows,
                   bool *bytes)
{
	const struct dgm_slot *sl = &m->slot[slot];
	int64_t items = dgm_slot_items(sl), stride = dgm_item_stride(sl);
	*bytes = sl->repr == DGM_BITS;
	float *f = malloc(sizeof *f * (size_t)(rows * items));
	uint8_t *b = (uint8_t *)f;
	for (int64_t r = 0; f && r < rows; r++)
		for (int64_t i = 0; i < items; i++)
			if (*bytes)
				b[r * items + i] =
				    (uint8_t)(((const uint64_t *)st->slot[slot])[r * stride + i / 64] >> (i % 64) &
				              1);
			else
				f[r * items + i] = ((const float *)st->slot[slot])[r * stride + i];
	return f;
}

static int write_samples(struct session *s, const struct compiled *c, struct dgm_store *st,
                         int64_t rows, const char *image)
{
	struct dgm_tensor t[2 * DGM_MAX_POP];
	int n = 0, status = DGM_OK;
	struct arena *a = s->u->cx.prog;
	for (int i = 0; i < c->m->group.n; i++) {
		const struct group *g = c->m->group.at[i];
		if (g->role != GROUP_VISIBLE)
			continue;
		static const char *const suffix[] = {"sample", "sample.mean"};
		for (int k = 0; k < 2; k++) {
			bool bytes;
			int slot = dgm_slot_find(c->mod, arena_printf(a, "%s.%s", g->name, suffix[k]));
			struct dgm_tensor *x = &t[n++];
			*x = (struct dgm_tensor){.name = arena_printf(a, k ? "%s.mean" : "%s", g->name),
			                         .rank = g->sym->rank + 1};
			x->data = dense(c->mod, st, slot, rows, &bytes);
			x->dtype = bytes ? "U8" : "F32";
			x->dim[0] = rows;
			for (int r = 0; r < g->sym->rank; r++)
				x->dim[r + 1] = g->sym->dim[r];
			if (x->data == NULL)
				status = dgm_fail(DGM_ENOMEM, "no memory for the samples of %s", g->name);
		}
		int64_t h, w;
		bool finite =
		    isfinite(g->family->lo) && isfinite(g->family->hi); /* else each by its own range */
		picture_size(s, g, &h, &w);
		if (image && status == DGM_OK && n == 2)
			status =
			    dgm_png_grid(in_folder(s, image), t[1].data, rows, h, w, h * w,
			                 (int64_t)ceil(sqrt((double)rows)), finite ? (float)g->family->lo : 0,
			                 finite ? (float)g->family->hi : 0);
	}
	const char *path = in_folder(s, arena_printf(a, "%s.samples.safetensors", c->m->name));
	const char *const meta[] = {"model", c->m->name, NULL};
	if (status == DGM_OK)
		status = dgm_safetensors_write(path, t, n, meta);
	for (int i = 0; i < n; i++)
		free(t[i].data);
	if (status != DGM_OK)
		return run_failed();
	if (!s->u->opt->json)
		printf("%s: %s%s%s\n", c->m->name, path, image ? "\n" : "",
		       image ? arena_printf(a, "%s: %s", c->m->name, in_folder(s, image)) : "");
	return EXIT_DONE;
}

int job_sample(struct session *s, const struct block_def *b)
{
	struct compiled c;
	const struct clause *chains = block_clause(b, "chains"), *steps = block_clause(b, "steps"),
	                    *image = block_clause(b, "image");
	int64_t rows = chains ? (int64_t)chains->arg[0].num : 64,
	        sweeps = steps ? (int64_t)steps->arg[0].num : 1000;
	int64_t capacity[DGM_MAX_POP] = {1, 1, 1, 1, rows};
	int status = EXIT_RUN;
	if (!block_expand(s->u, b, &c))
		return EXIT_FILE;
	block_plan(s->u, &c);
	struct dgm_store *st = NULL;
	if (!block_jit(s->u, &c) || (st = job_store(s, &c, capacity, &status)) == NULL)
		return status;
	struct dgm_call call = dgm_call_on(st, (uint64_t)s->u->opt->seed);
	struct dgm_progress p;
	call.stage = 1024; /* streams of their own, apart from training's */
	dgm_run(dgm_function_find(c.mod, "sample.begin"), &call);
	dgm_progress_begin(&p, "sampling", (double)sweeps, s->u->opt->quiet);
	for (int64_t i = 0; i < sweeps; i++) {
		call.step++;
		dgm_run(dgm_function_find(c.mod, "sample.sweep"), &call);
		dgm_progress_at(&p, (double)(i + 1), "%lld sweeps", (long long)i + 1);
	}
	dgm_progress_end(&p);
	dgm_run(dgm_function_find(c.mod, "sample.mean"), &call);
	status = write_samples(s, &c, st, rows, image ? image->arg[0].name : NULL);
	if (status == EXIT_DONE)
		status = job_filters(s, &c, st);
	dgm_store_free(st);
	jit_free(c.jit);
	return status;
}
