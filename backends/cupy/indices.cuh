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

// Tell whether a row of an array (batch, time, inner) that is read as (batch * time * inner) lies before its end.
__device__ __forceinline__ bool before_end(const int* lengths, long long row, long long time, long long inner) {
    if (!lengths) return true;
    long long step, rest;
    long long place = inner == 1 ? row : split(row, inner, &rest);
    long long sequence = split(place, time, &step);
    return step < lengths[sequence];
}
