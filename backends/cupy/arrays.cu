// Arrays (batch, time, ...) of words of any type: zeros past each row's end.

template <class Word>
__device__ __forceinline__ void zero_past(
    const Word* __restrict__ values, const int* __restrict__ lengths, Word* __restrict__ zeroed, long long row_stride,
    long long step_stride, long long inner_stride, long long time, long long inner, long long count
) {
    long long index = element();
    if (index >= count) return;
    long long within, step;
    long long row = split(split(index, inner, &within), time, &step);
    zeroed[index] = step < lengths[row]
                        ? values[row * row_stride + step * step_stride + within * inner_stride]
                        : Word(0);
}

#define ZERO_PAST(NAME, WORD)                                                                                        \
    extern "C" __global__ void NAME(                                                                                 \
        const WORD* __restrict__ values, const int* __restrict__ lengths, WORD* __restrict__ zeroed,                 \
        long long row_stride, long long step_stride, long long inner_stride, long long time, long long inner,        \
        long long count                                                                                              \
    ) {                                                                                                              \
        zero_past(values, lengths, zeroed, row_stride, step_stride, inner_stride, time, inner, count);               \
    }

ZERO_PAST(zero_past_1, unsigned char)
ZERO_PAST(zero_past_2, unsigned short)
ZERO_PAST(zero_past_4, unsigned)
ZERO_PAST(zero_past_8, unsigned long long)
