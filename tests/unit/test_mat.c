/* The reader of MATLAB files, on files that libmatio writes, on damaged ones, and on real data when
 * DGM_DATA is set. */
#include "data_files.h"
#include <matio.h>

/* Damaged files make libmatio ask for more memory than there is, which is to fail as malloc does.
 */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static matvar_t *matrix(const char *name, size_t rows, size_t columns, bool bytes)
{
	double x[64];
	uint8_t u[64];
	size_t dim[2] = {rows, columns};
	CU_ASSERT_FATAL(rows * columns <= 64);
	for (size_t c = 0; c < columns; c++)
		for (size_t r = 0; r < rows; r++) {
			x[c * rows + r] = (double)(10 * r + c) + 0.5;
			u[c * rows + r] = (uint8_t)(10 * r + c);
		}
	return bytes ? Mat_VarCreate(name, MAT_C_UINT8, MAT_T_UINT8, 2, dim, u, 0)
	             : Mat_VarCreate(name, MAT_C_DOUBLE, MAT_T_DOUBLE, 2, dim, x, 0);
}

static matvar_t *sparse(void)
{
	static mat_uint32_t row[] = {0, 1, 2, 1}, column[] = {0, 1, 3, 4};
	static double x[] = {1, 2.5, 3, 4};
	static mat_sparse_t s = {
	    .nzmax = 4, .ir = row, .nir = 4, .jc = column, .njc = 4, .ndata = 4, .data = x};
	size_t dim[2] = {3, 3};
	return Mat_VarCreate("S", MAT_C_SPARSE, MAT_T_DOUBLE, 2, dim, &s, MAT_F_DONT_COPY_DATA);
}

/* Matrices of 2, 0, 3 and 1 rows; the last two of `columns`. */
static matvar_t *cells(const char *name, size_t columns, bool bytes)
{
	size_t dim[2] = {1, 4};
	matvar_t *v = Mat_VarCreate(name, MAT_C_CELL, MAT_T_CELL, 2, dim, NULL, 0);
	Mat_VarSetCell(v, 0, matrix(NULL, 2, 3, bytes));
	Mat_VarSetCell(v, 1, matrix(NULL, 0, 0, bytes));
	Mat_VarSetCell(v, 2, matrix(NULL, 3, columns, true));
	Mat_VarSetCell(v, 3, matrix(NULL, 1, columns, true));
	return v;
}

static void write_mat(const char *name, matvar_t *const *v, int n, bool packed)
{
	mat_t *m = Mat_CreateVer(in_folder(name), NULL, MAT_FT_MAT5);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	for (int i = 0; i < n; i++) {
		CU_ASSERT_EQUAL(Mat_VarWrite(m, v[i], packed ? MAT_COMPRESSION_ZLIB : MAT_COMPRESSION_NONE),
		                0);
		Mat_VarFree(v[i]);
	}
	Mat_Close(m);
}

static struct dgm_data *read_mat(const char *name, const char *variable)
{
	struct dgm_data_spec s = spec_of("mat", name);
	s.member = variable;
	return load(&s);
}

static void refused_mat(const char *name, const char *variable, const char *part)
{
	struct dgm_data_spec s = spec_of("mat", name);
	s.member = variable;
	refused(&s, DGM_EFORMAT, part);
}

static void test_numbers(void)
{
	for (int packed = 0; packed < 2; packed++) {
		matvar_t *v[] = {matrix("X", 4, 3, false), matrix("U", 4, 3, true), sparse()};
		write_mat("a.mat", v, 3, packed);
		struct dgm_data *d = read_mat("a.mat", "X"), *u = read_mat("a.mat", "U");
		CU_ASSERT(d->n == 4 && d->rank == 1 && d->dim[0] == 3 && d->f32 && !d->start);
		CU_ASSERT(u->n == 4 && u->items == 3 && u->u8);
		for (int i = 0; i < 12; i++) {
			CU_ASSERT_EQUAL(d->f32[i], (float)(10 * (i / 3) + i % 3) + 0.5f);
			CU_ASSERT_EQUAL(u->u8[i], 10 * (i / 3) + i % 3);
		}
		CU_ASSERT(strncmp(d->source, "a.mat: X digest:", 16) == 0);
		dgm_data_free(d);
		dgm_data_free(u);
		d = read_mat("a.mat", "S");
		const float want[9] = {1, 0, 0, 0, 2.5f, 4, 0, 3, 0};
		CU_ASSERT(d->n == 3 && d->items == 3 && d->f32 && memcmp(d->f32, want, sizeof want) == 0);
		dgm_data_free(d);
		refused_mat("a.mat", "", "say which variable with variable = \"...\": it holds X, U, S");
		refused_mat("a.mat", "Y", "a.mat: it holds no variable 'Y', but X, U, S");
	}
	double x[2] = {1, 2};
	struct mat_complex_split_t z = {x, x};
	size_t dim[3] = {1, 2, 1}, none[2] = {0, 3};
	matvar_t *v[] = {
	    Mat_VarCreate("text", MAT_C_CHAR, MAT_T_UINT8, 2, dim, "ab", 0),
	    Mat_VarCreate("z", MAT_C_DOUBLE, MAT_T_DOUBLE, 2, dim, &z, MAT_F_COMPLEX),
	    Mat_VarCreate("none", MAT_C_DOUBLE, MAT_T_DOUBLE, 2, none, x, 0),
	};
	write_mat("b.mat", v, 3, false);
	refused_mat("b.mat", "text", "variable 'text' is text, expected numbers");
	refused_mat("b.mat", "z", "variable 'z' is complex");
	refused_mat("b.mat", "none", "variable 'none' holds no data");
	matvar_t *one[] = {matrix("X", 1, 2, true)};
	write_mat("one.mat", one, 1, false);
	dgm_data_free(read_mat("one.mat", NULL));
}

