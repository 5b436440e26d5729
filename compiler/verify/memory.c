/* Values of symbols in double, and programs run on them by the reference evaluator. */
#include "verify/verify.h"

#include <string.h>

double *memory_put(struct memory *m, const struct sym *s, int64_t rows)
{
	if (s->id >= m->n) {
		int n = s->id + 256;
		double **at = NEW_ARRAY(m->a, double *, n);
		int64_t *r = NEW_ARRAY(m->a, int64_t, n);
		if (m->n) {
			memcpy(at, m->at, sizeof *at * (size_t)m->n);
			memcpy(r, m->rows, sizeof *r * (size_t)m->n);
		}
		m->at = at;
		m->rows = r;
		m->n = n;
	}
	m->rows[s->id] = rows;
	return m->at[s->id] = NEW_ARRAY(m->a, double, rows *sym_items(s));
}

double *memory_get(const struct memory *m, const struct sym *s)
{
	return s->id < m->n ? m->at[s->id] : NULL;
}

static double load(void *arg, const struct sym *s, int64_t row, const int64_t *at)
{
	struct memory *m = arg;
	const double *x = memory_get(m, s);
	int64_t k = 0;
	m->loads++;
	if (x == NULL)
		BUG("verify: %s is read but has no value", s->name);
	for (int i = 0; i < s->rank; i++)
		k = k * s->dim[i] + at[i];
	if (!s->batched)
		return x[k];
	if (row < 0 || row >= m->rows[s->id])
		BUG("verify: row %lld of %s", (long long)row, s->name);
	return x[row * sym_items(s) + k];
}

static int64_t pop_size(void *arg, int pop)
{
	return ((const struct memory *)arg)->pop[pop];
}

static double draw(void *arg, const struct node *x)
{
	const struct memory *m = arg;
	return m->draw(m->draw_arg, x);
}

double memory_eval(struct memory *m, const struct node *x, const struct binding *b, int nb)
{
	struct env env = {load, m->draw ? draw : NULL, pop_size, m};
	return ex_eval(x, &env, b, nb);
}

int bind_element(const struct sym *s, const struct idx *const *ix, int64_t flat,
                 const struct idx *batch, int64_t row, struct binding *b)
{
	int n = 0;
	for (int i = s->rank - 1; i >= 0; i--) {
		b[n++] = (struct binding){ix[i], flat % s->dim[i]};
		flat /= s->dim[i];
	}
	if (batch)
		b[n++] = (struct binding){batch, row};
	return n;
}

const struct sym *program_symbol(const struct program *p, const char *name)
{
	for (int i = 0; i < p->tensor.n; i++)
		if (strcmp(p->tensor.at[i].sym->name, name) == 0)
			return p->tensor.at[i].sym;
	return NULL;
}

/* All elements see what was there before, in a sequential statement those of a step. */
void memory_stmt(struct memory *m, const struct stmt *s)
{
	int64_t rows = s->batch ? m->pop[s->batch->pop] : 1, items = sym_items(s->dst), step = items;
	double *dst = memory_get(m, s->dst);
	if (dst == NULL)
		dst = memory_put(m, s->dst, rows);
	if (s->sequential) {
		step = 1;
		for (int i = s->dst->rank - s->inner; i < s->dst->rank; i++)
			step *= s->dst->dim[i];
	}
	int64_t part = s->sequential ? step : rows * items;
	double *new = NEW_ARRAY(m->a, double, part);
	for (int64_t first = 0; first < rows * items; first += part) {
		for (int64_t k = 0; k < part; k++) {
			struct binding b[MAX_RANK + 1];
			int nb =
			    bind_element(s->dst, s->at, (first + k) % items, s->batch, (first + k) / items, b);
			m->row = s->dst->batched ? (first + k) / items : 0;
			m->unit = (first + k) % items;
			new[k] = memory_eval(m, s->rhs, b, nb);
		}
		for (int64_t k = 0; k < part; k++)
			dst[first + k] = s->accumulate ? dst[first + k] + new[k] : new[k];
	}
}

bool memory_run(struct memory *m, const struct program *p, const char *function)
{
	const struct function *f = NULL;
	for (int i = 0; i < p->function.n; i++)
		if (strcmp(p->function.at[i]->name, function) == 0)
			f = p->function.at[i];
	for (int i = 0; f && i < f->nstmt; i++)
		memory_stmt(m, &f->stmt[i]);
	return f != NULL;
}
