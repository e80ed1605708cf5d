// All gradients at once: their norm, clipping, whether they are finite, additions to them.
#include "common.cuh"
#include "segments.cuh"

struct Segment {
    real* array;
    const real* other;
    long long start;
};
typedef Table<Segment, 128> Segments;

static const int kElements = 2048;   // in a part
static const int kThreads = 256;

// The square of a norm, in three sums (Blue, 1978): what is large and what is small is scaled, so that no square
// overflows or vanishes. Sums are double; floats' squares need no scaling there.
struct Squares {
    double large, medium, small;
};

__device__ __forceinline__ void add_square(Squares* sums, real element) {
    double value = element, size = fabs(value);
    if (sizeof(real) == 8 && size > 0x1p486) {
        value *= 0x1p-538;
        sums->large += value * value;
    } else if (sizeof(real) == 8 && size < 0x1p-511) {
        value *= 0x1p537;
        sums->small += value * value;
    } else {
        sums->medium += value * value;   // NaN too
    }
}

__device__ __forceinline__ double norm_of(Squares sums) {
    if (sums.medium != sums.medium) return sums.medium;
    if (sums.large > 0) return sqrt(sums.large + sums.medium * 0x1p-538 * 0x1p-538) * 0x1p538;
    double medium = sqrt(sums.medium), small = sqrt(sums.small) * 0x1p-537;
    if (small == 0) return medium;
    if (medium == 0) return small;
    double most = medium > small ? medium : small, least = medium > small ? small : medium;
    return most * sqrt(1 + least / most * (least / most));
}

// Add what all threads of a block have, two and two, so that the order is always the same; all get the sum.
__device__ __forceinline__ Squares sum_of_block(Squares own) {
    __shared__ Squares sums[kThreads];
    sums[threadIdx.x] = own;
    __syncthreads();
    for (int half = kThreads / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) {
            Squares other = sums[threadIdx.x + half];
            sums[threadIdx.x].large += other.large;
            sums[threadIdx.x].medium += other.medium;
            sums[threadIdx.x].small += other.small;
        }
        __syncthreads();
    }
    return sums[0];
}

// The squares of each block's parts.
extern "C" __global__ void sum_squares(Segments segments, long long total, double* squares) {
    Squares own = {0, 0, 0};
    long long parts = (total + kElements - 1) / kElements;
    for (long long part = blockIdx.x; part < parts; part += gridDim.x)
        for_part(segments, total, part, kElements, [&own](Segment segment, long long index) {
            add_square(&own, segment.array[index]);
        });
    own = sum_of_block(own);
    if (threadIdx.x > 0) return;
    double* place = squares + 3 * blockIdx.x;
    place[0] = own.large;
    place[1] = own.medium;
    place[2] = own.small;
}

// Scale all elements so that their norm is at most the limit. Every block adds the squares up anew, instead of a launch
// that does so for all.
extern "C" __global__ void scale_to_norm(
    Segments segments, long long total, const double* __restrict__ squares, int count, real limit, real* norm
) {
    Squares own = {0, 0, 0};
    for (int place = threadIdx.x; place < count; place += kThreads) {
        own.large += squares[3 * place];
        own.medium += squares[3 * place + 1];
        own.small += squares[3 * place + 2];
    }
    real before = static_cast<real>(norm_of(sum_of_block(own)));
    if (blockIdx.x == 0 && threadIdx.x == 0) *norm = before;
    real scale = limit / (before < limit ? limit : before);   // NaN where the norm is
    if (scale == 1) return;
    long long parts = (total + kElements - 1) / kElements;
    for (long long part = blockIdx.x; part < parts; part += gridDim.x)
        for_part(segments, total, part, kElements, [scale](Segment segment, long long index) {
            segment.array[index] *= scale;
        });
}

extern "C" __global__ void clip_values(Segments segments, long long total, real limit) {
    for_part(segments, total, blockIdx.x, kElements, [limit](Segment segment, long long index) {
        real value = segment.array[index];
        if (value > limit) segment.array[index] = limit;   // NaN is neither
        if (value < -limit) segment.array[index] = -limit;
    });
}

extern "C" __global__ void find_non_finite(Segments segments, long long total, int* found) {
    for_part(segments, total, blockIdx.x, kElements, [found](Segment segment, long long index) {
        if (!isfinite(segment.array[index])) *found = 1;   // whoever writes it writes the same
    });
}

extern "C" __global__ void add_each(Segments segments, long long total) {
    for_part(segments, total, blockIdx.x, kElements, [](Segment segment, long long index) {
        segment.array[index] += segment.other[index];
    });
}
