/* One call from encoded bytes to the square that a network sees. */
#ifndef PYCLS_RESIZED_CROP_H
#define PYCLS_RESIZED_CROP_H

#include <stddef.h>
#include <stdint.h>

#include "axis.h"
#include "kernels.h"

struct box {
    double top, left, height, width; /* source pixels */
};

struct request {
    const uint8_t *data; /* the encoded file */
    size_t size;
    struct box box;
    int beyond;    /* the filter sees pixels around the box too (evaluation), or the box only (a training crop) */
    enum filter filter;
    int flip;
    int side;       /* of the square */
    uint8_t *out; /* side * side * 3 bytes of RGB */
    const struct kernels *kernels;
};

/* Write the square. Return 0 if the file is damaged or not of the plain kind; `out` then holds nothing of use. */
int resized_crop_jpeg(const struct request *request);

#endif
