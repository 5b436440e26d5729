/* What is known where an expression counts: linear inequalities between indices and values, from the
 * conditions of sums and from factors that are 0 or 1.  Private to the layer. */
#ifndef DGM_MODEL_FACTS_H
#define DGM_MODEL_FACTS_H
#include "expr/expr.h"

enum { FACT_COLUMNS = 24 };
struct fact { /* c + sum coef[k]*column[k] >= 0, or > 0 */
	double c, coef[FACT_COLUMNS];
	bool strict;
};
struct facts {
	struct arena *a;
	int ncolumn;
	struct node *column[FACT_COLUMNS]; /* an index, or a value that nothing is known of */
	VEC(struct fact) fact;
};
/* What the guards of x say of its operands, and operands of x that are not 0 of operand k. */
void facts_inside(struct facts *f, const struct node *x, int k);
/* Does it follow that e >= 0?  That x < y? */
bool facts_imply(struct facts *f, struct affine e);
bool facts_less(struct facts *f, struct node *x, struct node *y);

#endif
