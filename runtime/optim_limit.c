/* What holds gradients and parameters within bounds, around an optimiser's step.
 *
 *     clip       every element of the gradient to -clip .. clip
 *     clip_norm  the gradient times clip_norm/|g| where the norm |g| over the parameters of one
 * descent is larger (Pascanu, Mikolov, Bengio: On the difficulty of training recurrent neural
 * networks, 2013) max_norm   the elements of a parameter that belong to one unit, an index of one
 * of its axes, times limit/norm where their norm is larger (Srivastava et al.: Dropout, JMLR 2014)
 * Norms are summed in double in the order of the elements, piece after piece: the same bits at any
 * number of threads. */
#include "train_work.h"

#include <math.h>

static double squares(const float *x, int64_t n)
{
	double sum = 0;

	for (int64_t i = 0; i < n; i++)
		sum += (double)x[i] * (double)x[i];
	return sum;
}

static void clip_piece(void *arg, int64_t chunk, int64_t nchunk)
{
	const struct dgm_trainer *tr = arg;
	struct dgm_segment *s = &tr->segment[chunk];
	const struct dgm_descent *d = &tr->t->descent[s->descent];
	const float clip = (float)d->clip;
	float *g = tr->s->grads + s->at;

	(void)nchunk;
	for (int64_t i = 0; clip > 0 && i < s->n; i++)
		g[i] = g[i] > clip ? clip : g[i] < -clip ? -clip : g[i];
	s->squares = d->clip_norm > 0 ? squares(g, s->n) : 0;
}

static void scale_piece(void *arg, int64_t chunk, int64_t nchunk)
{
	const struct dgm_trainer *tr = arg;
	const struct dgm_segment *s = &tr->segment[chunk];
	const float scale = tr->clip_scale[s->descent];

	(void)nchunk;
	for (int64_t i = 0; scale != 1 && i < s->n; i++)
		tr->s->grads[s->at + i] *= scale;
}

void dgm_limit_gradients(struct dgm_trainer *tr)
{
	double norm[DGM_MAX_DESCENT] = {0};
	bool clip = false, scale = false;

	for (int i = 0; i < tr->t->ndescent; i++)
		clip |= tr->t->descent[i].clip > 0 || tr->t->descent[i].clip_norm > 0;
	if (!clip)
		return;
	dgm_parallel(clip_piece, tr, tr->nsegment);
	for (int64_t i = 0; i < tr->nsegment; i++)
		norm[tr->segment[i].descent] += tr->segment[i].squares;
	for (int i = 0; i < tr->t->ndescent; i++) {
		const double most = tr->t->descent[i].clip_norm;
		bool above = most > 0 && sqrt(norm[i]) > most;

		tr->clip_scale[i] = above ? (float)(most / sqrt(norm[i])) : 1;
		scale |= above;
	}
	if (scale)
		dgm_parallel(scale_piece, tr, tr->nsegment);
}

static void limit_units(const struct dgm_store *s, const struct dgm_limit *l)
{
	const struct dgm_slot *slot = &s->mod->slot[l->slot];
	int64_t before = 1, behind = 1, units = slot->dim[l->axis];

	for (int d = 0; d < l->axis; d++)
		before *= slot->dim[d];
	for (int d = l->axis + 1; d < slot->rank; d++)
		behind *= slot->dim[d];
	for (int64_t u = 0; u < units; u++) {
		double norm = 0;
		float *x = (float *)s->slot[l->slot] + u * behind;

		for (int64_t b = 0; b < before; b++)
			norm += squares(x + b * units * behind, behind);
		norm = sqrt(norm);
		for (int64_t i = 0; norm > l->norm && i < before * behind; i++)
			x[i / behind * units * behind + i % behind] *= (float)(l->norm / norm);
	}
}

static void limit_piece(void *arg, int64_t chunk, int64_t nchunk)
{
	const struct dgm_trainer *tr = arg;

	(void)nchunk;
	if (!tr->t->frozen || !tr->t->frozen[tr->t->limit[chunk].slot])
		limit_units(tr->s, &tr->t->limit[chunk]);
}

void dgm_limit_params(struct dgm_trainer *tr)
{
	if (tr->t->nlimit)
		dgm_parallel(limit_piece, tr, tr->t->nlimit);
}
