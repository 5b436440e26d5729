/* Parzen windows: the density that puts a normal distribution of width s on each of n points of D
 * units (Breuleux, Bengio & Vincent: Quickly generating representative samples from an RBM-derived
 * process, 2011),
 *     log p(x) = logsumexp_i (- |x - point_i|^2 / (2 s^2)) - log n - D/2 log(2 pi s^2),
 * for several s at once.  Distances come from products in double: a narrow window multiplies their
 * errors. */
#include "parzen.h"

#include "dgm_rt.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>

enum { ROWS = 32 }; /* of x in a chunk */

struct work {
	const struct dgm_parzen *p;
	const double *x;
	int64_t rows;
	double *square; /* |point|^2 */
	double *buffer; /* ROWS x n products, a chunk */
	double *out;
};

static double dot(const double *x, const double *y, int64_t n)
{
	return cblas_ddot((blasint)n, x, 1, y, 1);
}

static double log_density(const double *d, double least, int64_t n, int64_t items, double s)
{
	const double c = -0.5 / (s * s);
	double sum = 0;

	for (int64_t i = 0; i < n; i++)
		sum += exp(c * (d[i] - least));
	return c * least + log(sum / (double)n) - (double)items / 2 * log(2 * acos(-1) * s * s);
}

static void chunk_densities(void *arg, int64_t chunk, int64_t nchunk)
{
	const struct work *w = arg;
	const struct dgm_parzen *p = w->p;
	const int64_t first = chunk * ROWS, rows = w->rows - first < ROWS ? w->rows - first : ROWS;
	const double *x = w->x + first * p->items;
	double *d = w->buffer + chunk * ROWS * p->n;

	(void)nchunk;
	cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)rows, (blasint)p->n,
	            (blasint)p->items, -2, x, (blasint)p->items, p->point, (blasint)p->items, 0, d,
	            (blasint)p->n);
	for (int64_t r = 0; r < rows; r++, x += p->items, d += p->n) {
		const double own = dot(x, x, p->items);
		double least = INFINITY;

		for (int64_t i = 0; i < p->n; i++) {
			d[i] += own + w->square[i];
			least = d[i] < least ? d[i] : least;
		}
		for (int k = 0; k < p->nwidth; k++)
			w->out[(first + r) * p->nwidth + k] =
			    log_density(d, least, p->n, p->items, p->width[k]);
	}
}

int dgm_parzen(const struct dgm_parzen *p, const double *x, int64_t rows, double *out)
{
	enum { BLOCK = 32 * ROWS };
	struct work w = {.p = p,
	                 .square = malloc((size_t)p->n * sizeof(double)),
	                 .buffer = malloc((size_t)p->n * BLOCK * sizeof(double))};
	int status = DGM_OK;

	if (!w.square || !w.buffer)
		status = dgm_fail(DGM_ENOMEM, "not enough memory for the distances to %lld samples",
		                  (long long)p->n);
	for (int64_t i = 0; i < p->n && !status; i++)
		w.square[i] = dot(p->point + i * p->items, p->point + i * p->items, p->items);
	for (int64_t first = 0; first < rows && !status; first += BLOCK) {
		w.x = x + first * p->items;
		w.out = out + first * p->nwidth;
		w.rows = rows - first < BLOCK ? rows - first : BLOCK;
		dgm_parallel(chunk_densities, &w, (w.rows + ROWS - 1) / ROWS);
	}
	free(w.square);
	free(w.buffer);
	return status;
}
