/* The training loop: parameters and chains, then epochs of updates, with a checkpoint from which
 * the same bits follow.
 *
 *     means; init; prepare; begin            or a checkpoint; prepare
 *     each epoch: updates (train_update.c); check; monitors and metrics (train_report.c);
 * checkpoint
 *
 * Everything random is a function of the seed, the epoch, the update and the count of calls, which
 * the checkpoint holds; how often checkpoints are made depends on the clock and changes nothing. */
#include "train_work.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int dgm_train_path(const struct dgm_trainer *tr, const char *name, char *to, size_t room)
{
	if ((size_t)snprintf(to, room, "%s/%s", tr->t->out_dir, name) >= room)
		return dgm_fail(DGM_EIO, "%.60s...: the name is too long", tr->t->out_dir);
	return DGM_OK;
}

static int check(const struct dgm_trainer *tr)
{
	const struct dgm_train *t = tr->t;

	if (t->batch < 1 || t->epochs < 0 || (t->chain_pop >= 0 && t->chains < 0))
		return dgm_fail(DGM_ESHAPE, "%s: batch %" PRId64 ", chains %" PRId64 ", epochs %" PRId64,
		                t->model, t->batch, t->chains, t->epochs);
	if (t->ninput && t->batch > tr->examples)
		return dgm_fail(DGM_ESHAPE,
		                "%s: a batch of %" PRId64 " is larger than %s, which has %" PRId64
		                " examples",
		                t->model, t->batch, t->input[0].data->name, tr->examples);
	if (t->batch > tr->s->pop_capacity[t->data_pop] ||
	    (t->chain_pop >= 0 && t->chain_pop != t->data_pop &&
	     t->chains > tr->s->pop_capacity[t->chain_pop]))
		return dgm_fail(DGM_ESHAPE, "%s: the buffers are smaller than a batch or the chains",
		                t->model);
	return DGM_OK;
}

static int open_trainer(struct dgm_trainer *tr)
{
	const struct dgm_train *t = tr->t;
	int status = dgm_inputs_check(tr->s, t->input, t->ninput, t->data_pop, &tr->examples);

	if (!status)
		status = check(tr);
	if (!status)
		status = dgm_make_dir(t->out_dir);
	if (!status)
		dgm_folder_clean(t->out_dir);
	if (!status)
		status =
		    dgm_train_path(tr, "checkpoint.safetensors", tr->checkpoint, sizeof tr->checkpoint);
	if (status)
		return status;
	if (!t->ninput)
		tr->examples = t->batch;
	tr->order = malloc((size_t)tr->examples * sizeof *tr->order);
	if (!tr->order)
		return dgm_fail(DGM_ENOMEM, "%s: not enough memory", t->model);
	tr->call = dgm_call_on(tr->s, t->seed);
	tr->call.stage = t->stage;
	tr->call.pop[t->data_pop] = t->batch;
	if (t->chain_pop >= 0 && t->chain_pop != t->data_pop)
		tr->call.pop[t->chain_pop] =
		    t->tempering.temperatures > 1 ? dgm_tempering_rows(&t->tempering) : t->chains;
	dgm_tempering_begin(&t->tempering, tr->s);
	tr->best_epoch = -1;
	if (t->stop.patience && posix_memalign((void **)&tr->best_params, 64,
	                                       (size_t)tr->s->nparam * sizeof *tr->best_params + 64)) {
		tr->best_params = NULL;
		return dgm_fail(DGM_ENOMEM, "%s: not enough memory for a second set of parameters",
		                t->model);
	}
	if (tr->best_params)
		memset(tr->best_params, 0, (size_t)tr->s->nparam * sizeof *tr->best_params);
	return dgm_update_plan(tr);
}

int dgm_mean_fill(const struct dgm_mean_slot *m, struct dgm_store *s)
{
	const struct dgm_slot *slot = &s->mod->slot[m->mean_slot];
	float *x = s->slot[m->mean_slot];
	int64_t items = dgm_slot_items(slot);

	if (slot->pop >= 0 || slot->repr != DGM_F32 || items != m->data->items)
		return dgm_fail(DGM_ESHAPE, "%s: its examples have %" PRId64 " values, %s has %" PRId64,
		                m->data->name, m->data->items, slot->name, items);
	if (m->data->drawn) {
		int status =
		    dgm_drawn_mean(m->data, m->smoothed, m->variance ? NULL : x, m->variance ? x : NULL);

		if (status)
			return status;
	} else if (m->variance) {
		dgm_data_variance(m->data, x);
	} else {
		dgm_data_mean(m->data, m->smoothed, x);
	}
	for (int64_t u = 0; u < items && !m->variance; u++)
		x[u] = m->lo + (m->hi - m->lo) * x[u];
	return DGM_OK;
}

static int set_means(const struct dgm_trainer *tr)
{
	for (int i = 0; i < tr->t->nmean; i++) {
		int status = dgm_mean_fill(&tr->t->mean[i], tr->s);

		if (status)
			return status;
	}
	return DGM_OK;
}

/* A failure because of an unbounded energy is told as that. */
static int proper(const struct dgm_trainer *tr, int status)
{
	int bounded = dgm_positive_check(tr->s, &tr->t->positive, tr->t->seed);

	return bounded ? bounded : status;
}

