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

#endif
