// What the recurrences share: which step of a row is read s-th, and the operand that the weights' products take.
#include "common.cuh"

// Tell whether a row has an s-th step, and which one it is; of a row that has ended, the s-th place is beyond its end.
__device__ __forceinline__ bool find_step(
    const long long* lengths, int row, int time, int s, int reverse, long long* place
) {
    int length = lengths ? static_cast<int>(lengths[row]) : time;
    int step = reverse && s < length ? length - 1 - s : s;
    *place = static_cast<long long>(row) * time + step;
    return s < length;
}

// A thread's unit of a row, which of all units it is, and where the row's s-th step stands.
struct Place {
    long long index;
    int row, unit;
    long long place;
    bool inside;
};

// Beyond the last unit there is no such row.
__device__ __forceinline__ Place find_unit(
    const long long* lengths, int batch, int time, int units, int s, int reverse
) {
    Place own = {element(), batch, 0, 0, false};
    if (own.index < static_cast<long long>(batch) * units) {
        own.row = own.index / units;
        own.unit = own.index % units;
        own.inside = find_step(lengths, own.row, time, s, reverse, &own.place);
    }
    return own;
}

// Tell whether a row has ended; then its output, and the state before it as products take it, are 0.
__device__ __forceinline__ bool past_end(bool inside, operand* before, real* output) {
    if (inside) return false;
    put(before, real(0));
    *output = 0;
    return true;
}

// Lay out, of every step, x, a 1, and room for the state before: (batch, time, stride). What stands past an end is 0.
extern "C" __global__ void join(
    const real* __restrict__ x, const long long* __restrict__ lengths, operand* __restrict__ joint, long long x_row,
    long long x_step, int batch, int time, int features, int stride
) {
    long long index = element();
    int width = features + 1;
    if (index >= static_cast<long long>(batch) * time * width) return;
    int column = index % width;
    long long place = index / width;
    int row = place / time, step = place % time;
    bool inside = step < (lengths ? lengths[row] : time);
    real value = column == features ? real(1) : inside ? x[row * x_row + step * x_step + column] : real(0);
    put(joint + place * stride + column, value);
}
