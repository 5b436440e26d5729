/* What headers of objects to embed declare of the runtime where DGM_EMBED_FILES is defined. */
#ifndef DGM_EMBED_H
#define DGM_EMBED_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct dgm_embed_param {
	const char *name;
	int rank;
	int64_t dim[8];
};
/* The parameters in a .safetensors file, checked against `param`; values[k] are those of the k-th.  free() what
 * it returns; NULL: dgm_error() says why. */
void *dgm_embed_read(const char *model, const char *path, const struct dgm_embed_param *param, int n,
                     const float **values);
const char *dgm_error(void);

#ifdef __cplusplus
}
#endif
#endif
