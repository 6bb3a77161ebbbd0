#include "resized_crop.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "axis.h"
#include "decode.h"

/* Bits behind the point that a shrunk row keeps. Pillow rounds to whole numbers between its passes; plain bilinear
 * sampling is rounded once, at the end, so it keeps what fits 16 bits. */
enum { PLAIN_FRACTION = 7 };

/* Shrunk rows, as many as one output row is blended from; row y of the source lies at y % capacity. */
struct ring {
    int capacity;
    size_t stride; /* numbers */
    int16_t *numbers;
    const int16_t **seen; /* the rows that the current output row sees, in order */
};

/* libjpeg's color conversion writes past the cache (streaming stores) when rows are aligned for vectors; reading them
 * right away then waits for the memory, which made resizing three times as slow. So rows begin one pixel off. */
enum { MISALIGNMENT = 4 };

/* Everything that must be freed, whether or not the decoder fails half-way. */
struct work {
    struct decoder decoder;
    struct axis rows, columns;
    struct ring ring;
    uint8_t *memory; /* of one decoded row */
    uint8_t *pixels; /* the row */
};

static int is_inside(const struct box *box, double height, double width)
{
    const double slack = 1e-6; /* boxes of the eval view are computed in floating point */
    return box->top >= -slack && box->left >= -slack && box->height > 0 && box->width > 0 &&
           box->top + box->height <= height + slack && box->left + box->width <= width + slack;
}

static struct span make_span(double start, double length, int beyond, int size)
{
    int low = beyond ? 0 : (int)rint(start), high = beyond ? size : (int)rint(start + length);
    return (struct span){start, length, low, high};
}

static int build_axes(struct work *work, const struct request *request, int height, int width)
{
    const struct box *box = &request->box;
    if (!is_inside(box, height, width))
        return 0;
    struct span rows = make_span(box->top, box->height, request->beyond, height);
    struct span columns = make_span(box->left, box->width, request->beyond, width);
    return build_axis(&work->rows, rows, request->side, request->filter, 0) &&
           build_axis(&work->columns, columns, request->side, request->filter, request->flip) &&
           spread_weights(&work->columns);
}

static int allocate_rows(struct work *work, int side, size_t width)
{
    struct ring *ring = &work->ring;
    ring->capacity = work->rows.records * TAPS;
    ring->stride = (size_t)side * 3 + ROW_SLACK;
    ring->numbers = calloc((size_t)ring->capacity * ring->stride, sizeof *ring->numbers);
    ring->seen = calloc((size_t)ring->capacity, sizeof *ring->seen);
    work->memory = calloc(1 + width + (size_t)work->columns.records * TAPS + ROW_SLACK, 4);
    if (!ring->numbers || !ring->seen || !work->memory)
        return 0;
    work->pixels = work->memory + MISALIGNMENT;
    return 1;
}

static int16_t *ring_row(const struct ring *ring, int y)
{
    return ring->numbers + (size_t)(y % ring->capacity) * ring->stride;
}

/* Blend one output row from the shrunk rows that it sees. */
static void write_row(const struct work *work, const struct request *request, int output, int fraction)
{
    const struct axis *axis = &work->rows;
    int first = axis->first[output], taps = axis->taps[output];
    for (int tap = 0; tap < taps; tap++)
        work->ring.seen[tap] = ring_row(&work->ring, first + tap);
    if (taps % 2) /* kernels take rows by twos: any row, the weight is 0 */
        work->ring.seen[taps++] = ring_row(&work->ring, first);
    int length = request->side * 3;
    request->kernels->blend_rows(work->ring.seen, taps, weights_of(axis, output), HIGH_BITS + fraction, length,
                                 request->out + (ptrdiff_t)output * length);
}

/* Shrink each row as it is decoded, while it is in the cache, and write each output row as soon as it can be. */
static void write_square(struct work *work, const struct request *request)
{
    const struct axis *rows = &work->rows;
    const int fraction = request->filter == PLAIN ? PLAIN_FRACTION : 0, end = axis_end(rows);
    int output = 0;
    for (int y = axis_begin(rows); y < end; y++) {
        read_row(&work->decoder, work->pixels);
        if (y >= rows->first[output]) /* plain bilinear sampling steps over rows */
            request->kernels->shrink_row(&work->columns, work->pixels, HIGH_BITS - fraction, ring_row(&work->ring, y));
        while (output < request->side && rows->first[output] + rows->taps[output] <= y + 1)
            write_row(work, request, output++, fraction);
    }
}

/* The objects that change after setjmp belong to the caller: a longjmp leaves those of its own function undefined. */
static int attempt(struct work *work, const struct request *request)
{
    struct jpeg_decompress_struct *info = &work->decoder.info;
    if (setjmp(work->decoder.failed) || !open_jpeg(&work->decoder, request->data, request->size) ||
        !build_axes(work, request, (int)info->image_height, (int)info->image_width))
        return 0;
    struct region region = {axis_begin(&work->columns), axis_end(&work->columns), axis_begin(&work->rows),
                            axis_end(&work->rows)};
    int first_column = start_region(&work->decoder, region);
    if (first_column < 0 || !allocate_rows(work, request->side, info->output_width))
        return 0;
    move_axis(&work->columns, first_column);
    write_square(work, request);
    return 1;
}

int resized_crop_jpeg(const struct request *request)
{
    struct work work;
    memset(&work, 0, sizeof work);
    int done = attempt(&work, request);
    close_jpeg(&work.decoder);
    free_axis(&work.rows);
    free_axis(&work.columns);
    free(work.ring.numbers);
    free((void *)work.ring.seen);
    free(work.memory);
    return done;
}
