/* print: a plan as text, the same in every run: slots, then functions, regions and kernels. */
#include "plan/plan.h"

static const char *pop_name(const struct plan *p, int pop)
{
	return p->pop.at[pop];
}

static void print_slot(const struct plan *p, int i, FILE *out)
{
	static const char *const space[] = {[SPACE_PARAM] = "param",
	                                    [SPACE_GRAD] = "grad",
	                                    [SPACE_STATE] = "state",
	                                    [SPACE_TEMP] = "temp",
	                                    [SPACE_SCALAR] = "scalar"};
	const struct slot *s = &p->slot.at[i];
	fprintf(out, "  %d %s %s", i, s->pack ? "pack" : space[s->space], s->sym->name);
	const char *sep = "[";
	if (s->pop >= 0) {
		fprintf(out, "[%s", pop_name(p, s->pop));
		sep = ", ";
	}
	for (int k = 0; k < s->sym->rank; k++, sep = ", ")
		fprintf(out, "%s%lld", sep, (long long)s->sym->dim[k]);
	if (s->pop >= 0 || s->sym->rank)
		fputc(']', out);
	if (s->repr == REPR_BITS)
		fputs(" bits", out);
	if (s->param >= 0)
		fprintf(out, " of %s", p->slot.at[s->param].sym->name);
	if (s->pack)
		fprintf(out, " of %s%s", p->slot.at[s->pack_of].sym->name,
		        s->pack_transposed ? " transposed" : "");
	fputc('\n', out);
}

static void print_extent(const struct plan *p, struct extent e, FILE *out)
{
	if (e.pop >= 0)
		fputs(pop_name(p, e.pop), out);
	else
		fprintf(out, "%lld", (long long)e.size);
}

static void print_cut(const char *of, struct cut c, FILE *out)
{
	if (plan_is_cut(c))
		fprintf(out, ", of [%s] where (%lld, %lld) . [%s] + %lld >= 0", of, (long long)c.row,
		        (long long)c.column, of, (long long)c.constant);
}

static void print_matmul(const struct plan *p, const struct matmul_op *mm, FILE *out)
{
	static const char *const how[] = {[MM_SGEMM] = "sgemm",
	                                  [MM_PACKED] = "packed",
	                                  [MM_BITS] = "bits",
	                                  [MM_BITS_T] = "bits_t",
	                                  [MM_BITS_COUNT] = "bits_count"};
	fprintf(out, "    %s ", how[mm->how]);
	if (mm->row)
		fprintf(out, "%s %s, ", mm->sum ? "sum over" : "each", pop_name(p, mm->row->pop));
	fputs("m=", out);
	print_extent(p, mm->m, out);
	fputs(" n=", out);
	print_extent(p, mm->n, out);
	fputs(" k=", out);
	print_extent(p, mm->k, out);
	fprintf(out, ": %s %s ", p->slot.at[mm->c].sym->name, mm->accumulate ? "+=" : "=");
	if (mm->alpha)
		fprintf(out, "(%s) * ", ex_text(p->a, mm->alpha));
	fprintf(out, "%s%s * %s%s", p->slot.at[mm->a].sym->name, mm->ta ? "'" : "",
	        p->slot.at[mm->b].sym->name, mm->tb ? "'" : "");
	print_cut("k, n", mm->b_cut, out);
	print_cut("m, n", mm->c_cut, out);
	fputc('\n', out);
}

