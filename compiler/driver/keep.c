/* keep: what a sample block writes.  The drawn states and the visible groups' conditional means as
 * a safetensors file; the latter as pictures, beside what was held of them; states as arrays
 * (save); means over sweeps as arrays (average); and how well units that have a value in the data
 * but were not held are predicted (completion). */
#include "driver/driver.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct group *visible_named(const struct model *m, const char *name)
{
	for (int i = 0; i < m->group.n; i++)
		if (m->group.at[i]->role == GROUP_VISIBLE && strcmp(m->group.at[i]->name, name) == 0)
			return m->group.at[i];
	return NULL;
}

static int64_t sweeps_of(const struct block_def *b)
{
	const struct clause *steps = block_clause(b, "steps");
	return steps ? (int64_t)steps->arg[0].num : 1000;
}

/* The clause's arguments in order; false: it is neither save nor average. */
static bool read_keep(struct unit *u, const struct clause *cl, struct value *v)
{
	const char *const signature[] = {"variable:name path:str",
	                                 "variable:name path:str burn:int[0,)=0"};
	int average = strcmp(cl->name, "average") == 0;
	struct call call = {cl->name, cl->span, cl->name_span, cl->arg, cl->key, cl->narg};
	return (average || strcmp(cl->name, "save") == 0) &&
	       call_bind(&u->cx, &call, signature[average], v, NULL);
}

bool keep_check(struct unit *u, const struct compiled *c)
{
	bool ok = true;
	for (int i = 0; i < c->block->nclause; i++) {
		const struct clause *cl = &c->block->clause[i];
		struct value v[3] = {{0}};
		if (!read_keep(u, cl, v))
			continue;
		if (!visible_named(c->m, v[0].name)) {
			diag(u->cx.diags, DIAG_KEEP_VARIABLE, v[0].span, cl->name, v[0].name);
			ok = false;
		}
		if (!dgm_array_known(v[1].name)) {
			diag(u->cx.diags, DIAG_KEEP_PATH, v[1].span, cl->name);
			ok = false;
		}
		if ((int64_t)v[2].num >= sweeps_of(c->block)) {
			diag(u->cx.diags, DIAG_KEEP_BURN, cl->span, (long long)v[2].num,
			     (long long)sweeps_of(c->block));
			ok = false;
		}
	}
	return ok;
}

/* ---- values of slots ---- */
int keep_slot(const struct chains *k, const struct group *g, const char *suffix)
{
	return dgm_slot_find(k->c->mod, arena_printf(k->s->u->cx.prog, "%s.%s", g->name, suffix));
}

float keep_value(const struct chains *k, int slot, int64_t row, int64_t item)
{
	const struct dgm_slot *sl = &k->c->mod->slot[slot];
	int64_t at = row * dgm_item_stride(sl);
	if (sl->repr == DGM_BITS)
		return (float)(((const uint64_t *)k->store->slot[slot])[at + item / 64] >> (item % 64) & 1);
	return ((const float *)k->store->slot[slot])[at + item];
}

static int no_memory(const struct chains *k)
{
	return dgm_fail(DGM_ENOMEM, "no memory for the samples of %s", k->c->m->name);
}

static int64_t units_of(const struct group *g)
{
	int64_t n = 1;
	for (int r = 0; r < g->sym->rank; r++)
		n *= g->sym->dim[r];
	return n;
}

/* The slot's rows, dense: bytes 0/1 of a slot of bits, else floats. */
static int tensor_of(const struct chains *k, const struct group *g, int slot, struct dgm_tensor *t)
{
	bool bits = k->c->mod->slot[slot].repr == DGM_BITS;
	int64_t n = units_of(g);
	*t = (struct dgm_tensor){.dtype = bits ? "U8" : "F32", .rank = g->sym->rank + 1};
	t->data = malloc((size_t)(k->rows * n) * (bits ? 1 : sizeof(float)));
	if (t->data == NULL)
		return no_memory(k);
	t->dim[0] = k->rows;
	for (int r = 0; r < g->sym->rank; r++)
		t->dim[r + 1] = g->sym->dim[r];
	for (int64_t i = 0; i < k->rows * n; i++) {
		float x = keep_value(k, slot, i / n, i % n);
		if (bits)
			((uint8_t *)t->data)[i] = x != 0;
		else
			((float *)t->data)[i] = x;
	}
	return DGM_OK;
}

/* ---- averages ---- */
int keep_begin(struct chains *k)
{
	const struct block_def *b = k->c->block;
	k->average = calloc((size_t)b->nclause + 1, sizeof *k->average);
	for (int i = 0; i < b->nclause && k->average; i++) {
		struct average *a = &k->average[k->naverage];
		struct value v[3];
		if (strcmp(b->clause[i].name, "average") != 0 || !read_keep(k->s->u, &b->clause[i], v))
			continue;
		*a = (struct average){.clause = &b->clause[i],
		                      .group = visible_named(k->c->m, v[0].name),
		                      .burn = (int64_t)v[2].num};
		a->slot = keep_slot(k, a->group, "sample.mean");
		a->sum = calloc((size_t)(k->rows * units_of(a->group)), sizeof *a->sum);
		if (a->sum == NULL)
			return no_memory(k), run_failed();
		k->naverage++;
	}
	return k->average ? EXIT_DONE : (no_memory(k), run_failed());
}

