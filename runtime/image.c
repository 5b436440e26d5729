/* Grids of grey tiles as PNG files, by libpng's simplified interface. */
#include "files.h"
#include <inttypes.h>
#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

#define BORDER 96 /* grey of the lines between tiles */
#define MAX_PIXELS (1LL << 30)

/* Linear from lo..hi to 0..255; NaN is black. */
static png_byte grey(float v, float lo, float hi)
{
	float g = hi > lo ? (v - lo) / (hi - lo) * 255 + 0.5f : v > lo ? 255 : 0;
	return (png_byte)(g >= 255 ? 255 : g >= 0 ? g : 0);
}

static void own_range(const float *tile, int64_t n, float *lo, float *hi)
{
	*lo = INFINITY;
	*hi = -INFINITY;
	for (int64_t i = 0; i < n; i++)
		if (isfinite(tile[i])) {
			*lo = fminf(*lo, tile[i]);
			*hi = fmaxf(*hi, tile[i]);
		}
}

static int write_png(const char *path, const png_byte *pixels, int64_t width, int64_t height)
{
	struct dgm_out o;
	png_image image = {.version = PNG_IMAGE_VERSION,
	                   .width = (png_uint_32)width,
	                   .height = (png_uint_32)height,
	                   .format = PNG_FORMAT_GRAY};
	int status = dgm_out_open(&o, path);
	if (status)
		return status;
	int written = png_image_write_to_stdio(&image, o.f, 0, pixels, 0, NULL);
	if (!written && !ferror(o.f)) {
		dgm_out_abort(&o);
		return dgm_fail(DGM_EIO, "%s: cannot be written: %s", path, image.message);
	}
	return dgm_out_commit(&o);
}

int dgm_png_grid(const char *path, const float *tiles, int64_t n, int64_t h, int64_t w,
                 int64_t tile_stride, int64_t columns, float lo, float hi)
{
	if (n < 1 || h < 1 || w < 1)
		return dgm_fail(DGM_ESHAPE,
		                "%s: %" PRId64 " tiles of %" PRId64 " x %" PRId64 " make no image", path, n,
		                h, w);
	if (columns < 1)
		columns = (int64_t)ceil(sqrt((double)n));
	if (columns > n)
		columns = n;
	int64_t rows = (n - 1) / columns + 1;
	double pixels = ((double)w + 1) * (double)columns * ((double)h + 1) * (double)rows;
	if (!(pixels < MAX_PIXELS))
		return dgm_fail(DGM_ELIMIT,
		                "%s: %" PRId64 " tiles of %" PRId64 " x %" PRId64
		                " are more than 2^30 pixels",
		                path, n, h, w);
	int64_t width = columns * (w + 1) + 1, height = rows * (h + 1) + 1;
	png_byte *image = malloc((size_t)(width * height));
	if (!image)
		return dgm_fail(DGM_ENOMEM, "%s: not enough memory for an image", path);
	memset(image, BORDER, (size_t)(width * height));
	for (int64_t t = 0; t < n; t++) {
		const float *tile = tiles + t * tile_stride;
		float from = lo, to = hi;
		if (!(lo < hi))
			own_range(tile, h * w, &from, &to);
		for (int64_t y = 0; y < h; y++)
			for (int64_t x = 0; x < w; x++)
				image[(t / columns * (h + 1) + 1 + y) * width + t % columns * (w + 1) + 1 + x] =
				    grey(tile[y * w + x], from, to);
	}
	int status = write_png(path, image, width, height);
	free(image);
	return status;
}
