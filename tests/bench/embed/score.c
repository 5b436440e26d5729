/* Free energies of binarised pictures by the embedded RBM: microseconds an example, at several
 * batch sizes, median of runs. Call: score PICTURES PARAMS, as data.py makes them */
#include "rbm.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { N = 10000, D = 784, H = 500, RUNS = 3 };

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *read_floats(const char *path, size_t n)
{
	float *x = malloc(n * sizeof *x);
	FILE *f = fopen(path, "rb");
	if (!x || !f || fread(x, sizeof *x, n, f) != n) {
		fprintf(stderr, "score: %s cannot be read\n", path);
		exit(1);
	}
	fclose(f);
	return x;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static const size_t batches[] = {1, 10, 100, 1000};
	if (argc != 3)
		return 2;
	float *v = read_floats(argv[1], (size_t)N * D), *p = read_floats(argv[2], D * H + D + H);
	float *out = malloc(N * sizeof *out);
	struct rbm_params params = {p, p + D * H, p + D * H + D};
	size_t size = rbm_size();
	void *model = malloc(size);
	if (!out || rbm_load(model, size, &params) != DGM_EMBED_OK)
		return 1;
	for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
		size_t rows = batches[b], work_size = rbm_free_energy_work(rows);
		void *work = malloc(work_size);
		double t[RUNS], sum = 0;
		for (int r = 0; r < RUNS; r++) {
			double start = now();
			for (size_t i = 0; i < N; i += rows)
				if (rbm_free_energy(model, rows, v + i * D, out + i, work, work_size) !=
				    DGM_EMBED_OK)
					return 1;
			t[r] = now() - start;
		}
		qsort(t, RUNS, sizeof *t, by_size);
		for (int i = 0; i < N; i++)
			sum += (double)out[i];
		printf("dgm batch %4zu: %8.2f us an example, mean free energy %.4f\n", rows,
		       1e6 * t[RUNS / 2] / N, sum / N);
		free(work);
	}
	free(model);
	free(v);
	free(p);
	free(out);
	return 0;
}
