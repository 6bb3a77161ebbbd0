#include "decode.h"

/* More pixels than this make Pillow warn of a decompression bomb: let it. */
static const double MOST_PIXELS = 89478485;

/* Chroma is interpolated between neighbors, and libjpeg takes the first and last column that it decodes for the edge
 * of the image: so decode one more on each side. Very few columns would make it choose another interpolation. */
enum { MARGIN = 1, FEWEST_COLUMNS = 32 };

static void fail(j_common_ptr info)
{
    longjmp(((struct decoder *)info)->failed, 1);
}

/* Level -1 is a warning: data are damaged or missing, and what to show then is for the other decoders to say. */
static void fail_on_warning(j_common_ptr info, int level)
{
    if (level < 0)
        fail(info);
}

static void say_nothing(j_common_ptr info)
{
    (void)info;
}

static int is_plain(const struct jpeg_decompress_struct *info)
{
    return (info->jpeg_color_space == JCS_YCbCr || info->jpeg_color_space == JCS_GRAYSCALE) &&
           info->data_precision == 8 && !info->arith_code &&
           (double)info->image_width * info->image_height <= MOST_PIXELS;
}

int open_jpeg(struct decoder *decoder, const uint8_t *data, size_t size)
{
    struct jpeg_decompress_struct *info = &decoder->info;
    info->err = jpeg_std_error(&decoder->errors);
    decoder->errors.error_exit = fail;
    decoder->errors.emit_message = fail_on_warning;
    decoder->errors.output_message = say_nothing;
    jpeg_create_decompress(info);
    jpeg_mem_src(info, data, (unsigned long)size);
    jpeg_read_header(info, TRUE);
    info->out_color_space = JCS_EXT_RGBX;
    return is_plain(info);
}

/* Tell whether a progressive file has all its scans. Without them libjpeg smooths the blocks, which depends on what it
 * decodes around them. */
static int has_all_bits(const struct jpeg_decompress_struct *info)
{
    if (!info->progressive_mode)
        return 1;
    for (int component = 0; component < info->num_components; component++)
        for (int number = 0; number < DCTSIZE2; number++)
            if (info->coef_bits[component][number] != 0)
                return 0;
    return 1;
}

static int at_least(int a, int b)
{
    return a > b ? a : b;
}

static int at_most(int a, int b)
{
    return a < b ? a : b;
}

int start_region(struct decoder *decoder, struct region region)
{
    struct jpeg_decompress_struct *info = &decoder->info;
    jpeg_start_decompress(info);
    if (!has_all_bits(info))
        return -1;
    int begin = at_least(region.x0 - MARGIN, 0);
    int end = at_most(at_least(region.x1 + MARGIN, begin + FEWEST_COLUMNS), (int)info->output_width);
    begin = at_least(at_most(begin, end - FEWEST_COLUMNS), 0);
    JDIMENSION column = (JDIMENSION)begin, width = (JDIMENSION)(end - begin);
    jpeg_crop_scanline(info, &column, &width);
    jpeg_skip_scanlines(info, (JDIMENSION)region.y0);
    return (int)column;
}

void read_row(struct decoder *decoder, uint8_t *pixels)
{
    JSAMPROW row = pixels;
    jpeg_read_scanlines(&decoder->info, &row, 1);
}

void close_jpeg(struct decoder *decoder)
{
    jpeg_destroy_decompress(&decoder->info);
}
