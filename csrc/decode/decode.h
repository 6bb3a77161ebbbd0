/* Decode a part of a JPEG with libjpeg-turbo: the pixels are those of a full decode, bit for bit. */
#ifndef PYCLS_DECODE_H
#define PYCLS_DECODE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jpeglib.h>
#include <setjmp.h>

#if !defined(JCS_EXTENSIONS) || !defined(LIBJPEG_TURBO_VERSION_NUMBER) || LIBJPEG_TURBO_VERSION_NUMBER < 2001000
#error "libjpeg-turbo 2.1 or newer is needed: another libjpeg cannot decode a part of an image"
#endif

struct decoder {
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    jmp_buf failed; /* where to go on after an error or a warning: the caller calls setjmp on it first */
};

/* Columns x0 .. x1 - 1 of rows y0 .. y1 - 1. */
struct region {
    int x0, x1, y0, y1;
};

/* Read the header. Return 0 for a file whose pixels other decoders might see differently, or that is too big. */
int open_jpeg(struct decoder *decoder, const uint8_t *data, size_t size);

/* Get ready to read the rows of a region. Return the first column of the rows, at or left of x0, or -1 if the file has
 * not got all its data. */
int start_region(struct decoder *decoder, struct region region);

/* Read the next row as RGBX pixels, info.output_width of them. */
void read_row(struct decoder *decoder, uint8_t *pixels);

/* Free everything; also after a failure. */
void close_jpeg(struct decoder *decoder);

#endif
