/* A slow interpreter of programs and of plans, in doubles, to compare the two.
 *
 * A program is evaluated statement by statement with ex_eval.  A plan is evaluated region by
 * region, the chunks of a region in reverse order, every chunk all kernels on its rows: a plan that
 * breaks the partition invariant gives other numbers.  Draws are a function of stream, row and
 * unit. */
#ifndef PLAN_INTERP_H
#define PLAN_INTERP_H
#include "plan/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SYMS = 512, INTERP_ROWS = 3, CHUNKS = 4 };

struct memory {
	const struct program *prog;
	const struct sym *sym[MAX_SYMS];
	double *at[MAX_SYMS];
	int n;
	int64_t pop_rows[8];
	double (*draw)(const struct memory *m, const struct node *draw); /* NULL: a hash */
	double (*eval)(struct memory *m, const struct node *x, const struct binding *b, int nb); /* NULL: values */
	struct memory *of; /* what eval reads besides */
	bool batched;
	int64_t row, unit; /* of the element being computed, for draws */
};

static inline int64_t items_of(const struct sym *s)
{
	int64_t n = 1;
	for (int i = 0; i < s->rank; i++)
		n *= s->dim[i];
	return n;
}

static inline double *values_at(struct memory *m, const struct sym *s)
{
	for (int i = 0; i < m->n; i++)
		if (m->sym[i] == s)
			return m->at[i];
	if (m->n == MAX_SYMS)
		abort();
	m->sym[m->n] = s;
	m->at[m->n] = calloc((size_t)(items_of(s) * 16), sizeof(double));
	for (int64_t i = 0; i < items_of(s) * 16; i++)
		m->at[m->n][i] = NAN; /* what is read before it is written shows */
	return m->at[m->n++];
}

static inline void memory_free(struct memory *m)
{
	for (int i = 0; i < m->n; i++)
		free(m->at[i]);
}

static double interp_load(void *arg, const struct sym *s, int64_t row, const int64_t *at)
{
	int64_t k = 0;
	for (int i = 0; i < s->rank; i++) {
		if (at[i] < 0 || at[i] >= s->dim[i])
			abort();
		k = k * s->dim[i] + at[i];
	}
	return values_at(arg, s)[(s->batched ? row * items_of(s) : 0) + k];
}

static double interp_draw(void *arg, const struct node *draw)
{
	const struct memory *m = arg;
	if (m->draw)
		return m->draw(m, draw);
	uint64_t x = (uint64_t)draw->num * 7919u + (uint64_t)m->row * 104729u +
	             (uint64_t)m->unit * 1299709u + 17u;
	x ^= x >> 31;
	x *= 0x9E3779B97F4A7C15u;
	x ^= x >> 29;
	return ((double)(x >> 11) + 0.5) / 9007199254740992.0;
}

static int64_t interp_pop(void *arg, int pop)
{
	const struct memory *m = arg;
	return m->pop_rows[pop];
}

static inline int64_t axis_size(const struct memory *m, const struct idx *i)
{
	return i->pop >= 0 ? m->prog->most.at[i->pop] : i->size;
}

/* Is the element of a tensor with the axes at[] one of rows that populations have now? */
static inline bool is_there(const struct memory *m, const struct idx *const *at, int rank,
                            int64_t unit)
{
	for (int i = rank - 1; i >= 0; i--) {
		if (at[i]->pop >= 0 && unit % axis_size(m, at[i]) >= m->pop_rows[at[i]->pop])
			return false;
		unit /= axis_size(m, at[i]);
	}
	return true;
}

/* The value of rhs at element (row, unit) of a tensor with the axes at[]. */
static inline double interp_element(struct memory *m, const struct node *rhs,
                                    const struct idx *batch, const struct idx *const *at, int rank,
                                    int64_t row, int64_t unit)
{
	struct env env = {interp_load, interp_draw, interp_pop, m};
	struct binding b[MAX_RANK + 1] = {0};
	int nb = 0;
	int64_t rest = unit;
	for (int i = rank - 1; i >= 0; i--) {
		b[nb++] = (struct binding){at[i], rest % axis_size(m, at[i])};
		rest /= axis_size(m, at[i]);
	}
	if (batch)
		b[nb++] = (struct binding){batch, row};
	m->row = row;
	m->unit = unit;
	m->batched = batch != NULL;
	return m->eval ? m->eval(m, rhs, b, nb) : ex_eval(rhs, &env, b, nb);
}

