/* The free energies of the rows that bare.c scores, as bits. */
#include "large.h"

#include "rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{
	static float v[ROWS * UNITS], out[ROWS];
	size_t block = large_size(), room = large_free_energy_work(ROWS);
	void *model = malloc(block + 1), *work = malloc(room);
	make_rows(v);
	if (!model || !work || large_load(model, block) != DGM_EMBED_OK ||
	    large_free_energy(model, ROWS, v, out, work, room) != DGM_EMBED_OK)
		return 1;
	for (int i = 0; i < ROWS; i++) {
		uint32_t bits;
		memcpy(&bits, &out[i], sizeof bits);
		printf("%lx %.6f\n", (unsigned long)bits, (double)out[i]);
	}
	free(model);
	free(work);
	return 0;
}
