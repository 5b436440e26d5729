/* program: what an objective, a sampler or an evaluator expands to: named functions, each a list of
 * statements that assign an index expression to every element of a tensor.
 *
 *     pre[n, j]  = sum(i) v[n, i]*W[i, j]
 *     h[n, j]    = uniform() < sigmoid(pre[n, j] + c[j])
 *     gW[i, j]  += 0.01*sum(n) v[n, i]*p[n, j]
 *
 * Symbols are global to the program; a statement sees what earlier ones wrote.  plan turns it into
 * kernels. */
#ifndef DGM_PROGRAM_H
#define DGM_PROGRAM_H
#include "expr/expr.h"

enum space { SPACE_PARAM, SPACE_GRAD, SPACE_STATE, SPACE_TEMP, SPACE_SCALAR }; /* as in runtime/dgm_rt.h; SCALAR: a number of the call */

struct tensor { /* a symbol of the program */
	const struct sym *sym;
	enum space space;
	int pop;                 /* population of a batched symbol, else -1 */
	const struct sym *param; /* SPACE_GRAD: of which parameter */
};
struct stmt {
	const struct sym *dst;
	const struct idx *batch;         /* row of dst; NULL when dst is unbatched */
	const struct idx *at[MAX_RANK];  /* one index an axis of dst */
	bool accumulate;                 /* += */
	/* The elements of dst, row-major within an item, are assigned one after the other, each seeing those
	 * assigned before it: a sweep within a group whose units are coupled.  The last `inner` axes make one
	 * step together. */
	bool sequential;
	int inner;
	struct node *rhs;
};
struct function {
	const char *name;
	/* The function that is called before this one is called any number of times, on the same rows and
	 * inputs; NULL: no such order is known. */
	const struct function *first;
	struct stmt *stmt;
	int nstmt, cap;
};
struct program {
	struct arena *a;
	const char *model;
	VEC(struct tensor) tensor;
	VEC(struct function *) function;
	VEC(const char *) pop; /* names of the populations */
	VEC(int64_t) most;     /* rows of each at most; 0: not known */
	int ndraw;             /* streams handed out */
	bool loops;            /* sums stay loops: no product of the runtime's is called */
};
struct program *program_new(struct arena *a, const char *model);
int program_pop(struct program *p, const char *name); /* adds a population */
/* It has at most so many rows.  Then it may be an axis, of that size, of a batched tensor: k[n, m], written
 * and read with a batch index as the first subscript; rows that the population has not now mean nothing.
 * The plan makes such temporaries for sums over two batch indices. */
void program_pop_most(struct program *p, int pop, int64_t most);
/* Adds a symbol of the program (once); for a batched one, in population pop. */
void program_tensor(struct program *p, const struct sym *s, enum space space, int pop, const struct sym *param);
const struct tensor *program_find(const struct program *p, const struct sym *s); /* NULL: none */
struct function *program_function(struct program *p, const char *name); /* new where there is none of the name */
void program_stmt(struct program *p, struct function *f, struct stmt s);
/* A new function: what f does, but for what only these gradients are made of. */
void program_without(struct program *p, const struct function *f, const char *name, const struct sym *const *grad,
                     int n);
int program_stream(struct program *p); /* a fresh stream number for a draw */
void program_print(const struct program *p, FILE *out); /* dgm emit --stage=expr */

#endif