/* The elements of a store behind its first `outer` axes, at step number `at` of a row. */
static inline void run_step(struct memory *m, const struct store *s, const struct idx *batch, int outer,
                            int64_t row, int64_t at)
{
	int64_t step = 1;
	for (int i = outer; i < s->dst->rank; i++)
		step *= s->dst->dim[i];
	double *new = malloc((size_t)step * sizeof *new);
	double *to = values_at(m, s->dst) + row * items_of(s->dst) + at * step;
	for (int64_t u = 0; u < step; u++)
		new[u] = interp_element(m, s->rhs, batch, s->at, s->dst->rank, row, at * step + u);
	for (int64_t u = 0; u < step; u++)
		to[u] = s->accumulate ? to[u] + new[u] : new[u];
	free(new);
}

/* Step after step, in each the stores one after the other, from what was stored before. */
static inline void run_in_turn(struct memory *m, const struct store *store, int nstore,
                               const struct idx *batch, int inner, int64_t lo, int64_t hi)
{
	const struct sym *dst = store[nstore - 1].dst;
	int64_t steps = 1;
	for (int i = 0; i < dst->rank - inner; i++)
		steps *= dst->dim[i];
	for (int64_t r = lo; r < hi; r++)
		for (int64_t at = 0; at < steps; at++)
			for (int s = 0; s < nstore; s++)
				run_step(m, &store[s], batch, dst->rank - inner, r, at);
}

static inline void run_stmt(struct memory *m, const struct stmt *s)
{
	if (s->sequential) {
		struct store store = {.dst = s->dst, .accumulate = s->accumulate, .rhs = s->rhs};
		for (int k = 0; k < s->dst->rank; k++)
			store.at[k] = s->at[k];
		run_in_turn(m, &store, 1, s->batch, s->inner, 0, m->pop_rows[s->batch->pop]);
		return;
	}
	int64_t items = items_of(s->dst), rows = s->batch ? m->pop_rows[s->batch->pop] : 1;
	double *dst = values_at(m, s->dst), *new = calloc((size_t)(items * rows), sizeof *new);
	for (int64_t r = 0; r < rows; r++)
		for (int64_t u = 0; u < items; u++)
			if (is_there(m, s->at, s->dst->rank, u))
				new[r * items + u] = interp_element(m, s->rhs, s->batch, s->at, s->dst->rank, r, u);
	for (int64_t i = 0; i < rows * items; i++)
		dst[i] = s->accumulate ? dst[i] + new[i] : new[i];
	free(new);
}

static inline void run_program(struct memory *m, const struct program *p)
{
	for (int f = 0; f < p->function.n; f++)
		for (int s = 0; s < p->function.at[f]->nstmt; s++)
			run_stmt(m, &p->function.at[f]->stmt[s]);
}

static inline int64_t extent_rows(const struct memory *m, struct extent e)
{
	return e.pop >= 0 ? m->pop_rows[e.pop] : e.size;
}

static inline void run_loop(struct memory *m, const struct kernel *k, int64_t chunk, int64_t nchunk)
{
	int64_t rows = k->batch ? m->pop_rows[k->batch->pop] : k->rank ? k->at[0]->size : 1, units = 1;
	for (int i = k->batch ? 0 : 1; i < k->rank; i++)
		units *= axis_size(m, k->at[i]);
	if (k->sequential) {
		run_in_turn(m, k->store, k->nstore, k->batch, k->inner, rows * chunk / nchunk,
		            rows * (chunk + 1) / nchunk);
		return;
	}
	for (int64_t r = rows * chunk / nchunk; r < rows * (chunk + 1) / nchunk; r++)
		for (int64_t u = 0; u < units; u++)
			for (int s = 0; s < k->nstore && (!k->batch || is_there(m, k->at, k->rank, u)); s++) {
				int64_t row = k->batch ? r : 0, unit = k->batch ? u : r * units + u;
				double x = interp_element(m, k->store[s].rhs, k->batch, k->at, k->rank, row, unit);
				double *dst = values_at(m, k->store[s].dst) +
				              (k->batch ? r * items_of(k->store[s].dst) : 0) + unit;
				*dst = k->store[s].accumulate ? *dst + x : x;
			}
}

/* A place in a kernel of steps: a row, its own axes as one number, a step. */
struct at_step {
	const struct kernel *k;
	int64_t row, outer, d;
};

