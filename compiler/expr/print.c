/* Expressions as text in the language's own notation, and as LaTeX.  Bound indices that would clash
 * with a name in scope are shown with a number behind.  Precedence: 1 sum of terms, 2 a reduction,
 * 3 product, 4 power, 5 atom. */
#include "expr/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct printer {
	struct buf *out;
	bool latex;
	const struct idx *ix[64]; /* bound indices in scope and their shown names */
	char name[64][32];
	int n;
};

static void put(struct printer *p, const struct node *x, int prec);

static void put_name(struct printer *p, const char *s)
{
	if (!p->latex) {
		buf_puts(p->out, s);
		return;
	}
	bool plain = strlen(s) == 1;
	buf_puts(p->out, plain ? "" : "\\mathit{");
	for (; *s; s++)
		buf_printf(p->out, *s == '_' ? "\\_" : "%c", *s);
	buf_puts(p->out, plain ? "" : "}");
}

static const char *shown(const struct printer *p, const struct idx *i)
{
	for (int k = p->n - 1; k >= 0; k--)
		if (p->ix[k] == i)
			return p->name[k];
	return i->name;
}

static void put_num(struct printer *p, double v)
{
	char s[40];
	snprintf(s, sizeof s, "%.15g", v);
	if (strtod(s, NULL) != v)
		snprintf(s, sizeof s, "%.17g", v);
	buf_puts(p->out, s);
}

/* The terms of an affine form whose coefficients have the given sign, as a sum; c with its sign. */
static void put_affine_part(struct printer *p, struct affine x, int sign, int64_t c)
{
	bool any = false;
	for (int k = 0; k < x.n; k++) {
		int64_t w = x.coef[k] * sign;
		if (w <= 0)
			continue;
		buf_puts(p->out, any ? "+" : "");
		if (w != 1)
			buf_printf(p->out, p->latex ? "%lld" : "%lld*", (long long)w);
		buf_puts(p->out, shown(p, x.ix[k]));
		any = true;
	}
	if (c != 0 || !any)
		buf_printf(p->out, c > 0 && any ? "+%lld" : "%lld", (long long)c);
}

static void put_affine(struct printer *p, struct affine x)
{
	bool positive = false;
	for (int k = 0; k < x.n; k++)
		positive = positive || x.coef[k] > 0;
	if (positive || x.n == 0)
		put_affine_part(p, x, 1, x.c);
	else if (x.c != 0)
		buf_printf(p->out, "%lld", (long long)x.c);
	for (int k = 0; k < x.n; k++)
		if (x.coef[k] < 0) {
			buf_putc(p->out, '-');
			if (x.coef[k] != -1)
				buf_printf(p->out, p->latex ? "%lld" : "%lld*", (long long)-x.coef[k]);
			buf_puts(p->out, shown(p, x.ix[k]));
		}
}

static void put_guard(struct printer *p, const struct guard *g)
{
	const char *rel = g->equal ? (p->latex ? "=" : " == ") : p->latex ? "\\le " : " <= ";
	int64_t c = g->e.c;
	if (!g->equal && c < 0) { /* neg + 1 <= pos is neg < pos */
		rel = p->latex ? "<" : " < ";
		c++;
	}
	put_affine_part(p, g->e, -1, c < 0 ? -c : 0);
	buf_puts(p->out, rel);
	put_affine_part(p, g->e, 1, c > 0 ? c : 0);
}

static bool shown_clashes(const struct printer *p, const char *name, const struct node *body,
                          const struct idx *self)
{
	for (int k = 0; k < p->n; k++)
		if (strcmp(p->name[k], name) == 0)
			return true;
	const struct idx *free[64];
	int n = ex_free(body, free, 64);
	for (int k = 0; k < n; k++)
		if (free[k] != self && free[k]->pop < 0 && strcmp(shown(p, free[k]), name) == 0)
			return true;
	return false;
}

