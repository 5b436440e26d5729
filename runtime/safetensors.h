/* safetensors: what writing and reading share. */
#ifndef DGM_SAFETENSORS_H
#define DGM_SAFETENSORS_H
#include "files.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "tensors are stored as they lie in memory");

#define DGM_TENSOR_BYTES ((int64_t)1 << 52) /* JSON numbers are exact up to here */

int dgm_tensor_type_size(const char *dtype);          /* bytes of a value; 0: unknown */
int64_t dgm_tensor_bytes(const struct dgm_tensor *t); /* -1: too many */

/* The digest of a file: of its metadata but for DGM_DIGEST, then of each tensor in the order of their data. */
uint64_t dgm_digest_meta(const char *const *meta);
uint64_t dgm_digest_tensor(uint64_t h, const struct dgm_tensor *t);
#endif
