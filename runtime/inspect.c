/* Samples judged beside held-out examples: copies of training examples, distinct modes, coverage of
 * classes.  Each judgement is a test of the hypothesis that samples are like held-out examples,
 * from counts whose law under it needs no model of the data. */
#include "inspect.h"

#include "data.h"
#include "dgm_rt.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double log_choose(double n, double k)
{
	return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1);
}

double dgm_binomial_tail(int64_t k, int64_t n, double p)
{
	double sum = 0;

	if (p <= 0 || p >= 1)
		return p <= 0 || k >= n;
	for (int64_t i = 0; i <= k && i <= n; i++)
		sum += exp(log_choose((double)n, (double)i) + (double)i * log(p) +
		           (double)(n - i) * log1p(-p));
	return fmin(1, sum);
}

double dgm_hypergeometric_tail(int64_t k, int64_t n, int64_t white, int64_t black)
{
	const double all = log_choose((double)(white + black), (double)n);
	double sum = 0;

	for (int64_t i = n > black ? n - black : 0; i <= k && i <= n && i <= white; i++)
		sum += exp(log_choose((double)white, (double)i) +
		           log_choose((double)black, (double)(n - i)) - all);
	return fmin(1, sum);
}

/* ---- copies ---- */
struct place { /* of a row */
	const float *x;
	int64_t items, row;
};

static int compare_rows(const struct place *a, const struct place *b)
{
	for (int64_t i = 0; i < a->items; i++)
		if (a->x[i] != b->x[i])
			return a->x[i] < b->x[i] ? -1 : 1;
	return 0;
}

static int by_row(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	const int order = compare_rows(x, y);

	return order ? order : (x->row > y->row) - (x->row < y->row);
}

/* The rows that differ from each other, of equal ones the first, in their order; where they were.
 */
static int distinct(const struct dgm_points *all, struct dgm_points *out, int64_t **row)
{
	struct place *at = malloc((size_t)all->n * sizeof *at);
	bool *first = calloc((size_t)all->n, sizeof *first);

	*row = malloc((size_t)all->n * sizeof **row);
	*out =
	    (struct dgm_points){malloc((size_t)(all->n * all->items) * sizeof(float)), 0, all->items};
	bool room = at && first && *row && out->x;

	for (int64_t i = 0; room && i < all->n; i++)
		at[i] = (struct place){all->x + i * all->items, all->items, i};
	if (room)
		qsort(at, (size_t)all->n, sizeof *at, by_row);
	for (int64_t i = 0; room && i < all->n; i++)
		first[at[i].row] = i == 0 || compare_rows(&at[i - 1], &at[i]) != 0;
	for (int64_t i = 0; room && i < all->n; i++)
		if (first[i]) {
			memcpy(out->x + out->n * all->items, all->x + i * all->items,
			       (size_t)all->items * sizeof(float));
			(*row)[out->n++] = i;
		}
	free(at);
	free(first);
	return room ? DGM_OK
	            : dgm_fail(DGM_ENOMEM, "not enough memory for %lld training examples",
	                       (long long)all->n);
}

