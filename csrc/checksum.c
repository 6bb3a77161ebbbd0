#include "checksum.h"

/* SLICE bytes at a time ("slicing", Kounavis and Berry, ISCC 2005): tables[k][b] is the checksum of byte b with k zero
 * bytes after it. */
enum { SLICE = 16 };
static uint32_t tables[SLICE][256];

void prepare_checksum(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t sum = byte;
        for (int bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ (sum & 1 ? 0xEDB88320u : 0);
        tables[0][byte] = sum;
    }
    for (int zeros = 1; zeros < SLICE; zeros++)
        for (int byte = 0; byte < 256; byte++)
            tables[zeros][byte] = tables[zeros - 1][byte] >> 8 ^ tables[0][tables[zeros - 1][byte] & 255];
}

static uint32_t little_endian(const uint8_t *data)
{
    return data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
}

static uint32_t slice(const uint8_t *data, uint32_t sum)
{
    uint32_t result = 0;
    for (int word = 0; word < SLICE / 4; word++) {
        uint32_t bits = little_endian(data + 4 * word) ^ (word ? 0 : sum);
        for (int byte = 0; byte < 4; byte++)
            result ^= tables[SLICE - 1 - 4 * word - byte][bits >> 8 * byte & 255];
    }
    return result;
}

uint32_t checksum(const uint8_t *data, size_t size)
{
    uint32_t sum = 0xFFFFFFFFu;
    for (; size >= SLICE; size -= SLICE, data += SLICE)
        sum = slice(data, sum);
    for (; size > 0; size--, data++)
        sum = sum >> 8 ^ tables[0][(sum ^ *data) & 255];
    return ~sum;
}
