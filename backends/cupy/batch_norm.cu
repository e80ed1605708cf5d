// Batch normalization: x is read as (rows, features), a row being a step; what stands past an end has no part in it.
// Of each feature are kept what it is multiplied with, and then its mean and 1 / sqrt(...): (3, features).
#include "common.cuh"
#include "indices.cuh"
#include "reductions.cuh"
#include "columns.cuh"
#include "units.cuh"

struct Rows {
    const long long* lengths;      // (batch,) or none
    long long time, inner;   // rows of a sequence: time * inner
    long long count;
    int features;
    __device__ __forceinline__ bool valid(long long row) const {
        if (!lengths) return true;
        long long rest, step, place = inner == 1 ? row : split(row, inner, &rest);
        long long sequence = split(place, time, &step);
        return step < lengths[sequence];
    }
    __device__ __forceinline__ long long index(long long row, const Place& place) const {
        return row * features + place.column;
    }
};

// Rows from one to another, of a block's columns.
struct Stretch {
    long long first, last;
    __device__ __forceinline__ Stretch(const Rows& rows) {
        long long rest, each = split(rows.count + gridDim.x - 1, gridDim.x, &rest);
        first = min(blockIdx.x * each, rows.count);
        last = min(first + each, rows.count);
    }
};

// A column's largest value and, multiplied as that asks for, its mean and the sum of squares about it, over its rows.
struct Moments {
    real size, mean, squares, count;
};

__device__ __forceinline__ Moments moments_of(
    const real* __restrict__ x, const Rows& rows, const Stretch& stretch, const Place& place, const Epsilon& epsilon
) {
    real size = 0, total = 0, count = 0, squares = 0;
    for (long long row = stretch.first + place.line; row < stretch.last; row += place.lines) {
        if (!place.there || !rows.valid(row)) continue;
        real value = x[rows.index(row, place)];
        size = larger(size, fabs(value));
        total += value;
        count += 1;
    }
    size = largest_of_lines(size, place);
    count = sum_of_lines(count, place);
    real factor = factor_of(size, epsilon);
    if (factor != 1) {
        total = 0;
        for (long long row = stretch.first + place.line; row < stretch.last; row += place.lines)
            if (place.there && rows.valid(row)) total += x[rows.index(row, place)] * factor;
    }
    real mean = sum_of_lines(total, place) / (count > 0 ? count : real(1));
    for (long long row = stretch.first + place.line; row < stretch.last; row += place.lines) {
        if (!place.there || !rows.valid(row)) continue;
        real centred = x[rows.index(row, place)] * factor - mean;
        squares += centred * centred;
    }
    return {size, mean, sum_of_lines(squares, place), count};
}

// Return the moments of all rows, of those of their stretches (stretches, 4, features).
__device__ __forceinline__ Moments joined(
    const real* __restrict__ parts, int stretches, real count, const Rows& rows, const Place& place,
    const Epsilon& epsilon
) {
    auto part = [&](int stretch, int which) {
        return parts[(4LL * stretch + which) * rows.features + place.column];
    };
    real size = 0, mean = 0, squares = 0;
    for (int stretch = place.line; stretch < stretches && place.there; stretch += place.lines)
        size = larger(size, part(stretch, 0));
    size = largest_of_lines(size, place);
    real factor = factor_of(size, epsilon);
    auto ratio = [&](int stretch) {
        real own = part(stretch, 0);
        return own == 0 ? real(0) : factor / factor_of(own, epsilon);
    };
    for (int stretch = place.line; stretch < stretches && place.there; stretch += place.lines)
        mean += part(stretch, 1) * ratio(stretch) * (part(stretch, 3) / count);
    mean = sum_of_lines(mean, place);
    for (int stretch = place.line; stretch < stretches && place.there; stretch += place.lines) {
        real by = ratio(stretch), apart = part(stretch, 1) * by - mean;
        squares += part(stretch, 2) * by * by + part(stretch, 3) * apart * apart;
    }
    return {size, mean, sum_of_lines(squares, place), count};
}

