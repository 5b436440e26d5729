/* quantize: weights of few bits in the programs of embed.h. */
#ifndef DGM_OBJECTIVE_QUANTIZE_H
#define DGM_OBJECTIVE_QUANTIZE_H
#include "objective/embed.h"

struct quantised {
	const struct sym *of;    /* the parameter */
	const struct sym *kept;  /* what stands for it, of its shape: VALUES_INT8 or VALUES_BF16 */
	const struct sym *scale; /* [size of `axis`] what it is multiplied by; NULL: nothing */
	int axis;
};
/* The axis of w that products keep when they sum over another; -1: none does, w is no weight. */
int quantised_axis(const embed_list *offers, const struct sym *w);
void quantise_programs(const embed_list *offers, struct quantised *q);

#endif