static void print_loop(const struct plan *p, const struct kernel *k, FILE *out)
{
	fputs("    loop", out);
	const char *sep = " ";
	if (k->batch) {
		fprintf(out, " %s in %s", k->batch->name, pop_name(p, k->batch->pop));
		sep = ", ";
	}
	for (int i = 0; i < k->rank; i++, sep = ", ") {
		fprintf(out, "%s%s%s", sep,
		        !k->sequential            ? ""
		        : i == k->rank - k->inner ? "at once "
		        : i == 0                  ? "in turn "
		                                  : "",
		        k->at[i]->name);
		if (k->at[i]->pop >= 0)
			fprintf(out, " in %s", pop_name(p, k->at[i]->pop));
		else
			fprintf(out, " < %lld", (long long)k->at[i]->size);
	}
	fputs(":\n", out);
	for (int s = 0; s < k->nstore; s++) {
		const struct store *st = &k->store[s];
		bool own = false;
		for (int i = 0; i < st->dst->rank; i++)
			own = own || store_axes(k, st)[i] != k->at[i];
		fprintf(out, "      %s", st->dst->name);
		for (int i = k->rank - k->inner; own && i < st->dst->rank; i++)
			fprintf(out, " %s < %lld", st->at[i]->name, (long long)st->at[i]->size);
		fprintf(out, " %s %s\n", st->accumulate ? "+=" : "=", ex_text(p->a, st->rhs));
	}
}

static void print_store(const struct plan *p, const struct store *s, const char *how, FILE *out)
{
	fprintf(out, "      %s%s", how, s->dst->name);
	for (int d = 0; d < s->dst->rank; d++)
		fprintf(out, "%s%s%s", d ? ", " : "[", s->at[d]->name, d + 1 < s->dst->rank ? "" : "]");
	fprintf(out, " %s %s", s->accumulate ? "+=" : "=", ex_text(p->a, s->rhs));
	if (s->when)
		fprintf(out, " where %s", ex_text(p->a, s->when));
	fputc('\n', out);
}

static void print_steps(const struct plan *p, const struct kernel *k, FILE *out)
{
	bool scan = k->kind == KERNEL_SCAN;
	fprintf(out, "    %s %s in %s, %s %s %s < %lld", scan ? "scan" : "steps", k->batch->name,
	        pop_name(p, k->batch->pop), k->down ? "down" : "up", "along", k->scan->name,
	        (long long)k->scan->size);
	for (int d = 0; d < k->nouter; d++)
		fprintf(out, ", at %s < %lld", k->outer[d]->name, (long long)k->outer[d]->size);
	if (scan)
		fprintf(out, ", each %s < %lld", k->lane->name, (long long)k->lane->size);
	fputs(":\n", out);
	for (int c = 0; c < k->ncarry; c++)
		fprintf(out, "      %s: running sum %s, %s %s, of %s\n", k->carry[c].sym->name,
		        k->carry[c].down ? "down" : "up", k->carry[c].own ? "with" : "before",
		        k->scan->name, ex_text(p->a, k->carry[c].term));
	for (int c = 0; c < k->nkept; c++)
		fprintf(out, "      %s: %s\n", k->kept[c].sym->name, ex_text(p->a, k->kept[c].rhs));
	for (int s = 0; s < k->nstore; s++)
		print_store(p, &k->store[s], k->store[s].before ? "first " : "", out);
}

static void print_kernel(const struct plan *p, const struct kernel *k, FILE *out)
{
	switch (k->kind) {
	case KERNEL_LOOP:
		print_loop(p, k, out);
		return;
	case KERNEL_MATMUL:
		print_matmul(p, &k->mm, out);
		return;
	case KERNEL_STEPS:
	case KERNEL_SCAN:
		print_steps(p, k, out);
		return;
	case KERNEL_PACK:
		fprintf(out, "    pack %s\n", p->slot.at[k->pack_slot].sym->name);
		return;
	}
}

void plan_print(const struct plan *p, FILE *out)
{
	fprintf(out, "plan %s\n", p->model);
	for (int i = 0; i < p->slot.n; i++)
		print_slot(p, i, out);
	for (int i = 0; i < p->scalar.n; i++)
		fprintf(out, "  scalar %d %s\n", i, p->scalar.at[i]->name);
	for (int i = 0; i < p->function.n; i++) {
		const struct plan_function *f = p->function.at[i];
		fprintf(out, "\n%s:\n", f->name);
		for (int r = 0; r < f->region.n; r++) {
			fprintf(out, "  region %d", r);
			fputs(":\n", out);
			for (int k = 0; k < f->region.at[r]->kernel.n; k++)
				print_kernel(p, f->region.at[r]->kernel.at[k], out);
		}
	}
}
