/* What a run leaves behind: atomic files, safetensors, images, curves, metrics.  All in a temporary
 * folder. */
#include "files.h"
#include <CUnit/Basic.h>
#include <dirent.h>
#include <math.h>
#include <png.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/dgm-files-XXXXXX";

static const char *in_folder(const char *name)
{
	static char path[256];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static void put(const char *name, const void *bytes, size_t n)
{
	FILE *f = fopen(in_folder(name), "wb");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(fwrite(bytes, 1, n, f), n);
	CU_ASSERT_EQUAL(fclose(f), 0);
}

/* The file's bytes, NUL-terminated; "" when there is none. */
static const char *get(const char *name)
{
	static char text[1 << 16];
	FILE *f = fopen(in_folder(name), "rb");
	size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
	if (f)
		fclose(f);
	text[n] = 0;
	return text;
}

static int entries(void)
{
	int n = 0;
	DIR *d = opendir(folder);
	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void says(int status, int want, const char *part)
{
	CU_ASSERT_EQUAL(status, want);
	if (status == DGM_OK || !strstr(dgm_error(), part)) {
		fprintf(stderr, "expected '%s', got '%s'\n", part, status ? dgm_error() : "success");
		CU_FAIL("text of the error");
	}
}

static void test_out(void)
{
	struct dgm_out o;
	int before = entries();
	CU_ASSERT_EQUAL(dgm_out_open(&o, in_folder("out")), DGM_OK);
	fputs("one", o.f);
	CU_ASSERT_STRING_EQUAL(get("out"), "");
	CU_ASSERT_EQUAL(dgm_out_commit(&o), DGM_OK);
	CU_ASSERT_STRING_EQUAL(get("out"), "one");
	CU_ASSERT_EQUAL(dgm_out_open(&o, in_folder("out")), DGM_OK);
	fputs("two", o.f);
	dgm_out_abort(&o);
	dgm_out_abort(&o);
	CU_ASSERT_STRING_EQUAL(get("out"), "one");
	CU_ASSERT_EQUAL(entries(), before + 1);
	says(dgm_out_open(&o, in_folder("none/out")), DGM_EIO, "No such file or directory");
	says(dgm_out_open(&o, folder), DGM_EIO, "is a folder");
}

static void test_full_disk(void)
{
	struct dgm_out o;
	char block[8192] = {0};
	if (access("/dev/full", W_OK) != 0) {
		printf("(skipped: no /dev/full) ");
		return;
	}
	CU_ASSERT_EQUAL(dgm_out_open(&o, "/dev/full"), DGM_OK);
	fputs("short", o.f);
	says(dgm_out_commit(&o), DGM_EIO, "/dev/full: cannot be written: No space left on device");
	CU_ASSERT_EQUAL(dgm_out_open(&o, "/dev/full"), DGM_OK);
	for (int i = 0; i < 10; i++)
		fwrite(block, 1, sizeof block, o.f);
	says(dgm_out_commit(&o), DGM_EIO, "No space left on device");
	const float tile[4] = {0, 1, 0, 1};
	says(dgm_png_grid("/dev/full", tile, 1, 2, 2, 4, 1, 0, 1), DGM_EIO, "No space left");
	says(dgm_svg_curves("/dev/full", "t", "x", NULL, 0), DGM_EIO, "No space left");
	struct dgm_metrics *m;
	CU_ASSERT_EQUAL(dgm_metrics_open(&m, "/dev/full", -1), DGM_OK);
	says(dgm_metrics_line(m, "update", 'i', (int64_t)1, NULL), DGM_EIO, "No space left");
	dgm_metrics_close(m);
}

static void test_make_dir(void)
{
	struct stat st;
	CU_ASSERT_EQUAL(dgm_make_dir(in_folder("a/b//c")), DGM_OK);
	CU_ASSERT(stat(in_folder("a/b/c"), &st) == 0 && S_ISDIR(st.st_mode));
	CU_ASSERT_EQUAL(dgm_make_dir(in_folder("a/b/c/")), DGM_OK);
	put("plain", "x", 1);
	says(dgm_make_dir(in_folder("plain")), DGM_EIO, "is a file, expected a folder");
	says(dgm_make_dir(in_folder("plain/x")), DGM_EIO, "cannot be made");
	says(dgm_make_dir(""), DGM_EIO, "empty");
}

static void test_safetensors(void)
{
	float w[6] = {1, 2, 3, 4, 5, 6}, scalar = 7;
	uint8_t bytes[3] = {1, 2, 255};
	uint64_t big[2] = {1, (uint64_t)1 << 63};
	const struct dgm_tensor t[] = {{"bytes", "U8", 1, {3}, bytes},
	                               {"W \"1\"", "F32", 2, {2, 3}, w},
	                               {"none", "F32", 2, {0, 3}, NULL},
	                               {"scalar", "F32", 0, {0}, &scalar},
	                               {"rng", "U64", 1, {2}, big}};
	const char *meta[] = {"model", "rbm", "note", "a\nb", NULL};
	CU_ASSERT_EQUAL(dgm_safetensors_write(in_folder("p.st"), t, 5, meta), DGM_OK);
	const char *raw = get("p.st");
	uint64_t len;
	memcpy(&len, raw, 8);
	CU_ASSERT(len % 8 == 0 && raw[8] == '{');

	struct dgm_tensor *r;
	int n;
	char **m;
	void *block;
	CU_ASSERT_EQUAL_FATAL(dgm_safetensors_read(in_folder("p.st"), &r, &n, &m, &block), DGM_OK);
	CU_ASSERT_EQUAL_FATAL(n, 5);
	for (int i = 0; i < 4; i++)
		CU_ASSERT_STRING_EQUAL(m[i], meta[i]);
	CU_ASSERT_STRING_EQUAL(m[4], DGM_DIGEST);
	CU_ASSERT_PTR_NULL(m[6]);
	for (int i = 0; i < n; i++) {
		const struct dgm_tensor *from = NULL;
		for (int k = 0; k < 5; k++)
			if (strcmp(t[k].name, r[i].name) == 0)
				from = &t[k];
		CU_ASSERT_PTR_NOT_NULL_FATAL(from);
		CU_ASSERT_STRING_EQUAL(from->dtype, r[i].dtype);
		CU_ASSERT_EQUAL(from->rank, r[i].rank);
		CU_ASSERT_EQUAL((uintptr_t)r[i].data % 64, 0);
		size_t size = *r[i].dtype == 'F' ? 4 : r[i].dtype[1] == '8' ? 1 : 8;
		for (int k = 0; k < r[i].rank; k++) {
			CU_ASSERT_EQUAL(from->dim[k], r[i].dim[k]);
			size *= (size_t)r[i].dim[k];
		}
		CU_ASSERT(size == 0 || memcmp(from->data, r[i].data, size) == 0);
	}
	free(block);

	const struct dgm_tensor twice[] = {{"a", "F32", 1, {1}, w}, {"a", "F32", 1, {1}, w}};
	says(dgm_safetensors_write(in_folder("q.st"), twice, 2, NULL), DGM_EFORMAT, "two tensors");
	CU_ASSERT_EQUAL(dgm_safetensors_write(in_folder("q.st"), NULL, 0, NULL), DGM_OK);
	CU_ASSERT_EQUAL(dgm_safetensors_read(in_folder("q.st"), &r, &n, &m, &block), DGM_OK);
	CU_ASSERT(n == 0 && m[2] == NULL);
	free(block);
}

/* Every changed byte is refused: of a value because of the digest, of the header because of that or
 * before.  A file without a digest is read. */
static void test_digest(void)
{
	float w[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
	uint8_t odd[3] = {1, 2, 3};
	const struct dgm_tensor t[] = {{"W", "F32", 2, {3, 3}, w}, {"b", "U8", 1, {3}, odd}};
	const char *meta[] = {"epoch", "12", NULL};
	struct dgm_tensor *r;
	struct stat st;
	char **m, file[1024];
	void *block;
	int n;
	CU_ASSERT_EQUAL(dgm_safetensors_write(in_folder("d.st"), t, 2, meta), DGM_OK);
	CU_ASSERT_EQUAL(stat(in_folder("d.st"), &st), 0);
	size_t size = (size_t)st.st_size;
	CU_ASSERT_FATAL(size <= sizeof file);
	memcpy(file, get("d.st"), size);
	for (size_t i = 0; i < size; i++) {
		const bool padding = file[i] == ' ' && i < size - 39;
		file[i] ^= 1;
		put("bad.st", file, size);
		int status = dgm_safetensors_read(in_folder("bad.st"), &r, &n, &m, &block);
		if (i >= size - 39)
			says(status, DGM_EFORMAT, "the file is damaged: its contents have the digest");
		file[i] ^= 1;
		if (status == DGM_OK) { /* "dgm_digest" itself is another word then */
			CU_ASSERT(padding || strcmp(m[2], DGM_DIGEST) != 0);
			free(block);
		}
	}
	char *name = strstr(file + 8, DGM_DIGEST);
	CU_ASSERT_PTR_NOT_NULL_FATAL(name);
	*name = 'x';
	file[size - 1] ^= 1;
	put("other.st", file, size);
	CU_ASSERT_EQUAL(dgm_safetensors_read(in_folder("other.st"), &r, &n, &m, &block), DGM_OK);
	free(block);
}

/* One run at a time, whatever became of the last one; what it left half written goes. */
static void test_lock(void)
{
	char mine[64];
	int first, status, ready[2];
	snprintf(mine, sizeof mine, "l/m.png.tmp.%ld", (long)getpid());
	CU_ASSERT_EQUAL(dgm_make_dir(in_folder("l/d.tmp.7")), DGM_OK);
	put("l/a.safetensors.tmp.1234567", "x", 1);
	put(mine, "x", 1);
	put("l/tmp.5", "x", 1);
	put("l/.tmp.5", "x", 1);
	put("l/notes.tmp.5b", "x", 1);
	first = dgm_folder_lock(in_folder("l"));
	CU_ASSERT(first >= 0);
	CU_ASSERT_NOT_EQUAL(access(in_folder("l/a.safetensors.tmp.1234567"), F_OK), 0);
	CU_ASSERT_EQUAL(access(in_folder(mine), F_OK), 0);
	CU_ASSERT_EQUAL(access(in_folder("l/d.tmp.7"), F_OK), 0);
	CU_ASSERT_EQUAL(access(in_folder("l/tmp.5"), F_OK), 0);
	CU_ASSERT_EQUAL(access(in_folder("l/.tmp.5"), F_OK), 0);
	CU_ASSERT_EQUAL(access(in_folder("l/notes.tmp.5b"), F_OK), 0);
	says(dgm_folder_lock(in_folder("l")), DGM_EIO, "/l: the folder is in use by another run");
	dgm_folder_unlock(first);
	CU_ASSERT_EQUAL_FATAL(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0) {
		char fine = dgm_folder_lock(in_folder("l")) >= 0;
		if (write(ready[1], &fine, 1) == 1)
			pause();
		_exit(1);
	}
	char fine = 0;
	CU_ASSERT(read(ready[0], &fine, 1) == 1 && fine);
	says(dgm_folder_lock(in_folder("l")), DGM_EIO, "in use by another run");
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	first = dgm_folder_lock(in_folder("l"));
	CU_ASSERT(first >= 0);
	dgm_folder_unlock(first);
	close(ready[0]);
	close(ready[1]);
	says(dgm_folder_lock(in_folder("none")), DGM_EIO, "none/.lock: cannot be written: No such");
}

/* A file of a header and nbytes of data. */
static void tensors_refused(const char *header, size_t nbytes, const char *part)
{
	unsigned char b[1024] = {0};
	struct dgm_tensor *t;
	int n;
	char **meta;
	void *block;
	uint64_t len = strlen(header);
	memcpy(b, &len, 8);
	memcpy(b + 8, header, len);
	put("bad.st", b, 8 + len + nbytes);
	says(dgm_safetensors_read(in_folder("bad.st"), &t, &n, &meta, &block), DGM_EFORMAT, part);
	CU_ASSERT_PTR_NULL(block);
}

#define ONE(dtype, shape, span) \
	"{\"a\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" span "}}"

static void test_safetensors_refused(void)
{
	struct dgm_tensor *t;
	int n;
	char **meta;
	void *block;
	tensors_refused("", 0, "does not begin with '{'");
	tensors_refused("[]", 0, "does not begin with '{'");
	tensors_refused("{\"a\":", 0, "not JSON");
	tensors_refused("{} x", 0, "something follows");
	tensors_refused("{\"a\":1}", 0, "lacks dtype");
	tensors_refused(ONE("F5", "[1]", "[0,4]"), 4, "unknown type 'F5'");
	tensors_refused(ONE("F32", "[2]", "[0,4]"), 4, "data_offsets of 4 bytes, its shape needs 8");
	tensors_refused(ONE("F32", "[-1]", "[0,4]"), 4, "no number");
	tensors_refused(ONE("F32", "[1.5]", "[0,4]"), 4, "no number");
	tensors_refused(ONE("F32", "[1e300]", "[0,4]"), 4, "no number");
	tensors_refused(ONE("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "more than 8 axes");
	tensors_refused(ONE("F32", "[4000000000,4000000000]", "[0,4]"), 4, "its shape needs");
	tensors_refused(ONE("F32", "[1]", "[4,0]"), 4, "malformed data_offsets");
	tensors_refused(ONE("F32", "[1]", "[0]"), 4, "malformed data_offsets");
	tensors_refused(ONE("F32", "[1]", "[4,8]"), 8, "leave a hole at byte 0");
	tensors_refused(ONE("F32", "[2]", "[0,8]"), 4,
	                "truncated: its header promises 8 bytes of data, 4");
	tensors_refused(ONE("F32", "[1]", "[0,4]"), 5, "too long");
	tensors_refused("{\"__metadata__\":{\"a\":1}}", 0, "not a string");
	tensors_refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
	                "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
	                3, "overlap at byte 2");
	tensors_refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
	                "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
	                2, "two tensors are called 'a'");
	put("bad.st", "12345", 5);
	says(dgm_safetensors_read(in_folder("bad.st"), &t, &n, &meta, &block), DGM_EFORMAT,
	     "8 bytes, 5");
	put("bad.st", "\0\1\0\0\0\0\0\0{}", 10);
	says(dgm_safetensors_read(in_folder("bad.st"), &t, &n, &meta, &block), DGM_EFORMAT,
	     "promises a header of 256 bytes, 2 found");
	put("bad.st", "\377\377\377\377\377\377\377\377{}", 10);
	says(dgm_safetensors_read(in_folder("bad.st"), &t, &n, &meta, &block), DGM_EFORMAT,
	     "not a safetensors file");
	says(dgm_safetensors_read(in_folder("absent"), &t, &n, &meta, &block), DGM_EIO, "No such file");
	says(dgm_safetensors_read(folder, &t, &n, &meta, &block), DGM_EIO, "not a regular file");
}

/* Bytes of a valid file changed or cut: read or refused, never a crash. */
static void test_safetensors_garbage(void)
{
	float w[6] = {1, 2, 3, 4, 5, 6};
	const struct dgm_tensor t[] = {{"W", "F32", 2, {2, 3}, w}, {"b", "F32", 1, {2}, w}};
	const char *meta[] = {"k", "v", NULL};
	uint64_t state = 7;
	CU_ASSERT_EQUAL(dgm_safetensors_write(in_folder("g.st"), t, 2, meta), DGM_OK);
	struct stat st;
	CU_ASSERT_EQUAL(stat(in_folder("g.st"), &st), 0);
	size_t size = (size_t)st.st_size;
	char file[1024];
	CU_ASSERT_FATAL(size <= sizeof file);
	memcpy(file, get("g.st"), size);
	for (int k = 0; k < 4000; k++) {
		char b[1024];
		memcpy(b, file, size);
		for (int edits = 0; edits <= k % 3; edits++) {
			state = state * 6364136223846793005u + 1442695040888963407u;
			b[(state >> 33) % size] = (char)(state >> 56);
		}
		put("bad.st", b, k % 4 ? size : (size_t)(state >> 40) % size);
		struct dgm_tensor *r;
		int n;
		char **m;
		void *block;
		if (dgm_safetensors_read(in_folder("bad.st"), &r, &n, &m, &block) == DGM_OK)
			free(block);
	}
}

static const struct dgm_slot slots[] = {
    {.name = "W", .space = DGM_PARAM, .pop = -1, .rank = 2, .dim = {2, 3}, .param = -1},
    {.name = "v", .space = DGM_STATE, .pop = 0, .rank = 1, .dim = {2}, .param = -1},
    {.name = "b", .space = DGM_PARAM, .pop = -1, .rank = 1, .dim = {3}, .param = -1}};
static const char *const pops[] = {"batch"};
static const struct dgm_module module = {
    .model = "rbm", .nslot = 3, .slot = slots, .npop = 1, .pop_name = pops};

static void test_params(void)
{
	const int64_t capacity[DGM_MAX_POP] = {4};
	struct dgm_store *s = dgm_store_new(&module, capacity), *r = dgm_store_new(&module, capacity);
	CU_ASSERT_FATAL(s && r);
	float *w = s->slot[0], *b = s->slot[2];
	for (int i = 0; i < 6; i++)
		w[i] = (float)i;
	b[1] = -1;
	uint64_t digest = dgm_params_digest(s);
	CU_ASSERT_NOT_EQUAL(digest, dgm_params_digest(r));
	CU_ASSERT_EQUAL(dgm_params_save(s, in_folder("model.st"), NULL), DGM_OK);
	CU_ASSERT_EQUAL(dgm_params_load(r, in_folder("model.st")), DGM_OK);
	CU_ASSERT_EQUAL(dgm_params_digest(r), digest);
	CU_ASSERT_EQUAL(((float *)r->slot[0])[5], 5);

	b[1] = NAN;
	CU_ASSERT_EQUAL(dgm_params_save(s, in_folder("nan.st"), NULL), DGM_OK);
	says(dgm_params_load(r, in_folder("nan.st")), DGM_EDOMAIN,
	     "parameter 'b' holds NaN at position 1");

	float zero[12] = {0};
	struct dgm_tensor t[] = {
	    {"W", "F32", 2, {3, 2}, zero}, {"b", "F32", 1, {3}, zero}, {"c", "F32", 1, {1}, zero}};
	CU_ASSERT_EQUAL(dgm_safetensors_write(in_folder("x.st"), t, 2, NULL), DGM_OK);
	says(dgm_params_load(r, in_folder("x.st")), DGM_ESHAPE,
	     "'W' has shape [3,2], the model has [2,3]");
	CU_ASSERT_EQUAL(dgm_safetensors_write(in_folder("x.st"), t + 1, 1, NULL), DGM_OK);
	says(dgm_params_load(r, in_folder("x.st")), DGM_EFORMAT, "no parameter 'W' in it");
	t[0].dim[0] = 2;
	t[0].dim[1] = 3;
	CU_ASSERT_EQUAL(dgm_safetensors_write(in_folder("x.st"), t, 3, NULL), DGM_OK);
	says(dgm_params_load(r, in_folder("x.st")), DGM_EFORMAT, "'c', which is no parameter of rbm");
	t[0].dtype = "F64";
	CU_ASSERT_EQUAL(dgm_safetensors_write(in_folder("x.st"), t, 2, NULL), DGM_OK);
	says(dgm_params_load(r, in_folder("x.st")), DGM_EFORMAT, "'W' is of type F64, expected F32");
	CU_ASSERT_EQUAL(dgm_params_digest(r), digest);
	dgm_store_free(s);
	dgm_store_free(r);
}

static void test_png(void)
{
	const float tiles[3 * 5] = {0, 1, 2, 3, -9, 0, 0, NAN, 1, -9, 5, 5, 5, 5, -9};
	CU_ASSERT_EQUAL(dgm_png_grid(in_folder("g.png"), tiles, 3, 2, 2, 5, 2, 0, 2), DGM_OK);
	png_image image = {.version = PNG_IMAGE_VERSION};
	CU_ASSERT_FATAL(png_image_begin_read_from_file(&image, in_folder("g.png")) != 0);
	CU_ASSERT(image.width == 7 && image.height == 7 && image.format == PNG_FORMAT_GRAY);
	png_byte p[7 * 7];
	CU_ASSERT_FATAL(png_image_finish_read(&image, NULL, p, 0, NULL) != 0);
	CU_ASSERT(p[0] == 96 && p[8] == 0 && p[9] == 128 && p[15] == 255 && p[16] == 255);
	CU_ASSERT(p[11] == 0 && p[12] == 0 && p[18] == 0 && p[19] == 128 && p[5 * 7 + 5] == 96);

	CU_ASSERT_EQUAL(dgm_png_grid(in_folder("g.png"), tiles, 3, 2, 2, 5, 0, 1, 0), DGM_OK);
	CU_ASSERT_FATAL(png_image_begin_read_from_file(&image, in_folder("g.png")) != 0);
	CU_ASSERT(image.width == 7 && image.height == 7);
	CU_ASSERT_FATAL(png_image_finish_read(&image, NULL, p, 0, NULL) != 0);
	CU_ASSERT(p[8] == 0 && p[9] == 85 && p[15] == 170 && p[16] == 255 && p[19] == 255);

	says(dgm_png_grid(in_folder("n.png"), tiles, 0, 2, 2, 5, 2, 0, 2), DGM_ESHAPE, "make no image");
	says(dgm_png_grid(in_folder("n.png"), tiles, INT64_MAX, INT64_MAX, 2, 5, 2, 0, 2), DGM_ELIMIT,
	     "2^30");
	says(dgm_png_grid(in_folder("none/n.png"), tiles, 3, 2, 2, 5, 2, 0, 2), DGM_EIO,
	     "No such file");
	CU_ASSERT(access(in_folder("n.png"), F_OK) != 0);
}

static void test_svg(void)
{
	const double x[4] = {0, 10, 20, 30}, y[4] = {-120.5, NAN, -101, -100}, flat[4] = {0, 0, 0, 0};
	const struct dgm_series s[] = {{"test < all & \"x\"", 4, x, y}, {"flat", 0, x, flat}};
	CU_ASSERT_EQUAL(dgm_svg_curves(in_folder("c.svg"), "Free energy", "epoch", s, 2), DGM_OK);
	const char *svg = get("c.svg");
	CU_ASSERT(strncmp(svg, "<svg xmlns=", 11) == 0 && strstr(svg, "</svg>\n") != NULL);
	CU_ASSERT(strstr(svg, "test &lt; all &amp; ") && strstr(svg, ">flat<") &&
	          strstr(svg, ">epoch<"));
	CU_ASSERT(strstr(svg, ">-100<") && strstr(svg, ">-125<") && strstr(svg, ">30<"));
	CU_ASSERT(strstr(svg, "<circle") && !strstr(svg, "nan"));
	const double odd[4] = {0, 1e300, -INFINITY, 1e-300};
	const struct dgm_series hard[] = {{"flat", 4, x, flat}, {"odd", 4, odd, odd}};
	for (int k = 0; k < 2; k++) {
		CU_ASSERT_EQUAL(dgm_svg_curves(in_folder("c.svg"), "", "", &hard[k], 1), DGM_OK);
		CU_ASSERT(strstr(get("c.svg"), "</svg>") && !strstr(get("c.svg"), "nan"));
	}
}

static void test_metrics(void)
{
	struct dgm_metrics *m;
	const char *path = in_folder("m.jsonl");
	CU_ASSERT_EQUAL_FATAL(dgm_metrics_open(&m, path, 0), DGM_OK);
	CU_ASSERT_EQUAL(dgm_metrics_line(m, "update", 'i', (int64_t)1, "loss", 'd', 0.1, NULL), DGM_OK);
	CU_ASSERT_STRING_EQUAL(get("m.jsonl"), "{\"update\":1,\"loss\":0.1}\n");
	CU_ASSERT_EQUAL(dgm_metrics_line(m, "update", 'i', (int64_t)2, "a", 'd', (double)NAN, "b", 'd',
	                                 -(double)INFINITY, "c\"\n", 's', "x\\\xFF\xC3\xA9", NULL),
	                DGM_OK);
	CU_ASSERT_EQUAL(dgm_metrics_line(m, NULL), DGM_OK);
	CU_ASSERT_EQUAL(dgm_metrics_close(m), DGM_OK);
	CU_ASSERT_STRING_EQUAL(get("m.jsonl"),
	                       "{\"update\":1,\"loss\":0.1}\n"
	                       "{\"update\":2,\"a\":\"nan\",\"b\":\"-inf\",\"c\\\"\\u000a\":"
	                       "\"x\\\\\\ufffd\xC3\xA9\"}\n{}\n");

	static const char killed[] =
	    "{\"update\":1}\n{\"note\":\"x\"}\n{\"update\":3}\nrubbish\n{\"update\":2}\n"
	    "{\"upd";
	put("m.jsonl", killed, sizeof killed - 1);
	CU_ASSERT_EQUAL_FATAL(dgm_metrics_open(&m, in_folder("m.jsonl"), 2), DGM_OK);
	CU_ASSERT_EQUAL(dgm_metrics_line(m, "update", 'i', (int64_t)3, NULL), DGM_OK);
	CU_ASSERT_EQUAL(dgm_metrics_close(m), DGM_OK);
	CU_ASSERT_STRING_EQUAL(get("m.jsonl"),
	                       "{\"update\":1}\n{\"note\":\"x\"}\n{\"update\":2}\n{\"update\":3}\n");
	CU_ASSERT_EQUAL_FATAL(dgm_metrics_open(&m, in_folder("m.jsonl"), -1), DGM_OK);
	CU_ASSERT_EQUAL(dgm_metrics_close(m), DGM_OK);
	CU_ASSERT_STRING_EQUAL(get("m.jsonl"), "");
	says(dgm_metrics_open(&m, in_folder("none/m"), 0), DGM_EIO, "none/m: cannot be written");
}

static void test_progress(void)
{
	struct dgm_progress p;
	fflush(stderr);
	int saved = dup(STDERR_FILENO);
	CU_ASSERT_PTR_NOT_NULL_FATAL(freopen(in_folder("progress"), "wb", stderr));
	dgm_progress_begin(&p, "train", 100, false);
	for (int i = 1; i <= 100; i++)
		dgm_progress_at(&p, i, "loss %d", i);
	dgm_progress_end(&p);
	dgm_progress_begin(&p, "silent", 100, true);
	dgm_progress_at(&p, 100, "x");
	dgm_progress_end(&p);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	const char *text = get("progress");
	int lines = 0;
	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	CU_ASSERT_EQUAL(lines, 10);
	CU_ASSERT(strncmp(text, "train:  10 %, loss 10, ETA 0:00\n", 32) == 0);
	CU_ASSERT(strstr(text, "train: 100 %, loss 100, took 0:00\n") && !strstr(text, "silent"));
}

static int remove_folder(void)
{
	char command[64];
	snprintf(command, sizeof command, "rm -r %s", folder);
	return system(command) != 0;
}

int main(void)
{
	if (!mkdtemp(folder) || CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	CU_pSuite suite = CU_add_suite("files", NULL, remove_folder);
	CU_add_test(suite, "atomic writes", test_out);
	CU_add_test(suite, "full disk", test_full_disk);
	CU_add_test(suite, "folders", test_make_dir);
	CU_add_test(suite, "a folder has one run", test_lock);
	CU_add_test(suite, "safetensors", test_safetensors);
	CU_add_test(suite, "digest", test_digest);
	CU_add_test(suite, "safetensors refused", test_safetensors_refused);
	CU_add_test(suite, "safetensors garbage", test_safetensors_garbage);
	CU_add_test(suite, "parameters", test_params);
	CU_add_test(suite, "PNG", test_png);
	CU_add_test(suite, "SVG", test_svg);
	CU_add_test(suite, "metrics", test_metrics);
	CU_add_test(suite, "progress", test_progress);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failures != 0;
}
