/* Shows every file of a corpus, with all kernels, for the sanitizers to watch; prints how many could be shown.
 * Corpus: for each file its size (uint64), a box (4 float64) and the bytes. */
#include <stdio.h>
#include <stdlib.h>

#include "resized_crop.h"

enum { SIDE = 30 };

static int crop_with_all_kernels(struct request request)
{
    int done = 0;
    for (int level = 0; level <= best_level(); level++) {
        request.out = malloc(SIDE * SIDE * 3); /* of just this size, so that a byte too many is seen */
        request.kernels = kernels_of_level(level);
        done += resized_crop_jpeg(&request);
        free(request.out);
    }
    return done;
}

int main(int count, char **arguments)
{
    FILE *corpus = fopen(arguments[count - 1], "rb");
    struct request request = {.side = SIDE};
    uint64_t size;
    int files = 0, done = 0;
    while (corpus && fread(&size, sizeof size, 1, corpus) && fread(&request.box, sizeof request.box, 1, corpus)) {
        uint8_t *data = malloc(size);
        request.size = fread(data, 1, size, corpus);
        request.data = data;
        request.beyond = files & 1;
        request.filter = (enum filter)(files >> 1) % NUM_FILTERS;
        request.flip = files >> 2 & 1;
        done += crop_with_all_kernels(request);
        files++;
        free(data);
    }
    printf("%d files, %d squares\n", files, done);
    return corpus ? fclose(corpus) : 1;
}
