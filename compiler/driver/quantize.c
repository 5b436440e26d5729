/* Weights of few bits: which parameters are kept so, and their values.
 *
 *     bf16  the nearest float whose last 16 bits are 0
 *     int8  W = s*q, q = -127 .. 127 the nearest to W/s, s = max |W|/127 over what shares an index
 * of the scales' axis
 */
#include "driver/driver.h"
#include "objective/quantize.h"

#include <math.h>
#include <string.h>

static const char *const names[] = {
    [BITS_ALL] = "none", [BITS_BF16] = "bf16", [BITS_INT8] = "int8"};
enum { NAMES = sizeof names / sizeof *names };

enum bits build_bits(const struct options *o)
{
	int k = 0;
	while (o->quantize && k < NAMES - 1 && strcmp(o->quantize, names[k]) != 0)
		k++;
	return (enum bits)k;
}

bool quantize_goes(const struct options *o)
{
	enum bits bits = build_bits(o);
	if (strcmp(o->quantize, names[bits]) != 0) {
		fprintf(stderr, "dgm: --quantize %s: there are none, bf16 and int8\n", o->quantize);
		return false;
	}
	if (bits == BITS_ALL || o->embed_params)
		return true;
	fprintf(
	    stderr,
	    "dgm: --quantize %s needs --embed-params: parameters that are given to `load` are floats\n",
	    o->quantize);
	return false;
}

static float nearest_bf16(float x)
{
	uint32_t bits;
	memcpy(&bits, &x, sizeof bits);
	uint32_t up = bits + 0x7FFF + (bits >> 16 & 1); /* to even */
	bits = (up & 0x7F800000) == 0x7F800000 ? bits & 0xFFFF0000 : up & 0xFFFF0000;
	memcpy(&x, &bits, sizeof x);
	return x;
}

/* x = scale*q; x then holds q. */
static void to_int8(float *x, const struct sym *w, int axis, float *scale)
{
	enum { MOST = 127 };
	int64_t behind = 1, n = sym_items(w), size = w->dim[axis];
	for (int k = axis + 1; k < w->rank; k++)
		behind *= w->dim[k];
	for (int64_t i = 0; i < n; i++)
		scale[i / behind % size] = fmaxf(scale[i / behind % size], fabsf(x[i]) / MOST);
	for (int64_t i = 0; i < n; i++) {
		float s = scale[i / behind % size];
		x[i] = s > 0 ? fminf(fmaxf(rintf(x[i] / s), -MOST), MOST) : 0;
	}
}

static const struct sym *symbol(struct arena *a, const struct sym *w, const char *suffix,
                                enum values values, int rank, const int64_t *dim)
{
	return sym_new(a, arena_printf(a, "%s.%s", w->name, suffix), SYM_PARAM, values, false, rank,
	               dim, w->span);
}

void quantise_object(struct unit *u, const embed_list *offers, struct object *o)
{
	struct arena *a = u->cx.prog;
	bool whole = build_bits(u->opt) == BITS_INT8;
	for (int k = 0, n = o->param.n; k < n; k++) {
		struct entry_param *p = &o->param.at[k], scale;
		const struct sym *w = p->sym;
		int axis = quantised_axis(offers, w);
		if (axis < 0)
			continue;
		float *x = arena_copy(a, p->values, (size_t)sym_items(w) * sizeof *x);
		float *s = NEW_ARRAY(a, float, w->dim[axis]);
		struct quantised q = {.of = w, .axis = axis};
		q.kept = symbol(a, w, build_bits(u->opt) == BITS_INT8 ? "int8" : "bf16",
		                whole ? VALUES_INT8 : VALUES_BF16, w->rank, w->dim);
		for (int64_t i = 0; i < sym_items(w) && !whole; i++)
			x[i] = nearest_bf16(x[i]);
		*p = (struct entry_param){.name = p->name, .sym = q.kept, .values = x};
		if (whole) {
			q.scale = symbol(a, w, "scale", VALUES_REAL, 1, &w->dim[axis]);
			to_int8(x, w, axis, s);
			scale = (struct entry_param){
			    .name = arena_printf(a, "%s.scale", p->name), .sym = q.scale, .values = s};
			vec_push(a, &o->param, scale);
		}
		quantise_programs(offers, &q);
	}
}
