/* unparse: an expression as source text.  Parentheses are written exactly where the tree would
 * otherwise be read back differently.
 *
 * A node is written into a slot: `min` is the lowest precedence that may stand there bare, `right`
 * the highest precedence of an operator that may follow.  The prefix forms (minus, reductions) may
 * follow any operator, so `min` does not concern them, but what follows must not be caught by their
 * operand.  A reduction's body cannot begin with a minus: `no_minus` holds along its left edge. */
#include "syntax/unparse.h"

#include <stdlib.h>
#include <string.h>

enum prec {
	P_NONE,
	P_PIPE,
	P_RAMP,
	P_COMPARE,
	P_RANGE,
	P_ADD,
	P_BODY,
	P_MUL,
	P_NEG,
	P_POW,
	P_POSTFIX
};
struct slot {
	enum prec min, right;
	bool no_minus;
};

static void put(struct unparse *u, const struct ast *e, struct slot s);

static void gap(struct unparse *u)
{
	int depth = u->depth < BREAK_MAX ? u->depth : BREAK_MAX - 1;
	buf_putc(u->out, u->breaks ? (char)(BREAK + depth) : ' ');
}

static void put_string(struct buf *out, const char *s)
{
	buf_putc(out, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_putc(out, '\\');
		if (*s == '\n')
			buf_puts(out, "\\n");
		else
			buf_putc(out, *s);
	}
	buf_putc(out, '"');
}

/* As the user wrote it where that is still its value, else the shortest text that reads back. */
static void put_number(struct buf *out, const struct ast *e)
{
	const struct source *src = source_get(e->name_span.src);
	if (src && e->name_span.end <= src->len && e->name_span.end > e->name_span.beg) {
		const char *text = src->text + e->name_span.beg;
		char *end;
		double num = strtod(text, &end);
		if (num == e->num && end == src->text + e->name_span.end) {
			buf_printf(out, "%.*s", (int)(end - text), text);
			return;
		}
	}
	char text[40];
	for (int digits = 1; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, e->num);
		if (strtod(text, NULL) == e->num)
			break;
	}
	buf_puts(out, text);
}

static enum prec op_prec(char op)
{
	switch (op) {
	case '+':
	case '-':
		return P_ADD;
	case '*':
	case '/':
	case '@':
		return P_MUL;
	case '^':
		return P_POW;
	default:
		return P_COMPARE;
	}
}

static const char *op_text(char op)
{
	switch (op) {
	case 'l':
		return "<=";
	case 'g':
		return ">=";
	case '=':
		return "==";
	case '!':
		return "!=";
	case '+':
		return "+";
	case '-':
		return "-";
	case '*':
		return "*";
	case '/':
		return "/";
	case '@':
		return "@";
	case '^':
		return "^";
	case '<':
		return "<";
	case '>':
		return ">";
	default:
		BUG("no operator '%c'", op);
	}
}

static void open(struct unparse *u, char bracket)
{
	buf_putc(u->out, bracket);
	u->depth++;
}

static void close(struct unparse *u, char bracket)
{
	u->depth--;
	buf_putc(u->out, bracket);
}

void unparse_args(struct unparse *u, struct ast *const *arg, const char *const *key, int n)
{
	for (int k = 0; k < n; k++) {
		if (k) {
			buf_putc(u->out, ',');
			gap(u);
		}
		if (key && key[k])
			buf_printf(u->out, "%s = ", key[k]);
		unparse_expr(u, arg[k]);
	}
}

void unparse_subscripts(struct unparse *u, struct ast *const *at, int n)
{
	struct unparse inside = {.out = u->out, .tight = true};
	bool simple = true;
	for (int k = 0; k < n; k++)
		simple = simple && (at[k]->kind == AST_NAME || at[k]->kind == AST_NUM);
	buf_putc(u->out, '[');
	for (int k = 0; k < n; k++) {
		if (k)
			buf_puts(u->out, simple ? "," : ", ");
		unparse_expr(&inside, at[k]);
	}
	buf_putc(u->out, ']');
}

static void put_op(struct unparse *u, const char *op, enum prec prec)
{
	if (prec == P_MUL || prec == P_POW || prec == P_RANGE || (prec == P_ADD && u->tight)) {
		buf_puts(u->out, op);
	} else if (prec == P_ADD || prec == P_PIPE) {
		gap(u);
		buf_printf(u->out, "%s ", op);
	} else {
		buf_printf(u->out, " %s ", op);
	}
}

