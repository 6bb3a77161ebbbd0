/* Read encoded images. What cannot be read is left as it is: Python tries again, and says what is wrong. */
#ifndef PYCLS_READ_H
#define PYCLS_READ_H

#include <stddef.h>
#include <stdint.h>

/* A stretch of an open file. */
struct piece {
    int id; /* of the file; -1: none */
    int64_t offset, size;
    uint8_t *to;
};

/* Open a regular file, all of which becomes the piece; the id is -1 on failure. */
void open_file(struct piece *piece, const char *path);

/* Read the piece to its place; return 0 on failure. */
int read_piece(const struct piece *piece);

/* Close the file, if there is one. */
void close_file(struct piece *piece);

#endif
