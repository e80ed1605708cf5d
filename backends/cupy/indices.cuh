// Where an element stands.

// Divide an index; in 32 bits where they hold it, as the device has no division of 64.
__device__ __forceinline__ long long split(long long index, long long by, long long* rest) {
    if ((index | by) <= 0xffffffffLL) {
        unsigned quotient = static_cast<unsigned>(index) / static_cast<unsigned>(by);
        *rest = static_cast<unsigned>(index) - quotient * static_cast<unsigned>(by);
        return quotient;
    }
    long long quotient = index / by;
    *rest = index - quotient * by;
    return quotient;
}

