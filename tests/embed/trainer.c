/* A program that learns: parameters that it keeps itself, updates on batches of its
 * own, then the mean of the pseudo-log-likelihood of what it learned. */
#include "bars.h"

#include <stdio.h>
#include <stdlib.h>

enum { UNITS = 16, HIDDEN = 16, BATCH = 30, UPDATES = 200 };

/* All pictures of bars but the empty and the full one, which are both: rows, then columns. */
static void pictures(float *v)
{
	for (int n = 0; n < BATCH; n++)
		for (int i = 0; i < UNITS; i++) {
			int bars = n < 15 ? n + 1 : n - 15, line = n < 15 ? i / 4 : i % 4;
			v[n * UNITS + i] = (float)(bars >> line & 1);
		}
}

int main(void)
{
	static float W[UNITS * HIDDEN], b[UNITS], c[HIDDEN], v[BATCH * UNITS];
	const struct bars_train_params params = {W, b, c};
	struct dgm_random random = {1, 0};
	size_t size = bars_train_size(BATCH);
	void *state = malloc(size);
	pictures(v);
	for (int i = 0; i < UNITS * HIDDEN; i++)
		W[i] = (float)(i * 7919 % 101 - 50) / 500;
	int status = state ? bars_train_begin(state, size, BATCH, &params, &random) : 1;
	for (int n = 0; n < UPDATES && status == DGM_EMBED_OK; n++)
		status = bars_train_step(state, BATCH, 0, &params, v, &random);
	size_t block = bars_size(), room = bars_pseudo_log_likelihood_work(BATCH);
	void *model = malloc(block), *work = malloc(room);
	float out[BATCH], sum = 0;
	const struct bars_params learned = {W, b, c};
	if (status == DGM_EMBED_OK)
		status = model && work ? bars_load(model, block, &learned) : 1;
	if (status == DGM_EMBED_OK)
		status = bars_pseudo_log_likelihood(model, BATCH, v, out, work, room);
	for (int n = 0; n < BATCH; n++)
		sum += out[n];
	printf("%.3f\n", (double)(sum / BATCH));
	free(model);
	free(work);
	free(state);
	return status != DGM_EMBED_OK;
}
