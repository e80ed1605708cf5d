// Steps before and past each row's end. Arrays are (batch, time, ...).
#include "common.cuh"
#include "indices.cuh"

// Zeros past each row's end, of words of any type.
template <class Word>
__device__ __forceinline__ void copy_or_zero(const void* values, long long from, void* zeroed, long long to, bool copy) {
    static_cast<Word*>(zeroed)[to] = copy ? static_cast<const Word*>(values)[from] : Word(0);
}

extern "C" __global__ void zero_past(
    const void* __restrict__ values, const long long* __restrict__ lengths, void* __restrict__ zeroed,
    long long elements, long long time, long long inner, long long row_stride, long long step_stride,
    long long inner_stride, long long bytes
) {
    long long index = element();
    if (index >= elements) return;
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

extern "C" __global__ void valid_steps(
    const long long* __restrict__ lengths, bool* __restrict__ valid, long long elements, long long time
) {
    long long index = element();
    if (index < elements) valid[index] = index % time < lengths[index / time];
}

// The last valid step of each row, (batch, features); 0 for an empty row.
extern "C" __global__ void last_step(
    const real* __restrict__ x, const long long* __restrict__ lengths, real* __restrict__ last, long long elements,
    long long time, long long features
) {
    long long index = element();
    if (index >= elements) return;
    long long row = index / features, step = lengths[row] - 1;
    last[index] = step < 0 ? real(0) : x[(row * time + step) * features + (index - row * features)];
}

// Its gradient, (batch, time, features).
extern "C" __global__ void scatter_last_step(
    const real* __restrict__ values, const long long* __restrict__ lengths, real* __restrict__ x, long long elements,
    long long time, long long features
) {
    long long index = element();
    if (index >= elements) return;
    long long place = index / features, row = place / time;
    bool here = place - row * time == lengths[row] - 1;
    x[index] = here ? values[row * features + (index - place * features)] : real(0);
}
