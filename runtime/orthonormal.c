/* Parameters whose rows or columns begin at right angles (Saxe, McClelland, Ganguli: Exact
 * solutions to the nonlinear dynamics of learning in deep linear neural networks, 2014): of normal
 * numbers, each vector without its parts along those before it, twice, so that rounding leaves none
 * (Gram-Schmidt), then of the norm asked for.  In double and in order: the same bits at any number
 * of threads. */
#include "train_work.h"

#include <math.h>
#include <stdlib.h>

static double dot(const double *x, const double *y, int64_t n)
{
	double sum = 0;

	for (int64_t i = 0; i < n; i++)
		sum += x[i] * y[i];
	return sum;
}

/* Vector k of q, n numbers each, at right angles to those before it and of norm 1. */
static void upright(double *q, int64_t k, int64_t n)
{
	double *x = q + k * n;

	for (int64_t before = 0; before < 2 * k; before++) {
		const double *y = q + before % k * n, part = dot(x, y, n);

		for (int64_t i = 0; i < n; i++)
			x[i] -= part * y[i];
	}
	const double length = sqrt(dot(x, x, n));

	for (int64_t i = 0; i < n && length > 0; i++)
		x[i] /= length;
}

int dgm_orthonormal_matrix(float *w, int64_t rows, int64_t cols, double norm)
{
	const bool wide = rows <= cols;
	const int64_t vectors = wide ? rows : cols, n = wide ? cols : rows;
	const int64_t along = wide ? 1 : cols, across = wide ? cols : 1;
	double *q = malloc(sizeof *q * (size_t)vectors * (size_t)n);

	if (!q)
		return dgm_fail(DGM_ENOMEM, "no memory for an orthonormal start of %lld x %lld",
		                (long long)rows, (long long)cols);
	for (int64_t k = 0; k < vectors; k++) {
		for (int64_t i = 0; i < n; i++)
			q[k * n + i] = (double)w[k * across + i * along];
		upright(q, k, n);
		for (int64_t i = 0; i < n; i++)
			w[k * across + i * along] = (float)(norm * q[k * n + i]);
	}
	free(q);
	return DGM_OK;
}

int dgm_orthonormal(struct dgm_trainer *tr)
{
	const struct dgm_module *m = tr->s->mod;
	int status = DGM_OK;

	for (int i = 0; tr->t->orthonormal && i < m->nslot && !status; i++) {
		const struct dgm_slot *s = &m->slot[i];
		int64_t rest = 1;

		for (int k = 1; k < s->rank; k++)
			rest *= s->dim[k];
		if (tr->t->orthonormal[i] > 0)
			status = dgm_orthonormal_matrix(tr->s->slot[i], s->rank ? s->dim[0] : 1, rest,
			                                tr->t->orthonormal[i]);
	}
	return status;
}
