/* One update of a training on a batch: the gradient, the optimiser's step.
 *
 *     first; sweep k times, final ending the last; [exact sums]; centre; optimiser; prepare
 *
 * The optimiser works on pieces of parameters on all threads; its rule is elementwise, so the cut
 * changes nothing.  Nothing is allocated here after dgm_update_plan. */
#include "train_work.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 16384, CHECK_EVERY = 64 };

double dgm_ramp_at(const struct dgm_ramp *r, int64_t epoch, int64_t epochs)
{
	const double e = (double)(r->whole ? r->before + epoch : epoch);
	const double last = (double)(r->whole ? r->whole : epochs) - 1, part = last > 0 ? e / last : 0;
	const double rise = e < r->warmup ? (e + 1) / (r->warmup + 1) : 1;

	switch (r->how) {
	case DGM_LINEAR:
		return r->ramp ? r->from + (r->to - r->from) * part : r->from;
	case DGM_EXPONENTIAL:
		return rise * r->from * pow(r->to, e);
	case DGM_COSINE:
		return rise * (r->to + (r->from - r->to) * (1 + cos(acos(-1) * part)) / 2);
	case DGM_STEPS:
		return rise * r->from * pow(r->to, floor(e / r->every));
	case DGM_INVERSE:
		return rise * r->from / (1 + e / r->every);
	}
	return r->from;
}

void dgm_train_call(struct dgm_trainer *tr, const struct dgm_function *f)
{
	if (!f)
		return;
	dgm_run(f, &tr->call);
	tr->call.step++;
}

static bool is_param(const struct dgm_slot *slot)
{
	return slot->space == DGM_PARAM;
}

static int descent_of(const struct dgm_trainer *tr, int slot)
{
	return tr->t->descent_of ? tr->t->descent_of[slot] : 0;
}

static bool learns(const struct dgm_trainer *tr, int i)
{
	return is_param(&tr->s->mod->slot[i]) && !(tr->t->frozen && tr->t->frozen[i]);
}

int64_t dgm_update_segments(const struct dgm_trainer *tr)
{
	const struct dgm_module *m = tr->s->mod;
	int64_t count = 0;

	for (int i = 0; i < m->nslot; i++)
		if (learns(tr, i))
			count += (dgm_slot_items(&m->slot[i]) + PIECE - 1) / PIECE;
	return count;
}

int dgm_update_moments(const struct dgm_train *t)
{
	int most = 0;

	for (int i = 0; i < t->ndescent; i++)
		if (t->descent[i].optimizer->nmoment > most)
			most = t->descent[i].optimizer->nmoment;
	return most;
}

void dgm_update_on(struct dgm_trainer *tr, struct dgm_segment *segment, float *moments)
{
	const struct dgm_module *m = tr->s->mod;

	tr->segment = segment;
	for (int i = 0; i < m->nslot; i++) {
		const struct dgm_slot *slot = &m->slot[i];
		int64_t items = dgm_slot_items(slot);
		int which = descent_of(tr, i);
		int64_t at = is_param(slot) ? (const float *)tr->s->slot[i] - tr->s->params : 0;

		for (int64_t done = 0; learns(tr, i) && done < items; done += PIECE)
			tr->segment[tr->nsegment++] = (struct dgm_segment){
			    .at = at + done,
			    .n = items - done < PIECE ? items - done : PIECE,
			    .descent = which,
			    .decay = tr->t->decays && tr->t->decays[i] ? (float)tr->t->descent[which].decay : 0,
			};
	}
	tr->nmoment = dgm_update_moments(tr->t);
	for (int i = 0; i < tr->nmoment; i++)
		tr->moments[i] = moments + i * tr->s->nparam;
}

