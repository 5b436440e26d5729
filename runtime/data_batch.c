/* What a training or an evaluation takes from a data set: batches, means, the order of an epoch.
 *
 * Resampled values: unit u of example e at step s is 1 when the uniform of (seed, chain e, step s,
 * unit u) lies below its probability, whatever the batch it is in.
 * Permutation: Fisher-Yates, with 64-bit words of Philox4x32-10 at counter { draw/2 low, high,
 * epoch, stream }, brought to 0..i by the high half of a product (bias below 2^-64 times n). */
#include "cpu.h"
#include "data_work.h"
#include "train.h"
#include <Random123/philox.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BODY "data_body.h"
#include "clones.h"

#define SCRATCH 4096 /* units of an example whose uniforms and bits fit the stack */

typedef void below_bytes_fn(uint8_t *restrict to, const float *restrict u,
                            const uint8_t *restrict p, float scale, int64_t n);
typedef void below_floats_fn(uint8_t *restrict to, const float *restrict u, const float *restrict p,
                             int64_t n);

void dgm_data_draw(uint8_t *to, const uint8_t *u8, float scale, const float *f32, int64_t n,
                   float *u, uint64_t seed, int64_t e, uint32_t step, uint32_t stream)
{
	static below_bytes_fn *const bytes[DGM_CPU_LEVELS] = CLONES(below_bytes);
	static below_floats_fn *const floats[DGM_CPU_LEVELS] = CLONES(below_floats);

	dgm_uniform(u, n, seed, (uint32_t)e, step, stream);
	if (u8)
		bytes[dgm_cpu()](to, u, u8, scale, n);
	else
		floats[dgm_cpu()](to, u, f32, n);
}

/* Bytes 0/1 to bits: bit i of the product's top byte is byte i of 8. */
static void pack(uint64_t *to, const uint8_t *bytes, int64_t n)
{
	for (int64_t w = 0; w < n / 64; w++) {
		uint64_t word = 0;
		for (int k = 0; k < 8; k++) {
			uint64_t eight;
			memcpy(&eight, bytes + w * 64 + k * 8, 8);
			word |= (eight * 0x0102040810204080u) >> 56 << 8 * k;
		}
		to[w] = word;
	}
	if (n % 64) {
		uint64_t word = 0;
		for (int64_t i = n / 64 * 64; i < n; i++)
			word |= (uint64_t)bytes[i] << i % 64;
		to[n / 64] = word;
	}
}

struct scratch {
	float *u; /* items rounded up to 64 */
	uint8_t *b;
};

static void example_bits(const struct dgm_data *d, int64_t e, uint64_t *to, int64_t stride,
                         uint64_t seed, uint32_t step, const struct scratch *s)
{
	int64_t words = (d->items + 63) / 64, at = e * d->items;
	if (d->resampled) {
		dgm_data_draw(s->b, d->u8 ? d->u8 + at : NULL, d->scale, d->f32 ? d->f32 + at : NULL,
		              d->items, s->u, seed, e, step, DGM_STREAM_RESAMPLED);
		pack(to, s->b, d->items);
	} else {
		pack(to, d->u8 + at, d->items);
	}
	if (stride > words)
		memset(to + words, 0, (size_t)(stride - words) * sizeof *to);
}

static void example_floats(const struct dgm_data *d, int64_t e, float *to, int64_t stride,
                           uint64_t seed, uint32_t step, const struct scratch *s)
{
	int64_t n = d->items, at = e * n;
	if (d->resampled) {
		dgm_data_draw(s->b, d->u8 ? d->u8 + at : NULL, d->scale, d->f32 ? d->f32 + at : NULL, n,
		              s->u, seed, e, step, DGM_STREAM_RESAMPLED);
		for (int64_t i = 0; i < n; i++)
			to[i] = s->b[i];
	} else if (d->u8) {
		for (int64_t i = 0; i < n; i++)
			to[i] = (float)d->u8[at + i] * d->scale;
	} else {
		memcpy(to, d->f32 + at, (size_t)n * sizeof *to);
	}
	if (stride > n)
		memset(to + n, 0, (size_t)(stride - n) * sizeof *to);
}

int dgm_data_batch(const struct dgm_data *d, const int64_t *index, int64_t n,
                   const struct dgm_slot *slot, void *buffer, uint64_t seed, uint32_t step)
{
	int64_t items = dgm_slot_items(slot), stride = dgm_item_stride(slot);
	if (items != d->items)
		return dgm_fail(DGM_ESHAPE, "%s: its examples have %" PRId64 " values, %s has %" PRId64,
		                d->name, d->items, slot->name, items);
	if (slot->repr == DGM_BITS && d->domain != DGM_DATA_BINARY)
		return dgm_fail(DGM_EDOMAIN,
		                "%s: its values are not all 0 or 1, and %s is binary: binarize them",
		                d->name, slot->name);
	for (int64_t i = 0; i < n; i++)
		if (index[i] < 0 || index[i] >= d->n)
			return dgm_fail(DGM_ESHAPE, "%s: example %" PRId64 " asked for, there are %" PRId64,
			                d->name, index[i], d->n);
	if (d->drawn)
		return dgm_drawn_batch(d, index, n, slot, buffer, seed, step);

	float u[SCRATCH];
	uint8_t b[SCRATCH];
	struct scratch s = {u, b};
	if (d->resampled && items > SCRATCH) {
		size_t room = (size_t)(items + 63) / 64 * 64;
		s.u = malloc(room * (sizeof *s.u + 1));
		if (!s.u)
			return dgm_fail(DGM_ENOMEM, "%s: not enough memory for a batch", d->name);
		s.b = (uint8_t *)(s.u + room);
	}
	for (int64_t i = 0; i < n; i++)
		if (slot->repr == DGM_BITS)
			example_bits(d, index[i], (uint64_t *)buffer + i * stride, stride, seed, step, &s);
		else
			example_floats(d, index[i], (float *)buffer + i * stride, stride, seed, step, &s);
	if (s.u != u)
		free(s.u);
	return DGM_OK;
}

