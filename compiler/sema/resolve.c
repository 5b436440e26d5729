/* resolve: the first walk over an expression.  Names become symbols, binders become indices whose
 * uses are collected, array arithmetic (v@W, a + b on arrays) gets its open axes joined, and a let
 * is replaced by its body.  What comes out (struct rt) has nodes to be built once all ranges are
 * known.  An error poisons: NULL goes up, and t->bad says that no nodes will be built. */
#include "sema/internal.h"

#include <string.h>

void sema_term_init(struct term *t, struct sema *s, const struct scope *sc, struct model_def *m,
                    enum term_mode mode)
{
	memset(t, 0, sizeof *t);
	t->s = s;
	t->a = s->a;
	t->scope = sc;
	t->model = m;
	t->mode = mode;
	t->aligned = MAX_RANK;
}

struct rt *sema_poison(struct term *t)
{
	t->bad = true;
	return NULL;
}

struct rt *sema_rt(struct term *t, enum rt_kind kind, const struct rt *axes_of)
{
	struct rt *r = NEW(t->a, struct rt);
	r->kind = kind;
	if (axes_of) {
		r->axis = axes_of->axis;
		r->naxis = axes_of->naxis;
	}
	return r;
}

static struct rt *op_node(struct term *t, const struct rt *axes_of, char sign, enum op op,
                          struct rt *x, struct rt *y)
{
	struct rt *r = sema_rt(t, RT_OP, axes_of);
	r->sign = sign;
	r->op = op;
	r->kid = NEW_ARRAY(t->a, struct rt *, 2);
	r->kid[r->nkid++] = x;
	if (y)
		r->kid[r->nkid++] = y;
	return r;
}

static const char *shape_of(struct term *t, const struct rt *r)
{
	int64_t dim[2 * MAX_RANK];
	if (!r->naxis)
		return "a single number";
	for (int k = 0; k < r->naxis; k++)
		dim[k] = sema_ix(r->axis[k])->size;
	return sema_shape(t->a, dim, r->naxis);
}

/* Elementwise: equal axes, or one side a single number. */
static struct rt *elementwise(struct term *t, const struct ast *e, char sign, enum op op,
                              struct rt *x, struct rt *y)
{
	if (!x || !y)
		return sema_poison(t);
	bool same = x->naxis == y->naxis;
	for (int k = 0; same && k < x->naxis; k++)
		same = sema_ix(x->axis[k])->size == sema_ix(y->axis[k])->size;
	if (!same && x->naxis && y->naxis) {
		const char *what = sign == '<' || !sign ? e->name : arena_printf(t->a, "%c", sign);
		diag(t->s->cx->diags, DIAG_SEMA_SHAPES, e->span, what ? what : "<", shape_of(t, x),
		     shape_of(t, y));
		return sema_poison(t);
	}
	for (int k = 0; same && k < x->naxis; k++) {
		struct ix *a = sema_ix(x->axis[k]), *b = sema_ix(y->axis[k]);
		if (a != b)
			b->same = a;
	}
	return op_node(t, x->naxis ? x : y, sign, op, x, y);
}

