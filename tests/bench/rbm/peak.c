/* The single-precision multiply-add rate of this machine, as JSON lines {"peak_gflops", "threads"}:
 * usage: peak THREADS.  Twelve independent chains of fused multiply-add in registers on each
 * thread, the best of 20 runs of about 5 ms.  Compile with -O3 -march=native
 * -mprefer-vector-width=512. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#if defined(__AVX512F__)
enum { LANES = 16 };
#elif defined(__AVX__)
enum { LANES = 8 };
#else
enum { LANES = 4 };
#endif
#if defined(__x86_64__)
#define REGISTER "v"
#else
#define REGISTER "w"
#endif
enum { CHAINS = 12, STEPS = 1 << 20, RUNS = 20, MAX_THREADS = 256 };
typedef float vec __attribute__((vector_size(LANES * sizeof(float))));

static pthread_barrier_t barrier;

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Returns the flops of one run. */
static double run(vec *out)
{
	vec a[CHAINS], x = (vec){0} + 0.999f, y = (vec){0} + 1e-3f;

	for (int c = 0; c < CHAINS; c++)
		a[c] = (vec){0} + (float)c;
	for (int i = 0; i < STEPS; i++)
#pragma GCC unroll 12
		for (int c = 0; c < CHAINS; c++) {
			a[c] = a[c] * x + y;
			__asm__("" : "+" REGISTER(a[c])); /* no rearrangement of the chain */
		}
	*out = a[0];
	for (int c = 1; c < CHAINS; c++)
		*out += a[c];
	return 2.0 * LANES * CHAINS * STEPS;
}

static void *worker(void *arg)
{
	double *flops_per_second = arg, best = 0;
	vec out;

	for (int i = 0; i < RUNS; i++) {
		double start, flops;

		pthread_barrier_wait(&barrier);
		start = seconds();
		flops = run(&out);
		flops /= seconds() - start;
		best = flops > best ? flops : best;
	}
	*flops_per_second = best + 0 * (double)out[0];
	return NULL;
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 1;
	pthread_t thread[MAX_THREADS];
	double rate[MAX_THREADS], sum = 0;

	if (n < 1 || n > MAX_THREADS)
		return 1;
	pthread_barrier_init(&barrier, NULL, (unsigned)n);
	for (int i = 0; i < n; i++)
		pthread_create(&thread[i], NULL, worker, &rate[i]);
	for (int i = 0; i < n; i++) {
		pthread_join(thread[i], NULL);
		sum += rate[i];
	}
	printf("{\"peak_gflops\": %.1f, \"threads\": %d}\n", sum / 1e9, n);
	return 0;
}
