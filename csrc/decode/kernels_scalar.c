/* Plain C, for every processor; compilers turn the inner loops into whatever vectors they may assume. */
#include "kernels.h"

static int32_t clip(int32_t value, int32_t top)
{
    return value < 0 ? 0 : value > top ? top : value;
}

static void shrink_row(const struct axis *columns, const uint8_t *pixels, int shift, int16_t *row)
{
    const int16_t *weights = columns->weights;
    const int32_t white = white_of(shift);
    for (int output = 0; output < columns->count; output++, weights += columns->records * RECORD) {
        const uint8_t *pixel = pixels + 4 * (long)columns->first[output];
        int32_t high[4] = {0}, low[4] = {0};
        for (int tap = 0; tap < columns->taps[output]; tap++, pixel += 4) {
            const int16_t *weight = weights + tap / TAPS * RECORD + tap % TAPS;
            for (int channel = 0; channel < 4; channel++) {
                high[channel] += weight[0] * pixel[channel];
                low[channel] += weight[TAPS] * pixel[channel];
            }
        }
        for (int channel = 0; channel < 3; channel++)
            *row++ = (int16_t)clip(round_sum(high[channel], low[channel], shift), white);
    }
}

enum { BLOCK = 32 };

static void blend_block(const int16_t *const *rows, int num_rows, const int16_t *record, int start, int32_t *high,
                        int32_t *low)
{
    for (int tap = 0; tap < num_rows; tap++) {
        const int16_t *weight = record + tap / TAPS * RECORD + tap % TAPS, *row = rows[tap] + start;
        for (int i = 0; i < BLOCK; i++) {
            high[i] += weight[0] * row[i];
            low[i] += weight[TAPS] * row[i];
        }
    }
}

static void blend_rows(const int16_t *const *rows, int num_rows, const int16_t *record, int shift, int length,
                       uint8_t *bytes)
{
    for (int start = 0; start < length; start += BLOCK) {
        int32_t high[BLOCK] = {0}, low[BLOCK] = {0};
        blend_block(rows, num_rows, record, start, high, low);
        for (int i = 0; i < BLOCK && start + i < length; i++)
            bytes[start + i] = (uint8_t)clip(round_sum(high[i], low[i], shift), 255);
    }
}

const struct kernels scalar_kernels = {"scalar", shrink_row, blend_rows};
