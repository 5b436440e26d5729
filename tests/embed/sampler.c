/* A sampler in a loop: chains that go on, a picture of the first one now and then. */
#include "bars.h"

#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 4, CHAINS = 10, UNITS = SIDE * SIDE, HIDDEN = 16 };

int main(void)
{
	static float v[CHAINS * UNITS], h[CHAINS * HIDDEN];
	struct dgm_random random = {2024, 0};
	size_t size = bars_size(), begin = bars_sample_work(CHAINS), sweep = bars_sweep_work(CHAINS);
	size_t work_size = begin > sweep ? begin : sweep;
	void *model = malloc(size), *work = malloc(work_size);
	int status = model && work ? bars_load(model, size) : 1;
	if (status == DGM_EMBED_OK)
		status = bars_sample(model, CHAINS, 1000, v, h, &random, work, work_size);
	for (int n = 0; n < 20 && status == DGM_EMBED_OK; n++) {
		for (int i = 0; i < UNITS; i++)
			printf("%c%s", v[i] > 0 ? '#' : '.', i % SIDE == SIDE - 1 ? "\n" : "");
		printf("\n");
		status = bars_sweep(model, CHAINS, 50, v, h, &random, work, work_size);
	}
	free(model);
	free(work);
	return status != DGM_EMBED_OK;
}