static int ratios(const struct dgm_points *x, const struct dgm_points *train, int k,
                  int64_t **index, double **ratio)
{
	const size_t n = (size_t)x->n;
	double *distance = malloc(n * (size_t)k * sizeof *distance);
	int status = DGM_OK;

	*index = malloc(n * (size_t)k * sizeof **index);
	*ratio = malloc(n * sizeof **ratio);
	if (!distance || !*index || !*ratio)
		status = dgm_fail(DGM_ENOMEM, "not enough memory for the neighbours of %lld examples",
		                  (long long)x->n);
	if (!status)
		status = dgm_neighbours(x, train, k, *index, distance);
	for (int64_t i = 0; i < x->n && !status; i++) {
		const double *d = distance + i * k;

		(*ratio)[i] = k > 1 && d[1] > 0 ? d[0] / d[1] : 1;
	}
	free(distance);
	return status;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int dgm_copies(const struct dgm_points *samples, const struct dgm_points *train,
               const struct dgm_points *held, double level, struct dgm_copies *out)
{
	const int64_t n = samples->n, m = held->n, rank = (int64_t)ceil(level * (double)m);
	int64_t *held_index = NULL, *row = NULL;
	double *held_ratio = NULL;
	struct dgm_points own = {0};
	int status = distinct(train, &own, &row);

	*out = (struct dgm_copies){.k = own.n < DGM_NEIGHBOURS ? (int)own.n : DGM_NEIGHBOURS};
	if (!status)
		status = ratios(samples, &own, out->k, &out->neighbour, &out->ratio);
	if (!status)
		status = ratios(held, &own, out->k, &held_index, &held_ratio);
	if (!status) {
		for (int64_t i = 0; i < n * out->k; i++)
			out->neighbour[i] = row[out->neighbour[i]];
		qsort(held_ratio, (size_t)m, sizeof *held_ratio, by_value);
		out->threshold = held_ratio[rank - 1];
		for (int64_t i = 0; i < n; i++)
			out->below += out->ratio[i] < out->threshold;
		out->share = (double)out->below / (double)n;
		/* the first below + rank - 1 of all in order hold fewer than `rank` held-out ones */
		out->p = out->below ? dgm_hypergeometric_tail(rank - 1, out->below + rank - 1, m, n) : 1;
		while (out->equal < m && held_ratio[out->equal] <= 0)
			out->equal++;
		out->best = own.n < 2 || out->equal >= rank
		                ? 1
		                : dgm_hypergeometric_tail(rank - 1, n + rank - 1, m, n);
	}
	free(own.x);
	free(row);
	free(held_index);
	free(held_ratio);
	return status;
}

void dgm_copies_free(struct dgm_copies *c)
{
	free(c->neighbour);
	free(c->ratio);
}

/* ---- distinct modes ---- */
enum { HELD_PAIRS = 10, LEAST_ROWS = 20 };

struct close_row {
	double distance; /* to the nearest other row */
	int64_t turn;    /* among equals, by chance */
	bool sample;
};

static int by_closeness(const void *a, const void *b)
{
	const struct close_row *x = a, *y = b;

	if (x->distance != y->distance)
		return x->distance < y->distance ? -1 : 1;
	return (x->turn > y->turn) - (x->turn < y->turn);
}

/* Of the rows of both sets, in the order of their distances to the nearest other row, the first
 * hundredth hold as many samples or more with this probability, if samples are like held-out
 * examples: which rows these are does not depend on which of them are samples. */
static int crowding(const struct dgm_points *both, int64_t n, uint64_t seed,
                    struct dgm_birthday *out)
{
	const int64_t rows = both->n, first = rows / 100 > LEAST_ROWS ? rows / 100 : LEAST_ROWS;
	int64_t *index = malloc((size_t)rows * 2 * sizeof *index), held = 0;
	double *distance = malloc((size_t)rows * 2 * sizeof *distance);
	struct close_row *row = malloc((size_t)rows * sizeof *row);
	int status = DGM_OK;

	if (!index || !distance || !row)
		status = dgm_fail(DGM_ENOMEM, "not enough memory for the distances of samples");
	if (!status)
		status = dgm_neighbours(both, both, 2, index, distance);
	for (int64_t i = 0; i < rows && !status;
	     i++) /* one of the two is the row itself, or equal to it */
		row[i] = (struct close_row){distance[2 * i + (index[2 * i] == i)], 0, i < n};
	if (!status)
		dgm_permutation(index, rows, seed, 0);
	for (int64_t i = 0; i < rows && !status; i++)
		row[i].turn = index[i];
	if (!status) {
		qsort(row, (size_t)rows, sizeof *row, by_closeness);
		for (int64_t i = 0; i < first && i < rows; i++)
			held += !row[i].sample;
		for (int64_t i = 0; i < rows && row[i].distance <= 0; i++)
			out->equal += !row[i].sample;
		/* of n samples and the equal held-out ones, the share of these among the first */
		const int64_t share = first * out->equal / (out->equal + n);

		out->p = first < rows ? dgm_hypergeometric_tail(held, first, rows - n, n) : 1;
		out->best = first < rows ? dgm_hypergeometric_tail(share, first, rows - n, n) : 1;
	}
	free(index);
	free(distance);
	free(row);
	return status;
}

int dgm_birthday(const struct dgm_points *samples, const struct dgm_points *held, uint64_t seed,
                 struct dgm_birthday *out)
{
	const int64_t n = samples->n < held->n ? samples->n : held->n, items = samples->items;
	const size_t half = (size_t)(n * items);
	const double pairs = (double)n * (double)(n - 1) / 2;
	struct dgm_points both = {malloc(2 * half * sizeof(float)), 2 * n, items};
	struct dgm_points own = {samples->x, n, items}, other = {held->x, n, items};
	struct dgm_pair near[HELD_PAIRS];
	int found = 0;

	*out = (struct dgm_birthday){.n = n};
	if (!both.x)
		return dgm_fail(DGM_ENOMEM, "not enough memory for the pairs of samples");
	memcpy(both.x, samples->x, half * sizeof(float));
	memcpy(both.x + half, held->x, half * sizeof(float));
	int status = crowding(&both, n, seed, out);

	free(both.x);
	if (!status)
		status = dgm_closest_pairs(&other, HELD_PAIRS, near, &found);
	if (!status && found)
		status = dgm_pairs_within(&own, near[found - 1].distance, &out->pairs);
	if (!status && found)
		status = dgm_pairs_within(&other, near[found - 1].distance, &out->held_pairs);
	out->modes = out->pairs ? pairs / (double)out->pairs : INFINITY;
	out->held_modes = out->held_pairs ? pairs / (double)out->held_pairs : INFINITY;
	return status;
}

/* ---- coverage ---- */
/* Under "half as frequent as in held-out examples or more", of the examples of a class in both a
 * sample is each with probability n/2 / (n/2 + m) or more. */
void dgm_coverage(const int *sample, int64_t n, const int *held, int64_t m, int classes,
                  double level, struct dgm_class *out)
{
	const double half = (double)n / 2 / ((double)n / 2 + (double)m), each = level / classes;

	for (int c = 0; c < classes; c++)
		out[c] = (struct dgm_class){0};
	for (int64_t i = 0; i < n; i++)
		out[sample[i]].samples++;
	for (int64_t i = 0; i < m; i++)
		out[held[i]].held++;
	for (int c = 0; c < classes; c++) {
		out[c].p = dgm_binomial_tail(out[c].samples, out[c].samples + out[c].held, half);
		out[c].rare = out[c].p < each;
		out[c].unknown = dgm_binomial_tail(0, out[c].held, half) >= each;
	}
}
