// The GRU between its matrix products: one thread for each unit of each row. Gates lie side by side: r, z, n.
#include "recurrence.cuh"

// With the reset gate after the product: one product, one kernel.
extern "C" __global__ void gru_forward(
    real* __restrict__ gates,            // (batch, time, 3 units): x w_x before, the gates after
    const real* __restrict__ product,    // (batch, 3 units): h w_h
    const real* __restrict__ bias,       // (3 units,) or none
    const real* __restrict__ bias_h,     // (units,) or none
    const long long* __restrict__ lengths,     // (batch,) or none
    real* h,                             // (batch, units), of the step before, then of this one
    operand* left,                       // h as products take it
    operand* before,                     // (batch, time, stride), its first columns: h before
    real* __restrict__ befores,          // (batch, time, units): h before
    real* __restrict__ products,         // (batch, time, units): what the reset gate multiplies
    real* __restrict__ outputs,          // (batch, time, units)
    int batch, int time, int units, int stride, int reverse, int s
) {
    auto [index, row, unit, place, inside] = find_unit(lengths, batch, time, units, s, reverse);
    if (row >= batch || past_end(inside, before + place * stride + unit, outputs + place * units + unit)) return;
    real* own = gates + place * 3 * units + unit;
    const real* added = product + 3LL * row * units + unit;
    real reset = own[0] + added[0], keep = own[units] + added[units], in = own[2 * units], state = added[2 * units];
    if (bias) {
        reset += bias[unit];
        keep += bias[units + unit];
        in += bias[2 * units + unit];
    }
    if (bias_h) state += bias_h[unit];
    real r = sigmoid(reset), z = sigmoid(keep), n = tanh(in + r * state), old = h[index];
    real output = (1 - z) * n + z * old;
    own[0] = r;
    own[units] = z;
    own[2 * units] = n;
    products[place * units + unit] = state;
    befores[place * units + unit] = old;
    before[place * stride + unit] = left[index];
    h[index] = output;
    put(left + index, output);
    outputs[place * units + unit] = output;
}

extern "C" __global__ void gru_backward(
    const real* __restrict__ gates,      // (batch, time, 3 units)
    const real* __restrict__ befores,    // (batch, time, units)
    const real* __restrict__ products,   // (batch, time, units)
    const real* __restrict__ doutputs,   // (batch, time, units), its last axis contiguous, or none
    const long long* __restrict__ lengths,     // (batch,) or none
    real* __restrict__ dh,               // (batch, units), of the state after; then what the product is to be added to
    operand* __restrict__ da,            // (batch, time, 3 units): of x w_x
    operand* __restrict__ dproducts,     // (batch, time, 3 units): of h w_h
    operand* __restrict__ step,          // (batch, 3 units): this step's, of h w_h
    long long dout_row, long long dout_step, int batch, int time, int units, int reverse, int s
) {
    auto [index, row, unit, place, inside] = find_unit(lengths, batch, time, units, s, reverse);
    if (row >= batch) return;
    real dr = 0, dz = 0, dn = 0, dstate = 0;
    if (inside) {
        const real* own = gates + place * 3 * units + unit;
        real r = own[0], z = own[units], n = own[2 * units];
        real dnew = dh[index];
        if (doutputs) dnew += doutputs[row * dout_row + (place - static_cast<long long>(row) * time) * dout_step + unit];
        dn = dnew * (1 - z) * (1 - n * n);
        dz = dnew * (befores[place * units + unit] - n) * z * (1 - z);
        dr = dn * products[place * units + unit] * r * (1 - r);
        dstate = dn * r;
        dh[index] = dnew * z;
    }
    operand* kept = da + place * 3 * units + unit;
    put(kept, dr);
    put(kept + units, dz);
    put(kept + 2 * units, dn);
    operand* of_state = dproducts + place * 3 * units + unit;
    operand* now = step + 3LL * row * units + unit;
    put(of_state, dr);
    put(of_state + units, dz);
    put(of_state + 2 * units, dstate);
    put(now, dr);
    put(now + units, dz);
    put(now + 2 * units, dstate);
}

