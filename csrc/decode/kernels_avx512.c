/* Four output pixels, or 32 numbers of a row, at a time: kernels_avx2.c, twice as wide. */
#include "kernels.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#include <string.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl")))

#define SPREAD(a, b) a, -1, b, -1, a + 1, -1, b + 1, -1, a + 2, -1, b + 2, -1, a + 3, -1, b + 3, -1

AVX512 static inline __m512i round_sums(__m512i high, __m512i low, __m512i half, __m128i shift)
{
    return _mm512_sra_epi32(_mm512_add_epi32(_mm512_add_epi32(high, half), _mm512_srai_epi32(low, LOW_BITS)), shift);
}

AVX512 static inline __m512i load_four(const uint8_t *pixels, const int32_t *first)
{
    __m128i vectors[STEP];
    for (int output = 0; output < STEP; output++)
        vectors[output] = _mm_loadu_si128((const __m128i *)(pixels + 4 * (long)first[output]));
    __m256i one = _mm256_inserti128_si256(_mm256_castsi128_si256(vectors[0]), vectors[1], 1);
    __m256i two = _mm256_inserti128_si256(_mm256_castsi128_si256(vectors[2]), vectors[3], 1);
    return _mm512_inserti64x4(_mm512_castsi256_si512(one), two, 1);
}

AVX512 static inline __m512i weigh(__m512i pairs, const int16_t *weights)
{
    return _mm512_madd_epi16(pairs, _mm512_load_si512(weights));
}

AVX512 static void shrink_row(const struct axis *columns, const uint8_t *pixels, int shift, int16_t *row)
{
    const __m512i first_two = _mm512_broadcast_i32x4(_mm_setr_epi8(SPREAD(0, 4)));
    const __m512i last_two = _mm512_broadcast_i32x4(_mm_setr_epi8(SPREAD(8, 12)));
    /* Leave out every fourth number, the unused byte of the pixels. */
    const __m256i packing = _mm256_setr_epi16(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 7, 11, 15);
    const __m512i half = _mm512_set1_epi32(1 << (shift - 1));
    const __m256i black = _mm256_setzero_si256(), white = _mm256_set1_epi16((int16_t)white_of(shift));
    const __m128i bits = _mm_cvtsi32_si128(shift);
    const int16_t *weights = columns->spread;
    for (int output = 0; output < columns->count; output += STEP, row += 3 * STEP) {
        __m512i high = _mm512_setzero_si512(), low = high;
        for (int record = 0; record < columns->records; record++, weights += SPREAD_RECORD) {
            __m512i four = load_four(pixels + 4 * TAPS * (long)record, columns->first + output);
            __m512i one = _mm512_shuffle_epi8(four, first_two), two = _mm512_shuffle_epi8(four, last_two);
            high = _mm512_add_epi32(high, weigh(one, weights));
            high = _mm512_add_epi32(high, weigh(two, weights + VECTOR));
            low = _mm512_add_epi32(low, weigh(one, weights + 2 * VECTOR));
            low = _mm512_add_epi32(low, weigh(two, weights + 3 * VECTOR));
        }
        __m256i sums = _mm512_cvtsepi32_epi16(round_sums(high, low, half, bits));
        __m256i numbers = _mm256_min_epi16(_mm256_max_epi16(sums, black), white);
        _mm256_storeu_si256((__m256i *)row, _mm256_permutexvar_epi16(packing, numbers));
    }
}

AVX512 static inline __m512i two_weights(const int16_t *record, int tap, int part)
{
    int32_t word;
    memcpy(&word, record + tap / TAPS * RECORD + tap % TAPS + part, sizeof word);
    return _mm512_set1_epi32(word);
}

AVX512 static inline __m512i blend_32(const int16_t *const *rows, int num_rows, const int16_t *record, int start,
                                      __m512i half, __m128i shift)
{
    __m512i high[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()}, low[2] = {high[0], high[0]};
    for (int tap = 0; tap < num_rows; tap += 2) {
        __m512i one = _mm512_loadu_si512(rows[tap] + start), two = _mm512_loadu_si512(rows[tap + 1] + start);
        __m512i pairs[2] = {_mm512_unpacklo_epi16(one, two), _mm512_unpackhi_epi16(one, two)};
        __m512i high_weights = two_weights(record, tap, 0), low_weights = two_weights(record, tap, TAPS);
        for (int part = 0; part < 2; part++) {
            high[part] = _mm512_add_epi32(high[part], _mm512_madd_epi16(pairs[part], high_weights));
            low[part] = _mm512_add_epi32(low[part], _mm512_madd_epi16(pairs[part], low_weights));
        }
    }
    return _mm512_packs_epi32(round_sums(high[0], low[0], half, shift), round_sums(high[1], low[1], half, shift));
}

AVX512 static void blend_rows(const int16_t *const *rows, int num_rows, const int16_t *record, int shift, int length,
                              uint8_t *bytes)
{
    const __m512i half = _mm512_set1_epi32(1 << (shift - 1)), black = _mm512_setzero_si512();
    const __m128i bits = _mm_cvtsi32_si128(shift);
    for (int start = 0; start < length; start += 32) {
        __m512i numbers = blend_32(rows, num_rows, record, start, half, bits);
        __mmask32 inside = length - start >= 32 ? ~0u : (1u << (length - start)) - 1;
        _mm256_mask_storeu_epi8(bytes + start, inside, _mm512_cvtusepi16_epi8(_mm512_max_epi16(numbers, black)));
    }
}

const struct kernels avx512_kernels = {"AVX-512", shrink_row, blend_rows};
#endif
