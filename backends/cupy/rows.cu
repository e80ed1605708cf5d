// Rows of a table by index.
#include "common.cuh"

static const int kThreads = 256;

// Sum the rows of each id: `order` has the rows' places, those of an id side by side from starts[id] on. So many threads
// as `lanes` share an id's rows in turn, for each column, and add what they have two and two: always in the same order.
extern "C" __global__ void sum_rows(
    const real* __restrict__ rows,           // (..., units)
    const long long* __restrict__ order,
    const long long* __restrict__ starts,    // (ids + 1,)
    real* __restrict__ sums,                 // (ids, units)
    long long ids, long long units, int lanes
) {
    __shared__ real parts[kThreads];
    int lane = threadIdx.y % lanes, own = threadIdx.y * blockDim.x + threadIdx.x;
    long long id = static_cast<long long>(blockIdx.x) * (blockDim.y / lanes) + threadIdx.y / lanes;
    long long column = static_cast<long long>(blockIdx.y) * blockDim.x + threadIdx.x;
    bool inside = id < ids && column < units;
    real sum = 0;
    if (inside) {
        long long stop = starts[id + 1];
#pragma unroll 4
        for (long long place = starts[id] + lane; place < stop; place += lanes) sum += rows[order[place] * units + column];
    }
    parts[own] = sum;
    for (int half = lanes / 2; half > 0; half /= 2) {
        __syncthreads();
        if (lane < half) parts[own] += parts[own + half * blockDim.x];
    }
    if (inside && lane == 0) sums[id * units + column] = parts[own];
}

// The place in a table of an element of rows at ids; false beyond the last one.
__device__ __forceinline__ bool find_place(
    const long long* ids, long long elements, long long units, long long* index, long long* place
) {
    *index = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (*index >= elements) return false;
    long long row = *index / units;
    *place = ids[row] * units + (*index - row * units);
    return true;
}

extern "C" __global__ void add_rows(
    real* __restrict__ table, const long long* __restrict__ ids, const real* __restrict__ rows, long long elements,
    long long units
) {
    long long index, place;
    if (find_place(ids, elements, units, &index, &place)) table[place] += rows[index];
}

extern "C" __global__ void scale_rows(
    real* __restrict__ table, const long long* __restrict__ ids, real factor, long long elements, long long units
) {
    long long index, place;
    if (find_place(ids, elements, units, &index, &place)) table[place] *= factor;
}

extern "C" __global__ void zero_rows(
    real* __restrict__ table, const long long* __restrict__ ids, long long elements, long long units
) {
    long long index, place;
    if (find_place(ids, elements, units, &index, &place)) table[place] = 0;
}
