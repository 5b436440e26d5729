/* unparse: an expression as source text with the fewest parentheses.  Only syntax/ includes it. */
#ifndef DGM_UNPARSE_H
#define DGM_UNPARSE_H

#include "syntax/ast.h"

/* Where a line may be broken the text holds BREAK + n, n the depth of brackets (at most BREAK_MAX),
 * in place of a blank; `breaks` false leaves the blanks. */
enum { BREAK = 1, BREAK_MAX = 7 };
struct unparse {
	struct buf *out;
	bool breaks;
	bool tight; /* no blanks around + and -: subscripts and ranges, as on paper */
	int depth;
};
void unparse_expr(struct unparse *u, const struct ast *e);
/* Arguments with their keys, separated by ", ". */
void unparse_args(struct unparse *u, struct ast *const *arg, const char *const *key, int n);
/* Subscripts or dimensions, with the brackets: [i,j] or [y+r, x+s]. */
void unparse_subscripts(struct unparse *u, struct ast *const *at, int n);

#endif