static inline int64_t outer_places(const struct kernel *k)
{
	int64_t n = 1;
	for (int i = 0; i < k->nouter; i++)
		n *= k->outer[i]->size;
	return n;
}

/* The value of x here and at the element `unit` of a tensor with the axes at[]; NAN where that is not
 * of this place. */
static inline double step_element(struct memory *m, struct at_step p, const struct node *x,
                                  const struct idx *const *at, int rank, int64_t unit)
{
	struct env env = {interp_load, interp_draw, interp_pop, m};
	struct binding b[2 * MAX_RANK + 2] = {{p.k->batch, p.row}, {p.k->scan, p.d}};
	int64_t rest = p.outer;
	int n = 2;
	for (int i = p.k->nouter - 1; i >= 0; i--) {
		b[n++] = (struct binding){p.k->outer[i], rest % p.k->outer[i]->size};
		rest /= p.k->outer[i]->size;
	}
	int own = n;
	rest = unit;
	for (int i = rank - 1; i >= 0; i--) {
		b[n++] = (struct binding){at[i], rest % at[i]->size};
		for (int j = 0; j < own; j++)
			if (b[j].idx == at[i] && b[j].value != rest % at[i]->size)
				return NAN;
		rest /= at[i]->size;
	}
	return ex_eval(x, &env, b, n);
}

static inline void run_stores(struct memory *m, struct at_step p, bool before)
{
	for (int i = 0; i < p.k->nstore; i++) {
		const struct store *s = &p.k->store[i];
		int64_t n = items_of(s->dst);
		double *to = values_at(m, s->dst) + p.row * n;
		if (s->before != before || (s->when && step_element(m, p, s->when, NULL, 0, 0) == 0))
			continue;
		for (int64_t u = 0; u < n; u++) {
			double x = step_element(m, p, s->rhs, s->at, s->dst->rank, u);
			if (!isnan(x))
				to[u] = s->accumulate ? to[u] + x : x;
		}
	}
}

static inline void run_steps(struct memory *m, const struct kernel *k, int64_t lo, int64_t hi)
{
	for (int64_t r = lo; r < hi; r++)
		for (int64_t o = 0; o < outer_places(k); o++) {
			run_stores(m, (struct at_step){k, r, o, -1}, true);
			for (int64_t t = 0; t < k->scan->size; t++)
				run_stores(m, (struct at_step){k, r, o, k->down ? k->scan->size - 1 - t : t}, false);
		}
}

static inline void run_carry(struct memory *m, struct at_step p, const struct carry *c, int64_t lane)
{
	const struct kernel *k = p.k;
	const struct idx *at[] = {k->scan, k->lane};
	double sum = 0, *to = values_at(m, c->sym);
	for (int64_t t = 0; t < k->scan->size; t++) {
		int64_t d = c->down ? k->scan->size - 1 - t : t, u = d * k->lane->size + lane;
		p.d = d;
		double x = step_element(m, p, c->term, at, 2, u);
		if (c->when && step_element(m, p, c->when, NULL, 0, 0) == 0 && x != 0)
			abort();
		to[u] = c->own ? sum + x : sum;
		sum += x;
	}
}

static inline void run_scan(struct memory *m, const struct kernel *k, int64_t lo, int64_t hi)
{
	const struct idx *at[] = {k->scan, k->lane};
	int64_t D = k->scan->size, H = k->lane->size, rows = m->pop_rows[k->batch->pop];
	for (int i = 0; i < k->nstore; i++)
		for (int64_t u = 0; u < items_of(k->store[i].dst); u++)
			if (u % H >= lo && u % H < hi)
				values_at(m, k->store[i].dst)[u] = 0;
	for (int64_t r = 0; r < rows * outer_places(k); r++)
		for (int64_t j = lo; j < hi; j++) {
			struct at_step p = {k, r / outer_places(k), r % outer_places(k), 0};
			for (int nested = 0; nested < 2; nested++) {
				for (int c = 0; c < k->ncarry; c++)
					if (k->carry[c].nested == nested)
						run_carry(m, p, &k->carry[c], j);
				for (p.d = 0; p.d < D && !nested; p.d++)
					for (int c = 0; c < k->nkept; c++)
						values_at(m, k->kept[c].sym)[p.d * H + j] =
						    step_element(m, p, k->kept[c].rhs, at, 2, p.d * H + j);
			}
			for (int i = 0; i < k->nstore; i++)
				for (p.d = 0; p.d < D; p.d++) {
					for (int64_t u = j; u < items_of(k->store[i].dst); u += H) {
						double x = step_element(m, p, k->store[i].rhs, k->store[i].at,
						                        k->store[i].dst->rank, u);
						values_at(m, k->store[i].dst)[u] += isnan(x) ? 0 : x;
					}
				}
		}
}