int dgm_update_plan(struct dgm_trainer *tr)
{
	size_t bytes = (size_t)tr->s->nparam * sizeof(float) * (size_t)dgm_update_moments(tr->t);
	struct dgm_segment *segment = calloc((size_t)dgm_update_segments(tr) + 1, sizeof *tr->segment);

	if (!segment)
		return dgm_fail(DGM_ENOMEM, "%s: not enough memory", tr->s->mod->model);
	if (bytes && posix_memalign((void **)&tr->moment_block, 64, bytes)) {
		tr->moment_block = NULL;
		free(segment);
		return dgm_fail(DGM_ENOMEM, "%s: not enough memory for the moments of the gradients",
		                tr->s->mod->model);
	}
	if (bytes)
		memset(tr->moment_block, 0, bytes);
	dgm_update_on(tr, segment, tr->moment_block);
	return DGM_OK;
}

static void set_hyper(struct dgm_trainer *tr, int which)
{
	const struct dgm_descent *d = &tr->t->descent[which];

	for (int i = 0; i < DGM_MAX_HYPER && d->optimizer->hyper[i].name; i++) {
		double value = dgm_ramp_at(&d->hyper[i], tr->epoch, tr->t->epochs);

		tr->hyper[which][i] = (float)value;
		if (!strcmp(d->optimizer->hyper[i].name, "rate"))
			tr->rate[which] = value;
	}
}

void dgm_update_epoch(struct dgm_trainer *tr)
{
	const struct dgm_train *t = tr->t;
	double k = rint(dgm_ramp_at(&t->k, tr->epoch, t->epochs));

	tr->k = k > 1 ? (int64_t)k : 1;
	for (int i = 0; i < t->ndescent; i++)
		set_hyper(tr, i);
}

int64_t dgm_descent_step(const struct dgm_trainer *tr, int descent)
{
	const int64_t every = tr->t->descent[descent].every, update = tr->update + 1;

	return every < 2 ? update : update % every ? 0 : update / every;
}

static void optimise(void *arg, int64_t chunk, int64_t nchunk)
{
	const struct dgm_trainer *tr = arg;
	const struct dgm_segment *g = &tr->segment[chunk];
	const struct dgm_optimizer *o = tr->t->descent[g->descent].optimizer;
	const int64_t step = dgm_descent_step(tr, g->descent);
	float *moment[DGM_MAX_MOMENT] = {NULL};

	(void)nchunk;
	if (!step)
		return;
	for (int i = 0; i < o->nmoment; i++)
		moment[i] = tr->moments[i] + g->at;
	o->step(tr->s->params + g->at, tr->s->grads + g->at, moment, g->n, tr->hyper[g->descent],
	        g->decay, step);
}

/* The gradients that this update needs. */
static const struct dgm_function * final(const struct dgm_trainer *tr)
{
	if (!tr->t->often)
		return tr->t->final;
	for (int i = 0; i < tr->t->ndescent; i++)
		if (tr->t->descent[i].every > 1 && dgm_descent_step(tr, i))
			return tr->t->final;
	return tr->t->often;
}