static void test_sequences(void)
{
	matvar_t *v[] = {cells("c", 3, true), cells("mixed", 3, false), cells("wrong", 4, true)};
	write_mat("c.mat", v, 3, true);
	struct dgm_data *d = read_mat("c.mat", "mixed");
	CU_ASSERT(d->n == 6 && d->items == 3 && d->f32 && d->f32[5] == 12.5f && d->f32[17] == 2);
	dgm_data_free(d);
	d = read_mat("c.mat", "c");
	const int64_t start[] = {0, 2, 5, 6};
	CU_ASSERT(d->n == 6 && d->items == 3 && d->u8 && d->nseq == 3);
	CU_ASSERT_FATAL(d->start != NULL);
	CU_ASSERT(memcmp(d->start, start, sizeof start) == 0);
	for (int i = 0; i < 18; i++)
		CU_ASSERT_EQUAL(d->u8[i], 10 * (i / 3 < 2 ? i / 3 : i / 3 < 5 ? i / 3 - 2 : 0) + i % 3);
	dgm_data_free(d);
	struct dgm_data_spec s = spec_of("mat", "c.mat");
	s.member = "wrong";
	refused(&s, DGM_ESHAPE, "variable 'wrong{3}' has 4 columns, those before it have 3");

	/* windows do not cross from one sequence to the next; too short ones are left out */
	s.member = "c";
	add(&s, (struct dgm_step){.kind = DGM_STEP_WINDOW, .lo = -1, .hi = 0});
	d = load(&s);
	CU_ASSERT(d->n == 3 && d->items == 6 && d->nseq == 2);
	CU_ASSERT(memcmp(d->u8, "\0\1\2\12\13\14\0\1\2\12\13\14\12\13\14\24\25\26", 18) == 0);
	CU_ASSERT(d->start[0] == 0 && d->start[1] == 1 && d->start[2] == 3);
	dgm_data_free(d);
	s.step[0] = (struct dgm_step){.kind = DGM_STEP_SEQUENCES, .lo = 1, .hi = 3};
	d = load(&s);
	CU_ASSERT(d->n == 4 && d->nseq == 2 && d->start[1] == 3 && d->start[2] == 4);
	CU_ASSERT_EQUAL(d->u8[6], 20);
	dgm_data_free(d);
	/* pieces of two steps, zeros behind the end of a sequence, and where they are not */
	s.step[0] = (struct dgm_step){.kind = DGM_STEP_UNROLL, .more = {2}};
	d = load(&s);
	CU_ASSERT(d->n == 4 && d->rank == 2 && d->dim[0] == 2 && d->dim[1] == 3 && d->nseq == 0);
	CU_ASSERT(memcmp(d->u8, "\0\1\2\12\13\14\0\1\2\12\13\14\24\25\26\0\0\0\0\1\2\0\0\0", 24) == 0);
	CU_ASSERT_STRING_EQUAL(d->key, "count |> unroll(2)");
	dgm_data_free(d);
	s.step[0].kind = DGM_STEP_UNROLL_MASK;
	d = load(&s);
	CU_ASSERT(d->n == 4 && d->rank == 1 && d->dim[0] == 2 && d->items == 2);
	CU_ASSERT(memcmp(d->u8, "\1\1\1\1\1\0\1\0", 8) == 0);
	dgm_data_free(d);
	s.step[0].more[0] = INT64_MAX;
	refused(&s, DGM_ELIMIT, "makes pieces of 1 to 2^32 values");
	s.step[0] = (struct dgm_step){.kind = DGM_STEP_ROWS, .lo = 1, .hi = 4};
	d = load(&s);
	CU_ASSERT(d->n == 3 && d->nseq == 2 && d->start[1] == 1 && d->start[2] == 3);
	dgm_data_free(d);
	s.step[0] = (struct dgm_step){.kind = DGM_STEP_SEQUENCES, .lo = 1, .hi = 4};
	refused(&s, DGM_ESHAPE, "sequences 1..4 asked for, there are 0..3");
}

