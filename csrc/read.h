/* Read encoded images. What cannot be read is left as it is: Python tries again, and says what is wrong. */
#ifndef PYCLS_READ_H
#define PYCLS_READ_H

#include <stddef.h>
#include <stdint.h>

/* Larger files and pieces are left to Python, one at a time: it reads or refuses them (core/bounds/regular_file.py). */
#define MOST_BYTES ((int64_t)64 << 20)

/* A stretch of an open file. */
struct piece {
    int id; /* of the file; -1: none */
    int64_t offset, size;
    uint8_t *to;
};

/* Open a regular file of no more than MOST_BYTES, all of which becomes the piece; the id is -1 on failure. */
void open_file(struct piece *piece, const char *path);

/* Read the piece to its place; return 0 on failure. */
int read_piece(const struct piece *piece);

/* Close the file, if there is one. */
void close_file(struct piece *piece);

#endif
