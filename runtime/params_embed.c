/* The parameters of an object to embed, from a file: what the function load_file of its header
 * calls. */
#include "dgm_embed.h"
#include "files.h"

#include <stdlib.h>
#include <string.h>

static bool load(struct dgm_module *m, const struct dgm_embed_param *param, int n, const char *path,
                 struct dgm_store **store)
{
	struct dgm_slot *slot = calloc((size_t)n + 1, sizeof *slot);
	m->slot = slot;
	m->nslot = slot ? n : 0;
	for (int k = 0; k < m->nslot; k++) {
		slot[k] = (struct dgm_slot){.name = param[k].name,
		                            .space = DGM_PARAM,
		                            .pop = -1,
		                            .param = -1,
		                            .rank = param[k].rank};
		memcpy(slot[k].dim, param[k].dim, sizeof slot[k].dim);
	}
	*store = slot ? dgm_store_new(m, NULL) : NULL;
	return *store && dgm_params_load(*store, path) == DGM_OK;
}

void *dgm_embed_read(const char *model, const char *path, const struct dgm_embed_param *param,
                     int n, const float **values)
{
	struct dgm_module m = {.model = model};
	struct dgm_store *store;
	float *block = NULL;
	int64_t items = 1, at = 0;
	bool ok = load(&m, param, n, path, &store);
	for (int k = 0; ok && k < n; k++)
		items += dgm_slot_items(&m.slot[k]);
	if (ok && (block = malloc((size_t)items * sizeof *block)) == NULL)
		dgm_fail(DGM_ENOMEM, "%s: not enough memory for its parameters", path);
	for (int k = 0; block && k < n; k++) {
		int64_t size = dgm_slot_items(&m.slot[k]);
		values[k] = memcpy(block + at, store->slot[k], (size_t)size * sizeof *block);
		at += size;
	}
	dgm_store_free(store);
	free((void *)(uintptr_t)m.slot);
	return block;
}