/* Brings parameters and chains to where the first update of this process finds them. */
static int begin(struct dgm_trainer *tr)
{
	const struct dgm_train *t = tr->t;
	bool found = false;
	int status = set_means(tr);

	if (!status && t->resume)
		status = dgm_checkpoint_load(tr, &found);
	if (status)
		return status;
	if (found) {
		if (!t->quiet)
			fprintf(stderr, "%s: resumed after epoch %" PRId64 " (update %" PRId64 ")\n", t->model,
			        tr->epoch, tr->update);
		if (t->prepare)
			dgm_run(t->prepare, &tr->call);
		return DGM_OK;
	}
	if (t->resume && !t->quiet)
		fprintf(stderr, "%s: there is no %s: the training starts from the beginning\n", t->model,
		        tr->checkpoint);
	dgm_train_call(tr, t->init);
	status = t->init ? dgm_orthonormal(tr) : DGM_OK;
	if (status)
		return status;
	dgm_train_call(tr, t->prepare);
	dgm_train_call(tr, t->begin);
	status = proper(tr, dgm_update_check(tr));
	return status ? status : dgm_checkpoint_save(tr);
}

static int update(struct dgm_trainer *tr, int64_t first, int64_t rows)
{
	const struct dgm_train *t = tr->t;
	int status = dgm_inputs_load(tr->s, t->input, t->ninput, tr->order + first, rows, t->seed,
	                             (uint32_t)(tr->update + 1));

	return status ? status : dgm_update_rows(tr, rows);
}

static int one_epoch(struct dgm_trainer *tr)
{
	const struct dgm_train *t = tr->t;
	const double interval = t->checkpoint_seconds != 0 ? t->checkpoint_seconds : 10;
	int status;

	dgm_update_epoch(tr);
	dgm_permutation(tr->order, tr->examples, t->seed, (uint32_t)tr->epoch);
	for (int64_t first = 0; first < tr->examples; first += t->batch) {
		int64_t rows = tr->examples - first < t->batch ? tr->examples - first : t->batch;
		double start = dgm_now();

		if (t->time && tr->update == tr->first_update)
			fprintf(stderr, "first_update_ms %.3f\n", (start - t->time0) * 1000);
		dgm_progress_at(&tr->progress,
		                (double)(tr->epoch - tr->first_epoch) +
		                    (double)first / (double)tr->examples,
		                "epoch %" PRId64 "/%" PRId64 "%s", tr->epoch + 1, t->epochs, tr->note);
		status = update(tr, first, rows);
		if (status)
			return proper(tr, status);
		tr->duration[(tr->update - tr->first_update - 1) % DGM_RING] = dgm_now() - start;
	}
	status = proper(tr, dgm_update_check(tr));
	tr->epoch++;
	if (!status)
		status = dgm_report_epoch(tr);
	if (!status && (tr->epoch == t->epochs || tr->stopped || dgm_now() - tr->saved_at >= interval))
		status = dgm_checkpoint_save(tr);
	return status;
}

static int finish(struct dgm_trainer *tr)
{
	const struct dgm_train *t = tr->t;
	char path[4096], name[256], seed[32], epochs[32], digest[32];
	const char *meta[] = {"model", t->model,        "seed", seed, "epochs",
	                      epochs,  "config_digest", digest, NULL};
	int status;

	if (tr->best_epoch >= 0) {
		memcpy(tr->s->params, tr->best_params, (size_t)tr->s->nparam * sizeof *tr->best_params);
		if (!t->quiet)
			fprintf(stderr, "%s: the parameters of epoch %" PRId64 " are kept, %s was %.6g\n",
			        t->model, tr->best_epoch, t->monitor[t->stop.monitor].name, tr->best);
	}
	snprintf(seed, sizeof seed, "%" PRIu64, t->seed);
	snprintf(epochs, sizeof epochs, "%" PRId64, tr->epoch);
	snprintf(digest, sizeof digest, "%016" PRIx64, dgm_text_digest(t->config));
	snprintf(name, sizeof name, "%.200s.safetensors", t->model);
	status = dgm_train_path(tr, name, path, sizeof path);
	if (!status)
		status = dgm_params_save(tr->s, path, meta);
	dgm_progress_end(&tr->progress);
	return status ? status : dgm_report_finish(tr);
}

/* Whatever ends a training, the checkpoint is what can be gone on from. */
static int name_checkpoint(const struct dgm_trainer *tr, int status)
{
	if (tr->saved_epoch < 0)
		return status;
	if (tr->saved_epoch == 0)
		return dgm_fail(status, "%s; the last good parameters are in %s (before the first update)",
		                dgm_error(), tr->checkpoint);
	return dgm_fail(status, "%s; the last good parameters are in %s (epoch %" PRId64 ")",
	                dgm_error(), tr->checkpoint, tr->saved_epoch);
}

int dgm_train_run(const struct dgm_train *t)
{
	struct dgm_trainer tr = {
	    .t = t, .s = t->store, .saved_epoch = -1, .start = dgm_now(), .saved_at = -INFINITY};
	char text[1024];
	int status = open_trainer(&tr), closed;

	if (!status)
		status = begin(&tr);
	tr.saved_at = dgm_now();
	if (!status)
		status = dgm_report_open(&tr);
	while (!status && tr.epoch < t->epochs && !tr.stopped)
		status = one_epoch(&tr);
	if (!status)
		status = finish(&tr);
	free(tr.order);
	free(tr.segment);
	free(tr.moment_block);
	free(tr.best_params);
	snprintf(text, sizeof text, "%s", dgm_error());
	closed = dgm_report_close(&tr);
	if (status)
		dgm_fail(status, "%s", text);
	else
		status = closed;
	return status ? name_checkpoint(&tr, status) : DGM_OK;
}
