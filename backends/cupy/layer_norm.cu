// Layer normalization: so many warps have a row. Of each row are kept what it is multiplied with, and then its mean and
// 1 / sqrt(...).
#include "common.cuh"
#include "indices.cuh"
#include "reductions.cuh"
#include "columns.cuh"
#include "units.cuh"

constexpr int KEPT = 8;  // of a row, how many values a thread keeps at most where it goes through it once

template <int WARPS>
__device__ __forceinline__ void normalize_rows(
    const real* __restrict__ x, const real* __restrict__ scale, const real* __restrict__ shift, real* __restrict__ y,
    real* __restrict__ statistics, const Epsilon& epsilon, long long rows, int features
) {
    constexpr int THREADS = WARPS * WARP;
    int thread = threadIdx.x % THREADS, groups = blockDim.x / THREADS;
    for (long long row = static_cast<long long>(blockIdx.x) * groups + threadIdx.x / THREADS; row < rows;
         row += static_cast<long long>(gridDim.x) * groups) {
        const real* own = x + row * features;
        real size = 0, total[1] = {0}, squares[1] = {0};
        for (int c = thread; c < features; c += THREADS) {
            size = larger(size, fabs(own[c]));
            total[0] += own[c];
        }
        real factor = factor_of(largest_over<WARPS>(size), epsilon);
        if (factor != 1) {
            total[0] = 0;
            for (int c = thread; c < features; c += THREADS) total[0] += own[c] * factor;
        }
        sum_over<WARPS>(total);
        real mean = total[0] / features;
        for (int c = thread; c < features; c += THREADS) {
            real centred = own[c] * factor - mean;
            squares[0] += centred * centred;
        }
        sum_over<WARPS>(squares);
        real inverse = inverse_of(squares[0] / features, factor, epsilon);
        for (int c = thread; c < features; c += THREADS)
            y[row * features + c] = scaled((own[c] * factor - mean) * inverse, scale, shift, c);
        if (thread == 0) {
            statistics[3 * row] = factor;
            statistics[3 * row + 1] = mean;
            statistics[3 * row + 2] = inverse;
        }
    }
}

// Each row's gradient, and each block's part of the parameters' gradients (blocks, 2, features).
template <int WARPS>
__device__ __forceinline__ void normalize_rows_backward(
    const real* __restrict__ x, const real* __restrict__ dy, const real* __restrict__ statistics,
    const real* __restrict__ scale, real* __restrict__ dx, real* __restrict__ parts, long long rows, int features
) {
    constexpr int THREADS = WARPS * WARP, GROUPS = MOST_THREADS / THREADS;
    int thread = threadIdx.x % THREADS, group = threadIdx.x / THREADS;
    real dscale[KEPT], dshift[KEPT], n[KEPT], dn[KEPT];
    for (int k = 0; k < KEPT; ++k) dscale[k] = dshift[k] = 0;
    for (long long row = static_cast<long long>(blockIdx.x) * GROUPS + group; row < rows;
         row += static_cast<long long>(gridDim.x) * GROUPS) {
        real factor = statistics[3 * row], mean = statistics[3 * row + 1], inverse = statistics[3 * row + 2];
        real sums[2] = {0, 0};
#pragma unroll
        for (int k = 0; k < KEPT; ++k) {
            int c = thread + k * THREADS;
            if (c >= features) continue;
            real upstream = dy[row * features + c];
            n[k] = (x[row * features + c] * factor - mean) * inverse;
            dn[k] = scale ? upstream * scale[c] : upstream;
            dscale[k] += upstream * n[k];
            dshift[k] += upstream;
            sums[0] += dn[k];
            sums[1] += dn[k] * n[k];
        }
        sum_over<WARPS>(sums);
        real level = sums[0] / features, along = sums[1] / features;
        inverse *= factor;
#pragma unroll
        for (int k = 0; k < KEPT; ++k) {
            int c = thread + k * THREADS;
            if (c < features) dx[row * features + c] = inverse * (dn[k] - level - n[k] * along);
        }
    }
    __shared__ real shared[GROUPS][2][KEPT * THREADS];
#pragma unroll
    for (int k = 0; k < KEPT; ++k) {
        shared[group][0][thread + k * THREADS] = dscale[k];
        shared[group][1][thread + k * THREADS] = dshift[k];
    }
    __syncthreads();
    for (int place = threadIdx.x; place < 2 * features; place += MOST_THREADS) {
        int which = place >= features, c = place - which * features;
        real sum = shared[0][which][c];
        for (int other = 1; other < GROUPS; ++other) sum += shared[other][which][c];
        parts[static_cast<long long>(blockIdx.x) * 2 * features + place] = sum;
    }
}

