// Arrays (batch, time, ...) of words of any type: zeros past each row's end.
#include "common.cuh"
#include "indices.cuh"

template <class Word>
__device__ __forceinline__ void copy_or_zero(const void* values, long long from, void* zeroed, long long to, bool copy) {
    static_cast<Word*>(zeroed)[to] = copy ? static_cast<const Word*>(values)[from] : Word(0);
}

extern "C" __global__ void zero_past(
    const void* __restrict__ values, const long long* __restrict__ lengths, void* __restrict__ zeroed, int bytes,
    long long row_stride, long long step_stride, long long inner_stride, long long time, long long inner,
    long long count
) {
    long long index = element();
    if (index >= count) return;
    long long within, step;
    long long row = split(split(index, inner, &within), time, &step);
    long long from = row * row_stride + step * step_stride + within * inner_stride;
    bool valid = step < lengths[row];
    switch (bytes) {
        case 1: return copy_or_zero<unsigned char>(values, from, zeroed, index, valid);
        case 2: return copy_or_zero<unsigned short>(values, from, zeroed, index, valid);
        case 4: return copy_or_zero<unsigned>(values, from, zeroed, index, valid);
        default: return copy_or_zero<unsigned long long>(values, from, zeroed, index, valid);
    }
}