int dgm_update_rows(struct dgm_trainer *tr, int64_t rows)
{
	const struct dgm_train *t = tr->t;
	const bool tempered = t->tempering.temperatures > 1;
	const bool own_chains = t->chain_pop >= 0 && t->chain_pop != t->data_pop;

	tr->call.pop[t->data_pop] = rows;
	if (t->scalar_inv_n >= 0)
		tr->call.scalar[t->scalar_inv_n] = 1 / (float)rows;
	if (t->scalar_inv_m >= 0)
		tr->call.scalar[t->scalar_inv_m] = 1 / (float)(own_chains ? t->chains : rows);
	dgm_train_call(tr, t->first);
	dgm_refine_run(&t->refine, tr->s, &tr->call);
	if (t->exact)
		memset(tr->s->grads, 0, (size_t)tr->s->nparam * sizeof(float));
	for (int64_t i = tempered ? 0 : 1; i < tr->k; i++) {
		dgm_transition_run(&t->sweep, t->sweep.end, tr->s, &tr->call, DGM_ADAPT, &tr->acceptance);
		dgm_tempering_swap(&t->tempering, tr->s, &tr->call, &tr->swaps);
	}
	if (tempered)
		tr->call.pop[t->chain_pop] = t->chains;
	dgm_transition_run(&t->sweep, final(tr), tr->s, &tr->call, DGM_ADAPT, &tr->acceptance);
	if (tempered)
		tr->call.pop[t->chain_pop] = dgm_tempering_rows(&t->tempering);
	if (t->exact) {
		double log_z;
		int status = dgm_enumerate(tr->s, t->exact, t->seed, true, &log_z);

		if (status)
			return status;
	}
	if (t->centre)
		dgm_run(t->centre, &tr->call);
	if (t->ndescent) {
		dgm_limit_gradients(tr);
		dgm_parallel(optimise, tr, tr->nsegment);
		dgm_limit_params(tr);
	}
	dgm_train_call(tr, t->prepare);
	tr->update++;
	return tr->update % CHECK_EVERY ? DGM_OK : dgm_update_check(tr);
}

/* A parameter of 2^24 or more has no fractional part left in single precision: fields computed from
 * it are arbitrary, and training has diverged although every number is still finite. */
enum { FINITE = 0x7f800000, USEFUL = 0x4b800000 };

/* Is the exponent of every value, as its bits, below the limit's? */
static bool all_below(const float *x, int64_t n, uint32_t limit)
{
	uint32_t bad = 0;

	for (int64_t i = 0; i < n; i++) {
		uint32_t bits;

		memcpy(&bits, x + i, sizeof bits);
		bad |= (bits & 0x7f800000) >= limit;
	}
	return !bad;
}

static int failure(const struct dgm_trainer *tr, const char *what, const char *name,
                   const char *state, int descent)
{
	char rate[64] = "";
	int64_t in_epoch = tr->update > 0 && tr->examples > 0
	                       ? (tr->update - 1) / ((tr->examples + tr->t->batch - 1) / tr->t->batch)
	                       : tr->epoch;

	if (tr->rate[descent] != 0)
		snprintf(rate, sizeof rate, "; lower the learning rate (rate = %g)", tr->rate[descent]);
	if (tr->saved_epoch < 0)
		return dgm_fail(DGM_ENONFINITE, "the first values of %s%s are %s", what, name, state);
	return dgm_fail(DGM_ENONFINITE, "update %" PRId64 " (epoch %" PRId64 "): %s%s is %s%s",
	                tr->update, in_epoch + 1, what, name, state, rate);
}

int dgm_update_check(const struct dgm_trainer *tr)
{
	const struct dgm_module *m = tr->s->mod;

	if (all_below(tr->s->params, tr->s->nparam, USEFUL) &&
	    all_below(tr->s->grads, tr->s->nparam, FINITE))
		return DGM_OK;
	for (int i = 0; i < m->nslot; i++) {
		const float *x = tr->s->slot[i];
		int64_t n = dgm_slot_items(&m->slot[i]);

		if (!is_param(&m->slot[i]) || all_below(x, n, USEFUL))
			continue;
		return failure(tr, "parameter ", m->slot[i].name,
		               all_below(x, n, FINITE) ? "beyond 2^24 (training diverges)"
		                                       : "not finite (training diverges, or an "
		                                         "operation has no value here)",
		               descent_of(tr, i));
	}
	for (int i = 0; i < m->nslot; i++)
		if (m->slot[i].space == DGM_GRAD && m->slot[i].param >= 0 &&
		    !all_below(tr->s->slot[i], dgm_slot_items(&m->slot[i]), FINITE))
			return failure(tr, "the gradient of ", m->slot[m->slot[i].param].name, "not finite",
			               descent_of(tr, m->slot[i].param));
	return failure(tr, "a parameter", "", "not finite", 0);
}
