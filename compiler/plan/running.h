/* running: running sums inside an expression.  Private to compiler/plan. */
#ifndef DGM_PLAN_RUNNING_H
#define DGM_PLAN_RUNNING_H
#include "plan/work.h"

enum { MAX_RUNNING = 16 };

/* sum(i, .. | i < d) of what does not depend on d; or i <= d, i > d, i >= d. */
struct running {
	struct node *sum;
	const struct idx *outer; /* d */
	struct node *term;       /* what i = d adds */
	bool down, own;          /* as in struct carry */
	bool nested;             /* the term has running sums in it */
};
/* The running sums of an expression along d, for every j, in rows n, each of which may have axes of
 * its own (outer); nested ones first. */
struct running_set {
	const struct idx *n, *d, *j;
	struct seq outer;
	struct running at[MAX_RUNNING];
	int count;
};
bool running_any(const struct node *x); /* may there be one in x? */
/* x with factors that do not depend on i taken out of sums over i, so that running sums stand alone. */
struct node *running_split(struct work *w, struct node *x);
/* The running sums in x, a sum; false: none, or not all along one index. */
bool running_find(struct work *w, struct node *x, struct running_set *out);
/* Is x an operation that is worth keeping the value of? */
bool running_function(const struct node *x);
/* Does x depend on d through running sums that are not nested alone, and has it one? */
bool running_pure(const struct running_set *s, const struct node *x);
/* The running sum x is; NULL: none of the set. */
const struct running *running_of(const struct running_set *s, const struct node *x);
/* A factor of the term that takes the values 0 and 1, the same for all j; NULL: none. */
struct node *running_when(const struct running_set *s, const struct running *r);
/* x with tensors that are read along j copied so that j is their last axis. */
struct node *running_rows(struct work *w, struct node *x, const struct idx *j);

/* steps.c, scan.c: sum(j ..) or sum(d ..), or sum(n ..), over what has the running sums of s in it,
 * as an access to a temporary; NULL: not of the form. */
struct node *plan_steps(struct work *w, struct node *x, const struct running_set *s,
                        const struct seq *order);
struct node *plan_columns(struct work *w, struct node *x, const struct running_set *s);
#endif
