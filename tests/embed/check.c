/* What the functions of bars.o give for rows made here: a number a line, as text and as bits, to be
 * compared between machines. */
#include "bars.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = 7, UNITS = 16, HIDDEN = 16, ROOM = 1 << 16 };

static unsigned char model[ROOM], work[ROOM];
static float v[ROWS * UNITS], h[ROWS * HIDDEN], mean[ROWS * UNITS], out[ROWS];
static struct dgm_random state = {5, 0};
static int failed;

static void tell(const char *what, int status, const float *x, int n)
{
	failed |= status != DGM_EMBED_OK;
	for (int i = 0; i < n; i++) {
		uint32_t bits;
		memcpy(&bits, &x[i], sizeof bits);
		printf("%s %.9g %08lx\n", what, (double)x[i], (unsigned long)bits);
	}
}

int main(void)
{
	int status = bars_size() <= ROOM ? bars_load(model, ROOM) : 1;
	for (int i = 0; i < ROWS * UNITS; i++)
		v[i] = (float)(i % 3 == 0 || i % 5 == 1);
	failed = status != DGM_EMBED_OK;
	status = bars_free_energy(model, ROWS, v, out, work, ROOM);
	tell("free_energy", status, out, ROWS);
	status = bars_mean_h(model, ROWS, v, mean, work, ROOM);
	tell("mean_h", status, mean, ROWS * HIDDEN);
	status = bars_draw_h(model, ROWS, v, h, &state, work, ROOM);
	tell("draw_h", status, h, ROWS * HIDDEN);
	status = bars_energy(model, ROWS, v, h, out, work, ROOM);
	tell("energy", status, out, ROWS);
	status = bars_pseudo_log_likelihood(model, ROWS, v, out, work, ROOM);
	tell("pseudo_log_likelihood", status, out, ROWS);
	status = bars_sample(model, ROWS, 20, v, h, &state, work, ROOM);
	tell("sample", status, v, ROWS * UNITS);
	for (int i = 0; i < ROWS * UNITS; i++)
		v[i] = i % 2 ? NAN : v[i];
	for (int j = 0; j < ROWS * HIDDEN; j++)
		h[j] = NAN;
	status = bars_complete(model, ROWS, 5, 20, v, h, mean, &state, work, ROOM);
	tell("complete", status, mean, ROWS * UNITS);
	return failed;
}