int keep_sweep(struct chains *k, const struct dgm_call *call, int64_t sweep)
{
	bool fresh = false;
	for (int i = 0; i < k->naverage; i++) {
		struct average *a = &k->average[i];
		int64_t n = units_of(a->group);
		if (sweep <= a->burn)
			continue;
		if (!fresh)
			dgm_run(dgm_function_find(k->c->mod, "sample.mean"), call);
		fresh = true;
		a->n++;
		for (int64_t x = 0; x < k->rows * n; x++)
			a->sum[x] += (double)keep_value(k, a->slot, x / n, x % n);
	}
	return EXIT_DONE;
}

void keep_free(struct chains *k)
{
	for (int i = 0; i < k->naverage; i++)
		free(k->average[i].sum);
	free(k->average);
}

/* The best guess of a unit: its average where one is kept, else its last conditional mean. */
static float guess(const struct chains *k, const struct group *g, int mean, int64_t row,
                   int64_t item)
{
	for (int i = 0; i < k->naverage; i++)
		if (k->average[i].group == g && k->average[i].n)
			return (float)(k->average[i].sum[row * units_of(g) + item] / (double)k->average[i].n);
	return keep_value(k, mean, row, item);
}

/* ---- pictures ---- */
/* A tile a row; where units are held two: those that are, the others half-way, then all. */
static int write_image(const struct chains *k, const struct group *g, const char *path)
{
	int mean = keep_slot(k, g, "sample.mean"), held = keep_slot(k, g, "held");
	int64_t h, w, n = units_of(g), each = held < 0 ? 1 : 2;
	bool finite =
	    isfinite(g->family->lo) && isfinite(g->family->hi); /* else each by its own range */
	float lo = finite ? (float)g->family->lo : 0, hi = finite ? (float)g->family->hi : 0;
	float *tiles = malloc(sizeof *tiles * (size_t)(k->rows * n * each));
	if (tiles == NULL)
		return no_memory(k);
	for (int64_t i = 0; i < k->rows * n; i++) {
		float *tile = tiles + i / n * n * each, x = guess(k, g, mean, i / n, i % n);
		tile[(each - 1) * n + i % n] = x;
		if (held >= 0)
			tile[i % n] = keep_value(k, held, i / n, i % n) != 0 ? x : (lo + hi) / 2;
	}
	job_picture(k->s, g, &h, &w);
	int64_t columns = job_columns(k->rows, each, h, w);
	int status = dgm_png_grid(path, tiles, k->rows * each, h, w, n, columns, lo, hi);
	free(tiles);
	return status;
}

/* ---- arrays ---- */
static int write_arrays(struct chains *k)
{
	const struct block_def *b = k->c->block;
	int status = DGM_OK, nth = 0;
	for (int i = 0; i < b->nclause && status == DGM_OK; i++) {
		struct value v[3];
		struct dgm_tensor t;
		if (!read_keep(k->s->u, &b->clause[i], v))
			continue;
		const struct group *g = visible_named(k->c->m, v[0].name);
		bool average = strcmp(b->clause[i].name, "average") == 0;
		status = tensor_of(k, g, keep_slot(k, g, average ? "sample.mean" : "sample"), &t);
		const struct average *a = average ? &k->average[nth++] : NULL;
		for (int64_t x = 0; a && status == DGM_OK && x < k->rows * units_of(g); x++)
			((float *)t.data)[x] = (float)(a->sum[x] / (double)a->n);
		const char *path = job_path(k->s, v[1].name);
		if (status == DGM_OK)
			status = dgm_array_write(path, &t);
		free(t.data);
		if (status == DGM_OK && !k->s->u->opt->json)
			printf("%s: %s\n", k->c->m->name, path);
	}
	return status;
}

float *keep_states(const struct chains *k, const struct group *g)
{
	const int64_t n = k->rows * units_of(g);
	const int slot = keep_slot(k, g, "sample");
	float *x = malloc((size_t)n * sizeof *x);
	for (int64_t i = 0; x && i < n; i++)
		x[i] = keep_value(k, slot, i / units_of(g), i % units_of(g));
	return x;
}

const char *sample_name(struct unit *u, const struct block_def *b, const char *what,
                        const char *extension)
{
	struct arena *a = u->cx.prog;
	int number = 1; /* of the model's sample blocks */
	for (int i = 0; u->checked->block.at[i] != b; i++)
		number += u->checked->block.at[i]->kind == BLOCK_SAMPLE &&
		          u->checked->block.at[i]->model == b->model;
	const char *which = number > 1 ? arena_printf(a, "%d", number) : "";
	return arena_printf(a, "%s.%s%s.%s", b->model->name, what, which, extension);
}

