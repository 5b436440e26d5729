/* Checkpoints: everything that a training needs to go on as if it had not been interrupted, in one
 * safetensors file that is replaced atomically.
 *
 *     W            parameters, under their names
 *     moment0/W    the optimiser's moments
 *     state/h      states that outlive an update, whole buffers: [rows, stride] (bits: words)
 *     best/W       the parameters at the best value of the monitor that may stop the training
 *     metadata     format, model, config, seed, stage; epoch, update (finished ones), step (of the
 *                  random numbers), seconds; best, best_epoch (0: none), stopped
 * '/' is in no name of a model, so the names differ. */
#include "train_work.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FORMAT "dgm checkpoint 2"

enum { NAME = 256 };

struct list {
	struct dgm_tensor *t;
	char (*name)[NAME];
	int n;
};

uint64_t dgm_text_digest(const char *text)
{
	uint64_t h = 0xCBF29CE484222325u;

	for (; text && *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001B3u;
	return h;
}

static void list_free(struct list *l)
{
	free(l->t);
	free(l->name);
}

static struct dgm_tensor *add(struct list *l, const char *prefix, const struct dgm_slot *slot,
                              void *data)
{
	struct dgm_tensor *t = &l->t[l->n];

	snprintf(l->name[l->n], NAME, "%s%s", prefix, slot->name);
	*t = (struct dgm_tensor){
	    .name = l->name[l->n], .dtype = "F32", .rank = slot->rank, .data = data};
	memcpy(t->dim, slot->dim, sizeof t->dim);
	l->n++;
	return t;
}

static void add_state(struct list *l, const struct dgm_store *s, int i)
{
	const struct dgm_slot *slot = &s->mod->slot[i];
	struct dgm_tensor *t = add(l, "state/", slot, s->slot[i]);

	t->rank = 2;
	t->dim[0] = slot->pop >= 0 ? s->pop_capacity[slot->pop] : 1;
	t->dim[1] = dgm_item_stride(slot);
	if (slot->repr == DGM_BITS)
		t->dtype = "U64";
}

/* What a checkpoint holds, with the buffers where it lies. */
static int list_all(const struct dgm_trainer *tr, struct list *l)
{
	const struct dgm_store *s = tr->s;
	const struct dgm_module *m = s->mod;
	const size_t room = (size_t)m->nslot * (size_t)(2 + DGM_MAX_MOMENT) + 1;

	*l = (struct list){calloc(room, sizeof *l->t), calloc(room, sizeof *l->name), 0};
	if (!l->t || !l->name) {
		list_free(l);
		return dgm_fail(DGM_ENOMEM, "%s: not enough memory for a checkpoint", m->model);
	}
	for (int i = 0; i < m->nslot; i++) {
		const struct dgm_slot *slot = &m->slot[i];

		if (slot->space == DGM_PARAM) {
			add(l, "", slot, s->slot[i]);
			for (int k = 0; k < tr->nmoment; k++) {
				char prefix[32];

				snprintf(prefix, sizeof prefix, "moment%d/", k);
				add(l, prefix, slot, tr->moments[k] + ((const float *)s->slot[i] - s->params));
			}
			if (tr->best_params)
				add(l, "best/", slot, tr->best_params + ((const float *)s->slot[i] - s->params));
		} else if (slot->space == DGM_STATE && (slot->pop < 0 || slot->pop == tr->t->chain_pop)) {
			add_state(l, s, i);
		}
	}
	return DGM_OK;
}

int dgm_checkpoint_save(struct dgm_trainer *tr)
{
	const struct dgm_train *t = tr->t;
	char seed[32], stage[32], epoch[32], update[32], step[32], seconds[40];
	char best[40], best_epoch[32];
	const char *meta[] = {
	    "format", FORMAT, "model",      t->model,   "config",  t->config ? t->config : "",
	    "seed",   seed,   "stage",      stage,      "epoch",   epoch,
	    "update", update, "step",       step,       "seconds", seconds,
	    "best",   best,   "best_epoch", best_epoch, "stopped", tr->stopped ? "1" : "0",
	    NULL};
	struct list l;
	int status = list_all(tr, &l);

	if (status)
		return status;
	snprintf(seed, sizeof seed, "%" PRIu64, t->seed);
	snprintf(stage, sizeof stage, "%" PRIu32, t->stage);
	snprintf(epoch, sizeof epoch, "%" PRId64, tr->epoch);
	snprintf(update, sizeof update, "%" PRId64, tr->update);
	snprintf(step, sizeof step, "%" PRIu32, tr->call.step);
	snprintf(best, sizeof best, "%a", tr->best);
	snprintf(best_epoch, sizeof best_epoch, "%" PRId64, tr->best_epoch < 0 ? 0 : tr->best_epoch);
	snprintf(seconds, sizeof seconds, "%.3f", tr->seconds + dgm_now() - tr->start);
	status = dgm_safetensors_write(tr->checkpoint, l.t, l.n, meta);
	list_free(&l);
	if (!status) {
		tr->saved_epoch = tr->epoch;
		tr->saved_at = dgm_now();
	}
	return status;
}

static const char *value_of(char *const *meta, const char *key)
{
	for (; *meta; meta += 2)
		if (!strcmp(meta[0], key))
			return meta[1];
	return NULL;
}

/* Names the first line in which two configurations differ. */
static int config_differs(const char *path, const char *there, const char *here)
{
	for (;;) {
		int a = (int)strcspn(there, "\n"), b = (int)strcspn(here, "\n");

		if (a != b || strncmp(there, here, (size_t)a) != 0)
			return dgm_fail(DGM_EFORMAT,
			                "%s: it belongs to another configuration: '%.*s' there, '%.*s' here; "
			                "without --resume the training starts anew",
			                path, a < 200 ? a : 200, there, b < 200 ? b : 200, here);
		there += a + (there[a] != 0);
		here += b + (here[b] != 0);
	}
}

static int same_value(const char *path, char *const *meta, const char *key, const char *want)
{
	const char *got = value_of(meta, key);

	if (!got)
		return dgm_fail(DGM_EFORMAT, "%s: it is no checkpoint: it has no '%s'", path, key);
	if (strcmp(got, want) != 0)
		return dgm_fail(DGM_EFORMAT, "%s: it was made with %s %s, this run has %s %s", path, key,
		                got, key, want);
	return DGM_OK;
}

/* A number of the metadata in 0..max. */
static int number(const char *path, char *const *meta, const char *key, int64_t max, int64_t *to)
{
	const char *text = value_of(meta, key);
	char *end;

	errno = 0;
	*to = text ? strtoll(text, &end, 10) : -1;
	if (!text || end == text || *end || errno || *to < 0 || *to > max)
		return dgm_fail(DGM_EFORMAT,
		                "%s: its '%s' is '%.40s', expected a number from 0 to %" PRId64, path, key,
		                text ? text : "", max);
	return DGM_OK;
}

static int check_meta(const struct dgm_trainer *tr, char *const *meta)
{
	const struct dgm_train *t = tr->t;
	const char *path = tr->checkpoint, *config = value_of(meta, "config");
	const char *here = t->config ? t->config : "";
	char text[32];
	int status = same_value(path, meta, "format", FORMAT);

	if (!status)
		status = same_value(path, meta, "model", t->model);
	if (!status && config && strcmp(config, here) != 0)
		status = config_differs(path, config, here);
	snprintf(text, sizeof text, "%" PRIu64, t->seed);
	if (!status)
		status = same_value(path, meta, "seed", text);
	snprintf(text, sizeof text, "%" PRIu32, t->stage);
	if (!status)
		status = same_value(path, meta, "stage", text);
	return status;
}

static int check_tensors(const char *path, const struct list *want, const struct dgm_tensor *got,
                         int ngot, const struct dgm_tensor **found)
{
	for (int i = 0; i < want->n; i++) {
		const struct dgm_tensor *w = &want->t[i];

		found[i] = NULL;
		for (int k = 0; k < ngot; k++)
			if (!strcmp(got[k].name, w->name))
				found[i] = &got[k];
		if (!found[i])
			return dgm_fail(DGM_ESHAPE, "%s: there is no '%s' in it, which this training has", path,
			                w->name);
		if (strcmp(found[i]->dtype, w->dtype) != 0 || found[i]->rank != w->rank ||
		    memcmp(found[i]->dim, w->dim, (size_t)w->rank * sizeof *w->dim) != 0)
			return dgm_fail(DGM_ESHAPE, "%s: '%s' has another shape there than in this training",
			                path, w->name);
	}
	if (ngot != want->n)
		return dgm_fail(DGM_ESHAPE, "%s: it holds %d tensors, this training has %d", path, ngot,
		                want->n);
	return DGM_OK;
}

static size_t bytes_of(const struct dgm_tensor *t)
{
	size_t n = strcmp(t->dtype, "U64") ? 4 : 8;

	for (int i = 0; i < t->rank; i++)
		n *= (size_t)t->dim[i];
	return n;
}

/* Everything is checked before anything is copied. */
static int restore(struct dgm_trainer *tr, const struct dgm_tensor *got, int ngot,
                   char *const *meta)
{
	const char *path = tr->checkpoint, *seconds = value_of(meta, "seconds"),
	           *best = value_of(meta, "best");
	const struct dgm_tensor **found;
	int64_t epoch = 0, update = 0, step = 0, best_epoch = 0, stopped = 0;
	struct list l;
	int status = check_meta(tr, meta);

	if (!status)
		status = number(path, meta, "epoch", tr->t->epochs, &epoch);
	if (!status)
		status = number(path, meta, "update", INT64_MAX, &update);
	if (!status)
		status = number(path, meta, "step", UINT32_MAX, &step);
	if (!status)
		status = number(path, meta, "best_epoch", epoch, &best_epoch);
	if (!status)
		status = number(path, meta, "stopped", 1, &stopped);
	if (!status)
		status = list_all(tr, &l);
	if (status)
		return status;
	found = calloc((size_t)l.n + 1, sizeof *found);
	status = found ? check_tensors(path, &l, got, ngot, found)
	               : dgm_fail(DGM_ENOMEM, "%s: not enough memory", path);
	for (int i = 0; i < l.n && !status; i++)
		memcpy(l.t[i].data, found[i]->data, bytes_of(&l.t[i]));
	free(found);
	list_free(&l);
	if (status)
		return status;
	tr->epoch = tr->saved_epoch = epoch;
	tr->update = update;
	tr->call.step = (uint32_t)step;
	tr->seconds = seconds ? strtod(seconds, NULL) : 0;
	tr->best = best ? strtod(best, NULL) : 0;
	tr->best_epoch = best_epoch ? best_epoch : -1;
	tr->stopped = stopped;
	return DGM_OK;
}

int dgm_checkpoint_load(struct dgm_trainer *tr, bool *found)
{
	struct dgm_tensor *t;
	struct stat st;
	char **meta;
	void *block;
	int n, status;

	*found = false;
	if (stat(tr->checkpoint, &st) != 0 && errno == ENOENT)
		return DGM_OK;
	status = dgm_safetensors_read(tr->checkpoint, &t, &n, &meta, &block);
	if (status)
		return status;
	status = restore(tr, t, n, meta);
	free(block);
	*found = !status;
	return status;
}
