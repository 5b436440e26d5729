/* Centres of clusters by Lloyd's iteration: each row to its nearest centre, each centre to the mean
 * of its rows, until none moves or PASSES times.  It begins with rows drawn one after the other
 * with probability proportional to the squared distance to the nearest of those before (k-means++).
 */
#include "inspect.h"

#include "train_work.h"

#include <stdlib.h>
#include <string.h>

enum { PASSES = 50 };

struct clusters {
	const struct dgm_points *x;
	struct dgm_points centre;
	int64_t *of, *before; /* the centre of each row */
	double *far;          /* its distance */
	double *sum;          /* of the rows of a centre */
};

/* The row at which the running sum of squared distances passes a part u of the whole. */
static int64_t draw_row(const struct clusters *c, float u)
{
	double whole = 0, part = 0;

	for (int64_t i = 0; i < c->x->n; i++)
		whole += c->far[i] * c->far[i];
	for (int64_t i = 0; i < c->x->n; i++) {
		part += c->far[i] * c->far[i];
		if (part > (double)u * whole)
			return i;
	}
	return (int64_t)((double)u * (double)c->x->n);
}

static int begin(struct clusters *c, int k, uint64_t seed)
{
	const size_t row = (size_t)c->x->items * sizeof(float);
	float u[64];
	int status = DGM_OK;

	for (int64_t i = 0; i < c->x->n; i++)
		c->far[i] = 1;
	for (int n = 0; n < k && !status; n++) {
		if (n % 64 == 0)
			dgm_uniform(u, 64, seed, (uint32_t)(n / 64), 0, DGM_STAGE_CLUSTERS);
		memcpy(c->centre.x + (int64_t)n * c->x->items,
		       c->x->x + draw_row(c, u[n % 64]) * c->x->items, row);
		c->centre.n = n + 1;
		status = dgm_neighbours(c->x, &c->centre, 1, c->of, c->far);
	}
	return status;
}

/* A centre without rows goes to the row that is farthest from its own. */
static void revive(struct clusters *c, int64_t k)
{
	int64_t far = 0;

	for (int64_t i = 1; i < c->x->n; i++)
		far = c->far[i] > c->far[far] ? i : far;
	memcpy(c->centre.x + k * c->x->items, c->x->x + far * c->x->items,
	       (size_t)c->x->items * sizeof(float));
	c->far[far] = 0;
}

static void move(struct clusters *c)
{
	const int64_t items = c->x->items;

	for (int64_t k = 0; k < c->centre.n; k++) {
		int64_t rows = 0;

		memset(c->sum, 0, (size_t)items * sizeof *c->sum);
		for (int64_t i = 0; i < c->x->n; i++) {
			rows += c->of[i] == k;
			for (int64_t u = 0; c->of[i] == k && u < items; u++)
				c->sum[u] += (double)c->x->x[i * items + u];
		}
		for (int64_t u = 0; rows && u < items; u++)
			c->centre.x[k * items + u] = (float)(c->sum[u] / (double)rows);
		if (!rows)
			revive(c, k);
	}
}

int dgm_kmeans(const struct dgm_points *x, int k, uint64_t seed, float *centre)
{
	const size_t n = (size_t)x->n;
	struct clusters c = {.x = x,
	                     .centre = {centre, 0, x->items},
	                     .of = malloc(n * sizeof(int64_t)),
	                     .before = malloc(n * sizeof(int64_t)),
	                     .far = malloc(n * sizeof(double)),
	                     .sum = malloc((size_t)x->items * sizeof(double))};
	int status = DGM_OK;

	if (!c.of || !c.before || !c.far || !c.sum)
		status = dgm_fail(DGM_ENOMEM, "not enough memory for the clusters of %lld examples",
		                  (long long)x->n);
	if (!status)
		status = begin(&c, k, seed);
	for (int pass = 0; pass < PASSES && !status; pass++) {
		memcpy(c.before, c.of, n * sizeof *c.of);
		move(&c);
		status = dgm_neighbours(x, &c.centre, 1, c.of, c.far);
		if (!status && memcmp(c.before, c.of, n * sizeof *c.of) == 0)
			break;
	}
	free(c.of);
	free(c.before);
	free(c.far);
	free(c.sum);
	return status;
}