/* v@W: the last axis of the left with the first of the right. */
static struct rt *contract(struct term *t, const struct ast *e, struct rt *x, struct rt *y)
{
	if (!x || !y)
		return sema_poison(t);
	if (!x->naxis || !y->naxis) {
		const struct ast *scalar = x->naxis ? e->kid[1] : e->kid[0];
		diag(t->s->cx->diags, DIAG_SEMA_CONTRACT_NUMBER, scalar->span);
		sema_note(t->s, scalar->span, "a number is multiplied in with *");
		return sema_poison(t);
	}
	struct ix *a = sema_ix(x->axis[x->naxis - 1]), *b = sema_ix(y->axis[0]);
	if (a->size != b->size) {
		diag(t->s->cx->diags, DIAG_SEMA_CONTRACT, e->span, a->axis, a->of, (long long)a->size,
		     b->axis, b->of, (long long)b->size);
		return sema_poison(t);
	}
	if (x->naxis + y->naxis - 2 > MAX_RANK) {
		diag(t->s->cx->diags, DIAG_SEMA_RANK, e->span, "the product", x->naxis + y->naxis - 2,
		     MAX_RANK);
		return sema_poison(t);
	}
	b->same = a;
	struct rt *r = sema_rt(t, RT_REDUCE, NULL);
	r->red = RED_SUM;
	r->axis = NEW_ARRAY(t->a, struct ix *, x->naxis + y->naxis);
	for (int k = 0; k + 1 < x->naxis; k++)
		r->axis[r->naxis++] = x->axis[k];
	for (int k = 1; k < y->naxis; k++)
		r->axis[r->naxis++] = y->axis[k];
	r->bound = NEW_ARRAY(t->a, struct ix *, 1);
	r->bound[r->nbound++] = a;
	r->kid = NEW_ARRAY(t->a, struct rt *, 1);
	r->kid[r->nkid++] = op_node(t, NULL, '*', OP_MUL, x, y);
	return r;
}

static bool mentions_index(const struct term *t, const struct ast *e)
{
	for (; e->kind == AST_BIN; e = e->kid[0])
		if (mentions_index(t, e->kid[1]))
			return true;
	return e->kind == AST_NEG    ? mentions_index(t, e->kid[0])
	       : e->kind == AST_NAME ? sema_active(t, e->name) != NULL
	                             : false;
}

/* Is there anything in e but numbers, sizes and indices? */
static bool has_value(const struct term *t, const struct ast *e)
{
	for (; e->kind == AST_BIN; e = e->kid[0])
		if (has_value(t, e->kid[1]))
			return true;
	bool name = e->kind == AST_NAME && !sema_active(t, e->name);
	const struct entry *n = name ? sema_lookup(t->scope, e->name) : NULL;
	bool value = e->kind == AST_INDEX || e->kind == AST_FIELD ||
	             (n && n->kind != ENTRY_CONST && n->kind != ENTRY_SIZE);
	for (int k = 0; k < e->nkid && !value; k++)
		value = has_value(t, e->kid[k]);
	return value;
}

static bool compares_indices(const struct term *t, const struct ast *e)
{
	return e->kind == AST_BIN && e->op && strchr("<>lg=", e->op) && !has_value(t, e->kid[0]) &&
	       !has_value(t, e->kid[1]) &&
	       (mentions_index(t, e->kid[0]) || mentions_index(t, e->kid[1]));
}

/* Is operand k of the line (0: the first) multiplied by operand i? */
static bool multiplies(const struct ast_spine *line, int i, int k)
{
	bool joined = i != k && (i == 0 || line->node[i - 1]->op == '*');
	for (int between = i; joined && between < k; between++)
		joined = ast_chain_of(line->node[between]) == CHAIN_PRODUCT;
	return joined;
}

static const struct ast *operand(const struct ast_spine *line, int k)
{
	return k ? line->node[k - 1]->kid[1] : line->first;
}

/* Operand k, with the comparisons of indices that it is multiplied by in force as masks; at[]:
 * which operands are such comparisons. */
static struct rt *resolve_operand(struct term *t, const struct ast_spine *line, const int *at,
                                  int nat, int k)
{
	int before = t->mask.n;
	struct cond c;
	for (int i = 0; i < nat; i++)
		if (multiplies(line, at[i], k) && sema_condition(t, operand(line, at[i]), &c))
			vec_push(t->a, &t->mask, c);
	struct rt *r = sema_resolve(t, operand(line, k));
	t->mask.n = before;
	return r;
}

