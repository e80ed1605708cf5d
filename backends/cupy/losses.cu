// Softmax and cross-entropy: so many warps have a row.
#include "common.cuh"
#include "indices.cuh"
#include "reductions.cuh"
#include "columns.cuh"

struct Target {
    const void* labels;           // (rows,) integers, or none
    int kind;                     // their bytes; below 0 where they have no sign
    const real* probabilities;    // (rows, classes) or none
    const real* class_weight;     // (classes,) or none
    real smoothing, spread;       // the latter: the share that each class has of what is spread evenly

    __device__ __forceinline__ long long label(long long row) const {
        switch (kind) {
            case 1: return static_cast<const signed char*>(labels)[row];
            case 2: return static_cast<const short*>(labels)[row];
            case 4: return static_cast<const int*>(labels)[row];
            case -1: return static_cast<const unsigned char*>(labels)[row];
            case -2: return static_cast<const unsigned short*>(labels)[row];
            case -4: return static_cast<const unsigned*>(labels)[row];
            default: return static_cast<const long long*>(labels)[row];
        }
    }

    // q of a class, smoothed and weighted.
    __device__ __forceinline__ real at(long long row, long long label, int classes, int c) const {
        real q = labels ? real(c == label) : probabilities[row * classes + c];
        if (smoothing != 0) q = q * (1 - smoothing) + spread;
        return class_weight ? q * class_weight[c] : q;
    }
};

// Return a logit less the largest one; where that is infinite, it stands for the limit of ever larger ones.
__device__ __forceinline__ real below(real logit, real largest) {
    if (isfinite(largest)) return logit - largest;
    if (logit == largest) return 0;
    return largest > 0 && logit < largest ? log(real(0)) : logit;
}

template <int WARPS>
__device__ __forceinline__ void cross_entropy(
    const real* __restrict__ logits, const Target& target, const real* __restrict__ row_weight,
    real* __restrict__ statistics, real* __restrict__ losses, long long stride, long long rows, int classes
) {
    constexpr int THREADS = WARPS * WARP;
    int thread = threadIdx.x % THREADS, group = threadIdx.x / THREADS, groups = blockDim.x / THREADS;
    real loss = 0;
    for (long long row = static_cast<long long>(blockIdx.x) * groups + group; row < rows;
         row += static_cast<long long>(gridDim.x) * groups) {
        real weight = row_weight[row];
        if (weight == 0) continue;  // whatever stands there
        const real* own = logits + row * stride;
        real largest = log(real(0));
        for (int c = thread; c < classes; c += THREADS) largest = larger(largest, own[c]);
        largest = largest_over<WARPS>(largest);
        real total[1] = {0};
        for (int c = thread; c < classes; c += THREADS) total[0] += exp(below(own[c], largest));
        sum_over<WARPS>(total);
        real logarithm = log(total[0]);
        long long label = target.labels ? target.label(row) : -1;
        real sums[2] = {0, 0};  // of q log softmax, and of q
        // A class ruled out by a logit of -inf costs nothing where it is no target, and 0 * inf is NaN.
        if (target.labels && target.smoothing == 0) {
            if (label >= 0 && label < classes) {
                real q = target.at(row, label, classes, static_cast<int>(label));
                sums[0] = q == 0 ? real(0) : q * (below(own[label], largest) - logarithm);
                sums[1] = q;
            }
        } else {
            for (int c = thread; c < classes; c += THREADS) {
                real q = target.at(row, label, classes, c);
                if (q != 0) sums[0] += q * (below(own[c], largest) - logarithm);
                sums[1] += q;
            }
            sum_over<WARPS>(sums);
        }
        loss -= sums[0] * weight;
        if (thread == 0) {
            statistics[3 * row] = largest;
            statistics[3 * row + 1] = total[0];
            statistics[3 * row + 2] = sums[1];
        }
    }
    __shared__ real parts[MOST_THREADS / THREADS];
    if (thread == 0) parts[group] = loss;
    __syncthreads();
    if (threadIdx.x) return;
    for (int other = 1; other < groups; ++other) loss += parts[other];
    losses[blockIdx.x] = loss;
}

extern "C" __global__ void cross_entropy_narrow(
    const real* __restrict__ logits,        // (rows, classes), so far apart
    const void* labels, int kind, const real* probabilities, const real* class_weight, real smoothing, real spread,
    const real* __restrict__ row_weight,    // (rows,)
    real* __restrict__ statistics,          // (rows, 3): the largest logit, the sum of exponentials, that of q
    real* __restrict__ losses,              // each block's sum of them
    long long stride, long long rows, int classes
) {
    Target target{labels, kind, probabilities, class_weight, smoothing, spread};
    cross_entropy<1>(logits, target, row_weight, statistics, losses, stride, rows, classes);
}

// The same, where a block has a row.
extern "C" __global__ void cross_entropy_wide(
    const real* __restrict__ logits, const void* labels, int kind, const real* probabilities,
    const real* class_weight, real smoothing, real spread, const real* __restrict__ row_weight,
    real* __restrict__ statistics, real* __restrict__ losses, long long stride, long long rows, int classes
) {
    Target target{labels, kind, probabilities, class_weight, smoothing, spread};
    cross_entropy<MOST_THREADS / WARP>(logits, target, row_weight, statistics, losses, stride, rows, classes);
}

// The gradient r (p sum(q) - q) of the logits, a thread for each.
extern "C" __global__ void cross_entropy_backward(
    const real* __restrict__ logits, const void* labels, int kind, const real* probabilities,
    const real* class_weight, real smoothing, real spread, const real* __restrict__ row_weight,
    const real* __restrict__ statistics, real* __restrict__ gradient, long long stride, long long rows, int classes
) {
    long long index = element(), place;
    if (index >= rows * classes) return;
    long long row = split(index, classes, &place);
    int c = static_cast<int>(place);
    real weight = row_weight[row];
    if (weight == 0) {
        gradient[index] = 0;
        return;
    }
    Target target{labels, kind, probabilities, class_weight, smoothing, spread};
    real q = target.at(row, labels ? target.label(row) : -1, classes, c);
    const real* own = statistics + 3 * row;
    gradient[index] = (exp(below(logits[row * stride + c], own[0])) / own[1] * own[2] - q) * weight;
}
