/* Two output pixels, or 32 numbers of a row, at a time. */
#include "kernels.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))

/* Spread pixels 0 and 1, or 2 and 3, of four to pairs of 16 bits: r0 r1 g0 g1 b0 b1 x0 x1. */
#define SPREAD(a, b) a, -1, b, -1, a + 1, -1, b + 1, -1, a + 2, -1, b + 2, -1, a + 3, -1, b + 3, -1

AVX2 static inline __m256i round_sums(__m256i high, __m256i low, __m256i half, __m128i shift)
{
    return _mm256_sra_epi32(_mm256_add_epi32(_mm256_add_epi32(high, half), _mm256_srai_epi32(low, LOW_BITS)), shift);
}

AVX2 static inline __m256i load_two(const uint8_t *one, const uint8_t *other)
{
    __m256i low = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)one));
    return _mm256_inserti128_si256(low, _mm_loadu_si128((const __m128i *)other), 1);
}

AVX2 static inline __m256i weigh(__m256i pairs, const int16_t *weights)
{
    return _mm256_madd_epi16(pairs, _mm256_load_si256((const __m256i *)weights));
}

AVX2 static void shrink_row(const struct axis *columns, const uint8_t *pixels, int shift, int16_t *row)
{
    const __m256i first_two = _mm256_broadcastsi128_si256(_mm_setr_epi8(SPREAD(0, 4)));
    const __m256i last_two = _mm256_broadcastsi128_si256(_mm_setr_epi8(SPREAD(8, 12)));
    const __m256i half = _mm256_set1_epi32(1 << (shift - 1));
    const __m256i black = _mm256_setzero_si256(), white = _mm256_set1_epi16((int16_t)white_of(shift));
    const __m128i bits = _mm_cvtsi32_si128(shift);
    const int stride = columns->records * SPREAD_RECORD;
    for (int output = 0; output < columns->count; output += 2, row += 6) {
        const uint8_t *left = pixels + 4 * (long)columns->first[output];
        const uint8_t *right = pixels + 4 * (long)columns->first[output + 1];
        const int16_t *weights = columns->spread + output / STEP * stride + output % STEP * PAIR;
        const int16_t *end = weights + stride;
        __m256i high = _mm256_setzero_si256(), low = high;
        for (; weights < end; weights += SPREAD_RECORD, left += 4 * TAPS, right += 4 * TAPS) {
            __m256i four = load_two(left, right);
            __m256i one = _mm256_shuffle_epi8(four, first_two), two = _mm256_shuffle_epi8(four, last_two);
            high = _mm256_add_epi32(high, weigh(one, weights));
            high = _mm256_add_epi32(high, weigh(two, weights + VECTOR));
            low = _mm256_add_epi32(low, weigh(one, weights + 2 * VECTOR));
            low = _mm256_add_epi32(low, weigh(two, weights + 3 * VECTOR));
        }
        __m256i sums = round_sums(high, low, half, bits);
        __m256i numbers = _mm256_min_epi16(_mm256_max_epi16(_mm256_packs_epi32(sums, sums), black), white);
        /* Each store writes four numbers, of which the next one overwrites the last. */
        _mm_storel_epi64((__m128i *)row, _mm256_castsi256_si128(numbers));
        _mm_storel_epi64((__m128i *)(row + 3), _mm256_extracti128_si256(numbers, 1));
    }
}

/* The 32-bit word at `tap` of a record: the weights of two neighboring taps. */
AVX2 static inline __m256i two_weights(const int16_t *record, int tap, int part)
{
    int32_t word;
    memcpy(&word, record + tap / TAPS * RECORD + tap % TAPS + part, sizeof word);
    return _mm256_set1_epi32(word);
}

AVX2 static inline __m256i blend_16(const int16_t *const *rows, int num_rows, const int16_t *record, int start,
                                    __m256i half, __m128i shift)
{
    __m256i high[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()}, low[2] = {high[0], high[0]};
    for (int tap = 0; tap < num_rows; tap += 2) {
        __m256i one = _mm256_loadu_si256((const __m256i *)(rows[tap] + start));
        __m256i two = _mm256_loadu_si256((const __m256i *)(rows[tap + 1] + start));
        __m256i pairs[2] = {_mm256_unpacklo_epi16(one, two), _mm256_unpackhi_epi16(one, two)};
        __m256i high_weights = two_weights(record, tap, 0), low_weights = two_weights(record, tap, TAPS);
        for (int part = 0; part < 2; part++) {
            high[part] = _mm256_add_epi32(high[part], _mm256_madd_epi16(pairs[part], high_weights));
            low[part] = _mm256_add_epi32(low[part], _mm256_madd_epi16(pairs[part], low_weights));
        }
    }
    return _mm256_packs_epi32(round_sums(high[0], low[0], half, shift), round_sums(high[1], low[1], half, shift));
}

AVX2 static void blend_rows(const int16_t *const *rows, int num_rows, const int16_t *record, int shift, int length,
                            uint8_t *bytes)
{
    const __m256i half = _mm256_set1_epi32(1 << (shift - 1));
    const __m128i bits = _mm_cvtsi32_si128(shift);
    for (int start = 0; start < length; start += 32) {
        __m256i one = blend_16(rows, num_rows, record, start, half, bits);
        __m256i two = blend_16(rows, num_rows, record, start + 16, half, bits);
        __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi16(one, two), 0xD8);
        if (length - start >= 32)
            _mm256_storeu_si256((__m256i *)(bytes + start), packed);
        else
            memcpy(bytes + start, &packed, (size_t)(length - start));
    }
}

const struct kernels avx2_kernels = {"AVX2", shrink_row, blend_rows};
#endif