static struct rt *comparison(struct term *t, const struct ast *e)
{
	bool values = has_value(t, e->kid[0]) || has_value(t, e->kid[1]);
	if (!values &&
	    (mentions_index(t, e->kid[0]) || mentions_index(t, e->kid[1]))) { /* 1 where it holds */
		struct rt *r = sema_rt(t, RT_WHERE, NULL);
		r->cond = NEW_ARRAY(t->a, struct cond, 1);
		r->ncond = 1;
		return sema_condition(t, e, &r->cond[0]) ? r : sema_poison(t);
	}
	struct rt *x = sema_resolve(t, e->kid[0]), *y = sema_resolve(t, e->kid[1]);
	bool less = e->op == '<' || e->op == 'g';
	if (e->op == '=' || e->op == '!') {
		diag(t->s->cx->diags, DIAG_SEMA_COMPARE, e->span);
		return sema_poison(t);
	}
	struct rt *r = elementwise(t, e, '<', OP_LT, less ? x : y, less ? y : x);
	if (!r || e->op == '<' || e->op == '>')
		return r;
	struct rt *one = sema_rt(t, RT_NUM, NULL); /* x <= y unless y < x */
	one->num = 1;
	return elementwise(t, e, '-', OP_ADD, one, r);
}

static struct rt *binary(struct term *t, const struct ast *e)
{
	if (e->op == '<' || e->op == '>' || e->op == 'l' || e->op == 'g' || e->op == '=' ||
	    e->op == '!')
		return comparison(t, e);
	struct ast_spine line = ast_spine(t->a, e, "+-*/@^");
	int *compared = NEW_ARRAY(t->s->cx->tmp, int, line.n + 1), n = 0;
	for (int k = 0; k <= line.n; k++)
		if (compares_indices(t, operand(&line, k)))
			compared[n++] = k;
	struct rt *x = resolve_operand(t, &line, compared, n, 0);
	for (int k = 0; k < line.n; k++) {
		const struct ast *at = line.node[k];
		struct rt *y = resolve_operand(t, &line, compared, n, k + 1);
		enum op op = at->op == '^' ? OP_POW : ast_chain_of(at) == CHAIN_PRODUCT ? OP_MUL : OP_ADD;
		x = at->op == '@' ? contract(t, at, x, y) : elementwise(t, at, at->op, op, x, y);
	}
	return x;
}

/* Function names, for the nearest one. */
static void suggest_function(struct term *t, const struct ast *e)
{
	static const char *const reductions[] = {"sum", "mean", "max", "min", "prod", "logsumexp"};
	VEC(const char *) words = {0};
	for (int k = 0; k < OP_COUNT; k++) {
		enum op op;
		if (sema_op_by_name(op_name((enum op)k), -1, &op))
			vec_push(t->a, &words, op_name((enum op)k));
	}
	for (size_t k = 0; k < sizeof reductions / sizeof *reductions; k++)
		vec_push(t->a, &words, reductions[k]);
	sema_suggest_word(t->s, e->name, words.at, words.n, e->name_span);
}

static bool noise(const char *name, enum op *op)
{
	*op = OP_UNIFORM;
	while (*op < OP_COUNT && (!(op_flags(*op) & OPF_DRAW) || strcmp(op_name(*op), name)))
		++*op;
	return *op < OP_COUNT;
}