void dgm_data_known(const struct dgm_data *d, const int64_t *index, int64_t n,
                    const struct dgm_slot *slot, void *buffer)
{
	int64_t stride = dgm_item_stride(slot);
	for (int64_t i = 0; i < n; i++)
		for (int64_t k = 0; k < d->items; k++) {
			bool known = d->missing == NULL || !d->missing[index[i] * d->items + k];
			uint64_t *bits = (uint64_t *)buffer + i * stride + k / 64, bit = (uint64_t)1 << k % 64;
			if (slot->repr != DGM_BITS)
				((float *)buffer)[i * stride + k] = known;
			else
				*bits = known ? *bits | bit : *bits & ~bit;
		}
}

enum { BLOCK = 512 }; /* units whose sums are kept together */

void dgm_data_mean(const struct dgm_data *d, bool smoothed, float *mean)
{
	double n = (double)d->n;
	for (int64_t lo = 0; lo < d->items; lo += BLOCK) {
		int64_t k = d->items - lo < BLOCK ? d->items - lo : BLOCK;
		double sum[BLOCK] = {0};
		uint64_t whole[BLOCK] = {0};
		for (int64_t e = 0; e < d->n; e++) {
			int64_t at = e * d->items + lo;
			for (int64_t i = 0; i < k; i++)
				if (d->u8)
					whole[i] += d->u8[at + i];
				else
					sum[i] += d->f32[at + i];
		}
		for (int64_t i = 0; i < k; i++) {
			double s = d->u8 ? (double)whole[i] * d->scale : sum[i];
			mean[lo + i] = (float)(smoothed ? (s + 1) / (n + 2) : s / n);
		}
	}
}

/* Of k units from lo on.  n^2 times the variance is the whole number n*sum(x^2) - sum(x)^2. */
static void variance_bytes(const struct dgm_data *d, int64_t lo, int64_t k, float *var)
{
	uint64_t sum[BLOCK] = {0}, square[BLOCK] = {0};
	for (int64_t e = 0; e < d->n; e++)
		for (int64_t i = 0; i < k; i++) {
			unsigned x = d->u8[e * d->items + lo + i];
			sum[i] += x;
			square[i] += x * x;
		}
	for (int64_t i = 0; i < k; i++) {
		unsigned __int128 x =
		    (unsigned __int128)d->n * square[i] - (unsigned __int128)sum[i] * sum[i];
		double by = d->scale / (double)d->n;
		var[i] = (float)((double)x * by * by);
	}
}

static void variance_floats(const struct dgm_data *d, int64_t lo, int64_t k, float *var)
{
	double sum[BLOCK] = {0}, square[BLOCK] = {0}, n = (double)d->n;
	for (int64_t e = 0; e < d->n; e++)
		for (int64_t i = 0; i < k; i++)
			sum[i] += d->f32[e * d->items + lo + i];
	for (int64_t e = 0; e < d->n; e++)
		for (int64_t i = 0; i < k; i++) {
			double x = d->f32[e * d->items + lo + i] - sum[i] / n;
			square[i] += x * x;
		}
	for (int64_t i = 0; i < k; i++)
		var[i] = (float)(square[i] / n);
}

void dgm_data_variance(const struct dgm_data *d, float *var)
{
	if (d->resampled)
		dgm_data_mean(d, false, var);
	for (int64_t lo = 0; lo < d->items && !d->resampled; lo += BLOCK) {
		int64_t k = d->items - lo < BLOCK ? d->items - lo : BLOCK;
		if (d->u8)
			variance_bytes(d, lo, k, var + lo);
		else
			variance_floats(d, lo, k, var + lo);
	}
	for (int64_t i = 0; i < d->items; i++)
		var[i] = fmaxf(d->resampled ? var[i] * (1 - var[i]) : var[i], DGM_DATA_VARIANCE_FLOOR);
}

void dgm_permutation(int64_t *index, int64_t n, uint64_t seed, uint32_t epoch)
{
	philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
	philox4x32_ctr_t r = {{0}};
	uint64_t draw = 0;
	for (int64_t i = 0; i < n; i++)
		index[i] = i;
	for (int64_t i = n - 1; i > 0; i--, draw++) {
		if (draw % 2 == 0) {
			philox4x32_ctr_t c = {
			    {(uint32_t)(draw / 2), (uint32_t)(draw >> 33), epoch, DGM_STREAM_PERMUTATION}};
			r = philox4x32(c, key);
		}
		uint64_t word = (uint64_t)r.v[draw % 2 * 2 + 1] << 32 | r.v[draw % 2 * 2];
		int64_t j = (int64_t)((unsigned __int128)word * (uint64_t)(i + 1) >> 64);
		int64_t t = index[i];
		index[i] = index[j];
		index[j] = t;
	}
}
