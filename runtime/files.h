/* files: what a run leaves behind.  Every file is written beside its place, fsynced and renamed, so
 * that a reader sees the old one or the new one and never half of either. */
#ifndef DGM_FILES_H
#define DGM_FILES_H
#include "dgm_rt.h"
#include <stdio.h>

/* ---- atomic writes ---- */
struct dgm_out {
	FILE *f;
	char path[4096], tmp[4096];
};
int dgm_out_open(struct dgm_out *o, const char *path);
int dgm_out_commit(struct dgm_out *o); /* fflush, fsync, close, rename, fsync the folder */
void dgm_out_abort(struct dgm_out *o); /* removes the temporary */
int dgm_make_dir(const char *path);    /* with parents; an existing folder is fine; checks that it is writable */
/* A folder for one run at a time: a handle >= 0 that holds it until dgm_folder_unlock or the end of the
 * process, however that comes; DGM_EIO when another run holds it.  What killed runs left half written is
 * removed.  The lock is on the file .lock, which stays. */
int dgm_folder_lock(const char *path);
void dgm_folder_unlock(int lock);
void dgm_folder_clean(const char *path); /* removes what other processes left half written; the folder is this run's */
/* Flushes standard output; DGM_EIO when that or an earlier write to it failed. */
int dgm_stdout_flush(void);

/* ---- safetensors: https://github.com/huggingface/safetensors, F32 and U8 and U64 ---- */
struct dgm_tensor {
	const char *name;
	const char *dtype; /* "F32", "U8", "U64" */
	int rank;
	int64_t dim[DGM_MAX_RANK];
	void *data;
};
/* meta: NULL-terminated pairs key, value.  DGM_DIGEST is added: a digest of the metadata, the names, types
 * and shapes of the tensors, and their values. */
#define DGM_DIGEST "dgm_digest"
int dgm_safetensors_write(const char *path, const struct dgm_tensor *t, int n, const char *const *meta);
/* Reads the whole file; the tensors' data, names and the metadata live in *block (free() it). Truncated,
 * overlapping, oversized or malformed headers are DGM_EFORMAT, and so are contents that do not have the digest
 * of the metadata; a file without one, made by others, is taken as it is. */
int dgm_safetensors_read(const char *path, struct dgm_tensor **t, int *n, char ***meta, void **block);
/* The parameters of a store by name (F32, any F64/F16 in the file is refused with a sentence). */
int dgm_params_save(const struct dgm_store *s, const char *path, const char *const *meta);
int dgm_params_load(struct dgm_store *s, const char *path); /* wrong or missing names, shapes, NaN: an error */
uint64_t dgm_params_digest(const struct dgm_store *s);

/* ---- arrays: a tensor (F32, U8) as .npy, or as .csv with a line for each item of its first axis ---- */
bool dgm_array_known(const char *path); /* does the path end so? */
int dgm_array_write(const char *path, const struct dgm_tensor *t);

/* ---- images ---- */
/* n tiles of h x w floats in a grid of `columns`; each tile scaled from [lo, hi] to grey (lo >= hi: each
 * tile by its own range).  PNG, 8-bit grey, one pixel of border. */
int dgm_png_grid(const char *path, const float *tiles, int64_t n, int64_t h, int64_t w, int64_t tile_stride,
                 int64_t columns, float lo, float hi);
void dgm_put_text(FILE *f, const char *s); /* text of SVG and HTML: <, >, & and quotes as entities */
/* Curves of (x, y) series as an SVG file: axes, ticks, legend.  NaNs are gaps. */
struct dgm_series {
	const char *name;
	int64_t n;
	const double *x, *y;
};
void dgm_svg_write(FILE *f, const char *title, const char *xlabel, const struct dgm_series *s, int n, bool legend);
int dgm_svg_curves(const char *path, const char *title, const char *xlabel, const struct dgm_series *s, int n);

/* ---- metrics.jsonl: one JSON object a line, appended and flushed line by line; a resumed run first cuts
 * the file back to the lines before its checkpoint (lines with "update" > keep are dropped; keep < 0: an
 * empty file) ---- */
struct dgm_metrics;
int dgm_metrics_open(struct dgm_metrics **m, const char *path, int64_t keep);
/* pairs: key, kind ('d' double, 'i' int64_t, 's' string), value ...; ends with NULL.  Non-finite doubles
 * are written as strings "nan", "inf", "-inf". */
int dgm_metrics_line(struct dgm_metrics *m, ...);
int dgm_metrics_close(struct dgm_metrics *m);
/* The text as a JSON string, with its quotes. */
void dgm_json_string(FILE *f, const char *text);

/* ---- what earlier runs left, read again; each is freed with its own function ---- */
struct dgm_record { /* a line of results.jsonl: a figure, or a warning; what it does not say is "", NAN or -1 */
	const char *model, *warning;
	const char *figure, *quantity, *kind, *per, *data, *key, *method, *verdict;
	const char *data_digest, *parameters, *block;
	const char *line;     /* as it stands in the file */
	double value, error, chains, betas, samples, ess;
	int64_t examples, seed;
	void *json; /* owns the texts */
};
int dgm_records_read(const char *path, struct dgm_record **out, int *n);
void dgm_records_free(struct dgm_record *r, int n);
/* The numbers of metrics.jsonl against the epoch, a series each in the order in which they first stand there; without
 * the update, the seconds and the rate. */
int dgm_metrics_read(const char *path, struct dgm_series **out, int *n);
void dgm_series_free(struct dgm_series *s, int n);

/* ---- progress on standard error: one line redrawn with an ETA on a terminal; elsewhere a plain line when
 * 10 % more is done or 30 s have passed ---- */
struct dgm_progress {
	const char *what;
	double total, start, last;
	int mode; /* 0 quiet, 1 plain, 2 terminal */
	int shown;
};
void dgm_progress_begin(struct dgm_progress *p, const char *what, double total, bool quiet);
void dgm_progress_at(struct dgm_progress *p, double done, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void dgm_progress_end(struct dgm_progress *p);
double dgm_now(void); /* seconds, monotonic */
#endif
