/* How one axis of an image is resampled: which source positions each output sees, and how much of each. */
#ifndef PYCLS_AXIS_H
#define PYCLS_AXIS_H

#include <stdint.h>

/* How much of the source an output sees, and with what weights. pycls/datasets/transforms/interpolation.py has the same numbers. */
enum filter {
    PLAIN,    /* two taps, however much an image is shrunk */
    BILINEAR, /* Pillow's triangle, as wide as the shrinking asks for */
    BICUBIC,  /* Pillow's cubic convolution, so too: some weights are negative, and sums leave 0 .. 255 */
    NUM_FILTERS
};

/* Weights come in records of TAPS high parts, then TAPS low parts: weight = (high * 256 + low) / 2^22, which is how
 * Pillow rounds them. Both parts fit 16 bits, the width that processors multiply and add fastest. */
enum { TAPS = 4, RECORD = 2 * TAPS, LOW_BITS = 8, HIGH_BITS = 14 };

/* Outputs come in steps of this many, filled up with weights of zero, so that kernels may work on several at once. */
enum { STEP = 4 };

/* A record spread for vector units (spread_weights), for STEP outputs at once: taps 0 and 1 of the high parts, each
 * pair repeated for the four bytes of a pixel, for one output after the other; then taps 2 and 3; then the low parts. */
enum { PAIR = 8, VECTOR = STEP * PAIR, SPREAD_RECORD = 4 * VECTOR };

/* More taps than this would overflow the 32-bit sums of the low parts. */
enum { MAX_TAPS = 16384 };

struct axis {
    int count;        /* outputs */
    int records;      /* weight records of each output */
    int32_t *first;   /* first source position of each output */
    int32_t *taps;    /* source positions that it sees, from there on */
    int16_t *weights; /* records * RECORD numbers for each output */
    int16_t *spread;  /* records * SPREAD_RECORD numbers for each STEP outputs, or NULL */
};

/* A part of the source axis, spread over `count` outputs; the filter sees positions low .. high - 1 and no others. */
struct span {
    double start, length;
    int low, high;
};

/* Fill in a filter. `mirrored` turns the outputs around. Return 0 when memory or MAX_TAPS do not allow it; free_axis
 * either way. */
int build_axis(struct axis *axis, struct span span, int count, enum filter filter, int mirrored);
int spread_weights(struct axis *axis);
void free_axis(struct axis *axis);

/* Return the first weight record of an output. */
int16_t *weights_of(const struct axis *axis, int output);

/* Count source positions from `origin` on instead of from 0. */
void move_axis(struct axis *axis, int origin);

/* Return the first source position that any output sees, and one more than the last. */
int axis_begin(const struct axis *axis);
int axis_end(const struct axis *axis);

#endif
