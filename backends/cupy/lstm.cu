// The LSTM between its matrix products: one thread for each unit of each row. Gates lie side by side: i, f, g, o.
#include "recurrence.cuh"

extern "C" __global__ void lstm_forward(
    real* __restrict__ gates,            // (batch, time, 4 units): x w_x before, the gates after
    const real* __restrict__ product,    // (batch, 4 units): h w_h
    const real* __restrict__ bias,       // (4 units,) or none
    const long long* __restrict__ lengths,     // (batch,) or none
    real* h, real* c,                    // (batch, units), of the step before, then of this one
    operand* left,                       // h as products take it
    operand* before,                     // (batch, time, stride), its first columns: h before
    real* __restrict__ cells,            // (batch, time, units): c before
    real* __restrict__ outputs,          // (batch, time, units)
    int batch, int time, int units, int stride, int reverse, int s
) {
    auto [index, row, unit, place, inside] = find_unit(lengths, batch, time, units, s, reverse);
    if (row >= batch || past_end(inside, before + place * stride + unit, outputs + place * units + unit)) return;
    real* own = gates + place * 4 * units + unit;
    const real* added = product + 4LL * row * units + unit;
    real sums[4];
    for (int gate = 0; gate < 4; ++gate) {
        sums[gate] = own[gate * units] + added[gate * units];
        if (bias) sums[gate] += bias[gate * units + unit];
    }
    real i = sigmoid(sums[0]), f = sigmoid(sums[1]), g = tanh(sums[2]), o = sigmoid(sums[3]);
    own[0] = i;
    own[units] = f;
    own[2 * units] = g;
    own[3 * units] = o;
    real cell = c[index];
    real after = f * cell + i * g;
    real output = o * tanh(after);
    cells[place * units + unit] = cell;
    before[place * stride + unit] = left[index];
    c[index] = after;
    h[index] = output;
    put(left + index, output);
    outputs[place * units + unit] = output;
}

extern "C" __global__ void lstm_backward(
    const real* __restrict__ gates,      // (batch, time, 4 units)
    const real* __restrict__ cells,      // (batch, time, units): c before
    const real* __restrict__ doutputs,   // (batch, time, units), its last axis contiguous, or none
    const long long* __restrict__ lengths,     // (batch,) or none
    real* __restrict__ dh,               // (batch, units), of the state after; then 0, for the product to be added to
    real* __restrict__ dc,               // (batch, units), of the cell after, then of the one before
    operand* __restrict__ da,            // (batch, time, 4 units)
    operand* __restrict__ step,          // (batch, 4 units): this step's
    long long dout_row, long long dout_step, int batch, int time, int units, int reverse, int s
) {
    auto [index, row, unit, place, inside] = find_unit(lengths, batch, time, units, s, reverse);
    if (row >= batch) return;
    operand* kept = da + place * 4 * units + unit;
    operand* now = step + 4LL * row * units + unit;
    real gradients[4] = {0, 0, 0, 0};
    if (inside) {
        const real* own = gates + place * 4 * units + unit;
        real i = own[0], f = own[units], g = own[2 * units], o = own[3 * units];
        real cell = cells[place * units + unit];
        real squashed = tanh(f * cell + i * g);
        real dnew = dh[index];
        if (doutputs) dnew += doutputs[row * dout_row + (place - static_cast<long long>(row) * time) * dout_step + unit];
        real dcell = dc[index] + dnew * o * (1 - squashed * squashed);
        gradients[0] = dcell * g * i * (1 - i);
        gradients[1] = dcell * cell * f * (1 - f);
        gradients[2] = dcell * i * (1 - g * g);
        gradients[3] = dnew * squashed * o * (1 - o);
        dc[index] = dcell * f;
        dh[index] = 0;
    }
    for (int gate = 0; gate < 4; ++gate) {
        put(kept + gate * units, gradients[gate]);
        put(now + gate * units, gradients[gate]);
    }
}
