// Normalization: what values are divided by, so that no square overflows or vanishes.

struct Epsilon {
    real added, root;   // epsilon, and its square root
    real most, least;   // sizes from, and up to, which values are taken apart; the latter 0 where none is
};

// It is 1 but for sizes that are odd. One that is not finite has no unit: what it gives is not finite either.
__device__ __forceinline__ real unit_of(real size, const Epsilon& epsilon) {
    bool odd = size >= epsilon.most || (size > 0 && size <= epsilon.least);
    return odd && isfinite(size) ? size : real(1);
}

__device__ __forceinline__ real in_units(real value, real unit) { return unit == 1 ? value : value / unit; }

// Return 1 / sqrt(variance + epsilon), of a variance in units.
__device__ __forceinline__ real inverse_of(real variance, real unit, const Epsilon& epsilon) {
    real root = epsilon.root / unit;
    return 1 / sqrt(variance + (unit == 1 ? epsilon.added : root * root));
}

__device__ __forceinline__ real scaled(real n, const real* scale, const real* shift, long long feature) {
    if (scale) n *= scale[feature];
    return shift ? n + shift[feature] : n;
}
