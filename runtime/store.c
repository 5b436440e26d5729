/* Buffers of a compiled module: sizes and strides of its slots, and one block that holds them all.
 *
 * The block is [ parameters | gradients | the rest ].  Parameters lie one behind the other, each
 * padded to 16 floats; the gradient of a parameter lies at the same offset in the gradient part,
 * so that an optimiser sees two flat vectors of nparam floats.  Padding is zero and stays zero:
 * kernels write the elements of a slot only.  Every buffer starts on 64 bytes and is followed by at
 * least 64 more bytes of the block. */
#include "dgm_rt.h"

#include <stdlib.h>
#include <string.h>

enum { LINE = 64, FLOATS = LINE / 4, WORDS = LINE / 8 };

static int64_t round_up(int64_t n, int64_t to)
{
	return (n + to - 1) / to * to;
}

int dgm_slot_find(const struct dgm_module *m, const char *name)
{
	for (int i = 0; i < m->nslot; i++)
		if (!strcmp(m->slot[i].name, name))
			return i;
	return -1;
}

const struct dgm_function *dgm_function_find(const struct dgm_module *m, const char *name)
{
	for (int i = 0; i < m->nfunction; i++)
		if (!strcmp(m->function[i].name, name))
			return &m->function[i];
	return NULL;
}

int64_t dgm_slot_items(const struct dgm_slot *s)
{
	int64_t n = 1;

	for (int i = 0; i < s->rank; i++)
		n *= s->dim[i];
	return n;
}

int64_t dgm_item_stride(const struct dgm_slot *s)
{
	int64_t n = dgm_slot_items(s);

	if (s->repr == DGM_BITS)
		return round_up((n + 63) / 64, WORDS);
	return s->rank == 0 ? 1 : round_up(n, FLOATS);
}

/* Bytes of a slot, a multiple of LINE, without the readable ones behind; -1: too many. */
static int64_t slot_bytes(const struct dgm_slot *s, const int64_t *capacity)
{
	int64_t rows = s->pop >= 0 ? capacity[s->pop] : 1;
	int64_t unit = s->repr == DGM_BITS ? 8 : 4, bytes;

	if (s->space == DGM_PACK)
		return round_up(s->floats * 4, LINE);
	if (__builtin_mul_overflow(dgm_item_stride(s) * unit, rows, &bytes) || bytes > INT64_MAX / 4)
		return -1;
	return round_up(bytes, LINE);
}

/* The slot whose place in its part decides that of slot i: gradients lie where their parameters do.
 */
static bool is_flat(const struct dgm_slot *s)
{
	return s->space == DGM_PARAM || (s->space == DGM_GRAD && s->param >= 0);
}

int64_t dgm_store_place(const struct dgm_module *m, const int64_t *capacity, void *at, void **slot,
                        int64_t *nparam)
{
	char *block = at;
	int64_t params = 0, total;

	for (int i = 0; i < m->nslot; i++)
		if (m->slot[i].space == DGM_PARAM) {
			if (slot)
				slot[i] = block + params;
			params += slot_bytes(&m->slot[i], capacity);
		}
	total = 2 * params + 2 * LINE; /* the readable bytes behind each part */
	for (int i = 0; i < m->nslot; i++) {
		int64_t bytes = slot_bytes(&m->slot[i], capacity);

		if (slot && is_flat(&m->slot[i]) && m->slot[i].space == DGM_GRAD)
			slot[i] = (char *)slot[m->slot[i].param] + params + LINE;
		if (is_flat(&m->slot[i]))
			continue;
		if (slot)
			slot[i] = block + total;
		if (bytes < 0 || __builtin_add_overflow(total, bytes + LINE, &total))
			return -1;
	}
	*nparam = params / (int64_t)sizeof(float);
	return total;
}

static bool too_many(const struct dgm_module *m, const int64_t *capacity)
{
	for (int p = 0; m->pop_most && p < m->npop; p++)
		if (m->pop_most[p] && capacity[p] > m->pop_most[p]) {
			dgm_fail(DGM_ESHAPE, "%s: %lld rows of %s, made for at most %lld", m->model,
			         (long long)capacity[p], m->pop_name[p], (long long)m->pop_most[p]);
			return true;
		}
	return false;
}

struct dgm_store *dgm_store_new(const struct dgm_module *m, const int64_t *pop_capacity)
{
	struct dgm_store *s;
	int64_t total;

	if (too_many(m, pop_capacity))
		return NULL;
	s = calloc(1, sizeof *s);
	if (!s || !(s->slot = calloc((size_t)m->nslot + 1, sizeof *s->slot)))
		goto fail;
	for (int i = 0; i < m->npop && i < DGM_MAX_POP; i++)
		s->pop_capacity[i] = pop_capacity ? pop_capacity[i] : 0;
	total = dgm_store_place(m, s->pop_capacity, NULL, NULL, &s->nparam);
	if (total < 0 || posix_memalign(&s->block, LINE, (size_t)total))
		goto fail;
	memset(s->block, 0, (size_t)total);
	dgm_store_on(s, m, s->block, s->slot);
	return s;
fail:
	dgm_store_free(s);
	dgm_fail(DGM_ENOMEM, "not enough memory for the buffers of model %s", m->model);
	return NULL;
}

void dgm_store_on(struct dgm_store *s, const struct dgm_module *m, void *block, void **slot)
{
	s->mod = m;
	s->slot = slot;
	dgm_store_place(m, s->pop_capacity, block, slot, &s->nparam);
	s->params = block;
	s->grads = s->params + s->nparam + LINE / (int64_t)sizeof(float);
}

void dgm_store_free(struct dgm_store *s)
{
	if (!s)
		return;
	free(s->block);
	free(s->slot);
	free(s);
}

struct dgm_call dgm_call_on(const struct dgm_store *s, uint64_t seed)
{
	struct dgm_call call = {.slot = s->slot, .seed = seed};

	memcpy(call.pop, s->pop_capacity, sizeof call.pop);
	return call;
}