static void put_reduce(struct printer *p, const struct node *x)
{
	static const char *const names[] = {"sum", "prod", "max", "min", "logsumexp"};
	static const char *const tex[] = {"\\sum", "\\prod", "\\max", "\\min",
	                                  "\\operatorname{logsumexp}"};
	int before = p->n;
	buf_puts(p->out, p->latex ? tex[x->red] : names[x->red]);
	buf_puts(p->out, p->latex ? "_{" : "(");
	for (int k = 0; k < x->nbound && p->n < 64; k++) {
		const struct idx *i = x->bound[k];
		snprintf(p->name[p->n], sizeof p->name[0], "%.16s", i->name);
		for (int t = 2; shown_clashes(p, p->name[p->n], x->kid[0], i); t++)
			snprintf(p->name[p->n], sizeof p->name[0], "%.16s%d", i->name, t);
		p->ix[p->n++] = i;
		buf_printf(p->out, "%s%s", k ? (p->latex ? "," : ", ") : "", p->name[p->n - 1]);
	}
	for (int k = 0; k < x->nguard; k++) {
		buf_puts(p->out, k ? ", " : p->latex ? " \\mid " : " | ");
		put_guard(p, &x->guard[k]);
	}
	buf_puts(p->out, p->latex ? "} " : ") ");
	put(p, x->kid[0], 3);
	p->n = before;
}

static bool is_inverse(const struct node *x)
{
	return x->kind == N_OP && x->op == OP_POW && x->kid[1]->kind == N_CONST && x->kid[1]->num < 0;
}

static void put_power(struct printer *p, const struct node *base, double e)
{
	if (e == 1) {
		put(p, base, 4);
		return;
	}
	put(p, base, 5);
	buf_puts(p->out, p->latex ? "^{" : "^");
	put_num(p, e);
	buf_puts(p->out, p->latex ? "}" : "");
}

static void put_factors(struct printer *p, struct node *const *f, int n, bool inverse, bool *any)
{
	for (int i = 0; i < n; i++) {
		if (is_inverse(f[i]) != inverse)
			continue;
		if (*any)
			buf_puts(p->out, p->latex ? " \\, " : "*");
		if (inverse) {
			put_power(p, f[i]->kid[0], -f[i]->kid[1]->num);
		} else { /* a reduction may stand bare only at the end */
			bool last = true;
			for (int k = i + 1; k < n; k++)
				last = false;
			put(p, f[i], last ? 3 : f[i]->kind == N_REDUCE ? 4 : 3);
		}
		*any = true;
	}
}

/* A product without its sign. */
static void put_product(struct printer *p, const struct node *x, double coef)
{
	struct node *const *f = x->kid;
	int n = x->nkid, below = 0;
	if (x->kind != N_OP || x->op != OP_MUL) {
		f = (struct node *const *)&x;
		n = 1;
	} else if (f[0]->kind == N_CONST) {
		f++;
		n--;
	}
	for (int i = 0; i < n; i++)
		below += is_inverse(f[i]);
	bool any = false;
	if (p->latex && below)
		buf_puts(p->out, "\\frac{");
	if (coef != 1) {
		put_num(p, coef);
		any = true;
	}
	put_factors(p, f, n, false, &any);
	if (!any)
		buf_putc(p->out, '1');
	if (below) {
		buf_puts(p->out, p->latex ? "}{" : below > 1 ? "/(" : "/");
		any = false;
		put_factors(p, f, n, true, &any);
		buf_puts(p->out, p->latex ? "}" : below > 1 ? ")" : "");
	}
}

static double sign_and_size(const struct node *x, double *size)
{
	double c = 1;
	if (x->kind == N_CONST)
		c = x->num;
	else if (x->kind == N_OP && x->op == OP_MUL && x->kid[0]->kind == N_CONST)
		c = x->kid[0]->num;
	*size = fabs(c);
	return c < 0 ? -1 : 1;
}

static void put_term(struct printer *p, const struct node *x, double size)
{
	if (x->kind == N_CONST)
		put_num(p, size);
	else
		put_product(p, x, size);
}

static void put_sum(struct printer *p, const struct node *x)
{
	for (int i = 0; i < x->nkid; i++) {
		double size, sign = sign_and_size(x->kid[i], &size);
		buf_puts(p->out, i ? (sign < 0 ? " - " : " + ") : sign < 0 ? "-" : "");
		put_term(p, x->kid[i], size);
	}
}

static void put_access(struct printer *p, const struct node *x)
{
	put_name(p, x->sym->name);
	if (x->sym->rank == 0)
		return;
	buf_puts(p->out, p->latex ? "_{" : "[");
	for (int i = 0; i < x->sym->rank; i++) {
		buf_puts(p->out, i ? "," : "");
		put_affine(p, x->map[i]);
	}
	buf_puts(p->out, p->latex ? "}" : "]");
}

