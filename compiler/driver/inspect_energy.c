/* Free energies of samples, training and held-out examples: histograms, and the differences of
 * their means. */
#include "driver/look.h"

#include <math.h>
#include <stdlib.h>

enum { BINS = 60 };

/* The block's samples as data of a group. */
static struct dgm_data *as_data(const struct look *l, const struct group *g)
{
	struct arena *a = l->k->s->u->cx.prog;
	const int slot = dgm_slot_find(l->k->c->mod, g->sym->name);
	struct dgm_data *d = NEW(a, struct dgm_data);
	float *x = keep_states(l->k, g);
	*d = (struct dgm_data){.name = "samples", .n = l->k->rows, .rank = 1, .scale = 1, .key = ""};
	d->items = dgm_slot_items(&l->k->c->mod->slot[slot]);
	d->dim[0] = d->items;
	if (x && l->k->c->mod->slot[slot].repr == DGM_BITS) {
		d->domain = DGM_DATA_BINARY;
		d->u8 = NEW_ARRAY(a, uint8_t, d->n * d->items);
		for (int64_t i = 0; i < d->n * d->items; i++)
			d->u8[i] = x[i] != 0;
	} else if (x) {
		d->f32 = arena_copy(a, x, (size_t)(d->n * d->items) * sizeof *x);
	}
	free(x);
	return d;
}

struct energies { /* of a set of examples */
	const char *name;
	double *each;
	struct dgm_mean mean;
};

/* set 0: training examples, 1: held-out ones, 2: samples. */
static int energies_of(struct look *l, const struct data_def *const *def, int set,
                       struct energies *out)
{
	struct session *s = l->k->s;
	const struct compiled *c = l->k->c;
	static const char *const name[] = {"training examples", "held-out examples", "samples"};
	struct dgm_input *in = NEW_ARRAY(s->u->cx.prog, struct dgm_input, c->m->group.n);
	struct dgm_figure f = {.fn = dgm_function_find(c->mod, "free_energy"),
	                       .input = in,
	                       .out = dgm_slot_find(c->mod, "out.free_energy"),
	                       .pop = POP_DATA};
	int n = 0, status;
	for (int i = 0; i < c->m->group.n; i++)
		n += c->m->group.at[i]->role != GROUP_HIDDEN;
	def += set == 1 ? n : 0;
	for (int i = 0; i < c->m->group.n; i++) {
		const struct group *g = c->m->group.at[i];
		if (g->role == GROUP_HIDDEN)
			continue;
		const struct dgm_data *d = set == 2 ? as_data(l, g) : dataset(s->u, *def, false, &status);
		if (d == NULL)
			return status;
		in[f.ninput++] = (struct dgm_input){dgm_slot_find(c->mod, g->sym->name), d};
		if (set < 2)
			look_data(l, d);
		def += set < 2;
	}
	f.limit = look_held(l);
	f.limit = f.limit < f.input[0].data->n ? f.limit : f.input[0].data->n;
	if (f.limit < f.input[0].data->n)
		f.which = drawn_rows(s, f.input[0].data->n);
	out->name = name[set];
	f.each = out->each = NEW_ARRAY(s->u->cx.prog, double, f.limit);
	return dgm_figure_mean(l->k->store, &f, (uint64_t)s->u->opt->seed, &out->mean) == DGM_OK
	           ? EXIT_DONE
	           : run_failed();
}

/* The share of examples in each bin, as the outline of bars. */
static struct dgm_series outline(struct arena *a, const struct energies *e, double lo, double hi)
{
	double *x = NEW_ARRAY(a, double, 2 * BINS + 2), *y = NEW_ARRAY(a, double, 2 * BINS + 2);
	double count[BINS] = {0};
	for (int64_t i = 0; i < e->mean.n; i++) {
		int b = (int)((e->each[i] - lo) / (hi - lo) * BINS);
		count[b < 0 ? 0 : b < BINS ? b : BINS - 1] += 1 / (double)e->mean.n;
	}
	for (int b = 0; b <= BINS; b++) {
		x[2 * b] = x[2 * b + 1] = lo + (hi - lo) * b / BINS;
		y[2 * b] = b ? count[b - 1] : 0;
		y[2 * b + 1] = b < BINS ? count[b] : 0;
	}
	return (struct dgm_series){e->name, 2 * BINS + 2, x, y};
}

static int draw_energies(const struct look *l, const struct energies *e, int n)
{
	struct arena *a = l->k->s->u->cx.prog;
	struct dgm_series s[3];
	double lo = INFINITY, hi = -INFINITY;
	for (int k = 0; k < n; k++)
		for (int64_t i = 0; i < e[k].mean.n; i++) {
			lo = fmin(lo, e[k].each[i]);
			hi = fmax(hi, e[k].each[i]);
		}
	hi = hi > lo ? hi : lo + 1;
	for (int k = 0; k < n; k++)
		s[k] = outline(a, &e[k], lo, hi);
	const char *path = sample_path(l->k->s, l->k->c->block, "free_energy", "svg");
	if (dgm_svg_curves(path, arena_printf(a, "share of examples, %s", l->k->c->m->name),
	                   "free energy", s, n) != DGM_OK)
		return run_failed();
	look_tell(l, path);
	return EXIT_DONE;
}

static int gap(struct look *l, const char *figure, const struct energies *x,
               const struct energies *y)
{
	struct arena *a = l->k->s->u->cx.prog;
	const double value = x->mean.mean - y->mean.mean,
	             error = hypot(x->mean.stderr_, y->mean.stderr_);
	struct result r = {.figure = figure,
	                   .kind = "difference of means",
	                   .value = value,
	                   .error = error,
	                   .n = x->mean.n};
	r.method = arena_printf(a, "the mean free energy of %lld %s less that of %lld %s",
	                        (long long)x->mean.n, x->name, (long long)y->mean.n, y->name);
	if (error > 0)
		r.method = arena_printf(a, "%s, %.1f standard errors", r.method, value / error);
	return look_record(l, r);
}

int inspect_free_energy(struct look *l)
{
	const struct data_def *const *def = figure_data(l->k->s->u, l->k->c->m, &look_energies, l->arg);
	struct energies e[3];
	int status = EXIT_DONE;
	for (int set = 0; set < 3 && status == EXIT_DONE; set++)
		status = energies_of(l, def, set, &e[set]);
	if (status == EXIT_DONE)
		status = draw_energies(l, e, 3);
	if (status == EXIT_DONE)
		status = gap(l, "free energy gap of held-out examples", &e[1], &e[0]);
	if (status == EXIT_DONE)
		status = gap(l, "free energy gap of samples", &e[2], &e[1]);
	return status;
}
