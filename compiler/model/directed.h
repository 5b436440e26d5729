/* Directed factors on their way from sema, private to the layer. */
#ifndef DGM_MODEL_DIRECTED_H
#define DGM_MODEL_DIRECTED_H
#include "model/model.h"
#include "sema/sema.h"

/* The definitions, factors and posteriors of a model whose groups are there, in an order in which each
 * can be drawn; refused where there is none. */
void directed_build(struct cx *cx, struct model *m, const struct model_def *def);
/* The step of the variables in x, an index or a number; *t as it was where there are none; false: they are of
 * several. */
bool directed_one_step(const struct model *m, const struct node *x, const struct affine **t);
/* causal.c: does every state, the energy, the factor read what is there before it?  false: a diagnostic.  Puts factors
 * in an order in which each reads groups of those before it, or of its company at earlier steps. */
bool causal_states(struct cx *cx, const struct model *m);
bool causal_energy(struct cx *cx, const struct model *m);
bool causal_factor(struct cx *cx, const struct model *m, struct factor *f);
bool causal_sort(struct cx *cx, const struct model *m, struct factor **f, int n);

#endif
