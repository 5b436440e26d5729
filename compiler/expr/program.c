/* program: construction and printing of programs, the level between objectives and plan.
 *
 * Invariant: a symbol stands in the tensor table once; a batched symbol has a population of the
 * program, any other has pop -1; every statement's dst is in the table and its left side has one
 * index an axis, of the axis's size, all different; what is assigned in turn is batched and reads
 * of itself its own row. */
#include "expr/program.h"

#include <string.h>

struct program *program_new(struct arena *a, const char *model)
{
	struct program *p = NEW(a, struct program);
	p->a = a;
	p->model = model;
	return p;
}

int program_pop(struct program *p, const char *name)
{
	int64_t unknown = 0;
	vec_push(p->a, &p->pop, name);
	vec_push(p->a, &p->most, unknown);
	return p->pop.n - 1;
}

void program_pop_most(struct program *p, int pop, int64_t most)
{
	p->most.at[pop] = most;
}

/* Does index i run over an axis of this size? */
static bool runs_over(const struct program *p, const struct idx *i, int64_t size)
{
	return i && (i->pop >= 0 ? p->most.at[i->pop] : i->size) == size;
}

void program_tensor(struct program *p, const struct sym *s, enum space space, int pop,
                    const struct sym *param)
{
	if (s->batched ? pop < 0 || pop >= p->pop.n : pop != -1)
		BUG("program: %s in population %d of %d", s->name, pop, p->pop.n);
	if ((space == SPACE_GRAD) != (param != NULL))
		BUG("program: %s: a gradient, and only that, has a parameter", s->name);
	const struct tensor *old = program_find(p, s);
	if (old) {
		if (old->space != space || old->pop != pop || old->param != param)
			BUG("program: %s declared twice, differently", s->name);
		return;
	}
	vec_push(p->a, &p->tensor,
	         ((struct tensor){.sym = s, .space = space, .pop = pop, .param = param}));
}

const struct tensor *program_find(const struct program *p, const struct sym *s)
{
	for (int i = 0; i < p->tensor.n; i++)
		if (p->tensor.at[i].sym == s)
			return &p->tensor.at[i];
	return NULL;
}

struct function *program_function(struct program *p, const char *name)
{
	for (int i = 0; i < p->function.n; i++)
		if (strcmp(p->function.at[i]->name, name) == 0)
			return p->function.at[i];
	struct function *f = NEW(p->a, struct function);
	f->name = name;
	vec_push(p->a, &p->function, f);
	return f;
}

/* Does x read of what s writes its own row only? */
static bool own_rows(const struct node *x, const struct stmt *s)
{
	if (x->kind == N_ACCESS && x->sym == s->dst && x->batch != s->batch)
		return false;
	for (int i = 0; i < x->nkid; i++)
		if (!own_rows(x->kid[i], s))
			return false;
	return true;
}

static void stmt_check(const struct program *p, const struct stmt *s)
{
	const struct tensor *t = program_find(p, s->dst);
	if (!t)
		BUG("program: statement writes %s, which is no tensor of the program", s->dst->name);
	if (t->pop >= 0 ? !s->batch || s->batch->pop != t->pop : s->batch != NULL)
		BUG("program: %s written over the wrong rows", s->dst->name);
	if (s->sequential && (!s->batch || s->inner < 0 || s->inner > s->dst->rank))
		BUG("program: %s is not assigned in turn: it has no rows, or not the axes", s->dst->name);
	if (s->sequential && !own_rows(s->rhs, s))
		BUG("program: %s in turn reads other rows than its own", s->dst->name);
	for (int i = 0; i < s->dst->rank; i++) {
		if (!runs_over(p, s->at[i], s->dst->dim[i]) || (s->at[i]->pop >= 0 && (i || !s->batch)))
			BUG("program: index %d of %s does not run over its axis", i, s->dst->name);
		for (int j = 0; j < i; j++)
			if (s->at[j] == s->at[i])
				BUG("program: %s written along a diagonal", s->dst->name);
	}
}

void program_stmt(struct program *p, struct function *f, struct stmt s)
{
	stmt_check(p, &s);
	f->stmt = vec_grow(p->a, f->stmt, f->nstmt, &f->cap, sizeof *f->stmt);
	f->stmt[f->nstmt++] = s;
}

