/* print: the checked program as text, one line a declaration, for --stage=sema. */
#include "sema/internal.h"

static void print_call(const struct call *c, struct buf *out);
static void print_values(const struct value *v, const char *const *key, int n, struct buf *out);

static void print_value(const struct value *v, struct buf *out)
{
	switch (v->kind) {
	case VAL_NUM:
		buf_printf(out, "%.15g", v->num);
		return;
	case VAL_RAMP:
		buf_printf(out, "%.15g -> %.15g", v->num, v->to);
		return;
	case VAL_NAME:
		buf_puts(out, v->name);
		return;
	case VAL_STR:
		buf_printf(out, "\"%s\"", v->name);
		return;
	case VAL_CALL:
		print_call(v->call, out);
		return;
	case VAL_SUM:
		for (int k = 0; k < v->nterm; k++) {
			buf_puts(out, k ? " + " : "");
			if (v->term[k].num != 1)
				buf_printf(out, "%.15g*", v->term[k].num);
			print_call(v->term[k].call, out);
		}
		return;
	case VAL_GIVEN:
		print_values(v->call->arg, NULL, v->call->narg, out);
		buf_puts(out, " given ");
		print_values(v->given->arg, NULL, v->given->narg, out);
		return;
	case VAL_UNITS:
		buf_puts(out, v->units->var->name);
		for (int k = 0; k < v->units->var->sym->rank; k++)
			buf_printf(out, "%s%s", k ? "," : "[", v->units->at[k]->name);
		buf_puts(out, v->units->var->sym->rank ? "] * " : " * ");
		ex_print(v->units->held, out);
		return;
	}
}

static void print_values(const struct value *v, const char *const *key, int n, struct buf *out)
{
	for (int k = 0; k < n; k++) {
		buf_puts(out, k ? ", " : "");
		if (key && key[k])
			buf_printf(out, "%s = ", key[k]);
		print_value(&v[k], out);
	}
}

static void print_call(const struct call *c, struct buf *out)
{
	buf_printf(out, "%s(", c->name);
	print_values(c->arg, c->key, c->narg, out);
	buf_putc(out, ')');
}

static void print_at(const char *name, const struct idx *const *at, int rank, struct buf *out)
{
	buf_puts(out, name);
	for (int l = 0; l < rank; l++)
		buf_printf(out, "%s%s", l ? "," : "[", at[l]->name);
	buf_printf(out, "%s = ", rank ? "]" : "");
}

static void print_part(const char *what, const struct node *x, struct buf *out)
{
	if (!x)
		return;
	buf_printf(out, "    %s ", what);
	ex_print(x, out);
	buf_putc(out, '\n');
}

static void print_factor(const struct factor_def *f, const char *what, struct buf *out)
{
	buf_printf(out, "  %s%s", what, f->var->name);
	for (int l = 0; l < f->var->sym->rank; l++)
		buf_printf(out, "%s%s", l ? "," : "[", f->at[l]->name);
	buf_printf(out, "%s ~ %s\n", f->var->sym->rank ? "]" : "", f->dist ? f->dist : "=");
	print_part("log density", f->log_density, out);
	print_part("draw", f->draw, out);
	print_part("mean", f->mean, out);
	print_part("variance", f->variance, out);
}

static void print_model(const struct model_def *m, struct buf *out)
{
	static const char *const role[] = {
	    [ROLE_VISIBLE] = "visible", [ROLE_HIDDEN] = "hidden", [ROLE_GIVEN] = "given"};
	buf_printf(out, "model %s\n", m->name);
	for (int k = 0; k < m->nsize; k++)
		buf_printf(out, "  size %s = %lld\n", m->size[k].name, (long long)m->size[k].value);
	for (int k = 0; k < m->var.n; k++) {
		const struct variable *v = m->var.at[k];
		buf_printf(out, "  %s %s : %s%s", role[v->role], v->name, domain_name(v->domain),
		           sema_shape(out->a, v->sym->dim, v->sym->rank));
		if (v->total)
			buf_printf(out, " in total(%s)", v->total->name);
		else if (v->rule != RULE_NONE)
			buf_printf(out, " in %s%s", rule_name(v->rule),
			           sema_shape(out->a, v->block, v->sym->rank));
		buf_putc(out, '\n');
	}
	for (int k = 0; k < m->param.n; k++) {
		const struct parameter *p = m->param.at[k];
		buf_printf(out, "  param %s : real%s\n    ", p->name,
		           sema_shape(out->a, p->sym->dim, p->sym->rank));
		print_at(p->name, p->at, p->sym->rank, out);
		if (p->init)
			ex_print(p->init, out);
		buf_putc(out, '\n');
	}
	for (int k = 0; k < m->def.n; k++) {
		const struct def *d = m->def.at[k];
		buf_puts(out, "  let ");
		print_at(d->sym->name, d->at, d->sym->rank, out);
		buf_puts(out, d->average ? "batch mean of " : "");
		ex_print(d->rhs, out);
		buf_putc(out, '\n');
	}
	for (int k = 0; k < m->factor.n; k++)
		print_factor(m->factor.at[k], "", out);
	for (int k = 0; k < m->posterior.n; k++)
		print_factor(m->posterior.at[k], "posterior ", out);
	for (int k = 0; k < m->term.n; k++) {
		buf_puts(out, k ? "  + " : "  energy\n    ");
		ex_print(m->term.at[k].node, out);
		buf_putc(out, '\n');
	}
}

static void print_data(const struct data_def *d, struct buf *out)
{
	buf_printf(out, "data %s = ", d->name);
	print_call(d->reader, out);
	for (int k = 0; k < d->nstep; k++) {
		const struct data_step *t = &d->step[k];
		if (t->call) {
			buf_puts(out, " |> ");
			print_call(t->call, out);
		} else {
			buf_printf(out, " %c %.15g", t->op, t->num);
		}
	}
	buf_putc(out, '\n');
}

static void print_block(const struct block_def *b, struct buf *out)
{
	buf_printf(out, "%s %s%s%s\n", sema_block_word(b->kind), b->model->name,
	           b->stage ? " stage " : "", b->stage ? b->stage : "");
	for (int k = 0; k < b->nbind; k++)
		buf_printf(out, "  %s = %s\n", b->bind[k].var->name,
		           b->bind[k].data ? b->bind[k].data->name : "?");
	for (int k = 0; k < b->nclause; k++) {
		const struct clause *c = &b->clause[k];
		buf_printf(out, "  %s", c->name);
		if (c->every != 1)
			buf_printf(out, " every %lld :", (long long)c->every);
		buf_puts(out, c->narg ? " " : "");
		print_values(c->arg, c->key, c->narg, out);
		buf_putc(out, '\n');
	}
}

void sema_print(const struct checked *c, FILE *out)
{
	struct arena *a = arena_new();
	struct buf b;
	buf_init(&b, a);
	for (int k = 0; k < c->model.n; k++)
		print_model(c->model.at[k], &b);
	for (int k = 0; k < c->data.n; k++)
		print_data(c->data.at[k], &b);
	for (int k = 0; k < c->block.n; k++)
		print_block(c->block.at[k], &b);
	if (b.n)
		fwrite(b.s, 1, b.n, out);
	arena_free(a);
}