/* Element [first, second] of an operand stored with leading dimension ld; `row`: whose item, if it has one for each. */
static inline double *operand_at(struct memory *m, const struct sym *s, int64_t ld, int64_t row, int64_t first,
                                 int64_t second)
{
	return values_at(m, s) + (s->batched ? row * items_of(s) : 0) + first * (ld < 0 ? items_of(s) : ld) + second;
}

static inline bool in_cut(struct cut c, int64_t row, int64_t column)
{
	return c.row * row + c.column * column + c.constant >= 0;
}

/* Rows lo..hi of C, with the items of this row. */
static inline void run_product(struct memory *m, const struct plan *p, const struct matmul_op *mm, int64_t row,
                               int64_t lo, int64_t hi, bool accumulate)
{
	int64_t cols = extent_rows(m, mm->n), depth = extent_rows(m, mm->k);
	const struct slot *b = &p->slot.at[mm->b];
	double alpha = mm->alpha ? interp_element(m, mm->alpha, NULL, NULL, 0, 0, 0) : 1;
	for (int64_t r = lo; r < hi; r++)
		for (int64_t c = 0; c < cols; c++) {
			double sum = 0;
			for (int64_t k = 0; k < depth; k++) {
				double x = *operand_at(m, p->slot.at[mm->a].sym, mm->lda, row, mm->ta ? k : r,
				                       mm->ta ? r : k),
				       y;
				if (b->pack) {
					const struct sym *param = p->slot.at[b->pack_of].sym;
					y = b->pack_transposed ? *operand_at(m, param, b->pack_k, 0, c, k)
					                       : *operand_at(m, param, b->pack_n, 0, k, c);
				} else
					y = *operand_at(m, b->sym, mm->ldb, row, mm->tb ? c : k, mm->tb ? k : c);
				sum += in_cut(mm->b_cut, k, c) ? x * y : 0;
			}
			double *dst = operand_at(m, p->slot.at[mm->c].sym, mm->ldc, row, r, c);
			*dst = in_cut(mm->c_cut, r, c) ? alpha * sum + (accumulate ? *dst : 0) : 0;
		}
}

static inline void run_matmul(struct memory *m, const struct plan *p, const struct matmul_op *mm,
                              int64_t chunk, int64_t nchunk)
{
	int64_t all = mm->row ? m->pop_rows[mm->row->pop] : 1, rows = extent_rows(m, mm->m);
	bool split = mm->row && !mm->sum; /* the rows of the population */
	for (int64_t r = split ? all * chunk / nchunk : 0; r < (split ? all * (chunk + 1) / nchunk : all); r++)
		run_product(m, p, mm, r, split ? 0 : rows * chunk / nchunk, split ? rows : rows * (chunk + 1) / nchunk,
		            mm->accumulate || (mm->sum && r));
}

static inline void run_plan(struct memory *m, const struct plan *p)
{
	for (int f = 0; f < p->function.n; f++)
		for (int r = 0; r < p->function.at[f]->region.n; r++) {
			const struct region *reg = p->function.at[f]->region.at[r];
			for (int64_t c = CHUNKS - 1; c >= 0; c--)
				for (int k = 0; k < reg->kernel.n; k++) {
					const struct kernel *kernel = reg->kernel.at[k];
					if (kernel->kind == KERNEL_LOOP)
						run_loop(m, kernel, c, CHUNKS);
					else if (kernel->kind == KERNEL_MATMUL)
						run_matmul(m, p, &kernel->mm, c, CHUNKS);
					else if (kernel->kind == KERNEL_STEPS)
						run_steps(m, kernel, m->pop_rows[kernel->batch->pop] * c / CHUNKS,
						          m->pop_rows[kernel->batch->pop] * (c + 1) / CHUNKS);
					else if (kernel->kind == KERNEL_SCAN)
						run_scan(m, kernel, kernel->lane->size * c / CHUNKS,
						         kernel->lane->size * (c + 1) / CHUNKS);
				}
		}
}

#endif
