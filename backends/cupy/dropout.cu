// Random words by counting, masks from them, and dropout by a mask.
#include "common.cuh"
#include "indices.cuh"

// The word of a place in a row, which has a key of two words; as RandomOperations of backends/generic/random.py.
__device__ __forceinline__ unsigned word_of(unsigned long long key, unsigned place) {
    unsigned first = static_cast<unsigned>(key), second = static_cast<unsigned>(key >> 32);
    unsigned x = place ^ first ^ second;
    x = (x ^ (x >> 17)) * 0xed5ad4bbu;
    x = (x ^ (x >> 11) ^ second) * 0xac4c1b51u;
    x = (x ^ (x >> 15)) * 0x31848babu;
    return x ^ (x >> 14);
}

// A row's key is the sum of its own number and the call's.
extern "C" __global__ void random_words(
    const unsigned long long* __restrict__ numbers,   // (rows,)
    unsigned long long call,
    unsigned* __restrict__ words,                     // (rows, count)
    long long rows, long long count
) {
    long long index = element(), place;
    if (index >= rows * count) return;
    long long row = split(index, count, &place);
    words[index] = word_of(numbers[row] + call, static_cast<unsigned>(place));
}

extern "C" __global__ void keep_mask(
    const unsigned long long* __restrict__ numbers,   // (rows,)
    unsigned long long call, unsigned least,
    bool* __restrict__ keep,                          // (rows, count)
    long long rows, long long count
) {
    long long index = element(), place;
    if (index >= rows * count) return;
    long long row = split(index, count, &place);
    keep[index] = word_of(numbers[row] + call, static_cast<unsigned>(place)) >= least;
}

// Multiply by the scale what is kept, and all else by 0.
extern "C" __global__ void dropout(
    const real* __restrict__ x,      // (outer, times, inner)
    const bool* __restrict__ keep,   // (outer, inner)
    real* __restrict__ y, real scale, long long times, long long inner, long long count
) {
    long long index = element(), within, repeat;
    if (index >= count) return;
    long long place = index;
    if (times != 1) place = split(split(index, inner, &within), times, &repeat) * inner + within;
    y[index] = x[index] * (keep[place] ? scale : real(0));
}
