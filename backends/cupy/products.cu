// What products take.
#include "common.cuh"

// Round what products are to take.
extern "C" __global__ void as_operand(const real* __restrict__ values, operand* __restrict__ rounded, long long count) {
    long long index = element();
    if (index < count) put(rounded + index, values[index]);
}