static struct rt *function(struct term *t, const struct ast *e)
{
	enum op op;
	struct rt **x = NEW_ARRAY(t->a, struct rt *, 3);
	if (e->nkid == 0 && (t->mode == TERM_DEF || t->mode == TERM_INIT) && noise(e->name, &op)) {
		struct rt *r = sema_rt(t, RT_DRAW, NULL);
		r->op = op;
		r->bound = NEW_ARRAY(t->a, struct ix *, t->active.n);
		for (int k = 0; t->s->in_dist && k < t->active.n; k++)
			if (t->active.at[k]->left)
				r->bound[r->nbound++] = t->active.at[k];
		for (int k = 0; k < t->s->site->nlead; k++) /* other noise for each */
			sema_lead(t, k);
		return r;
	}
	bool known = sema_op_by_name(e->name, -1, &op);
	if (!known) {
		if (!strcmp(e->name, "batch_mean")) {
			diag(t->s->cx->diags, DIAG_SEMA_BATCH_MEAN, e->span);
			return sema_poison(t);
		}
		diag(t->s->cx->diags, DIAG_SEMA_FUNCTION, e->name_span, e->name);
		if (!strcmp(e->name, "normal") || !strcmp(e->name, "uniform"))
			sema_note(t->s, e->name_span, "as an initial distribution it is written ~ %s(...)",
			          e->name);
		else
			suggest_function(t, e);
		return sema_poison(t);
	}
	if (e->nkid != op_arity(op)) {
		diag(t->s->cx->diags, DIAG_SEMA_ARITY, e->span, e->name, op_arity(op),
		     op_arity(op) == 1 ? "" : "s", e->nkid);
		return sema_poison(t);
	}
	for (int k = 0; k < e->nkid; k++)
		x[k] = sema_resolve(t, e->kid[k]);
	if (e->nkid == 1)
		return x[0] ? op_node(t, x[0], 0, op, x[0], NULL) : sema_poison(t);
	struct rt *r = elementwise(t, e, 0, op, x[0], x[1]);
	if (e->nkid == 2 || !r)
		return r;
	struct rt *last = elementwise(t, e, 0, op, r, x[2]); /* for its axes */
	if (!last)
		return sema_poison(t);
	last->kid = x;
	last->nkid = 3;
	return last;
}

static struct rt *call(struct term *t, const struct ast *e)
{
	enum reduce red;
	bool mean;
	const struct entry *called = sema_lookup(t->scope, e->name);
	if (called && called->kind == ENTRY_NET)
		return sema_resolve_net(t, e);
	for (int k = 0; k < e->nkid; k++) {
		if (e->key && e->key[k]) {
			diag(t->s->cx->diags, DIAG_SEMA_KEY, e->kid[k]->span, e->name, e->key[k]);
			return sema_poison(t);
		}
	}
	if (called && called->kind == ENTRY_FN)
		return sema_resolve_fn(t, e, called);
	if (e->nkid != 1 || !sema_is_reduction(e->name, &red, &mean))
		return function(t, e);
	const struct ast *of = e->kid[0];
	const struct entry *n = of->kind == AST_NAME ? sema_lookup(t->scope, of->name) : NULL;
	if (mean && t->mode == TERM_INIT && n && n->kind == ENTRY_VARIABLE)
		return sema_resolve_data_mean(t, e);
	struct rt *body = sema_resolve(t, of);
	return body ? sema_resolve_over_axes(t, e, body) : sema_poison(t);
}

struct rt *sema_resolve(struct term *t, const struct ast *e)
{
	struct rt *r;
	const char *what = "this";
	switch (e->kind) {
	case AST_BAD:
		return sema_poison(t);
	case AST_NUM:
		r = sema_rt(t, RT_NUM, NULL);
		r->num = e->num;
		return r;
	case AST_NAME:
		return sema_resolve_name(t, e);
	case AST_INDEX:
		return sema_resolve_index(t, e);
	case AST_CALL:
		return call(t, e);
	case AST_NEG:
		r = sema_resolve(t, e->kid[0]);
		return r ? op_node(t, r, 'n', OP_MUL, r, NULL) : sema_poison(t);
	case AST_BIN:
		return binary(t, e);
	case AST_REDUCE:
		return sema_resolve_reduce(t, e);
	case AST_STR:
		what = "a string";
		break;
	case AST_FIELD:
		return t->mode == TERM_INIT && sema_model_of(t->s, e) ? sema_resolve_handed(t, e)
		                                                      : sema_resolve_field(t, e);
	case AST_RAMP:
		what = "a ramp";
		break;
	case AST_PIPE:
		if (e->kid[1]->kind == AST_CALL || e->kid[1]->kind == AST_NAME)
			return sema_resolve(t, sema_pipe_call(t->s, e));
		what = "a pipe";
		break;
	case AST_RANGE:
		what = "a range";
		break;
	case AST_TUPLE:
	case AST_GIVEN:
		what = "a list";
		break;
	}
	diag(t->s->cx->diags, DIAG_SEMA_NOT_A_NUMBER, e->span, what);
	return sema_poison(t);
}
