// The simple recurrent network between its matrix products: one thread for each unit of each row.
#include "recurrence.cuh"

// 0: as it is, 1: tanh, 2: relu, 3: sigmoid.
__device__ __forceinline__ real activated(real x, int activation) {
    switch (activation) {
        case 1: return tanh(x);
        case 2: return x <= 0 ? real(0) : x;
        case 3: return sigmoid(x);
        default: return x;
    }
}

// The slope where the activation's value is y.
__device__ __forceinline__ real slope(real y, int activation) {
    switch (activation) {
        case 1: return 1 - y * y;
        case 3: return y * (1 - y);
        default: return 1;
    }
}

extern "C" __global__ void simple_rnn_forward(
    real* __restrict__ values,           // (batch, time, units): x w_x before, the state after
    const real* __restrict__ product,    // (batch, units): h w_h
    const real* __restrict__ bias,       // (units,) or none
    const long long* __restrict__ lengths,     // (batch,) or none
    real* h,                             // (batch, units), of the step before, then of this one
    operand* left,                       // h as products take it
    operand* before,                     // (batch, time, stride), its first columns: h before
    real* __restrict__ outputs,          // (batch, time, units)
    int activation, int batch, int time, int units, int stride, int reverse, int s
) {
    auto [index, row, unit, place, inside] = find_unit(lengths, batch, time, units, s, reverse);
    if (row >= batch || past_end(inside, before + place * stride + unit, outputs + place * units + unit)) return;
    real sum = values[place * units + unit] + product[index];
    if (bias) sum += bias[unit];
    real y = activated(sum, activation);
    before[place * stride + unit] = left[index];
    values[place * units + unit] = y;
    h[index] = y;
    put(left + index, y);
    outputs[place * units + unit] = y;
}

extern "C" __global__ void simple_rnn_backward(
    const real* __restrict__ values,     // (batch, time, units)
    const real* __restrict__ doutputs,   // (batch, time, units), its last axis contiguous, or none
    const long long* __restrict__ lengths,     // (batch,) or none
    real* __restrict__ dh,               // (batch, units), of the state after; then 0, for the product to be added to
    operand* __restrict__ da,            // (batch, time, units)
    operand* __restrict__ step,          // (batch, units): this step's
    long long dout_row, long long dout_step, int activation, int batch, int time, int units, int reverse, int s
) {
    auto [index, row, unit, place, inside] = find_unit(lengths, batch, time, units, s, reverse);
    if (row >= batch) return;
    real gradient = 0;
    if (inside) {
        real y = values[place * units + unit], dnew = dh[index];
        if (doutputs) dnew += doutputs[row * dout_row + (place - static_cast<long long>(row) * time) * dout_step + unit];
        // Chosen, not multiplied: an infinite gradient where the slope is 0 has no part in it.
        gradient = activation == 2 ? (y > 0 ? dnew : real(0)) : dnew * slope(y, activation);
        dh[index] = 0;
    }
    put(da + place * units + unit, gradient);
    put(step + index, gradient);
}
