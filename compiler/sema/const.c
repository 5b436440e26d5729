/* const: constant expressions, folded in double precision: numbers, earlier constants and sizes,
 * + - * / ^ and the elementwise functions. */
#include "sema/internal.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

bool sema_op_by_name(const char *name, int arity, enum op *op)
{
	if (!isalpha((unsigned char)name[0]))
		return false;
	for (int k = 0; k < OP_COUNT; k++) {
		if (strcmp(op_name((enum op)k), name) || op_flags((enum op)k) & OPF_DRAW)
			continue;
		if (arity >= 0 && op_arity((enum op)k) != arity)
			continue;
		*op = (enum op)k;
		return true;
	}
	return false;
}

static bool const_name(struct sema *s, const struct scope *sc, const struct ast *e, double *out)
{
	const struct entry *n = sema_lookup(sc, e->name);
	if (!n) {
		diag(s->cx->diags, DIAG_SEMA_UNKNOWN_NAME, e->span, e->name);
		sema_suggest(s, sc, 1u << ENTRY_CONST | 1u << ENTRY_SIZE, e->name, e->span);
		return false;
	}
	if (n->bad)
		return false;
	if (n->kind != ENTRY_CONST && n->kind != ENTRY_SIZE) {
		diag(s->cx->diags, DIAG_SEMA_NOT_CONSTANT, e->span);
		sema_note(s, n->span, "'%s' is a %s, declared here", n->name, sema_kind_word(n));
		return false;
	}
	*out = n->num;
	return true;
}

static bool const_call(struct sema *s, const struct scope *sc, const struct ast *e, double *out)
{
	enum op op;
	double x[2] = {0, 0};
	bool ok = true;
	if (!sema_op_by_name(e->name, e->nkid, &op) || e->nkid > 2) {
		diag(s->cx->diags, DIAG_SEMA_NOT_CONSTANT, e->span);
		return false;
	}
	for (int k = 0; k < e->nkid; k++)
		ok &= sema_const(s, sc, e->kid[k], &x[k]);
	if (ok)
		*out = op_eval(op, x[0], x[1]);
	return ok;
}

/* x op y ..., the operators grouping from the left. */
static bool const_line(struct sema *s, const struct scope *sc, const struct ast *e, double *out)
{
	struct ast_spine line = ast_spine(s->cx->tmp, e, "+-*/");
	double x, y;
	bool ok = sema_const(s, sc, line.first, &x);
	for (int k = 0; k < line.n; k++) {
		if (!sema_const(s, sc, line.node[k]->kid[1], &y) || !ok) {
			ok = false;
			continue;
		}
		char op = line.node[k]->op;
		x = op == '+' ? x + y : op == '-' ? x - y : op == '*' ? x * y : x / y;
		if (isfinite(x))
			continue;
		diag(s->cx->diags, DIAG_SEMA_NOT_FINITE, line.node[k]->span);
		ok = false;
	}
	*out = x;
	return ok;
}

static bool const_fold(struct sema *s, const struct scope *sc, const struct ast *e, double *out)
{
	double x, y;
	bool ok;
	switch (e->kind) {
	case AST_BAD:
		return false;
	case AST_NUM:
		*out = e->num;
		return true;
	case AST_NAME:
		return const_name(s, sc, e, out);
	case AST_CALL:
		return const_call(s, sc, e, out);
	case AST_NEG:
		if (!sema_const(s, sc, e->kid[0], &x))
			return false;
		*out = -x;
		return true;
	case AST_BIN:
		if (strchr("+-*/", e->op))
			return const_line(s, sc, e, out);
		if (e->op != '^')
			break;
		ok = sema_const(s, sc, e->kid[0], &x);
		if (!sema_const(s, sc, e->kid[1], &y) || !ok)
			return false;
		*out = pow(x, y);
		return true;
	case AST_STR:
	case AST_INDEX:
	case AST_FIELD:
	case AST_REDUCE:
	case AST_RAMP:
	case AST_PIPE:
	case AST_RANGE:
	case AST_TUPLE:
	case AST_GIVEN:
		break;
	}
	diag(s->cx->diags, DIAG_SEMA_NOT_CONSTANT, e->span);
	return false;
}

bool sema_const(struct sema *s, const struct scope *sc, const struct ast *e, double *out)
{
	if (!const_fold(s, sc, e, out))
		return false;
	if (isfinite(*out))
		return true;
	diag(s->cx->diags, DIAG_SEMA_NOT_FINITE, e->span);
	return false;
}

bool sema_size(struct sema *s, const struct scope *sc, const struct ast *e, const char *what,
               int64_t *out)
{
	double x;
	if (!sema_const(s, sc, e, &x))
		return false;
	if (!(x >= 1 && x <= 1e15) || x != floor(x)) {
		diag(s->cx->diags, DIAG_SEMA_SIZE, e->span, what, x);
		return false;
	}
	*out = (int64_t)x;
	return true;
}
