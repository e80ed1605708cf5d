// Normalization: what values are multiplied with, so that no square overflows or vanishes.

struct Epsilon {
    real added, root;   // epsilon, and its square root
    real most, least;   // sizes from, and up to, which values are taken apart; the latter 0 where none is
};

// Return the largest power of two that is not above a number above 0: its exponent's bits alone.
__device__ __forceinline__ float power_below(float value) {
    return __uint_as_float(__float_as_uint(value) & 0x7f800000u);
}
__device__ __forceinline__ double power_below(double value) {
    return __longlong_as_double(__double_as_longlong(value) & 0x7ff0000000000000LL);
}

// Return by what values of a size are multiplied: 1 but for odd sizes. It is a power of two: nothing is rounded.
__device__ __forceinline__ real factor_of(real size, const Epsilon& epsilon) {
    bool odd = size >= epsilon.most || (size > 0 && size <= epsilon.least);
    // A size that is not finite has no unit: what it gives is not finite either.
    if (!odd || !isfinite(size)) return 1;
    // As large, and as small, that neither it nor one over it leaves the exponents that are there.
    const real most = sizeof(real) == 4 ? 0x1p126 : 0x1p1022;
    return power_below(1 / fmax(fmin(size, most), 1 / most));
}

// Return 1 / sqrt(variance + epsilon), of a variance of values that were multiplied.
__device__ __forceinline__ real inverse_of(real variance, real factor, const Epsilon& epsilon) {
    real root = epsilon.root * factor;
    return 1 / sqrt(variance + (factor == 1 ? epsilon.added : root * root));
}

__device__ __forceinline__ real scaled(real n, const real* scale, const real* shift, long long feature) {
    if (scale) n *= scale[feature];
    return shift ? n + shift[feature] : n;
}
