/* The two passes of a resize, row by row: the code that runs longest after the decoder, once for each kind of
 * processor. All of them give the same bits. */
#ifndef PYCLS_KERNELS_H
#define PYCLS_KERNELS_H

#include <stdint.h>

#include "axis.h"

/* What kernels may read beyond the end of a source row (pixels) and read and write beyond that of a shrunk row
 * (numbers). */
enum { ROW_SLACK = 64 };

struct kernels {
    const char *name;

    /* Shrink one row of 4-byte pixels to 3 numbers a pixel, each sum >> shift, rounded, no less than 0 and no more than
     * white. */
    void (*shrink_row)(const struct axis *columns, const uint8_t *pixels, int shift, int16_t *row);

    /* Blend an even number of shrunk rows into `length` bytes; `record` holds their weights. */
    void (*blend_rows)(const int16_t *const *rows, int num_rows, const int16_t *record, int shift, int length,
                       uint8_t *bytes);
};

extern const struct kernels scalar_kernels, avx2_kernels, avx512_kernels;

/* Return the kernels of a level, 0 (scalar), 1 (AVX2), 2 (AVX-512), or NULL if this processor has not got it. */
const struct kernels *kernels_of_level(int level);

/* Return the highest level of this processor. */
int best_level(void);

/* sum = high + low / 256 in units of 2^-14; add half of what the shift cuts off, so that it rounds. Dropping the
 * fraction of low first changes nothing: the rest is whole. */
static inline int32_t round_sum(int32_t high, int32_t low, int shift)
{
    return (high + (low >> LOW_BITS) + (1 << (shift - 1))) >> shift;
}

/* A shrunk row keeps HIGH_BITS - shift bits behind the point; return white as it is written there. */
static inline int32_t white_of(int shift)
{
    return 255 << (HIGH_BITS - shift);
}

#endif
