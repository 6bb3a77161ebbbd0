#include "checksum.h"

/* Eight bytes at a time ("slicing by 8", Kounavis and Berry, ISCC 2005): tables[k][b] is the checksum of byte b with k
 * zero bytes after it. */
static uint32_t tables[8][256];

void prepare_checksum(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t sum = byte;
        for (int bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ (sum & 1 ? 0xEDB88320u : 0);
        tables[0][byte] = sum;
    }
    for (int zeros = 1; zeros < 8; zeros++)
        for (int byte = 0; byte < 256; byte++)
            tables[zeros][byte] = tables[zeros - 1][byte] >> 8 ^ tables[0][tables[zeros - 1][byte] & 255];
}

static uint32_t little_endian(const uint8_t *data)
{
    return data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
}

uint32_t checksum(const uint8_t *data, size_t size)
{
    uint32_t sum = 0xFFFFFFFFu;
    for (; size >= 8; size -= 8, data += 8) {
        uint32_t low = little_endian(data) ^ sum, high = little_endian(data + 4);
        sum = 0;
        for (int byte = 0; byte < 4; byte++)
            sum ^= tables[7 - byte][low >> 8 * byte & 255] ^ tables[3 - byte][high >> 8 * byte & 255];
    }
    for (; size > 0; size--, data++)
        sum = sum >> 8 ^ tables[0][(sum ^ *data) & 255];
    return ~sum;
}
