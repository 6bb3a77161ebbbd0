#include "kernels.h"

#include <stddef.h>

static int has_level(int level)
{
#if defined(__x86_64__) && defined(__GNUC__)
    if (level == 2)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl");
    if (level == 1)
        return __builtin_cpu_supports("avx2") != 0;
#endif
    return level == 0;
}

const struct kernels *kernels_of_level(int level)
{
    if (!has_level(level))
        return NULL;
#if defined(__x86_64__) && defined(__GNUC__)
    if (level > 0)
        return level == 2 ? &avx512_kernels : &avx2_kernels;
#endif
    return &scalar_kernels;
}

int best_level(void)
{
    int level = 2;
    while (!has_level(level))
        level--;
    return level;
}
