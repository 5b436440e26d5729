/* data_work: a data set while its steps run. */
#ifndef DGM_DATA_WORK_H
#define DGM_DATA_WORK_H
#include "data.h"

struct dgm_data_work {
	struct dgm_data d; /* first: what dgm_data_load gives is a pointer to it */
	double scale;      /* of d.u8, before it is rounded to float */
	bool gaps;      /* values are missing: NaN in d.f32 */
	bool unordered;    /* examples are no longer in the file's order */
	char name[256], file[402], source[512], key[2048];
	/* The key is made of these: how the values became 0/1, or ""; the steps since then, and those
	 * before that picked values.  picked: the steps that did. */
	char label[64], changes[1536], picked[512];
};

/* Streams of the random numbers of data sets; a stage of a training never gets that far. */
#define DGM_STREAM_FIXED 0xFFFFF001u
#define DGM_STREAM_RESAMPLED 0xFFFFF002u
#define DGM_STREAM_PERMUTATION 0xFFFFF003u
#define DGM_STREAM_PATCHES 0xFFFFF004u

int dgm_data_step(struct dgm_data_work *w, const struct dgm_step *s);
#define STEP(id, name, signature, places, picks, gaps, run) \
	int run(struct dgm_data_work *w, const struct dgm_step *s);
#include "data_step.def"
#undef STEP

/* For a step with s->like: that set as it stands before its own step of this kind (where it has none,
 * behind all its steps), and in *how that step, else s.  The caller frees it. */
int dgm_data_reference(struct dgm_data_work *w, const struct dgm_step *s, struct dgm_data_work **ref,
                       const struct dgm_step **how);

/* What the steps share. */
int dgm_data_no_memory(const struct dgm_data_work *w);
size_t dgm_data_value_size(const struct dgm_data_work *w);
void *dgm_data_values(const struct dgm_data_work *w);
int dgm_data_to_floats(struct dgm_data_work *w);
/* 0/1, in the place of what there was, each value there giving q of them; of those that are missing NaN. */
int dgm_data_set_bytes(struct dgm_data_work *w, uint8_t *v, int64_t q);
void dgm_data_append(char *to, size_t room, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
#define CHANGED(...) dgm_data_append(w->changes, sizeof w->changes, __VA_ARGS__)
#define PICKED(...) (CHANGED(__VA_ARGS__), dgm_data_append(w->picked, sizeof w->picked, __VA_ARGS__))

/* Finds the narrowest domain, brings 0/1 values to u8 with scale 1, and writes the key. */
int dgm_data_finish(struct dgm_data_work *w);
/* The domain of the values as they stand (probabilities: of the probabilities) and their range. */
enum dgm_data_domain dgm_data_scan(const struct dgm_data_work *w, float *lo, float *hi);
/* to[i] = 1 with probability p[i], for example e: p is u8*scale, or f32 where u8 is NULL; u is
 * scratch of n floats rounded up to 64. */
void dgm_data_draw(uint8_t *to, const uint8_t *u8, float scale, const float *f32, int64_t n,
                   float *u, uint64_t seed, int64_t e, uint32_t step, uint32_t stream);
#endif