static void put_call(struct printer *p, const struct node *x)
{
	if (x->op == OP_LT) {
		put(p, x->kid[0], 2);
		buf_puts(p->out, " < ");
		put(p, x->kid[1], 2);
		return;
	}
	if (p->latex && x->op == OP_SIGMOID)
		buf_puts(p->out, "\\sigma");
	else if (p->latex && (x->op == OP_EXP || x->op == OP_LOG || x->op == OP_TANH))
		buf_printf(p->out, "\\%s", op_name(x->op));
	else
		buf_printf(p->out, p->latex ? "\\operatorname{%s}" : "%s", op_name(x->op));
	buf_puts(p->out, p->latex ? "\\left(" : "(");
	for (int i = 0; i < x->nkid; i++) {
		buf_puts(p->out, i ? ", " : "");
		put(p, x->kid[i], 0);
	}
	buf_puts(p->out, p->latex ? "\\right)" : ")");
}

static int precedence(const struct node *x)
{
	switch (x->kind) {
	case N_CONST:
		return x->num < 0 ? 1 : 5;
	case N_INDEX:
		return 1;
	case N_ACCESS:
		return 5;
	case N_REDUCE:
		return 3;
	case N_MASK:
		return 3;
	case N_OP:
		break;
	}
	double size;
	if (x->op == OP_ADD || x->op == OP_LT)
		return 1;
	if (x->op == OP_MUL)
		return sign_and_size(x, &size) < 0 ? 1 : 3;
	if (x->op == OP_POW)
		return is_inverse(x) ? 3 : 4;
	return 5;
}

static void put(struct printer *p, const struct node *x, int prec)
{
	bool paren = precedence(x) < prec;
	double size;
	buf_puts(p->out, !paren ? "" : p->latex ? "\\left(" : "(");
	switch (x->kind) {
	case N_CONST:
		put_num(p, x->num);
		break;
	case N_INDEX:
		put_affine(p, x->index);
		break;
	case N_ACCESS:
		put_access(p, x);
		break;
	case N_REDUCE:
		put_reduce(p, x);
		break;
	case N_MASK:
		buf_putc(p->out, '[');
		for (int i = 0; i < x->nguard; i++) {
			buf_puts(p->out, i ? ", " : "");
			put_guard(p, &x->guard[i]);
		}
		buf_puts(p->out, p->latex ? "] \\, " : "]*");
		put(p, x->kid[0], 3);
		break;
	case N_OP:
		if (x->op == OP_ADD) {
			put_sum(p, x);
		} else if (x->op == OP_MUL || is_inverse(x)) {
			buf_puts(p->out, sign_and_size(x, &size) < 0 ? "-" : "");
			put_product(p, x, size);
		} else if (x->op == OP_POW && x->kid[1]->kind == N_CONST) {
			put_power(p, x->kid[0], x->kid[1]->num);
		} else if (x->op == OP_POW) {
			put(p, x->kid[0], 5);
			buf_puts(p->out, p->latex ? "^{" : "^");
			put(p, x->kid[1], p->latex ? 0 : 5);
			buf_puts(p->out, p->latex ? "}" : "");
		} else {
			put_call(p, x);
		}
		break;
	}
	buf_puts(p->out, !paren ? "" : p->latex ? "\\right)" : ")");
}

/* The free indices keep their names: no bound one may be shown under them. */
static void print(const struct node *x, struct buf *out, bool latex)
{
	struct printer p = {.out = out, .latex = latex};
	const struct idx *free[32];
	int n = ex_free(x, free, 32);
	for (int i = 0; i < n; i++)
		if (free[i]->pop < 0) {
			snprintf(p.name[p.n], sizeof p.name[0], "%.16s", free[i]->name);
			p.ix[p.n++] = free[i];
		}
	put(&p, x, 0);
}

void ex_print(const struct node *x, struct buf *out)
{
	print(x, out, false);
}

void ex_latex(const struct node *x, struct buf *out)
{
	print(x, out, true);
}

const char *ex_text(struct arena *a, const struct node *x)
{
	struct buf b;
	buf_init(&b, a);
	buf_puts(&b, "");
	ex_print(x, &b);
	return b.s;
}
