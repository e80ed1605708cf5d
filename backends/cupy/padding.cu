// Steps before and past each row's end. Arrays are (batch, time, ...).
#include "common.cuh"

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
