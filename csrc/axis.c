#include "axis.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

static int round_up(int number, int step)
{
    return (number + step - 1) / step * step;
}

static int allocate(struct axis *axis, int count, int most_taps)
{
    size_t padded = (size_t)round_up(count, OUTPUT_STEP);
    axis->count = count;
    axis->records = round_up(most_taps, TAPS) / TAPS;
    axis->first = calloc(padded, sizeof *axis->first);
    axis->taps = calloc(padded, sizeof *axis->taps);
    axis->weights = calloc(padded * (size_t)axis->records, RECORD * sizeof *axis->weights);
    return axis->first && axis->taps && axis->weights;
}

static double triangle(double distance)
{
    distance = fabs(distance);
    return distance < 1 ? 1 - distance : 0;
}

/* Write one output's weights, scaled to a sum of 1 and rounded to 22 bits. */
static void write_weights(int16_t *record, double first, int taps, double centre, double width)
{
    double sum = 0;
    for (int tap = 0; tap < taps; tap++)
        sum += triangle((first + tap - centre + 0.5) * width);
    for (int tap = 0; tap < taps; tap++) {
        double share = triangle((first + tap - centre + 0.5) * width) * (1 / sum);
        int weight = (int)(0.5 + share * (1 << (HIGH_BITS + LOW_BITS)));
        int16_t *place = record + tap / TAPS * RECORD + tap % TAPS;
        place[0] = (int16_t)(weight >> LOW_BITS);
        place[TAPS] = (int16_t)(weight & ((1 << LOW_BITS) - 1));
    }
}

int build_axis(struct axis *axis, struct span span, int count, int antialias, int mirrored)
{
    double scale = span.length / count;
    double support = antialias && scale > 1 ? scale : 1;
    if (!(support * 2 + 3 < MAX_TAPS) || !allocate(axis, count, (int)ceil(support) * 2 + 1))
        return 0;
    /* Positions are counted from the edge that the filter sees, as Pillow does on a crop: the same roundings. */
    double start = span.start - span.low;
    for (int number = 0; number < count; number++) {
        double centre = start + (number + 0.5) * scale;
        int first = (int)fmax(centre - support + 0.5, 0);
        int end = (int)fmin(centre + support + 0.5, span.high - span.low);
        int output = mirrored ? count - 1 - number : number;
        axis->first[output] = first + span.low;
        axis->taps[output] = end - first;
        write_weights(weights_of(axis, output), first, end - first, centre, 1 / support);
    }
    return 1;
}

void free_axis(struct axis *axis)
{
    free(axis->first);
    free(axis->taps);
    free(axis->weights);
}

int16_t *weights_of(const struct axis *axis, int output)
{
    return axis->weights + (ptrdiff_t)output * axis->records * RECORD;
}

void move_axis(struct axis *axis, int origin)
{
    for (int output = 0; output < axis->count; output++)
        axis->first[output] -= origin;
}

int axis_begin(const struct axis *axis)
{
    int first = axis->first[0], last = axis->first[axis->count - 1];
    return first < last ? first : last;
}

int axis_end(const struct axis *axis)
{
    int last = axis->count - 1;
    int one = axis->first[0] + axis->taps[0], other = axis->first[last] + axis->taps[last];
    return one > other ? one : other;
}
