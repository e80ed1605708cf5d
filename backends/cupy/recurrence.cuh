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
