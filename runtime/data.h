/* data: sets of examples read from files or built in, with their domain, their preparation and the
 * key that every figure computed on them carries.
 *
 * A data set is a spec (a source and a list of steps, made by the compiler from
 *     data d = idx("mnist/train-images-idx3-ubyte.gz") / 255 |> binarize(resampled);
 * ) turned into examples of one shape.  Steps run in order. */
#ifndef DGM_DATA_H
#define DGM_DATA_H
#include "dgm_rt.h"

enum dgm_data_domain { DGM_DATA_REAL, DGM_DATA_UNIT, DGM_DATA_COUNT, DGM_DATA_BINARY };
/* UNIT: all in [0,1]; COUNT: non-negative integers; BINARY: all 0 or 1.  After reading, the narrowest
 * that holds. */

#define DGM_MAX_DENSE ((int64_t)1 << 32) /* values that a step or a sparse file may grow to */

enum dgm_step_kind {
#define STEP(id, name, signature, places, picks, gaps, run) DGM_STEP_##id,
#include "data_step.def"
#undef STEP
	DGM_STEP_COUNT
};
struct dgm_data_spec;
struct dgm_step { /* what a field is to a step: data_step.def */
	enum dgm_step_kind kind;
	double value;    /* MUL, ADD: v / 255 is a product; threshold: v > value */
	int64_t lo, hi;  /* half open: lo..hi-1; hi < 0: to the end */
	int64_t more[2]; /* further whole numbers */
	uint64_t seed;
	const struct dgm_data_spec *like; /* the set whose statistics are used; NULL: the set itself */
};
struct dgm_data_work;
struct dgm_step_row {
	const char *name, *signature, *places;
	bool picks, gaps;
	int (*run)(struct dgm_data_work *w, const struct dgm_step *s);
};
extern const struct dgm_step_row dgm_step_table[DGM_STEP_COUNT]; /* by kind */

struct dgm_data_spec {
	const char *name;       /* of the data set in the file */
	const char *reader;     /* "idx", "npy", ...: see dgm_readers */
	const char *path;       /* as written; searched beside base_dir, then DGM_DATA, then /usr/share/datasets */
	const char *base_dir;   /* the folder of the .dgm file */
	const char *member;     /* what to read of the file, where it holds several sets; "" or NULL: not said */
	int64_t arg[4];         /* sizes */
	bool gaps;              /* values may be missing: NaN in arrays; empty, ?, nan and the like in tables */
	int nstep;
	struct dgm_step step[16];
};

struct dgm_data {
	const char *name;
	int64_t n;                     /* examples */
	int rank;
	int64_t dim[DGM_MAX_RANK];     /* shape of one example, as in the file (28 x 28) */
	int64_t items;                 /* product of dim */
	enum dgm_data_domain domain;   /* of what dgm_data_batch gives */
	const char *key;               /* "fixed" (0/1 as in the file), "fixed(seed 1)", "resampled",
	                                  "threshold(0.5)", "real", ... with further steps that change values */
	const char *source;            /* file name and digest: "t10k-images-idx3-ubyte.gz digest:..." */
	uint64_t digest;               /* of the values before binarisation, shape and steps included */
	int64_t nseq;                  /* sequences: sequence i is the examples start[i]..start[i+1]-1, in */
	int64_t *start;                /* order; NULL: the file has none */
	bool resampled;                /* values are probabilities: batches are drawn from them */
	uint8_t *missing;              /* n*items, 1 where there is no value (it is 0); NULL: all are there */
	uint8_t *u8;                   /* one of the two: n*items values, u8 with scale (value = u8*scale) */
	float scale;
	float *f32;
	const struct dgm_drawn *drawn; /* or neither: the values are drawn when they are asked for */
};
/* DGM_OK and *out, or a status with its text in dgm_error() naming the file.  Missing file: says where it
 * was looked for and, for a file of a Debian dataset package, which package to install. */
int dgm_data_load(const struct dgm_data_spec *spec, struct dgm_data **out);
void dgm_data_free(struct dgm_data *d);

/* Mean of each unit over all examples; smoothed: (sum + 1)/(n + 2), finite under logit. */
void dgm_data_mean(const struct dgm_data *d, bool smoothed, float *mean);
/* Variance of each unit over all examples (the mean square of the differences from the mean), of
 * resampled data that of the drawn values; at least DGM_DATA_VARIANCE_FLOOR, so that 1/var is finite. */
#define DGM_DATA_VARIANCE_FLOOR 1e-6f
void dgm_data_variance(const struct dgm_data *d, float *var);
/* Writes examples index[0..n) into a slot's buffer (f32 or bits per the slot; same number of items).
 * resampled sets draw unit u of example e at (seed, epoch or step `step`): a function of those alone. */
int dgm_data_batch(const struct dgm_data *d, const int64_t *index, int64_t n, const struct dgm_slot *slot,
                   void *buffer, uint64_t seed, uint32_t step);
/* 1 where a value is there, 0 where it is missing, into a slot's buffer as above. */
void dgm_data_known(const struct dgm_data *d, const int64_t *index, int64_t n, const struct dgm_slot *slot,
                    void *buffer);
/* A permutation of 0..n-1, a function of seed and epoch alone. */
void dgm_permutation(int64_t *index, int64_t n, uint64_t seed, uint32_t epoch);

/* One file a reader, exporting one const struct; the table is in data.c. */
struct dgm_raw { /* what a reader gives */
	int64_t n;
	int rank;
	int64_t dim[DGM_MAX_RANK];
	int64_t nseq, *start; /* sequences, as in struct dgm_data; none is empty */
	uint8_t *u8; /* or */
	float *f32;
};
struct dgm_reader {
	const char *name;
	const char *signature; /* of its arguments, for the compiler's call_bind: a file's begins with
	                          path:str, another string is spec->member, whole numbers are spec->arg */
	bool is_file;
	int nargs; /* numbers it takes */
	int (*read)(const char *path, const struct dgm_data_spec *spec, struct dgm_raw *out);
};
extern const struct dgm_reader *const dgm_readers[]; /* NULL-terminated */
#endif