/* Two operands.  `left` and `right` are the lowest precedences they may have bare. */
static void put_pair(struct unparse *u, const struct ast *e, struct slot s, const char *op,
                     enum prec prec, enum prec left, enum prec right)
{
	bool parens = prec < s.min;
	if (parens) {
		open(u, '(');
		s = (struct slot){0};
	}
	put(u, e->kid[0], (struct slot){left, prec, s.no_minus});
	put_op(u, op, prec);
	put(u, e->kid[1], (struct slot){right, s.right, false});
	if (parens)
		close(u, ')');
}

/* a + b - c: operators of one precedence that group from the left. */
static void put_line(struct unparse *u, const struct ast *e, struct slot s, enum prec prec)
{
	struct ast_spine line = ast_spine(u->out->a, e, prec == P_ADD ? "+-" : "*/@");
	bool parens = prec < s.min;
	if (parens) {
		open(u, '(');
		s = (struct slot){0};
	}
	put(u, line.first, (struct slot){prec, prec, s.no_minus});
	for (int k = 0; k < line.n; k++) {
		put_op(u, op_text(line.node[k]->op), prec);
		enum prec right = k == line.n - 1 ? s.right : prec;
		put(u, line.node[k]->kid[1], (struct slot){prec + 1, right, false});
	}
	if (parens)
		close(u, ')');
}

static void put_bin(struct unparse *u, const struct ast *e, struct slot s)
{
	enum prec p = op_prec(e->op);
	if (p == P_ADD || p == P_MUL)
		put_line(u, e, s, p);
	else
		put_pair(u, e, s, op_text(e->op), p, p + 1, p == P_POW ? p : p + 1);
}

static void put_prefix(struct unparse *u, const struct ast *e, struct slot s)
{
	bool neg = e->kind == AST_NEG;
	bool parens = neg ? s.no_minus || s.right > P_NEG : s.right > P_BODY;
	if (parens) {
		open(u, '(');
		s = (struct slot){0};
	}
	if (neg) {
		buf_putc(u->out, '-');
		put(u, e->kid[0], (struct slot){P_NEG, s.right, false});
	} else {
		buf_puts(u->out, e->name);
		open(u, '(');
		unparse_args(u, e->kid + 1, NULL, e->nkid - 1);
		close(u, ')');
		buf_putc(u->out, ' ');
		put(u, e->kid[0], (struct slot){P_MUL, s.right, true});
	}
	if (parens)
		close(u, ')');
}

static void put(struct unparse *u, const struct ast *e, struct slot s)
{
	bool tight;
	switch (e->kind) {
	case AST_BAD:
		buf_puts(u->out, "?");
		break;
	case AST_NUM:
		put_number(u->out, e);
		break;
	case AST_STR:
		put_string(u->out, e->name);
		break;
	case AST_NAME:
		buf_puts(u->out, e->name);
		break;
	case AST_INDEX:
		put(u, e->kid[0], (struct slot){P_POSTFIX, P_POSTFIX, s.no_minus});
		unparse_subscripts(u, e->kid + 1, e->nkid - 1);
		break;
	case AST_FIELD:
		put(u, e->kid[0], (struct slot){P_POSTFIX, P_POSTFIX, s.no_minus});
		buf_printf(u->out, ".%s", e->name);
		break;
	case AST_CALL:
	case AST_TUPLE:
		if (e->kind == AST_CALL)
			buf_puts(u->out, e->name);
		open(u, '(');
		unparse_args(u, e->kid, e->key, e->nkid);
		close(u, ')');
		break;
	case AST_GIVEN:
		unparse_args(u, e->kid[0]->kid, e->kid[0]->key, e->kid[0]->nkid);
		gap(u);
		buf_puts(u->out, "given ");
		unparse_args(u, e->kid[1]->kid, NULL, e->kid[1]->nkid);
		break;
	case AST_NEG:
	case AST_REDUCE:
		put_prefix(u, e, s);
		break;
	case AST_BIN:
		put_bin(u, e, s);
		break;
	case AST_RANGE:
		tight = u->tight;
		u->tight = true; /* 0..n+1 */
		put_pair(u, e, s, "..", P_RANGE, P_ADD, P_ADD);
		u->tight = tight;
		break;
	case AST_RAMP:
		put_pair(u, e, s, "->", P_RAMP, P_COMPARE, P_COMPARE);
		break;
	case AST_PIPE:
		put_pair(u, e, s, "|>", P_PIPE, P_PIPE, P_POSTFIX);
		break;
	}
}

void unparse_expr(struct unparse *u, const struct ast *e)
{
	put(u, e, (struct slot){0});
}

void ast_expr_print(const struct ast *e, struct buf *out)
{
	struct unparse u = {.out = out};
	unparse_expr(&u, e);
}
