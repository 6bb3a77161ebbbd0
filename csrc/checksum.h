/* CRC-32 as in zip, gzip and PNG (polynomial 0xEDB88320). */
#ifndef PYCLS_CHECKSUM_H
#define PYCLS_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Fill the tables; once, before the first checksum. */
void prepare_checksum(void);

uint32_t checksum(const uint8_t *data, size_t size);

#endif
