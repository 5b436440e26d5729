/* The table of optimisers. */
#include "optim.h"

#include <stddef.h>
#include <string.h>

const struct dgm_optimizer *const dgm_optimizers[] = {&dgm_sgd,     &dgm_adam,    &dgm_adamw,
                                                      &dgm_rmsprop, &dgm_adagrad, NULL};

const struct dgm_optimizer *dgm_optimizer_find(const char *name)
{
	for (int i = 0; dgm_optimizers[i]; i++)
		if (!strcmp(dgm_optimizers[i]->name, name))
			return dgm_optimizers[i];
	return NULL;
}
