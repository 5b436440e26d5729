/* Counts drawn from given hidden units: the calls are for the units there are, not for what lies
 * behind the last. */
#include "counts.h"

#include <stdio.h>
#include <stdlib.h>

#define ROWS 3

int main(void)
{
	float N[6] = {.1f, .2f, .3f, -.1f, -.2f, .3f}, c[2] = {.5f, .2f}, n[2 * ROWS];
	float h[3 * ROWS] = {1, 0, 1, 0, 1, 0, 1, 1, 1}, sum = 0;
	struct counts_params params = {N, c};
	struct dgm_random random = {1, 0};
	size_t size = counts_draw_n_work(ROWS);
	void *model = malloc(counts_size()), *work = malloc(size);
	int bad = !model || !work || counts_load(model, counts_size(), &params) ||
	          counts_draw_n(model, ROWS, h, n, &random, work, size);
	for (int k = 0; k < 2 * ROWS && !bad; k++)
		sum += n[k];
	printf("%g\n", sum);
	free(work);
	free(model);
	return bad;
}