// With the reset gate before the product: two products, and a kernel after each.
extern "C" __global__ void gru_gates(
    real* __restrict__ gates,            // (batch, time, 3 units): x w_x before; r and z after
    const real* __restrict__ product,    // (batch, 2 units): h w_h of r and z
    const real* __restrict__ bias, const long long* __restrict__ lengths,
    const real* __restrict__ h,          // (batch, units)
    operand* __restrict__ reset,         // (batch, units): r h, this step's
    operand* __restrict__ resets,        // (batch, time, units)
    int batch, int time, int units, int reverse, int s
) {
    auto [index, row, unit, place, inside] = find_unit(lengths, batch, time, units, s, reverse);
    if (row >= batch) return;
    real value = 0;
    if (inside) {
        real* own = gates + place * 3 * units + unit;
        const real* added = product + 2LL * row * units + unit;
        real r = own[0] + added[0], z = own[units] + added[units];
        if (bias) {
            r += bias[unit];
            z += bias[units + unit];
        }
        r = sigmoid(r);
        own[0] = r;
        own[units] = sigmoid(z);
        value = r * h[index];
    }
    put(reset + index, value);
    put(resets + place * units + unit, value);
}

extern "C" __global__ void gru_candidate(
    real* __restrict__ gates,            // (batch, time, 3 units): x w_x of n before, n after
    const real* __restrict__ product,    // (batch, units): (r h) w_h of n
    const real* __restrict__ bias, const long long* __restrict__ lengths,
    real* h, operand* left, operand* before, real* __restrict__ befores, real* __restrict__ outputs,
    int batch, int time, int units, int stride, int reverse, int s
) {
    auto [index, row, unit, place, inside] = find_unit(lengths, batch, time, units, s, reverse);
    if (row >= batch || past_end(inside, before + place * stride + unit, outputs + place * units + unit)) return;
    real* own = gates + place * 3 * units + unit;
    real sum = own[2 * units] + product[index];
    if (bias) sum += bias[2 * units + unit];
    real z = own[units], n = tanh(sum), old = h[index];
    real output = (1 - z) * n + z * old;
    own[2 * units] = n;
    befores[place * units + unit] = old;
    before[place * stride + unit] = left[index];
    h[index] = output;
    put(left + index, output);
    outputs[place * units + unit] = output;
}

extern "C" __global__ void gru_candidate_backward(
    const real* __restrict__ gates, const real* __restrict__ befores, const real* __restrict__ doutputs,
    const long long* __restrict__ lengths,
    real* __restrict__ dh,               // (batch, units), of the state after; then its part that goes past the gates
    operand* __restrict__ da,            // (batch, time, 3 units): z and n of it
    operand* __restrict__ step,          // (batch, units): n, this step's
    operand* __restrict__ gate_step,     // (batch, 2 units): z of it
    long long dout_row, long long dout_step, int batch, int time, int units, int reverse, int s
) {
    auto [index, row, unit, place, inside] = find_unit(lengths, batch, time, units, s, reverse);
    if (row >= batch) return;
    real dz = 0, dn = 0;
    if (inside) {
        const real* own = gates + place * 3 * units + unit;
        real z = own[units], n = own[2 * units], dnew = dh[index];
        if (doutputs) dnew += doutputs[row * dout_row + (place - static_cast<long long>(row) * time) * dout_step + unit];
        dn = dnew * (1 - z) * (1 - n * n);
        dz = dnew * (befores[place * units + unit] - n) * z * (1 - z);
        dh[index] = dnew * z;
    }
    put(da + place * 3 * units + units + unit, dz);
    put(da + place * 3 * units + 2 * units + unit, dn);
    put(step + index, dn);
    put(gate_step + 2LL * row * units + units + unit, dz);
}

extern "C" __global__ void gru_gates_backward(
    const real* __restrict__ gates, const real* __restrict__ befores,
    const real* __restrict__ dreset,     // (batch, units): the gradient of r h
    const long long* __restrict__ lengths, real* __restrict__ dh, operand* __restrict__ da,
    operand* __restrict__ gate_step,     // (batch, 2 units): r of it
    int batch, int time, int units, int reverse, int s
) {
    auto [index, row, unit, place, inside] = find_unit(lengths, batch, time, units, s, reverse);
    if (row >= batch) return;
    real dr = 0;
    if (inside) {
        real r = gates[place * 3 * units + unit], upstream = dreset[index];
        dr = upstream * befores[place * units + unit] * r * (1 - r);
        dh[index] += upstream * r;
    }
    put(da + place * 3 * units + unit, dr);
    put(gate_step + 2LL * row * units + unit, dr);
}