static size_t slurp(const char *name, char *to, size_t room)
{
	FILE *f = fopen(in_folder(name), "rb");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	size_t n = fread(to, 1, room, f);
	fclose(f);
	return n;
}

/* Damaged files are refused with a text that names them, and take no more memory than they have. */
static void test_damage(void)
{
	static const char *const variable[] = {"X", "S", "c"};
	static char seed[6][2048];
	size_t n[6];
	for (int k = 0; k < 6; k++) {
		matvar_t *v[] = {k / 2 == 0   ? matrix("X", 4, 3, false)
		                 : k / 2 == 1 ? sparse()
		                              : cells("c", 3, true)};
		write_mat("seed.mat", v, 1, k % 2);
		n[k] = slurp("seed.mat", seed[k], sizeof seed[k]);
	}
	uint64_t state = 1;
	for (int i = 0; i < 1200; i++) {
		char b[2048];
		size_t len = n[i % 6];
		memcpy(b, seed[i % 6], len);
		for (int edits = 0; edits < 1 + i % 4; edits++) {
			state = state * 6364136223846793005u + 1442695040888963407u;
			b[120 + (state >> 33) % (len - 120)] = (char)(state >> 56);
		}
		if (i % 7 == 0)
			len = (state >> 40) % len;
		put("garbage", b, len);
		struct dgm_data_spec s = spec_of("mat", "garbage");
		struct dgm_data *d;
		s.member = variable[i % 6 / 2];
		if (dgm_data_load(&s, &d) == DGM_OK)
			dgm_data_free(d);
		else
			CU_ASSERT(strstr(dgm_error(), "garbage") != NULL);
	}
	put("t.mat", TEXT("1,2\n"));
	refused_mat("t.mat", "X", "not a MATLAB file: it looks like a table of numbers");
	/* a cell array of 2^31 elements */
	size_t at = 128 + 32;
	memcpy(seed[4] + at, "\xFF\xFF\xFF\x7F", 4);
	put("huge.mat", seed[4], n[4]);
	refused_mat("huge.mat", "c", "a variable promises more than is there");
	put("cut.mat", seed[0], n[0] / 2);
	refused_mat("cut.mat", "X", "it is cut off");
}

static void test_real_data(void)
{
	if (!getenv("DGM_DATA")) {
		printf("(skipped: DGM_DATA is not set) ");
		return;
	}
	struct dgm_data *d = read_mat("polyphonic/JSB_Chorales.mat", "traindata");
	CU_ASSERT(d->items == 88 && d->nseq == 229 && d->domain == DGM_DATA_BINARY);
	dgm_data_free(d);
	d = read_mat("mocap/motion.mat", "Motion");
	CU_ASSERT(d->items == 108 && d->nseq == 3 && d->domain == DGM_DATA_REAL);
	dgm_data_free(d);
	d = read_mat("text/20news_w100.mat", "documents");
	CU_ASSERT(d->n == 100 && d->items == 16242 && d->domain == DGM_DATA_BINARY);
	dgm_data_free(d);

	/* the same sets in other formats */
	struct dgm_data_spec s = spec_of("idx", "binarized_mnist/binarized-test-images-idx3-ubyte.gz");
	struct dgm_data *other = load(&s);
	d = read_mat("binarized_mnist/binarized_mnist_test.mat", NULL);
	CU_ASSERT_FATAL(d->n == other->n && d->items == other->items);
	CU_ASSERT(memcmp(d->u8, other->u8, (size_t)(d->n * d->items)) == 0);
	dgm_data_free(d);
	dgm_data_free(other);
	s = spec_of("idx", "nade_binary/adult-idx2-ubyte.gz");
	other = load(&s);
	s = spec_of("libsvm", "nade_binary/adult_a9a.libsvm.gz");
	s.arg[0] = 123;
	d = load(&s);
	CU_ASSERT_FATAL(d->n == other->n && d->items == other->items);
	CU_ASSERT(memcmp(d->u8, other->u8, (size_t)(d->n * d->items)) == 0);
	dgm_data_free(d);
	dgm_data_free(other);
	s = spec_of("npz", "nade_binary/dna.npz");
	s.member = "train_data";
	d = load(&s);
	CU_ASSERT(d->n == 1400 && d->items == 180 && d->domain == DGM_DATA_BINARY);
	dgm_data_free(d);
}

int main(void)
{
	if (!mkdtemp(folder) || CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	CU_pSuite suite = CU_add_suite("mat", NULL, remove_folder);
	CU_add_test(suite, "numbers", test_numbers);
	CU_add_test(suite, "sequences", test_sequences);
	CU_add_test(suite, "damage", test_damage);
	CU_add_test(suite, "real data", test_real_data);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failures != 0;
}
