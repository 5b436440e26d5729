/* The readers of data files, on right and wrong files made in a temporary folder. */
#include "data_files.h"
#include <zlib.h>

static void put_gz(const char *name, const void *bytes, size_t n)
{
	gzFile f = gzopen(in_folder(name), "wb");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(gzwrite(f, bytes, (unsigned)n), (int)n);
	CU_ASSERT_EQUAL(gzclose(f), Z_OK);
}

static void refused_file(const char *reader, const char *path, int status, const char *part)
{
	struct dgm_data_spec s = spec_of(reader, path);
	refused(&s, status, part);
}

static void test_idx(void)
{
	put("a", BYTES(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 255, 7, 9));
	struct dgm_data_spec s = spec_of("idx", "a");
	struct dgm_data *d = load(&s);
	CU_ASSERT(d->n == 2 && d->rank == 2 && d->dim[0] == 1 && d->dim[1] == 2 && d->items == 2);
	CU_ASSERT(d->u8 && d->u8[1] == 255 && d->domain == DGM_DATA_COUNT);
	CU_ASSERT_STRING_EQUAL(d->key, "count");
	CU_ASSERT(strncmp(d->source, "a digest:", 9) == 0);
	dgm_data_free(d);

	add(&s, (struct dgm_step){.kind = DGM_STEP_MUL, .value = 1 / 255.0});
	d = load(&s);
	CU_ASSERT(d->u8 && d->domain == DGM_DATA_UNIT && value(d, 1) == 1);
	CU_ASSERT_STRING_EQUAL(d->key, "real / 255");
	dgm_data_free(d);

	put_gz("labels", BYTES(0, 0, 9, 1, 0, 0, 0, 3, 1, 0xFF, 3));
	s = spec_of("idx", "labels");
	d = load(&s);
	CU_ASSERT(d->n == 3 && d->rank == 0 && d->items == 1 && d->domain == DGM_DATA_REAL);
	CU_ASSERT(d->f32 && d->f32[0] == 1 && d->f32[1] == -1 && d->f32[2] == 3);
	dgm_data_free(d);

	static const struct {
		unsigned char bytes[24];
		size_t size;
	} typed[] = {{{0, 0, 0x0B, 1, 0, 0, 0, 1, 0xFF, 0xFE}, 10},
	             {{0, 0, 0x0C, 1, 0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFE}, 12},
	             {{0, 0, 0x0D, 1, 0, 0, 0, 1, 0xC0, 0, 0, 0}, 12},
	             {{0, 0, 0x0E, 1, 0, 0, 0, 1, 0xC0, 0, 0, 0, 0, 0, 0, 0}, 16}};
	for (int i = 0; i < 4; i++) {
		put("typed", typed[i].bytes, typed[i].size);
		s = spec_of("idx", "typed");
		d = load(&s);
		CU_ASSERT(d->f32 && d->f32[0] == -2);
		dgm_data_free(d);
	}
}

