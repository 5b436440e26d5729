/* Distances between rows: the nearest of a set, the closest pairs, centres of clusters.
 *
 *     |x - y|^2 = |x|^2 + |y|^2 - 2 x.y
 *
 * by matrix products in float, tile by tile, finds candidates; of these, a few more than are asked
 * for, the distances are computed anew in double, so that equal rows are at 0.  Work is cut into
 * chunks of rows, whose results depend on their rows alone. */
#include "inspect.h"

#include "dgm_rt.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 64, TILE = 2048, SPARE = 6 };

static double square_distance(const float *x, const float *y, int64_t items)
{
	double sum = 0;

	for (int64_t i = 0; i < items; i++) {
		double d = (double)x[i] - (double)y[i];

		sum += d * d;
	}
	return sum;
}

static float *squares(const struct dgm_points *x)
{
	float *s = malloc((size_t)x->n * sizeof *s);

	for (int64_t i = 0; s && i < x->n; i++) {
		double sum = 0;

		for (int64_t k = 0; k < x->items; k++)
			sum += (double)x->x[i * x->items + k] * (double)x->x[i * x->items + k];
		s[i] = (float)sum;
	}
	return s;
}

static int no_memory(const struct dgm_points *x)
{
	return dgm_fail(DGM_ENOMEM, "not enough memory for the distances of %lld examples",
	                (long long)x->n);
}

struct work {
	const struct dgm_points *x, *among;
	const float *square_x, *square_among;
	float *tile;   /* ROWS x TILE a chunk */
	int64_t first; /* chunk 0 is of this row on */
	int k;         /* what follows is of one of the jobs */
	int64_t *index;
	double *distance;
	struct heap *heap; /* one a chunk, and the result; NULL: none */
	double within;
	int64_t *count; /* likewise */
};

/* Squared distances of rows first.. of x to rows at.. of among. */
static void tile_distances(const struct work *w, int64_t first, int64_t rows, int64_t at,
                           int64_t columns, float *d)
{
	const int64_t items = w->x->items;

	dgm_sgemm(0, 1, rows, columns, items, -2, w->x->x + first * items, items,
	          w->among->x + at * items, items, 0, d, TILE);
	for (int64_t r = 0; r < rows; r++)
		for (int64_t c = 0; c < columns; c++)
			d[r * TILE + c] += w->square_x[first + r] + w->square_among[at + c];
}

/* ---- the nearest of a set ---- */
struct candidate {
	float rough;
	double distance;
	int64_t index;
};

static void insert(struct candidate *best, int most, int *n, struct candidate c)
{
	int at = *n;

	if (*n == most && !(c.rough < best[most - 1].rough))
		return;
	if (*n < most)
		++*n;
	else
		at--;
	for (; at > 0 && c.rough < best[at - 1].rough; at--)
		best[at] = best[at - 1];
	best[at] = c;
}

static int by_distance(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->distance != y->distance)
		return x->distance < y->distance ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

static void nearest_chunk(void *arg, int64_t chunk, int64_t nchunk)
{
	const struct work *w = arg;
	const int64_t first = w->first + chunk * ROWS, items = w->x->items;
	const int64_t rows = w->x->n - first < ROWS ? w->x->n - first : ROWS;
	struct candidate best[ROWS][DGM_NEIGHBOURS + SPARE];
	float *d = w->tile + chunk * ROWS * TILE;
	int n[ROWS] = {0};

	(void)nchunk;
	for (int64_t at = 0; at < w->among->n; at += TILE) {
		int64_t columns = w->among->n - at < TILE ? w->among->n - at : TILE;

		tile_distances(w, first, rows, at, columns, d);
		for (int64_t r = 0; r < rows; r++)
			for (int64_t c = 0; c < columns; c++)
				insert(best[r], w->k + SPARE, &n[r],
				       (struct candidate){.rough = d[r * TILE + c], .index = at + c});
	}
	for (int64_t r = 0; r < rows; r++) {
		for (int i = 0; i < n[r]; i++)
			best[r][i].distance = sqrt(square_distance(
			    w->x->x + (first + r) * items, w->among->x + best[r][i].index * items, items));
		qsort(best[r], (size_t)n[r], sizeof best[r][0], by_distance);
		for (int i = 0; i < w->k; i++) {
			w->index[(first + r) * w->k + i] = best[r][i].index;
			w->distance[(first + r) * w->k + i] = best[r][i].distance;
		}
	}
}

enum { CHUNKS = 16 }; /* at a time */

/* Runs a job on all rows of w->x, so many chunks at a time; `join` after each. */
static int all_chunks(struct work *w, void (*job)(void *, int64_t, int64_t),
                      void (*join)(struct work *w, int64_t chunks))
{
	float *sx = squares(w->x), *sa = w->among == w->x ? sx : squares(w->among);
	int status = DGM_OK;

	w->square_x = sx;
	w->square_among = sa;
	w->tile = malloc((size_t)CHUNKS * ROWS * TILE * sizeof *w->tile);
	if (!sx || !sa || !w->tile)
		status = no_memory(w->x);
	for (w->first = 0; w->first < w->x->n && !status; w->first += CHUNKS * ROWS) {
		int64_t rows = w->x->n - w->first, chunks = (rows + ROWS - 1) / ROWS;

		chunks = chunks < CHUNKS ? chunks : CHUNKS;
		dgm_parallel(job, w, chunks);
		if (join)
			join(w, chunks);
	}
	free(w->tile);
	if (sa != sx)
		free(sa);
	free(sx);
	return status;
}

