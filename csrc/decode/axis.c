#include "axis.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

enum { CACHE_LINE = 64 };

static int steps_of(int number, int step)
{
    return (number + step - 1) / step;
}

static double triangle(double distance)
{
    distance = fabs(distance);
    return distance < 1 ? 1 - distance : 0;
}

/* Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 1981, with a = -1/2. */
static double cubic(double distance)
{
    const double a = -0.5;
    distance = fabs(distance);
    if (distance < 1)
        return ((a + 2) * distance - (a + 3)) * distance * distance + 1;
    return distance < 2 ? (((distance - 5) * distance + 8) * distance - 4) * a : 0;
}

/* What a weight is by the distance from the output's center, and the distance from which on it is 0. */
struct curve {
    double (*at)(double distance);
    double reach;
};

static const struct curve curves[NUM_FILTERS] = {{triangle, 1}, {triangle, 1}, {cubic, 2}};

/* Output `number` in the order of the source, and its place among the outputs. Positions are counted from the edge that
 * the filter sees, as Pillow does on a crop: so everything is rounded as there. */
struct output {
    double center;
    int place;
};

static struct output make_output(const struct axis *axis, struct span span, int number, int mirrored)
{
    double center = span.start - span.low + (number + 0.5) * (span.length / axis->count);
    return (struct output){center, mirrored ? axis->count - 1 - number : number};
}

/* Find what each output sees; return the most taps of any. */
static int place_outputs(struct axis *axis, struct span span, double support, int mirrored)
{
    int most = 0;
    for (int number = 0; number < axis->count; number++) {
        struct output output = make_output(axis, span, number, mirrored);
        int first = (int)fmax(output.center - support + 0.5, 0);
        int taps = (int)fmin(output.center + support + 0.5, span.high - span.low) - first;
        axis->first[output.place] = first + span.low;
        axis->taps[output.place] = taps;
        most = taps > most ? taps : most;
    }
    return most;
}

/* Write one output's weights, scaled to a sum of 1 and rounded to 22 bits, halves away from 0. */
static void write_weights(int16_t *record, double first, int taps, double center, struct curve curve, double squeeze)
{
    double sum = 0;
    for (int tap = 0; tap < taps; tap++)
        sum += curve.at((first + tap - center + 0.5) * squeeze);
    for (int tap = 0; tap < taps; tap++) {
        double share = curve.at((first + tap - center + 0.5) * squeeze) * (1 / sum);
        int weight = (int)(copysign(0.5, share) + share * (1 << (HIGH_BITS + LOW_BITS)));
        int16_t *place = record + tap / TAPS * RECORD + tap % TAPS;
        place[0] = (int16_t)(weight >> LOW_BITS);
        place[TAPS] = (int16_t)(weight & ((1 << LOW_BITS) - 1));
    }
}

int build_axis(struct axis *axis, struct span span, int count, enum filter filter, int mirrored)
{
    const struct curve curve = curves[filter];
    double scale = span.length / count, stretch = filter != PLAIN && scale > 1 ? scale : 1;
    double support = curve.reach * stretch;
    size_t padded = (size_t)steps_of(count, STEP) * STEP;
    axis->count = count;
    axis->first = calloc(padded, sizeof *axis->first);
    axis->taps = calloc(padded, sizeof *axis->taps);
    if (!axis->first || !axis->taps || !(support * 2 + 1 < MAX_TAPS))
        return 0;
    axis->records = steps_of(place_outputs(axis, span, support, mirrored), TAPS);
    axis->weights = calloc(padded * (size_t)axis->records, RECORD * sizeof *axis->weights);
    if (!axis->weights)
        return 0;
    for (int number = 0; number < count; number++) {
        struct output output = make_output(axis, span, number, mirrored);
        int first = axis->first[output.place] - span.low, taps = axis->taps[output.place];
        write_weights(weights_of(axis, output.place), first, taps, output.center, curve, 1 / stretch);
    }
    return 1;
}

static void spread_pair(int16_t *place, const int16_t *pair)
{
    for (int i = 0; i < PAIR; i++)
        place[i] = pair[i % 2];
}

int spread_weights(struct axis *axis)
{
    int steps = steps_of(axis->count, STEP);
    size_t bytes = (size_t)steps * (size_t)axis->records * SPREAD_RECORD * sizeof *axis->spread;
    int16_t *place = axis->spread = aligned_alloc(CACHE_LINE, bytes);
    for (int step = 0; place && step < steps; step++)
        for (int record = 0; record < axis->records; record++)
            for (int pair = 0; pair < RECORD; pair += 2)
                for (int output = 0; output < STEP; output++, place += PAIR)
                    spread_pair(place, weights_of(axis, step * STEP + output) + record * RECORD + pair);
    return axis->spread != NULL;
}

void free_axis(struct axis *axis)
{
    free(axis->first);
    free(axis->taps);
    free(axis->weights);
    free(axis->spread);
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
