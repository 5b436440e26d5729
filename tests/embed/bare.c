/* large.o on a Cortex-M without an operating system or a library: the free energies of the rows
 * that large.c has too, as text, and the stack that the function took.  The two calls of the system
 * stand for what a board's own code does with the numbers. */
#include "large.h"

#include "rows.h"

enum { PAINTED = 16384, PAINT = 0x5A, WRITE = 4, EXIT = 1 };

void *memset(void *to, int value, size_t n)
{
	for (volatile unsigned char *p = to; n--; p++)
		*p = (unsigned char)value;
	return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
	volatile unsigned char *p = to;
	for (const unsigned char *q = from; n--; p++, q++)
		*p = *q;
	return to;
}

static long system_call(long number, long a, long b, long c)
{
	register long r0 __asm__("r0") = a, r1 __asm__("r1") = b, r2 __asm__("r2") = c;
	register long r7 __asm__("r7") = number;
	__asm__ volatile("svc 0" : "+r"(r0) : "r"(r1), "r"(r2), "r"(r7) : "memory");
	return r0;
}

static void print(const char *text, unsigned long n, unsigned base, int digits, const char *end)
{
	char line[32];
	int at = sizeof line;
	for (; digits > 0 || n; digits--, n /= base)
		line[--at] = "0123456789abcdef"[n % base];
	while (*text)
		system_call(WRITE, 1, (long)text++, 1);
	system_call(WRITE, 1, (long)(line + at), (long)sizeof line - at);
	while (*end)
		system_call(WRITE, 1, (long)end++, 1);
}

/* Its bits, then the number. */
static void print_float(float x)
{
	uint32_t bits;
	float size = x < 0 ? -x : x;
	unsigned long whole = (unsigned long)size;
	memcpy(&bits, &x, sizeof bits);
	print("", bits, 16, 1, x < 0 ? " -" : " ");
	print("", whole, 10, 1, "");
	print(".", (unsigned long)((size - (float)whole) * 1e6f), 10, 6, "\n");
}

static unsigned char *stack_pointer(void)
{
	unsigned char *sp;
	__asm__ volatile("mov %0, sp" : "=r"(sp));
	return sp;
}

static float v[ROWS * UNITS], out[ROWS];
static unsigned char work[WORK];

__attribute__((noinline)) static int score(void)
{
	return large_free_energy(NULL, ROWS, v, out, work, sizeof work);
}

void _start(void)
{
	unsigned char *top = stack_pointer();
	volatile unsigned char *p = top - PAINTED;
	unsigned long used = PAINTED;
	make_rows(v);
	while (p < top)
		*p++ = PAINT;
	int status = large_free_energy_work(ROWS) <= sizeof work ? score() : 1;
	for (p = top - PAINTED; p < top && *p == PAINT; p++)
		used--;
	for (int i = 0; i < ROWS; i++)
		print_float(out[i]);
	print("stack ", used, 10, 1, "\n");
	system_call(EXIT, status, 0, 0);
}