int dgm_neighbours(const struct dgm_points *x, const struct dgm_points *among, int k,
                   int64_t *index, double *distance)
{
	struct work w = {.x = x, .among = among, .k = k, .index = index, .distance = distance};

	return all_chunks(&w, nearest_chunk, NULL);
}

/* ---- pairs ---- */
static int by_pair(const void *a, const void *b)
{
	const struct dgm_pair *x = a, *y = b;

	if (x->distance != y->distance)
		return x->distance < y->distance ? -1 : 1;
	if (x->a != y->a)
		return x->a < y->a ? -1 : 1;
	return (x->b > y->b) - (x->b < y->b);
}

struct heap { /* of a chunk: its closest pairs, sorted and cut to `most` when there are twice as
	             many */
	struct dgm_pair *at;
	int n, most;
};

static void cut(struct heap *h)
{
	qsort(h->at, (size_t)h->n, sizeof *h->at, by_pair);
	h->n = h->n < h->most ? h->n : h->most;
}

/* Takes a pair; what is farther apart than the result, squared, need not be shown any more. */
static double keep_pair(struct heap *h, struct dgm_pair p, double limit)
{
	h->at[h->n++] = p;
	if (h->n < 2 * h->most)
		return limit;
	cut(h);
	return h->at[h->n - 1].distance * h->at[h->n - 1].distance;
}

/* The pairs of a chunk's rows with those behind them: counted, where there is no heap, up to
 * w->within. */
static void pairs_chunk(void *arg, int64_t chunk, int64_t nchunk)
{
	const struct work *w = arg;
	const struct dgm_points *x = w->x;
	const int64_t first = w->first + chunk * ROWS, items = x->items;
	const int64_t rows = x->n - first < ROWS ? x->n - first : ROWS;
	struct heap *h = w->heap ? &w->heap[chunk] : NULL;
	double limit = h ? INFINITY : w->within * w->within;
	float *d = w->tile + chunk * ROWS * TILE;

	(void)nchunk;
	w->count[chunk] = 0;
	for (int64_t at = first / TILE * TILE; at < x->n; at += TILE) {
		int64_t columns = x->n - at < TILE ? x->n - at : TILE;

		tile_distances(w, first, rows, at, columns, d);
		for (int64_t r = first; r < first + rows; r++)
			for (int64_t c = r + 1 > at ? r + 1 : at; c < at + columns; c++) {
				/* rough distances are wrong by about 1e-6 of the squares */
				double slack = 1e-5 * (double)(w->square_x[r] + w->square_x[c]);

				if ((double)d[(r - first) * TILE + c - at] > limit + slack)
					continue;
				double near = sqrt(square_distance(x->x + r * items, x->x + c * items, items));
				w->count[chunk] += near <= w->within;
				if (h)
					limit = keep_pair(h, (struct dgm_pair){r, c, near}, limit);
			}
	}
	if (h)
		cut(h);
}

/* What the chunks have found, into the last place, CHUNKS. */
static void join_pairs(struct work *w, int64_t chunks)
{
	for (int64_t k = 0; k < chunks; k++) {
		w->count[CHUNKS] += w->count[k];
		if (!w->heap)
			continue;
		struct heap *all = &w->heap[CHUNKS];

		memcpy(all->at + all->n, w->heap[k].at, (size_t)w->heap[k].n * sizeof *all->at);
		all->n += w->heap[k].n;
		w->heap[k].n = 0;
		cut(all);
	}
}

int dgm_closest_pairs(const struct dgm_points *x, int most, struct dgm_pair *out, int *n)
{
	int64_t count[CHUNKS + 1] = {0};
	struct heap heap[CHUNKS + 1];
	struct work w = {.x = x, .among = x, .heap = heap, .count = count};
	struct dgm_pair *room = malloc((size_t)(CHUNKS + 1) * 2 * (size_t)most * sizeof *room);

	for (int k = 0; k <= CHUNKS; k++)
		heap[k] = (struct heap){room + (ptrdiff_t)2 * k * most, 0, most};
	int status = room ? all_chunks(&w, pairs_chunk, join_pairs) : no_memory(x);

	*n = heap[CHUNKS].n;
	if (!status)
		memcpy(out, heap[CHUNKS].at, (size_t)*n * sizeof *out);
	free(room);
	return status;
}

int dgm_pairs_within(const struct dgm_points *x, double within, int64_t *count)
{
	int64_t each[CHUNKS + 1] = {0};
	struct work w = {.x = x, .among = x, .within = within, .count = each};
	int status = all_chunks(&w, pairs_chunk, join_pairs);

	*count = each[CHUNKS];
	return status;
}
