/* Four threads at once, one model, workspaces and random states of their own: each gives what it
 * gives alone. */
#include "bars.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, ROWS = 37, UNITS = 16, HIDDEN = 16, TIMES = 20 };

struct job {
	const void *model;
	uint64_t seed;
	int status;
	float v[ROWS * UNITS], h[ROWS * HIDDEN], energy[ROWS];
};

static void *work_on(void *arg)
{
	struct job *j = arg;
	struct dgm_random random = {j->seed, 0};
	size_t sample = bars_sample_work(ROWS), energy = bars_free_energy_work(ROWS);
	void *a = malloc(sample), *b = malloc(energy);
	j->status = a && b ? 0 : 1;
	for (int n = 0; n < TIMES && j->status == 0; n++) {
		j->status = bars_sample(j->model, ROWS, 50, j->v, j->h, &random, a, sample);
		if (j->status == 0)
			j->status = bars_free_energy(j->model, ROWS, j->v, j->energy, b, energy);
	}
	free(a);
	free(b);
	return NULL;
}

static int same(const struct job *a, const struct job *b)
{
	return a->status == 0 && b->status == 0 && memcmp(a->v, b->v, sizeof a->v) == 0 &&
	       memcmp(a->h, b->h, sizeof a->h) == 0 &&
	       memcmp(a->energy, b->energy, sizeof a->energy) == 0;
}

int main(void)
{
	static struct job together[THREADS], alone[THREADS];
	pthread_t thread[THREADS];
	size_t size = bars_size();
	void *model = malloc(size);
	int failed = !model || bars_load(model, size) != DGM_EMBED_OK;
	for (int k = 0; k < THREADS && !failed; k++) {
		together[k] = (struct job){.model = model, .seed = (uint64_t)k};
		alone[k] = together[k];
		failed = pthread_create(&thread[k], NULL, work_on, &together[k]) != 0;
	}
	for (int k = 0; k < THREADS && !failed; k++)
		pthread_join(thread[k], NULL);
	for (int k = 0; k < THREADS && !failed; k++) {
		work_on(&alone[k]);
		if (!same(&together[k], &alone[k]))
			failed = printf("thread %d: not the numbers that it gives alone\n", k);
		if (k && memcmp(alone[k].v, alone[0].v, sizeof alone[0].v) == 0)
			failed = printf("seeds 0 and %d give the same samples\n", k);
	}
	free(model);
	return failed != 0;
}
