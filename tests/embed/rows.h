/* The rows that large.c and bare.c score: so many ones among the units, at places that repeat nowhere. */
enum { ROWS = 6, UNITS = 784, WORK = 40000 };

static void make_rows(float *v)
{
	uint32_t x = 12345;
	for (int i = 0; i < ROWS * UNITS; i++) {
		x = x * 1664525u + 1013904223u;
		v[i] = x >> 24 < 64u + 16u * (uint32_t)(i / UNITS);
	}
}
