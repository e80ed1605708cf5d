"""The stand-in's raw kernels: what a device would not do right is refused; what it does is done."""

import numpy as np
import pytest

from tests.stand_in import cupy, jitter, ledger
from tests.stand_in.raw import COMPILER

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")

SOURCE = """
extern "C" __global__ void scaled(const float* x, float* y, float factor, int count) {
    int index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index < count) y[index] = factor * x[index];
}
extern "C" __global__ void summed(const float* x, float* y) {
    __shared__ float parts[64];
    float value = x[blockIdx.x * 64 + threadIdx.x];
    parts[threadIdx.x] = value;
    __syncthreads();
    for (int half = 32; half > 0; half /= 2) {
        if (threadIdx.x < half) parts[threadIdx.x] += parts[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) y[blockIdx.x] = parts[0];
}
extern "C" __global__ void racing(const float* x, float* y) {
    __shared__ float parts[64];
    parts[threadIdx.x] = x[threadIdx.x];
    y[threadIdx.x] = parts[63 - threadIdx.x];
}
extern "C" __global__ void shuffled(const float* x, float* y) {
    float value = x[threadIdx.x];
    for (int lanes = 16; lanes > 0; lanes /= 2) value += __shfl_xor_sync(0xffffffffu, value, lanes);
    y[threadIdx.x] = value;
}
extern "C" __global__ void apart(float* y) {
    if (threadIdx.x < 5) __syncthreads();
    y[threadIdx.x] = 1;
}
struct Pair {
    float first, second;
    __device__ Pair(float one) : first(one), second(2 * one) {}
    __device__ float sum() const { return first + second; }
};
template <int TIMES>
__device__ __forceinline__ float spread(float value) {
    __shared__ float parts[TIMES];
    if (threadIdx.x == 0)
        for (int k = 0; k < TIMES; ++k) parts[k] = Pair(value).sum();
    __syncthreads();
    return parts[TIMES - 1];
}
extern "C" __global__ void untyped(const void* x, int bytes, float* y) {
    y[threadIdx.x] = spread<3>(bytes == 4 ? static_cast<const int*>(x)[0] : static_cast<const double*>(x)[0]);
}
struct Scaled { float* y; double factor; };
extern "C" __global__ void paired(Scaled pair) { pair.y[threadIdx.x] *= pair.factor; }
extern "C" __global__ void counted(float* total) { atomicAdd(total, 1.0f); }
"""
MODULE = cupy.RawModule(code=SOURCE)


def device(*shape):
    return cupy.asarray(np.random.default_rng(0).normal(size=shape).astype("float32"))


def test_a_grid_of_threads_is_one_launch():
    x, y = device(10), cupy.zeros(10, "float32")
    ledger.clear()
    MODULE.get_function("scaled")((2,), (8,), (x, y, np.float32(3), np.int32(10)))
    assert ledger.totals()["launch"] == 1
    assert np.allclose(y.get(), 3 * x.get())


@pytest.mark.parametrize("backwards", [False, True])
def test_threads_of_a_block_meet_at_a_barrier(monkeypatch, backwards):
    monkeypatch.setattr(jitter, "on", backwards)
    x, y = device(3, 64), cupy.zeros(3, "float32")
    MODULE.get_function("summed")((3,), (64,), (x, y))
    assert np.allclose(y.get(), x.get().sum(axis=1), atol=1e-5)


def test_what_lacks_a_barrier_shows():
    x, y = device(64), cupy.zeros(64, "float32")
    MODULE.get_function("racing")((1,), (64,), (x, y))
    assert not np.allclose(y.get(), x.get()[::-1])


def test_shuffles_exchange_within_a_warp():
    x, y = device(64), cupy.zeros(64, "float32")
    MODULE.get_function("shuffled")((1,), (64,), (x, y))
    assert np.allclose(y.get().reshape(2, 32), x.get().reshape(2, 32).sum(axis=1, keepdims=True), atol=1e-5)


def test_a_barrier_that_some_do_not_come_to_is_refused():
    with pytest.raises(RuntimeError, match="apart: some threads wait at a barrier"):
        MODULE.get_function("apart")((1,), (64,), (device(64),))


@pytest.mark.parametrize("dtype", ["int32", "float64"])
def test_functions_have_members_and_shared_memory_and_a_parameter_may_have_no_type(dtype):
    x, y = cupy.asarray(np.full(1, 7, dtype)), cupy.zeros(64, "float32")
    MODULE.get_function("untyped")((1,), (64,), (x, np.int32(x.itemsize), y))
    assert (y.get() == 21).all()


def test_parameters_that_are_too_large_are_refused():
    source = 'struct Big { float of[1023]; }; extern "C" __global__ void f(Big big, float* x) { *x = big.of[0]; }'
    with pytest.raises(RuntimeError, match="f: its parameters take 4100 bytes"):
        cupy.RawModule(code=source).get_function("f")


def pair_of(y, factor):
    return np.array([(y.data.ptr, factor)], [("y", "uintp"), ("factor", "f8")])


def test_a_structure_goes_by_value():
    y = cupy.asarray(np.arange(4, dtype="float32"))
    MODULE.get_function("paired")((1,), (4,), (pair_of(y, 2.5).view("V16"),))
    assert y.get().tolist() == [0, 2.5, 5, 7.5]


@pytest.mark.parametrize("wrong", ["V8", "two", "an array of the device", "a scalar"])
def test_a_structure_is_one_element_of_its_size(wrong):
    y = device(4)
    given = {"V8": np.zeros(1, "V8"), "two": np.zeros(2, "V16"), "an array of the device": y, "a scalar": np.int64(1)}
    with pytest.raises(TypeError, match="parameter 0 takes one element of 16 bytes"):
        MODULE.get_function("paired")((1,), (4,), (given[wrong],))


def test_every_block_runs():
    total = cupy.zeros(1, "float32")
    MODULE.get_function("counted")((7,), (32,), (total,))
    assert total.get()[0] == 7 * 32


X = np.zeros(4, "float32")
WRONG = {
    "one of the host": ((X, X, np.float32(1), np.int32(1)), "parameter 0 takes an array"),
    "of another dtype": (
        ("f8", "f4", np.float32(1), np.int32(1)),
        "parameter 0 takes an array of float32, got float64",
    ),
    "a number of Python's": (("f4", "f4", 1.0, np.int32(1)), "parameter 2 takes a scalar of NumPy's"),
    "another scalar": (("f4", "f4", np.float64(1), np.int32(1)), "parameter 2 is float32, got float64"),
    "a longer scalar": (("f4", "f4", np.float32(1), np.int64(1)), "parameter 3 is int32, got int64"),
    "one too few": (("f4", "f4", np.float32(1)), "it has 4 parameters, got 3"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_arguments_must_be_what_the_kernel_declares(wrong):
    given, message = WRONG[wrong]
    arguments = tuple(cupy.zeros(4, one) if isinstance(one, str) else one for one in given)
    with pytest.raises(TypeError, match=message):
        MODULE.get_function("scaled")((1,), (4,), arguments)


def test_source_that_does_not_compile_is_an_error():
    with pytest.raises(RuntimeError, match="do not compile"):
        cupy.RawModule(code='extern "C" __global__ void f(float* x) { x[0] = nothing; }').get_function("f")


def test_no_kernel_of_that_name():
    with pytest.raises(KeyError, match="nothing"):
        MODULE.get_function("nothing")