static void test_idx_refused(void)
{
	put_gz("short", BYTES(0, 0, 8, 3, 0, 0, 0xEA, 0x60, 0, 0, 0, 28, 0, 0, 0, 28, 1, 2, 3));
	refused_file("idx", "short", DGM_EFORMAT,
	             "short: truncated: header promises 60000 x 28 x 28 bytes (47040000), 3 found");
	put("short4", BYTES(0, 0, 0x0D, 1, 0, 0, 0, 2, 1, 2, 3, 4, 5));
	refused_file("idx", "short4", DGM_EFORMAT, "promises 2 x 4 bytes (8), 5 found");
	put("long", BYTES(0, 0, 8, 1, 0, 0, 0, 1, 1, 2, 3));
	refused_file("idx", "long", DGM_EFORMAT,
	             "too long: header promises 1 bytes (1), 2 more follow");
	put("magic", BYTES('R', 'I', 'F', 'F', 1, 2));
	refused_file("idx", "magic", DGM_EFORMAT, "begins with 52 49 46 46, expected 00 00");
	put("type", BYTES(0, 0, 7, 1, 0, 0, 0, 1));
	refused_file("idx", "type", DGM_EFORMAT, "IDX type 07");
	put("rank", BYTES(0, 0, 8, 200, 0, 0, 0, 1));
	refused_file("idx", "rank", DGM_EFORMAT, "IDX rank 200");
	put("rank0", BYTES(0, 0, 8, 0));
	refused_file("idx", "rank0", DGM_EFORMAT, "IDX rank 0");
	put("sizes", BYTES(0, 0, 8, 3, 0, 0, 0, 1));
	refused_file("idx", "sizes", DGM_EFORMAT, "rank 3 needs 12 bytes of sizes, 4 found");
	put("none", BYTES(0, 0, 8, 2, 0, 0, 0, 0, 0, 0, 0, 4));
	refused_file("idx", "none", DGM_EFORMAT, "0 x 4 values: it holds no data");
	unsigned char huge[4 + 9 * 4] = {0, 0, 8, 9};
	memset(huge + 4, 0xFF, sizeof huge - 4);
	put("huge", huge, sizeof huge);
	refused_file("idx", "huge", DGM_ELIMIT, "4294967295 x 4294967295");
	put("lies", BYTES(0, 0, 0x0E, 2, 0x00, 0x80, 0, 0, 0, 1, 0, 0, 1, 2, 3));
	refused_file("idx", "lies", DGM_EFORMAT, "3 found");
	put("empty", "", 0);
	refused_file("idx", "empty", DGM_EFORMAT, "truncated");
	put("nan", BYTES(0, 0, 0x0D, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0x7F, 0xC0, 0, 0));
	refused_file("idx", "nan", DGM_EDOMAIN, "example 0, unit 1 (both from 0) is NaN");
	refused_file("idx", ".", DGM_EIO, "is a folder");
	refused_file("idx", "missing", DGM_EIO, "missing: no such file in ");
	refused_file("idx", "/nowhere/x", DGM_EIO, "/nowhere/x: No such file");
	refused_file("idx", "fashion-mnist/missing", DGM_EIO, "apt-get install dataset-fashion-mnist");
	refused_file("what", "a", DGM_EFORMAT, "no reader 'what'");
}

static void test_gzip_damage(void)
{
	unsigned char bytes[16 + 8000] = {0, 0, 8, 2, 0, 0, 0, 100, 0, 0, 0, 80}, file[9000];
	for (size_t i = 12; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)(i * i >> 3);
	put_gz("whole.gz", bytes, 12 + 8000);
	FILE *f = fopen(in_folder("whole.gz"), "rb");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	size_t n = fread(file, 1, sizeof file, f);
	fclose(f);
	put("cut.gz", file, n / 2);
	refused_file("idx", "cut.gz", DGM_EFORMAT,
	             "cut.gz: truncated: header promises 100 x 80 bytes (8000)");
	put("tail.gz", file, n - 4);
	refused_file("idx", "tail.gz", DGM_EFORMAT, "truncated: the end of the gzip stream is missing");
	file[n - 6] ^= 1;
	put("crc.gz", file, n);
	refused_file("idx", "crc.gz", DGM_EFORMAT, "crc.gz: damaged gzip data");
}

/* A version 1 header around text. */
static void put_npy(const char *name, const char *header, const void *values, size_t n)
{
	unsigned char b[512] = "\x93NUMPY\1";
	size_t len = strlen(header);
	b[8] = (unsigned char)len;
	b[9] = (unsigned char)(len >> 8);
	memcpy(b + 10, header, len);
	memcpy(b + 10 + len, values, n);
	put(name, b, 10 + len + n);
}