// Write y of a stretch, and by the first one of each column what is kept of it.
__device__ __forceinline__ void normalize(
    const real* __restrict__ x, const real* __restrict__ scale, const real* __restrict__ shift, real* __restrict__ y,
    real* __restrict__ statistics, real* __restrict__ mean, real* __restrict__ variance, const Moments& moments,
    real largest_deviation, const Rows& rows, const Place& place, const Epsilon& epsilon
) {
    if (!place.there) return;
    Stretch stretch(rows);
    long long column = place.column;
    real factor = factor_of(moments.size, epsilon), own_variance = moments.squares / moments.count;
    real inverse = inverse_of(own_variance, factor, epsilon);
    if (blockIdx.x == 0 && place.line == 0) {
        statistics[column] = factor;
        statistics[rows.features + column] = moments.mean;
        statistics[2LL * rows.features + column] = inverse;
        mean[column] = moments.mean / factor;
        if (factor != 1) {
            // A variance that the type does not hold is a large number: infinity would stay in a moving average.
            real deviation = sqrt(own_variance) / factor;
            deviation = deviation < largest_deviation ? deviation : largest_deviation;
            own_variance = deviation * deviation;
        }
        variance[column] = own_variance;
    }
    for (long long row = stretch.first + place.line; row < stretch.last; row += place.lines) {
        long long index = rows.index(row, place);
        y[index] = rows.valid(row)
                       ? scaled((x[index] * factor - moments.mean) * inverse, scale, shift, column)
                       : real(0);
    }
}

extern "C" __global__ void batch_norm_parts(
    const real* __restrict__ x, const long long* lengths, real* __restrict__ parts, real added, real root, real most,
    real least, long long time, long long inner, long long count, int features, int width
) {
    Rows rows{lengths, time, inner, count, features};
    Place place(width, features);
    Moments found = moments_of(x, rows, Stretch(rows), place, Epsilon{added, root, most, least});
    if (!place.there || place.line) return;
    real* own = parts + 4LL * blockIdx.x * features + place.column;
    own[0] = found.size;
    own[features] = found.mean;
    own[2LL * features] = found.squares;
    own[3LL * features] = found.count;
}

// Where there are no parts, a block has all rows of its columns.
extern "C" __global__ void batch_norm(
    const real* __restrict__ x, const long long* lengths, const real* __restrict__ parts, const real* __restrict__ scale,
    const real* __restrict__ shift, real* __restrict__ y, real* __restrict__ statistics, real* __restrict__ mean,
    real* __restrict__ variance, real added, real root, real most, real least, real steps, real largest_deviation,
    long long time, long long inner, long long count, int features, int width, int stretches
) {
    Rows rows{lengths, time, inner, count, features};
    Place place(width, features);
    Epsilon epsilon{added, root, most, least};
    Moments moments = parts ? joined(parts, stretches, steps, rows, place, epsilon)
                            : moments_of(x, rows, Stretch(rows), place, epsilon);
    moments.count = steps;
    normalize(x, scale, shift, y, statistics, mean, variance, moments, largest_deviation, rows, place, epsilon);
}

// A column's sums of dy n and of dy over a stretch.
struct Gradients {
    real scale, shift;
};

struct Kept {
    real factor, mean, inverse;
    __device__ __forceinline__ Kept(const real* statistics, const Rows& rows, const Place& place) {
        factor = place.there ? statistics[place.column] : real(1);
        mean = place.there ? statistics[rows.features + place.column] : real(0);
        inverse = place.there ? statistics[2LL * rows.features + place.column] : real(0);
    }
    __device__ __forceinline__ real normalized(real x) const { return (x * factor - mean) * inverse; }
};

__device__ __forceinline__ Gradients gradients_of(
    const real* __restrict__ x, const real* __restrict__ dy, const Kept& kept, const Rows& rows, const Place& place
) {
    Stretch stretch(rows);
    real dscale = 0, dshift = 0;
    for (long long row = stretch.first + place.line; row < stretch.last; row += place.lines) {
        if (!place.there || !rows.valid(row)) continue;
        long long index = rows.index(row, place);
        dscale += dy[index] * kept.normalized(x[index]);
        dshift += dy[index];
    }
    dscale = sum_of_lines(dscale, place);
    return {dscale, sum_of_lines(dshift, place)};
}

