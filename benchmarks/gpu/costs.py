"""What the device's small things cost: launches, copies, waits, compilations, on the host and until they are done."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.gpu.part import Tell
from benchmarks.gpu.rehearsal import sized

__all__ = ["measure"]


def measure(tell: Tell) -> None:
    """Tell what each costs; what cannot run says why."""
    import lamina

    backend = lamina.get_backend("cupy")
    cupy: Any = backend.xp
    stream = cupy.cuda.get_current_stream()
    ones = {name: cupy.ones(shape, "f") for name, shape in {"a": (64, 128), "b": (64, 128), "w": (128, 512)}.items()}
    a, b, w = ones.values()
    rows, batch = np.arange(64), np.ones(sized((64, 100, 64), (4, 3, 2)), "f")
    large = cupy.ones(sized(2**26, 2**10), "f")
    many = [a] * 100
    out = cupy.empty_like(a)

    def compiled() -> object:
        """Compile a kernel that no cache can hold."""
        code = f'extern "C" __global__ void k(float* a) {{ a[0] = {time.time_ns() % 10**9}.0f; }}'
        return cupy.RawModule(code=code).get_function("k")((1,), (1,), (a,))

    calls: dict[str, tuple[Callable[[], object], int]] = {
        "launch, a + b": (lambda: a + b, 2000),
        "launch, into memory that is there": (lambda: cupy.add(a, b, out=out), 2000),
        "product (64, 128) (128, 512)": (lambda: a @ w, 2000),
        "sum over rows": (lambda: a.sum(axis=0), 1000),
        "zeros of no axes": (lambda: cupy.zeros((), "f"), 1000),
        "view": (lambda: a[:, :32], 2000),
        f"copy of {large.nbytes // 2**20} MB on the device": (lambda: backend.copy(large), 20),
        "100 arrays joined": (lambda: cupy.concatenate(many), 50),
        "upload, 64 lengths": (lambda: cupy.asarray(rows), 300),
        f"upload, batch of {batch.nbytes // 1000} kB": (lambda: cupy.asarray(batch), 50),
        "download, one number": (lambda: cupy.asnumpy(a[:1, :1]), 300),
        "wait, with nothing to wait for": (stream.synchronize, 300),
        "compilation of a small kernel": (compiled, 3),
    }
    for what, (call, times) in calls.items():
        try:
            host, done = _per_call(call, stream.synchronize, sized(times, 2))
        except Exception as error:
            tell(cost=what, missing=f"{type(error).__name__}: {error}"[:300])
        else:
            tell(cost=what, host_microseconds=host, microseconds=done)


def _per_call(call: Callable[[], object], wait: Callable[[], object], times: int) -> tuple[float, float]:
    """Return the microseconds of a call until the host goes on, and until the device is done with all."""
    call()
    wait()
    start = time.perf_counter()
    for _ in range(times):
        call()
    host = time.perf_counter() - start
    wait()
    return round(host / times * 1e6, 2), round((time.perf_counter() - start) / times * 1e6, 2)
