/* An imputer: reads rows of 16 numbers as CSV, with ? for what is missing, and prints them filled
 * in: a sample, and the means of what was missing. */
#include "bars.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { UNITS = 16, HIDDEN = 16 };

static void read_row(char *p, float *v)
{
	for (int i = 0; i < UNITS; i++, p += *p == ',') {
		if (*p == '?') {
			v[i] = NAN;
			p++;
		} else {
			v[i] = strtof(p, &p);
		}
	}
}

int main(void)
{
	float v[UNITS], h[HIDDEN], mean[UNITS];
	struct dgm_random random = {1, 0};
	size_t size = bars_size(), work_size = bars_complete_work(1);
	void *model = malloc(size), *work = malloc(work_size);
	char line[1024];
	int status = model && work ? bars_load(model, size) : 1;
	while (status == DGM_EMBED_OK && fgets(line, sizeof line, stdin)) {
		read_row(line, v);
		for (int j = 0; j < HIDDEN; j++)
			h[j] = NAN;
		status = bars_complete(model, 1, 200, 1000, v, h, mean, &random, work, work_size);
		for (int i = 0; i < UNITS && status == DGM_EMBED_OK; i++)
			printf("%.0f%s", (double)v[i], i == UNITS - 1 ? "\n" : ",");
		for (int i = 0; i < UNITS && status == DGM_EMBED_OK; i++)
			printf("%.2f%s", (double)mean[i], i == UNITS - 1 ? "\n" : ",");
	}
	if (status != DGM_EMBED_OK)
		fprintf(stderr, "imputer: status %d\n", status);
	free(model);
	free(work);
	return status != DGM_EMBED_OK;
}
