// What the kernels share. REAL is what is computed in; OPERAND, what matrix products take: the same, or bfloat16.
typedef REAL real;
typedef OPERAND operand;

__device__ __forceinline__ float as_float(float value) { return value; }
__device__ __forceinline__ double as_float(double value) { return value; }

// A bfloat16 is the upper half of a float, and here the 16 bits of it: no header is needed for that.
__device__ __forceinline__ float as_float(unsigned short bits) {
    return __uint_as_float(static_cast<unsigned>(bits) << 16);
}

__device__ __forceinline__ void put(float* place, float value) { *place = value; }
__device__ __forceinline__ void put(double* place, double value) { *place = value; }
__device__ __forceinline__ void put(unsigned short* place, float value) {
    unsigned bits = __float_as_uint(value);
    // To nearest, and to even where two are as near; NaN stays one.
    unsigned rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    *place = static_cast<unsigned short>(value != value ? 0x7fc0u : rounded);
}

// 1 / (1 + exp(-x)), which overflows nowhere.
__device__ __forceinline__ real sigmoid(real x) { return tanh(x * real(0.5)) * real(0.5) + real(0.5); }

// Of the element of an array of so many that this thread has.
__device__ __forceinline__ long long element() {
    return static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
}
