// Sums and largest values over threads, in the same order every time.

constexpr int WARP = 32;
constexpr unsigned EVERY = 0xffffffffu;

// The larger one; NaN is larger than all.
__device__ __forceinline__ real larger(real a, real b) { return a != a || a >= b ? a : b; }

// Replace the values by their sums over the threads of so many warps, one after another in the block.
template <int WARPS, int COUNT>
__device__ __forceinline__ void sum_over(real (&values)[COUNT]) {
    for (int lanes = WARP / 2; lanes > 0; lanes /= 2)
        for (int k = 0; k < COUNT; ++k) values[k] += __shfl_xor_sync(EVERY, values[k], lanes);
    if (WARPS == 1) return;
    __shared__ real parts[COUNT][WARPS];
    int warp = threadIdx.x / WARP;
    if (threadIdx.x % WARP == 0)
        for (int k = 0; k < COUNT; ++k) parts[k][warp] = values[k];
    __syncthreads();
    for (int k = 0; k < COUNT; ++k) {
        values[k] = parts[k][0];
        for (int other = 1; other < WARPS; ++other) values[k] += parts[k][other];
    }
    __syncthreads();
}

// Return the largest value of the threads of so many warps.
template <int WARPS>
__device__ __forceinline__ real largest_over(real value) {
    for (int lanes = WARP / 2; lanes > 0; lanes /= 2) value = larger(value, __shfl_xor_sync(EVERY, value, lanes));
    if (WARPS == 1) return value;
    __shared__ real parts[WARPS];
    if (threadIdx.x % WARP == 0) parts[threadIdx.x / WARP] = value;
    __syncthreads();
    value = parts[0];
    for (int other = 1; other < WARPS; ++other) value = larger(value, parts[other]);
    __syncthreads();
    return value;
}
