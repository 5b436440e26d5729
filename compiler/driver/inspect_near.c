/* Tests of samples by what lies nearest to them: which of them copy training examples, how many
 * distinct ones there are, which classes or clusters of the data they leave out.  Held-out examples
 * are what they are measured by. */
#include "driver/look.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
	REFERENCE = 10000,
	SHOWN = 20
}; /* examples whose classes are known; samples beside neighbours */

/* ---- copies ---- */
/* The order of the samples, those that are most like copies first. */
static int64_t *by_ratio(const struct dgm_copies *c, int64_t n)
{
	int64_t *order = malloc((size_t)n * sizeof *order);
	for (int64_t i = 0; order && i < n; i++) {
		int64_t at = i;
		for (; at > 0 && c->ratio[order[at - 1]] > c->ratio[i]; at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
	return order;
}

/* Samples, each before its nearest training examples. */
static int picture_neighbours(const struct look *l, const struct dgm_copies *c,
                              const struct dgm_points *train, const char *path)
{
	const int64_t items = train->items, shown = l->samples.n < SHOWN ? l->samples.n : SHOWN;
	const int64_t each = 1 + c->k;
	const struct family *f = l->g->family;
	bool finite = isfinite(f->lo) && isfinite(f->hi);
	float *tiles = malloc((size_t)(shown * each * items) * sizeof *tiles);
	int64_t *order = by_ratio(c, l->samples.n), h, w;
	int status = tiles && order ? DGM_OK : dgm_fail(DGM_ENOMEM, "no memory for %s", path);
	for (int64_t t = 0; t < shown * each && status == DGM_OK; t++) {
		int64_t sample = order[t / each], place = t % each - 1;
		const float *from = place < 0 ? l->samples.x + sample * items
		                              : train->x + c->neighbour[sample * c->k + place] * items;
		memcpy(tiles + t * items, from, (size_t)items * sizeof *tiles);
	}
	job_picture(l->k->s, l->g, &h, &w);
	if (status == DGM_OK)
		status =
		    dgm_png_grid(path, tiles, shown * each, h, w, items, job_columns(shown, each, h, w),
		                 finite ? (float)f->lo : 0, finite ? (float)f->hi : 0);
	free(tiles);
	free(order);
	return status;
}

/* A line a sample: its ratio, then the numbers of the training examples that are nearest. */
static int table_neighbours(const struct look *l, const struct dgm_copies *c, const char *path)
{
	struct dgm_out o;
	int status = dgm_out_open(&o, path);
	if (status != DGM_OK)
		return status;
	for (int64_t i = 0; i < l->samples.n; i++) {
		fprintf(o.f, "%.6g", c->ratio[i]);
		for (int k = 0; k < c->k; k++)
			fprintf(o.f, ",%lld", (long long)c->neighbour[i * c->k + k]);
		fputc('\n', o.f);
	}
	return dgm_out_commit(&o);
}

static int write_neighbours(const struct look *l, const struct dgm_copies *c,
                            const struct dgm_points *train)
{
	struct session *s = l->k->s;
	const char *image = l->arg[4].name,
	           *table = sample_path(s, l->k->c->block, "neighbours", "csv");
	if (table_neighbours(l, c, table) != DGM_OK)
		return run_failed();
	look_tell(l, table);
	if (*image == 0 && !job_pictured(s, l->g))
		return EXIT_DONE;
	const char *picture =
	    *image ? job_path(s, image) : sample_path(s, l->k->c->block, "neighbours", "png");
	if (picture_neighbours(l, c, train, picture) != DGM_OK)
		return run_failed();
	look_tell(l, picture);
	return EXIT_DONE;
}

int inspect_copies(struct look *l)
{
	struct arena *a = l->k->s->u->cx.prog;
	struct dgm_points train = {0}, held = {0};
	struct dgm_copies c = {0};
	const double level = l->arg[3].num;
	int status = look_load(l, &l->arg[0], INT64_MAX, &train, NULL);
	if (status == EXIT_DONE)
		status = look_load(l, &l->arg[1], look_held(l), &held, NULL);
	if (status == EXIT_DONE && dgm_copies(&l->samples, &train, &held, level, &c) != DGM_OK)
		status = run_failed();
	if (status == EXIT_DONE)
		status = write_neighbours(l, &c, &train);
	const double n = (double)l->samples.n;
	struct result r = {.figure = arena_printf(a, "copies of %s", l->g->name),
	                   .kind = "share of samples",
	                   .value = c.share,
	                   .error =
	                       c.share > 0 && c.share < 1 ? sqrt(c.share * (1 - c.share) / n) : NAN};
	r.method = arena_printf(
	    a,
	    "%.3g %% of %.0f samples are nearer to one training example, next to all others, than %g "
	    "%% "
	    "of %lld held-out examples are; %g %% are expected where nothing is copied (p = %.2g)",
	    100 * c.share, n, 100 * (1 - level), (long long)held.n, 100 * level, c.p);
	const char *blind =
	    c.best < LOOK_LEVEL ? NULL
	    : c.k < 2           ? "all training examples are equal"
	    : c.equal == 0 && c.best < 1
	        ? "were all samples copies, so few of them would not show it: more chains"
	        : arena_printf(a,
	                       "%lld of %lld held-out examples equal a training example themselves, so "
	                       "that a sample which does is no sign of copying",
	                       (long long)c.equal, (long long)held.n);
	if (status == EXIT_DONE)
		status = look_judge(l, r, c.p, "copies of training examples", blind);
	dgm_copies_free(&c);
	free(train.x);
	free(held.x);
	return status;
}

/* ---- modes ---- */
int inspect_modes(struct look *l)
{
	struct arena *a = l->k->s->u->cx.prog;
	struct dgm_points held = {0};
	struct dgm_birthday b;
	int status = look_load(l, &l->arg[0], l->samples.n, &held, NULL);
	if (status == EXIT_DONE &&
	    dgm_birthday(&l->samples, &held, (uint64_t)l->k->s->u->opt->seed, &b) != DGM_OK)
		status = run_failed();
	free(held.x);
	if (status != EXIT_DONE)
		return status;
	const double all = (double)b.n * (double)(b.n - 1) / 2;
	struct result r = {.figure = arena_printf(a, "distinct modes of %s", l->g->name),
	                   .kind = b.pairs ? "estimate (birthday paradox)"
	                                   : "lower bound (birthday paradox)",
	                   .value = fmin(b.modes, all)};
	r.n = b.n;
	r.error = b.pairs ? r.value / sqrt((double)b.pairs) : NAN;
	r.method = arena_printf(
	    a,
	    "among %lld samples %lld pair%s as close as the %lld closest among as many held-out "
	    "examples: samples repeat as those of %s%.0f distinct modes do, the data as those of %.0f "
	    "(p = %.2g)",
	    (long long)b.n, (long long)b.pairs, b.pairs == 1 ? " is" : "s are", (long long)b.held_pairs,
	    b.pairs ? "" : "more than ", r.value, fmin(b.held_modes, all), b.p);
	const char *blind =
	    b.best < LOOK_LEVEL ? NULL
	    : b.equal == 0 || b.best >= 1
	        ? "were all samples one, so few of them would not show it: more chains, more held-out "
	          "examples"
	        : arena_printf(
	              a,
	              "%lld of %lld held-out examples equal another or a sample themselves, so "
	              "that samples which do are no sign of lost modes",
	              (long long)b.equal, (long long)b.n);
	return look_judge(l, r, b.p, "fewer distinct modes than the data have", blind);
}

/* ---- coverage ---- */
struct classes {
	struct dgm_points reference; /* labelled examples, or centres of clusters */
	int *label;                  /* one a row of it */
	int n;
};

static int read_labels(struct look *l, const struct value *name, const int64_t *which,
                       struct classes *c)
{
	struct unit *u = l->k->s->u;
	int status;
	const struct dgm_data *d = dataset(u, data_named(u, name->name), false, &status);
	if (d == NULL)
		return status;
	const struct dgm_slot slot = {.name = d->name, .pop = POP_DATA, .rank = 1, .dim = {d->items}};
	float *row = NEW_ARRAY(u->cx.tmp, float, dgm_item_stride(&slot));
	for (int64_t i = 0; i < c->reference.n; i++) {
		if (dgm_data_batch(d, &which[i], 1, &slot, row, 0, 0) != DGM_OK)
			return run_failed();
		c->label[i] = label_at(row, d->items);
		c->n = c->label[i] >= c->n ? c->label[i] + 1 : c->n;
	}
	return EXIT_DONE;
}

/* As many clusters, at most 20, as so many samples tell of: that of n/K expected none at all comes
 * has to be less likely than the level for each of K, were they half of that and the clusters half
 * as large as others. */
static int told_clusters(int64_t n)
{
	int k = 20;
	while (k > 2 && (double)n / (4 * k) < log(k / LOOK_LEVEL))
		k--;
	return k;
}

/* In place of the examples, the centres of their clusters. */
static int make_clusters(struct look *l, int clusters, struct classes *c)
{
	const int64_t n = c->reference.n < clusters ? c->reference.n : clusters;
	float *centre = malloc((size_t)(n * c->reference.items) * sizeof *centre);
	if (centre == NULL) {
		dgm_fail(DGM_ENOMEM, "no memory for clusters");
		return run_failed();
	}
	if (dgm_kmeans(&c->reference, (int)n, (uint64_t)l->k->s->u->opt->seed, centre) != DGM_OK) {
		free(centre);
		return run_failed();
	}
	free(c->reference.x);
	c->reference.x = centre;
	c->reference.n = n;
	c->n = (int)n;
	for (int i = 0; i < c->n; i++)
		c->label[i] = i;
	return EXIT_DONE;
}

static int read_classes(struct look *l, struct classes *c)
{
	int64_t *which = NULL;
	int status = look_load(l, &l->arg[0], REFERENCE, &c->reference, &which);
	if (status == EXIT_DONE) {
		c->label = NEW_ARRAY(l->k->s->u->cx.prog, int, c->reference.n);
		status =
		    *l->arg[2].name
		        ? read_labels(l, &l->arg[2], which, c)
		        : make_clusters(
		              l, l->arg[3].num > 0 ? (int)l->arg[3].num : told_clusters(l->samples.n), c);
	}
	free(which);
	return status;
}

/* The class of each row: that of the nearest of the reference. */
static int classify(struct look *l, const struct classes *c, const struct dgm_points *x, int **to)
{
	int64_t *index = malloc((size_t)x->n * sizeof *index);
	double *distance = malloc((size_t)x->n * sizeof *distance);
	int status = index && distance ? dgm_neighbours(x, &c->reference, 1, index, distance)
	                               : dgm_fail(DGM_ENOMEM, "no memory for the classes of samples");
	*to = NEW_ARRAY(l->k->s->u->cx.prog, int, x->n);
	for (int64_t i = 0; i < x->n && status == DGM_OK; i++)
		(*to)[i] = c->label[index[i]];
	free(index);
	free(distance);
	return status == DGM_OK ? EXIT_DONE : run_failed();
}

static int judge_classes(struct look *l, const struct dgm_class *c, int n, int64_t held)
{
	struct arena *a = l->k->s->u->cx.prog;
	const char *word = *l->arg[2].name ? "classes" : "clusters";
	int present = 0, lost = 0, unknown = 0;
	double p = 1;
	struct buf list;
	buf_init(&list, a);
	buf_puts(&list, "");
	for (int i = 0; i < n; i++) {
		present += c[i].held > 0;
		unknown += c[i].held > 0 && c[i].unknown;
		p = fmin(p, fmin(1, n * c[i].p));
		if (c[i].rare)
			buf_printf(&list, "%s%d (%lld, %lld)", lost++ ? ", " : ": ", i, (long long)c[i].samples,
			           (long long)c[i].held);
	}
	struct result r = {.figure = arena_printf(a, "%s covered by %s", word, l->g->name),
	                   .kind = arena_printf(a, "of %d %s of the data", present, word),
	                   .value = present - lost,
	                   .error = NAN};
	const char *few =
	    unknown ? arena_printf(a, "; there are too few examples of %d to tell", unknown) : "";
	r.method =
	    arena_printf(a,
	                 "of %d %s among %lld held-out examples %d are less than half as frequent "
	                 "among %lld samples%s%s%s (p = %.2g)",
	                 present, word, (long long)held, lost, (long long)l->samples.n, list.s,
	                 lost ? " (samples, held-out examples)" : "", few, p);
	const char *blind = present < 2 ? arena_printf(a, "the data are of one of the %s only", word)
	                    : unknown < present
	                        ? NULL
	                        : arena_printf(a, "there are too few examples of all %s", word);
	return look_judge(l, r, p, "mode collapse", blind);
}

int inspect_coverage(struct look *l)
{
	struct classes c = {0};
	struct dgm_points held = {0};
	int *sample = NULL, *other = NULL;
	int status = read_classes(l, &c);
	if (status == EXIT_DONE)
		status = look_load(l, &l->arg[1], look_held(l), &held, NULL);
	if (status == EXIT_DONE)
		status = classify(l, &c, &l->samples, &sample);
	if (status == EXIT_DONE)
		status = classify(l, &c, &held, &other);
	if (status == EXIT_DONE) {
		struct dgm_class *of = NEW_ARRAY(l->k->s->u->cx.prog, struct dgm_class, c.n);
		dgm_coverage(sample, l->samples.n, other, held.n, c.n, LOOK_LEVEL, of);
		status = judge_classes(l, of, c.n, held.n);
	}
	free(c.reference.x);
	free(held.x);
	return status;
}