static bool among(const struct sym *s, const struct sym *const *list, int n)
{
	for (int i = 0; i < n; i++)
		if (list[i] == s)
			return true;
	return false;
}

void program_without(struct program *p, const struct function *f, const char *name,
                     const struct sym *const *grad, int n)
{
	bool *read = NEW_ARRAY(p->a, bool, p->tensor.n + 1); /* behind a statement, or by a caller */
	bool *keep = NEW_ARRAY(p->a, bool, f->nstmt + 1);
	for (int i = 0; i < p->tensor.n; i++)
		read[i] = p->tensor.at[i].space != SPACE_TEMP && !among(p->tensor.at[i].sym, grad, n);
	for (int j = f->nstmt - 1; j >= 0; j--) {
		for (int i = 0; i < p->tensor.n; i++)
			keep[j] |= read[i] && p->tensor.at[i].sym == f->stmt[j].dst;
		for (int i = 0; i < p->tensor.n && keep[j]; i++)
			read[i] |= ex_mentions(f->stmt[j].rhs, p->tensor.at[i].sym);
	}
	struct function *part = program_function(p, name);
	part->first = f->first;
	for (int j = 0; j < f->nstmt; j++)
		if (keep[j])
			program_stmt(p, part, f->stmt[j]);
}

int program_stream(struct program *p)
{
	return p->ndraw++;
}

static const char *space_name(enum space s)
{
	switch (s) {
	case SPACE_PARAM:
		return "param";
	case SPACE_GRAD:
		return "grad";
	case SPACE_STATE:
		return "state";
	case SPACE_TEMP:
		return "temp";
	case SPACE_SCALAR:
		return "scalar";
	}
	BUG("program: space %d", (int)s);
}

static const char *values_name(enum values v)
{
	switch (v) {
	case VALUES_REAL:
		return "";
	case VALUES_BINARY:
		return " binary";
	case VALUES_SPIN:
		return " spin";
	case VALUES_INT8:
		return " int8";
	case VALUES_BF16:
		return " bf16";
	}
	BUG("program: values %d", (int)v);
}

static void print_tensor(const struct program *p, const struct tensor *t, FILE *out)
{
	fprintf(out, "%s %s", space_name(t->space), t->sym->name);
	const char *sep = "[";
	if (t->pop >= 0) {
		fprintf(out, "[%s", p->pop.at[t->pop]);
		sep = ", ";
	}
	for (int i = 0; i < t->sym->rank; i++, sep = ", ")
		fprintf(out, "%s%lld", sep, (long long)t->sym->dim[i]);
	if (t->pop >= 0 || t->sym->rank > 0)
		fputc(']', out);
	fputs(values_name(t->sym->values), out);
	if (t->param)
		fprintf(out, " of %s", t->param->name);
	fputc('\n', out);
}

static void print_stmt(const struct program *p, const struct stmt *s, FILE *out)
{
	fprintf(out, "  %s", s->dst->name);
	const char *sep = "[";
	if (s->batch) {
		fprintf(out, "[%s in %s", s->batch->name, p->pop.at[s->batch->pop]);
		sep = ", ";
	}
	for (int i = 0; i < s->dst->rank; i++, sep = ", ")
		fprintf(out, "%s%s", sep, s->at[i]->name);
	if (s->batch || s->dst->rank > 0)
		fputc(']', out);
	fprintf(out, " %s %s",
	        s->accumulate   ? "+="
	        : s->sequential ? "<-"
	                        : "=",
	        ex_text(p->a, s->rhs));
	for (int i = 0; s->sequential && i < s->dst->rank - s->inner; i++)
		fprintf(out, "%s%s", i ? ", " : "  in turn ", s->at[i]->name);
	fputc('\n', out);
}

void program_print(const struct program *p, FILE *out)
{
	fprintf(out, "program %s\n", p->model);
	for (int i = 0; i < p->tensor.n; i++)
		print_tensor(p, &p->tensor.at[i], out);
	for (int i = 0; i < p->function.n; i++) {
		const struct function *f = p->function.at[i];
		fprintf(out, "\n%s:\n", f->name);
		for (int j = 0; j < f->nstmt; j++)
			print_stmt(p, &f->stmt[j], out);
	}
}