extern "C" __global__ void batch_norm_backward_parts(
    const real* __restrict__ x, const real* __restrict__ dy, const long long* lengths, const real* __restrict__ statistics,
    real* __restrict__ parts, long long time, long long inner, long long count, int features, int width
) {
    Rows rows{lengths, time, inner, count, features};
    Place place(width, features);
    Gradients found = gradients_of(x, dy, Kept(statistics, rows, place), rows, place);
    if (!place.there || place.line) return;
    parts[2LL * blockIdx.x * features + place.column] = found.scale;
    parts[(2LL * blockIdx.x + 1) * features + place.column] = found.shift;
}

// dx = scale / sqrt(...) (dy - mean(dy) - n mean(dy n)); where there are no parts, a block has all rows of its columns.
extern "C" __global__ void batch_norm_backward(
    const real* __restrict__ x, const real* __restrict__ dy, const long long* lengths, const real* __restrict__ statistics,
    const real* __restrict__ parts, const real* __restrict__ scale, real* __restrict__ dx,
    real* __restrict__ gradients,   // (2, features): of scale and of shift
    real steps, long long time, long long inner, long long count, int features, int width, int stretches
) {
    Rows rows{lengths, time, inner, count, features};
    Place place(width, features);
    Kept kept(statistics, rows, place);
    Gradients found{0, 0};
    if (parts) {
        for (int stretch = place.line; stretch < stretches && place.there; stretch += place.lines) {
            found.scale += parts[2LL * stretch * features + place.column];
            found.shift += parts[(2LL * stretch + 1) * features + place.column];
        }
        found.scale = sum_of_lines(found.scale, place);
        found.shift = sum_of_lines(found.shift, place);
    } else {
        found = gradients_of(x, dy, kept, rows, place);
    }
    if (!place.there) return;
    if (blockIdx.x == 0 && place.line == 0) {
        gradients[place.column] = found.scale;
        gradients[features + place.column] = found.shift;
    }
    Stretch stretch(rows);
    real factor = kept.inverse * kept.factor * (scale ? scale[place.column] : real(1));
    real level = found.shift / steps, along = found.scale / steps;
    for (long long row = stretch.first + place.line; row < stretch.last; row += place.lines) {
        long long index = rows.index(row, place);
        dx[index] = rows.valid(row) ? factor * (dy[index] - level - kept.normalized(x[index]) * along) : real(0);
    }
}

// By given means and variances, a thread for each element.
extern "C" __global__ void batch_norm_infer(
    const real* __restrict__ x, const long long* lengths, const real* __restrict__ mean, const real* __restrict__ variance,
    const real* __restrict__ scale, const real* __restrict__ shift, real* __restrict__ y, real epsilon, long long time,
    long long inner, long long count, int features
) {
    long long index = element(), feature;
    if (index >= static_cast<long long>(count) * features) return;
    long long row = split(index, features, &feature);
    bool valid = Rows{lengths, time, inner, count, features}.valid(row);
    real n = (x[index] - mean[feature]) * (1 / sqrt(variance[feature] + epsilon));
    y[index] = valid ? scaled(n, scale, shift, feature) : real(0);
}

// Move running statistics by a batch's; the factor takes its variance to the unbiased one, and is 0 where there is none.
extern "C" __global__ void batch_norm_move(
    real* __restrict__ running_mean, real* __restrict__ running_variance, const real* __restrict__ mean,
    const real* __restrict__ variance, real unbiased, real momentum, int features
) {
    long long feature = element();
    if (feature >= features) return;
    running_mean[feature] += momentum * (mean[feature] - running_mean[feature]);
    if (unbiased == 0) return;
    running_variance[feature] += momentum * (unbiased * variance[feature] - running_variance[feature]);
}