static void test_npy(void)
{
	const float f4[6] = {1, 2, 3, 4, 5, 6};
	put_npy("a.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }  \n", f4,
	        sizeof f4);
	struct dgm_data_spec s = spec_of("npy", "a.npy");
	struct dgm_data *d = load(&s);
	CU_ASSERT(d->n == 2 && d->rank == 1 && d->dim[0] == 3 && d->f32[4] == 5);
	dgm_data_free(d);

	put_npy("f.npy", "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3)}", f4, sizeof f4);
	s = spec_of("npy", "f.npy");
	d = load(&s);
	const float want[6] = {1, 3, 5, 2, 4, 6};
	CU_ASSERT(memcmp(d->f32, want, sizeof want) == 0);
	dgm_data_free(d);

	put_npy("g.npy", "{'descr':'|b1','fortran_order':True,'shape':(2,1,2)}", BYTES(0, 1, 1, 1));
	s = spec_of("npy", "g.npy");
	d = load(&s);
	CU_ASSERT(d->rank == 2 && d->domain == DGM_DATA_BINARY && memcmp(d->u8, "\0\1\1\1", 4) == 0);
	dgm_data_free(d);

	put_npy("i8.npy", "{'descr': '>i8', 'fortran_order': False, 'shape': (1,)}",
	        BYTES(255, 255, 255, 255, 255, 255, 255, 253));
	s = spec_of("npy", "i8.npy");
	d = load(&s);
	CU_ASSERT(d->rank == 0 && d->f32[0] == -3);
	dgm_data_free(d);

	put("v2.npy",
	    TEXT("\x93NUMPY\2\0\x37\0\0\0{'shape': (2,), 'fortran_order': False, 'descr': '|u1'}\5\6"));
	s = spec_of("npy", "v2.npy");
	d = load(&s);
	CU_ASSERT(d->n == 2 && d->u8[1] == 6);
	dgm_data_free(d);

	put_npy("c.npy", "{'descr': '<c8', 'fortran_order': False, 'shape': (2,)}", "", 0);
	refused_file("npy", "c.npy", DGM_EFORMAT, "values of type '<c8', expected f4");
	put_npy("r.npy", "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", "", 0);
	refused_file("npy", "r.npy", DGM_EFORMAT, "array of records");
	put_npy("z.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': ()}", "1234", 4);
	refused_file("npy", "z.npy", DGM_EFORMAT, "a single number");
	put_npy("n.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "", 0);
	refused_file("npy", "n.npy", DGM_EFORMAT, "malformed .npy header near ''shape': (-1,)}'");
	put_npy("h.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 9)}",
	        "", 0);
	refused_file("npy", "h.npy", DGM_ELIMIT, "at most 2^40");
	put_npy("t.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", "1234", 4);
	refused_file("npy", "t.npy", DGM_EFORMAT,
	             "truncated: header promises 3 x 4 bytes (12), 4 found");
	put("p.npz", TEXT("PK\3\4xxxxxxxx"));
	refused_file("npy", "p.npz", DGM_EFORMAT, "read with npz(...)");
	put("cut.npy", TEXT("\x93NUMPY\1\0\x70\0{'descr"));
	refused_file("npy", "cut.npy", DGM_EFORMAT, "a header of 112 bytes, 7 found");
	put("v9.npy", TEXT("\x93NUMPY\11\0\x70\0{'descr"));
	refused_file("npy", "v9.npy", DGM_EFORMAT, ".npy version 9.0");
}

/* A zip archive being put together. */
struct zip {
	unsigned char b[8192], dir[1024];
	size_t n, dir_n;
	int entries;
};

static void put_little(unsigned char *p, uint64_t x, int size)
{
	for (int i = 0; i < size; i++)
		p[i] = (unsigned char)(x >> 8 * i);
}

static void zip_add(struct zip *z, const char *name, bool deflated, const void *bytes, size_t n)
{
	unsigned char packed[2048], *l = z->b + z->n, *d = z->dir + z->dir_n;
	z_stream s = {.next_in = (unsigned char *)(uintptr_t)bytes,
	              .avail_in = (unsigned)n,
	              .next_out = packed,
	              .avail_out = sizeof packed};
	size_t len = strlen(name), size = n;
	if (deflated) {
		CU_ASSERT_EQUAL_FATAL(deflateInit2(&s, 9, Z_DEFLATED, -MAX_WBITS, 8, 0), Z_OK);
		CU_ASSERT_EQUAL(deflate(&s, Z_FINISH), Z_STREAM_END);
		size = s.total_out;
		deflateEnd(&s);
	} else {
		memcpy(packed, bytes, n);
	}
	memset(l, 0, 30);
	memset(d, 0, 46);
	memcpy(l, "PK\3\4", 4);
	memcpy(d, "PK\1\2", 4);
	put_little(d + 10, deflated ? 8 : 0, 2);
	put_little(d + 16, crc32(0, bytes, (unsigned)n), 4);
	put_little(d + 20, size, 4);
	put_little(d + 24, n, 4);
	put_little(d + 28, len, 2);
	put_little(d + 42, z->n, 4);
	put_little(l + 26, len, 2);
	memcpy(l + 30, name, len);
	memcpy(d + 46, name, len);
	memcpy(l + 30 + len, packed, size);
	z->n += 30 + len + size;
	z->dir_n += 46 + len;
	z->entries++;
}

static size_t zip_end(struct zip *z)
{
	unsigned char *e = z->b + z->n + z->dir_n;
	memcpy(z->b + z->n, z->dir, z->dir_n);
	memset(e, 0, 22);
	memcpy(e, "PK\5\6", 4);
	put_little(e + 10, (uint64_t)z->entries, 2);
	put_little(e + 12, z->dir_n, 4);
	put_little(e + 16, z->n, 4);
	z->n += z->dir_n + 22;
	return z->n;
}

/* A stored array `train` and, where both are wanted, a deflated `test` in Fortran order. */
static void make_npz(struct zip *z, bool both)
{
	*z = (struct zip){.n = 0};
	zip_add(z, "train.npy", false,
	        TEXT("\x93NUMPY\1\0\x3d\0{'descr': '|u1', 'fortran_order': False, 'shape': (2L, 3L)}  "
	             "\1\2\3\4\5\6"));
	if (both)
		zip_add(z, "test.npy", true,
		        TEXT("\x93NUMPY\1\0\x3d\0{'descr': '|u1', 'fortran_order': True, 'shape': (2L, 3L)}"
		             "   \1\2\3\4\5\6"));
	zip_end(z);
}

static void test_npz(void)
{
	struct zip z;
	make_npz(&z, true);
	put("a.npz", z.b, z.n);
	struct dgm_data_spec s = spec_of("npz", "a.npz");
	s.member = "train";
	struct dgm_data *d = load(&s);
	CU_ASSERT(d->n == 2 && d->items == 3 && memcmp(d->u8, "\1\2\3\4\5\6", 6) == 0);
	CU_ASSERT(strncmp(d->source, "a.npz: train digest:", 20) == 0);
	dgm_data_free(d);
	s.member = "test";
	d = load(&s);
	CU_ASSERT(d->n == 2 && d->items == 3 && memcmp(d->u8, "\1\3\5\2\4\6", 6) == 0);
	dgm_data_free(d);
	s.member = "valid";
	refused(&s, DGM_EFORMAT, "a.npz: it holds no array 'valid', but train, test");
	s.member = NULL;
	refused(&s, DGM_EFORMAT, "say which array with array = \"...\": it holds train, test");
	s.member = "train";
	put("cut.npz", z.b, z.n - 1);
	s.path = "cut.npz";
	refused(&s, DGM_EFORMAT, "it may be cut off");
	z.b[30 + 9 + 10 + 0x3d + 2] ^= 1;
	put("crc.npz", z.b, z.n);
	s.path = "crc.npz";
	refused(&s, DGM_EFORMAT, "crc.npz: train: damaged zip data (incorrect data check)");
	make_npz(&z, false);
	put("one.npz", z.b, z.n);
	s.path = "one.npz";
	s.member = "";
	dgm_data_free(load(&s));
	put("no.npz", "PK", 2);
	s.path = "no.npz";
	refused(&s, DGM_EFORMAT, "there is none");
	s.path = "gone.npz";
	refused(&s, DGM_EIO, "no such file");
}

static void libsvm_refused(const char *text, int status, const char *part)
{
	put("t.svm", text, strlen(text));
	struct dgm_data_spec s = spec_of("libsvm", "t.svm");
	s.arg[0] = 3;
	refused(&s, status, part);
}

static void test_libsvm(void)
{
	put_gz("a.svm", TEXT("# two classes\n-1 3:0.5 1:2\r\n+1\t2:-1e0 # the second\n\n1\n"));
	struct dgm_data_spec s = spec_of("libsvm", "a.svm");
	s.arg[0] = 3;
	struct dgm_data *d = load(&s);
	const float want[9] = {2, 0, 0.5f, 0, -1, 0, 0, 0, 0};
	CU_ASSERT(d->n == 3 && d->items == 3 && memcmp(d->f32, want, sizeof want) == 0);
	dgm_data_free(d);
	s.reader = "libsvm_labels";
	d = load(&s);
	CU_ASSERT(d->n == 3 && d->items == 1 && d->f32[0] == -1 && d->f32[1] == 1 && d->f32[2] == 1);
	dgm_data_free(d);
	libsvm_refused("1 4:1\n", DGM_ESHAPE, "line 1: feature 4, and they run from 1 to 3");
	libsvm_refused("1 1:1\n1 0:1\n", DGM_ESHAPE, "line 2: feature 0, and they run from 1 to 3");
	libsvm_refused("1 99999999999999999999:1\n", DGM_ESHAPE, "feature 99999999999999999999");
	libsvm_refused("1 1:1 1:2\n", DGM_EFORMAT, "line 1 has feature 1 twice");
	libsvm_refused("1 1:\n", DGM_EFORMAT, "'' is not a number");
	libsvm_refused("1 1\n", DGM_EFORMAT, "'1' is no feature, expected NUMBER:VALUE");
	libsvm_refused("1 -1:2\n", DGM_EFORMAT, "'-1:2' is no feature");
	libsvm_refused("1 :2\n", DGM_EFORMAT, "':2' is no feature");
	libsvm_refused("1 2:1e99\n", DGM_EDOMAIN, "'1e99' is out of range");
	libsvm_refused("x 2:1\n", DGM_EFORMAT, "'x' is not a number");
	libsvm_refused("\n", DGM_EFORMAT, "it is empty");
	s.reader = "libsvm";
	s.arg[0] = 1 << 25;
	refused(&s, DGM_ELIMIT, "from 1 to 2^24");
}

static void csv_is(const char *text, int64_t n, int64_t columns, float last)
{
	put("t.csv", text, strlen(text));
	struct dgm_data_spec s = spec_of("csv", "t.csv");
	struct dgm_data *d = load(&s);
	CU_ASSERT_EQUAL(d->n, n);
	CU_ASSERT_EQUAL(d->items, columns);
	CU_ASSERT_EQUAL(value(d, n * columns - 1), last);
	dgm_data_free(d);
}

static void csv_refused(const char *text, int status, const char *part)
{
	put("t.csv", text, strlen(text));
	refused_file("csv", "t.csv", status, part);
}

static void test_csv(void)
{
	csv_is("1,2,3\n4,5,6.5\n", 2, 3, 6.5f);
	csv_is("\"fixed acidity\";\"a, b\"\r\n1;2\r\n3;-4e1", 2, 2, -40);
	csv_is("\xEF\xBB\xBF"
	       "a\tb\n1\t2\n",
	       1, 2, 2);
	csv_is("# two columns\n  1   2 \n\n 3  4\n", 2, 2, 4);
	csv_is("5\n6\n7\n", 3, 1, 7);
	csv_is(",x,y\n0,1,2\n", 1, 3, 2);
	csv_is("\"1\",\"2\"\n\"3\",\"4\"\n", 2, 2, 4);
	csv_refused("1,2\n3,x\n", DGM_EFORMAT, "line 2, column 2: 'x' is not a number");
	csv_refused("1,g\n3,4\n", DGM_EFORMAT, "line 1, column 2: 'g' is not a number");
	csv_refused("a,b\n1,\n", DGM_EDOMAIN, "line 2, column 2: the value is missing");
	csv_refused("1,2\nnan,3\n", DGM_EDOMAIN, "line 2, column 1: the value is missing ('nan')");
	csv_refused("?,?\n1,2\n", DGM_EDOMAIN, "line 1, column 1");
	csv_refused("1,2\n1,2,3\n", DGM_EFORMAT, "line 2 has 3 columns, the lines before it have 2");
	csv_refused("1;2,5\n", DGM_EFORMAT, "'2,5' is not a number");
	csv_refused("1,1e99\n", DGM_EDOMAIN, "'1e99' is out of range");
	csv_refused("1,0x10\n", DGM_EFORMAT, "'0x10' is not a number");
	csv_refused("1,\"2\"3\n", DGM_EFORMAT, "'\"2\"3' is not a number");
	csv_refused("1,\"2\n", DGM_EFORMAT, "'\"2' is not a number");
	csv_refused("", DGM_EFORMAT, "it is empty");
	csv_refused("a,b\n", DGM_EFORMAT, "no line of numbers");
	put("nul.csv", TEXT("1,2\n3\0,4\n"));
	refused_file("csv", "nul.csv", DGM_EFORMAT, "line 2 is not text");
}

/* One line longer than the reader's first buffer, and many lines. */
static void test_csv_long(void)
{
	enum { N = 60000 };
	char *text = malloc(N * 4);
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	for (int i = 0; i < N; i++)
		memcpy(text + 4 * i, i == N - 1 ? "123\n" : "123,", 4);
	put_gz("wide.csv", text, N * 4);
	struct dgm_data_spec s = spec_of("csv", "wide.csv");
	struct dgm_data *d = load(&s);
	CU_ASSERT(d->n == 1 && d->items == N);
	dgm_data_free(d);
	for (int i = 0; i < N; i++)
		text[4 * i + 3] = '\n';
	put("tall.csv", text, N * 4);
	s = spec_of("csv", "tall.csv");
	d = load(&s);
	CU_ASSERT(d->n == N && d->items == 1 && d->f32[N - 1] == 123);
	dgm_data_free(d);
	free(text);
}

/* Files made of a valid one with bytes changed, and cut, never crash a reader. */
static void test_garbage(void)
{
	static struct zip z;
	make_npz(&z, true);
	const struct {
		const char *reader;
		const void *bytes;
		size_t n;
	} seed[] = {
	    {"idx", TEXT("\0\0\x0D\2\0\0\0\2\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")},
	    {"npy", TEXT("\x93NUMPY\1\0\x38\0{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2)}"
	                 "0123456789abcdef")},
	    {"csv", TEXT("\"a\";\"b\"\n1;2\n3;\"4\"\n 5 ;6e1\n")},
	    {"libsvm", TEXT("-1 1:2 3:5e-1 # a\n+1\t2:1\r\n\n1\n")},
	    {"npz", z.b, z.n},
	};
	enum { SEEDS = sizeof seed / sizeof *seed };
	uint64_t state = 1;
	for (int k = 0; k < 10000; k++) {
		char b[1024];
		size_t n = seed[k % SEEDS].n;
		CU_ASSERT_FATAL(n <= sizeof b);
		memcpy(b, seed[k % SEEDS].bytes, n);
		for (int edits = 0; edits < 1 + k % 4; edits++) {
			state = state * 6364136223846793005u + 1442695040888963407u;
			b[(state >> 33) % n] = (char)(state >> 56);
		}
		if (k % 7 == 0)
			n = (state >> 40) % n;
		put("garbage", b, n);
		struct dgm_data_spec s = spec_of(seed[k % SEEDS].reader, "garbage");
		struct dgm_data *d;
		s.member = k % 2 ? "train" : "test";
		s.arg[0] = 3;
		if (dgm_data_load(&s, &d) == DGM_OK)
			dgm_data_free(d);
		else
			CU_ASSERT(strstr(dgm_error(), "garbage") != NULL);
	}
}

int main(void)
{
	if (!mkdtemp(folder) || CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	CU_pSuite suite = CU_add_suite("readers", NULL, remove_folder);
	CU_add_test(suite, "idx", test_idx);
	CU_add_test(suite, "idx refused", test_idx_refused);
	CU_add_test(suite, "damaged gzip", test_gzip_damage);
	CU_add_test(suite, "npy", test_npy);
	CU_add_test(suite, "npz", test_npz);
	CU_add_test(suite, "libsvm", test_libsvm);
	CU_add_test(suite, "csv", test_csv);
	CU_add_test(suite, "csv, long lines", test_csv_long);
	CU_add_test(suite, "garbage", test_garbage);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failures != 0;
}
