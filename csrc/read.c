#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64

#include "read.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opening a pipe would wait for its writer, and opening a device may do anything. */
static int is_readable(const struct stat *state)
{
    return S_ISREG(state->st_mode) && state->st_size <= MOST_BYTES;
}

void open_file(struct piece *piece, const char *path)
{
    struct stat state;
    piece->offset = 0;
    piece->id = stat(path, &state) == 0 && is_readable(&state) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (piece->id >= 0 && (fstat(piece->id, &state) != 0 || !is_readable(&state))) /* it was replaced meanwhile */
        close_file(piece);
    piece->size = piece->id >= 0 ? (int64_t)state.st_size : 0;
}

int read_piece(const struct piece *piece)
{
    int64_t got = 0;
    while (got < piece->size) { /* a network file system may cut a read short */
        ssize_t more = pread(piece->id, piece->to + got, (size_t)(piece->size - got), (off_t)(piece->offset + got));
        if (more <= 0)
            return 0;
        got += more;
    }
    return 1;
}

void close_file(struct piece *piece)
{
    if (piece->id >= 0)
        close(piece->id);
    piece->id = -1;
}