extern "C" __global__ void layer_norm_narrow(
    const real* __restrict__ x, const real* __restrict__ scale, const real* __restrict__ shift, real* __restrict__ y,
    real* __restrict__ statistics, real added, real root, real most, real least, long long rows, int features
) {
    normalize_rows<1>(x, scale, shift, y, statistics, Epsilon{added, root, most, least}, rows, features);
}

extern "C" __global__ void layer_norm_wide(
    const real* __restrict__ x, const real* __restrict__ scale, const real* __restrict__ shift, real* __restrict__ y,
    real* __restrict__ statistics, real added, real root, real most, real least, long long rows, int features
) {
    normalize_rows<MOST_THREADS / WARP>(x, scale, shift, y, statistics, Epsilon{added, root, most, least}, rows, features);
}

extern "C" __global__ void layer_norm_backward_narrow(
    const real* __restrict__ x, const real* __restrict__ dy, const real* __restrict__ statistics,
    const real* __restrict__ scale, real* __restrict__ dx, real* __restrict__ parts, long long rows, int features
) {
    normalize_rows_backward<1>(x, dy, statistics, scale, dx, parts, rows, features);
}

extern "C" __global__ void layer_norm_backward_wide(
    const real* __restrict__ x, const real* __restrict__ dy, const real* __restrict__ statistics,
    const real* __restrict__ scale, real* __restrict__ dx, real* __restrict__ parts, long long rows, int features
) {
    normalize_rows_backward<MOST_THREADS / WARP>(x, dy, statistics, scale, dx, parts, rows, features);
}

// Of rows too long to be kept: a block goes through each twice, and adds up its part of the gradients in memory.
extern "C" __global__ void layer_norm_backward_long(
    const real* __restrict__ x, const real* __restrict__ dy, const real* __restrict__ statistics,
    const real* __restrict__ scale, real* __restrict__ dx, real* __restrict__ parts, long long rows, int features
) {
    real* own = parts + static_cast<long long>(blockIdx.x) * 2 * features;
    for (int place = threadIdx.x; place < features; place += MOST_THREADS) own[place] = own[features + place] = 0;
    for (long long row = blockIdx.x; row < rows; row += gridDim.x) {
        real factor = statistics[3 * row], mean = statistics[3 * row + 1], inverse = statistics[3 * row + 2];
        real sums[2] = {0, 0};
        for (int c = threadIdx.x; c < features; c += MOST_THREADS) {
            real upstream = dy[row * features + c];
            real n = (x[row * features + c] * factor - mean) * inverse;
            real dn = scale ? upstream * scale[c] : upstream;
            own[c] += upstream * n;
            own[features + c] += upstream;
            sums[0] += dn;
            sums[1] += dn * n;
        }
        sum_over<MOST_THREADS / WARP>(sums);
        real level = sums[0] / features, along = sums[1] / features;
        for (int c = threadIdx.x; c < features; c += MOST_THREADS) {
            real upstream = dy[row * features + c];
            real n = (x[row * features + c] * factor - mean) * inverse;
            dx[row * features + c] = inverse * factor * ((scale ? upstream * scale[c] : upstream) - level - n * along);
        }
    }
}
