// Columns: a block has some of them, side by side, and lines of threads that go through the rows together.

constexpr int MOST_THREADS = 256;

// What a thread has of a matrix (rows, columns).
struct Place {
    int width, line, lines;
    long long column;
    bool there;
    __device__ __forceinline__ Place(int columns_of_a_block, long long columns) {
        width = columns_of_a_block;
        line = threadIdx.x / width;
        lines = blockDim.x / width;
        column = static_cast<long long>(blockIdx.y) * width + threadIdx.x % width;
        there = column < columns;
    }
};

// Return each column's sum over the lines.
__device__ __forceinline__ real sum_of_lines(real value, const Place& place) {
    __shared__ real parts[MOST_THREADS];
    parts[threadIdx.x] = value;
    __syncthreads();
    for (int half = place.lines / 2; half > 0; half /= 2) {
        if (place.line < half) parts[threadIdx.x] += parts[threadIdx.x + half * place.width];
        __syncthreads();
    }
    value = parts[threadIdx.x % place.width];
    __syncthreads();
    return value;
}

// Return each column's largest value over the lines.
__device__ __forceinline__ real largest_of_lines(real value, const Place& place) {
    __shared__ real parts[MOST_THREADS];
    parts[threadIdx.x] = value;
    __syncthreads();
    for (int half = place.lines / 2; half > 0; half /= 2) {
        if (place.line < half)
            parts[threadIdx.x] = larger(parts[threadIdx.x], parts[threadIdx.x + half * place.width]);
        __syncthreads();
    }
    value = parts[threadIdx.x % place.width];
    __syncthreads();
    return value;
}

// Sum a matrix (rows, columns) over its rows.
extern "C" __global__ void sum_rows(
    const real* __restrict__ matrix, real* __restrict__ sums, long long rows, long long columns, int width
) {
    Place place(width, columns);
    real sum = 0;
    if (place.there)
        for (long long row = place.line; row < rows; row += place.lines) sum += matrix[row * columns + place.column];
    sum = sum_of_lines(sum, place);
    if (place.there && place.line == 0) sums[place.column] = sum;
}