const char *sample_path(struct session *s, const struct block_def *b, const char *what,
                        const char *extension)
{
	return job_path(s, sample_name(s->u, b, what, extension));
}

static int write_states(struct chains *k)
{
	static const char *const suffix[] = {"sample", "sample.mean"};
	struct arena *a = k->s->u->cx.prog;
	struct dgm_tensor *t = NEW_ARRAY(a, struct dgm_tensor, 2 * k->c->m->group.n);
	int n = 0, status = DGM_OK;
	for (int i = 0; i < 2 * k->c->m->group.n && status == DGM_OK; i++) {
		const struct group *g = k->c->m->group.at[i / 2];
		if (g->role != GROUP_VISIBLE)
			continue;
		status = tensor_of(k, g, keep_slot(k, g, suffix[i % 2]), &t[n]);
		t[n++].name = arena_printf(a, i % 2 ? "%s.mean" : "%s", g->name);
	}
	const char *path = sample_path(k->s, k->c->block, "samples", "safetensors");
	const char *const meta[] = {"model", k->c->m->name, NULL};
	if (status == DGM_OK)
		status = dgm_safetensors_write(path, t, n, meta);
	for (int i = 0; i < n; i++)
		free(t[i].data);
	if (status == DGM_OK && !k->s->u->opt->json)
		printf("%s: %s\n", k->c->m->name, path);
	return status;
}

/* ---- completion ---- */
/* Are its units those of blocks with a single 1? */
static bool one_of(const struct group *g)
{
	return g->family->shape == SHAPE_ONEHOT && !g->family->empty;
}

/* What a unit with value x costs where its mean is m: minus the log-probability of a binary, spin
 * or categorical one, else the squared distance. */
static double cost(const struct group *g, double x, double m)
{
	const struct family *f = g->family;
	if (f->shape != SHAPE_TWO && f->shape != SHAPE_ONEHOT)
		return (x - m) * (x - m);
	double p = fmin(1 - 1e-6, fmax(1e-6, (m - f->lo) / (f->hi - f->lo)));
	return x == f->hi ? -log(p) : one_of(g) ? 0 : -log(1 - p);
}

static int record_completion(struct chains *k, int group)
{
	const struct group *g = k->c->m->group.at[group];
	const struct dgm_data *d = k->start[group];
	int held = keep_slot(k, g, "held"), data = keep_slot(k, g, "data"),
	    mean = keep_slot(k, g, "sample.mean");
	int known = keep_slot(k, g, "known");
	int64_t n = units_of(g), rows = 0, units = 0, q = 1;
	double sum = 0, squares = 0;
	if (one_of(g))
		q = (int64_t)block_units(g);
	if (d == NULL || held < 0)
		return DGM_OK;
	for (int64_t r = 0; r < k->rows; r++) {
		int64_t free = 0;
		double total = 0;
		for (int64_t i = 0; i < n; i++) {
			if (keep_value(k, known, r, i) == 0 || keep_value(k, held, r, i) != 0)
				continue;
			free++;
			total += cost(g, (double)keep_value(k, data, r, i), (double)guess(k, g, mean, r, i));
		}
		if (free == 0)
			continue;
		total /= (double)(free / q);
		rows++;
		units += free / q;
		sum += total;
		squares += total * total;
	}
	if (rows == 0)
		return DGM_OK;
	struct arena *a = k->s->u->cx.prog;
	double m = sum / (double)rows, var = squares / (double)rows - m * m;
	bool log_loss = g->family->shape == SHAPE_TWO || g->family->shape == SHAPE_ONEHOT;
	struct result r = {.model = k->c->m->name,
	                   .figure = arena_printf(a, "completion of %s", g->name),
	                   .value = m,
	                   .error = rows > 1 ? sqrt(fmax(0, var) / (double)(rows - 1)) : NAN,
	                   .data = d->name,
	                   .key = d->key,
	                   .n = rows,
	                   .method = arena_printf(a, "%s a unit that was not held, %lld of them",
	                                          log_loss ? "minus log-probability" : "squared error",
	                                          (long long)units),
	                   .digest = dgm_params_digest(k->store),
	                   .data_digest = d->digest};
	return job_record(k->s, &r);
}

int keep_write(struct chains *k)
{
	const struct clause *image = block_clause(k->c->block, "image");
	int status = write_states(k);
	if (status == DGM_OK && (image || job_pictured(k->s, first_visible(k->c->m)))) {
		const char *path = image ? job_path(k->s, image->arg[0].name)
		                         : sample_path(k->s, k->c->block, "samples", "png");
		status = write_image(k, first_visible(k->c->m), path);
		if (status == DGM_OK && !k->s->u->opt->json)
			printf("%s: %s\n", k->c->m->name, path);
	}
	if (status == DGM_OK)
		status = write_arrays(k);
	for (int i = 0; i < k->c->m->group.n && status == DGM_OK; i++)
		status = record_completion(k, i);
	return status == DGM_OK ? EXIT_DONE : run_failed();
}
