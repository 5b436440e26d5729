/* Parameters loaded from a file while the program runs; the free energy of one picture of bars. */
#define DGM_EMBED_FILES
#include "given.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	static const float v[16] = {1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1};
	float F = 0;
	void *model = malloc(bars_size()), *work = malloc(bars_free_energy_work(1));
	int status = argc == 2 ? bars_load_file(model, bars_size(), argv[1]) : DGM_EMBED_FILE;
	if (status == DGM_EMBED_FILE)
		printf("%s\n", dgm_error());
	if (status == DGM_EMBED_OK)
		status = bars_free_energy(model, 1, v, &F, work, bars_free_energy_work(1));
	free(model);
	free(work);
	if (status == DGM_EMBED_OK)
		printf("free energy %g\n", (double)F);
	return status != DGM_EMBED_OK || !(F < -20);
}
