/* An anomaly detector: reads rows of 16 numbers, 0 or 1, as CSV from standard input, and prints
 * each row's free energy, with a mark where it is above the limit.  The parameters are in the
 * object. cc detector.c bars.o -ldgmrt -lopenblas -lm;  ./a.out LIMIT <rows.csv */
#include "bars.h"

#include <stdio.h>
#include <stdlib.h>

enum { UNITS = 16 };

int main(int argc, char **argv)
{
	float v[UNITS], energy, limit = argc > 1 ? strtof(argv[1], NULL) : 0;
	size_t size = bars_size(), work_size = bars_free_energy_work(1);
	void *model = malloc(size), *work = malloc(work_size);
	char line[1024];
	int status = model && work ? bars_load(model, size) : 1;
	while (status == DGM_EMBED_OK && fgets(line, sizeof line, stdin)) {
		char *p = line;
		for (int i = 0; i < UNITS; i++, p += *p == ',')
			v[i] = strtof(p, &p);
		status = bars_free_energy(model, 1, v, &energy, work, work_size);
		if (status == DGM_EMBED_OK)
			printf("%.6f%s\n", (double)energy, energy > limit ? " anomaly" : "");
	}
	if (status != DGM_EMBED_OK)
		fprintf(stderr, "detector: status %d\n", status);
	free(model);
	free(work);
	return status != DGM_EMBED_OK;
}
