/* What the functions of objects give for rows made here: a number a line, as text and as bits, to
 * be compared between machines.  Compiled with -DHEADER and -DCALLS, the header of the objects and
 * the calls that calls.awk makes of it. */
#include HEADER

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 3, COUNT = 2, ARRAYS = 64 };

static float *x[ARRAYS];
static void *model, *work;
static struct dgm_random state;
static uint32_t last;
static const char *function;

static double uniform(void) /* the same by check.js */
{
	last = last * 1664525u + 1013904223u;
	return (double)(last >> 8) / 16777216;
}

static void *room_for(void *old, size_t bytes)
{
	void *p = realloc(old, bytes + 1);
	if (!p)
		exit(2);
	return p;
}

/* ---- what the calls are made of: some have no need of all of it ---- */
/* Matrices are of both signs, with sums of the size of 1; what may be a width is positive. */
void param(int k, int items, const char *dims)
{
	int n = 0, size = 1;
	for (const char *s = dims; *s; s++)
		if (s == dims || s[-1] == ' ') {
			size = atoi(s);
			n++;
		}
	x[k] = room_for(x[k], (size_t)items * sizeof(float));
	last = (uint32_t)k;
	for (int i = 0; i < items; i++) {
		double u = uniform();
		x[k][i] = (float)(n < 2 ? 0.1 + 0.4 * u : (4 * u - 2) / sqrt(items / size));
	}
}

const void *table(int n)
{
	(void)n;
	return x;
}

void *block(size_t size)
{
	return model = room_for(model, size);
}

void loaded(int status)
{
	printf("load status %d\n", status);
}

/* kind 0: real, 1: least or 1, 2: whole, 3: in [0, 1] */
void values(int k, int items, int kind, int least)
{
	x[k] = room_for(x[k], (size_t)(ROWS * items) * sizeof(float));
	last = (uint32_t)k;
	for (int i = 0; i < ROWS * items; i++) {
		double u = uniform();
		double of[] = {2 * u - 1, u < 0.5 ? least : 1, floor(4 * u), u};
		x[k][i] = (float)of[kind];
	}
}

static int numbers(const char *s, int *to)
{
	int n = 0;
	char *end;
	for (long v = strtol(s, &end, 10); end != s; v = strtol(s, &end, 10)) {
		to[n++] = (int)v;
		s = end;
	}
	return n;
}

/* In each block the first unit is 1, or the block's number in array `sums`, the others are 0. */
void blocks(int k, int sums, const char *dims, const char *extents)
{
	int dim[8], extent[8], n = numbers(dims, dim), items = 1, blocked = 1;
	numbers(extents, extent);
	for (int a = 0; a < n; a++) {
		items *= dim[a];
		blocked *= dim[a] / extent[a];
	}
	for (int i = 0; i < ROWS * items; i++) {
		int rest = i % items, number = 0, stride = 1, first = 1;
		for (int a = n - 1; a >= 0; a--) {
			int at = rest % dim[a];
			rest /= dim[a];
			first &= at % extent[a] == 0;
			number += at / extent[a] * stride;
			stride *= dim[a] / extent[a];
		}
		x[k][i] = !first ? 0 : sums < 0 ? 1 : x[sums][i / items * blocked + number];
	}
}

void unknown(int k, int items, int whole)
{
	for (int i = 0; i < ROWS * items; i++)
		if (whole ? i / items % 2 : i % 2)
			x[k][i] = NAN;
}

struct dgm_random *chance(void)
{
	state.seed = 5;
	state.step = 0;
	return &state;
}

void *room(size_t size)
{
	return work = room_for(work, size);
}

void begins(const char *name, int status)
{
	function = name;
	printf("%s status %d\n", name, status);
}

void tell(const char *what, int k, int items)
{
	for (int i = 0; i < ROWS * items; i++) {
		uint32_t bits;
		memcpy(&bits, &x[k][i], sizeof bits);
		printf("%s.%s %.6g %08lx\n", function, what, (double)x[k][i], (unsigned long)bits);
	}
}

int main(void)
{
#include CALLS
	return 0;
}
