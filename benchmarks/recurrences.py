"""The recurrences of today beside the LSTM: a time step's time over the LSTM's, on a backend, float32.

On one thread, and on all that there are.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.harness import machine, measure
from lamina.backends.numpy.threads import own_threads, products_on_one_thread, threads_of_products
from lamina.kinds.recurrent import RecurrentLayer
from lamina.layers import LRU, LSTM, SLSTM, IndRNN, MinGRU, MinLSTM

__all__ = ["SHAPES", "main"]

# (batch, time, features, units)
SHAPES = (
    (1, 500, 32, 64),
    (32, 28, 28, 64),
    (32, 100, 64, 64),
    (64, 100, 64, 128),
    (32, 500, 64, 128),
    (64, 50, 256, 256),
)
_KINDS: tuple[type[RecurrentLayer], ...] = (LSTM, MinGRU, MinLSTM, LRU, SLSTM, IndRNN)


_BACKENDS = ("numpy", "numba")


def _passes(
    kind: type[RecurrentLayer], shape: tuple[int, int, int, int], train: bool, backend: str
) -> Callable[[], object]:
    """Return a forward pass, with ``train`` and the gradients of all there is."""
    batch, time, features, units = shape
    rng = np.random.default_rng(0)
    layer = kind(units, return_sequences=True)  # type: ignore[call-arg]
    layer.build((None, None, features), backend=backend, seed=0)
    x = rng.standard_normal((batch, time, features)).astype("float32")
    dy = rng.standard_normal((batch, time, units)).astype("float32")

    def forward() -> object:
        return layer(x)

    def gradients() -> object:
        _, saved = layer.forward(x)
        return layer.backward(dy, saved)

    return gradients if train else forward


def main() -> None:
    """Print, for each shape, microseconds a time step of the LSTM, and the others' time over it."""
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    others = "".join(f"{kind.__name__:>9}" for kind in _KINDS[1:])
    threads = threads_of_products()
    for backend in _BACKENDS:
        for number in (1, threads) if threads > 1 else (1,):
            many = "one thread" if number == 1 else f"{number} threads"
            print(f"\n{backend}, {many}: time over LSTM's, median of interleaved rounds, float32\n")
            print(f"{'(batch, time, features, units)':32}{'pass':10}{'LSTM us':>9}{others}")
            with products_on_one_thread() if number == 1 else own_threads():
                _compare(backend)


def _compare(backend: str) -> None:
    """Print the lines of a backend."""
    for shape in SHAPES:
        for name, train in (("forward", False), ("gradients", True)):
            own = {kind.__name__: _passes(kind, shape, train, backend) for kind in _KINDS}
            times = measure(own, rounds=5)
            ratios = "".join(f"{times[kind.__name__].ratio_to(times['LSTM']):9.2f}" for kind in _KINDS[1:])
            print(f"{shape!s:32}{name:10}{times['LSTM'].median / shape[1] * 1e6:9.2f}{ratios}", flush=True)
