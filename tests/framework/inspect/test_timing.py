"""The profile: who is timed, and the table."""

import doctest
import gc
import time
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lamina import Layer, Recurrent, Residual, Sequential, get_backend
from lamina.errors import ArgumentError, UnknownNameError
from lamina.inspect import LayerProfile, Profile, gemm_peak, profile, timing
from lamina.layers import GRU, Dense, SimpleRNN, Tanh
from lamina.testing.cases.examples import LeakyPair

X = np.random.default_rng(0).normal(size=(4, 6, 3))
measure, measured = gemm_peak, cache(gemm_peak)


@pytest.fixture(autouse=True)
def one_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure the machine's peak once for all profiles."""
    monkeypatch.setattr(timing, "gemm_peak", measured)


class Slow(Layer):
    """y = x, after 4 ms forward and 8 ms backward."""

    def build(self, shape: Any) -> Any:
        return shape

    def forward(self, x: Any) -> Any:
        time.sleep(0.004)
        return x, None

    def backward(self, dy: Any, saved: Any) -> Any:
        time.sleep(0.008)
        return dy

    def flops(self, shape: Any) -> int:
        return 10 * int(np.prod(shape))


def built(*layers: Any) -> Sequential:
    model = Sequential(*layers)
    model.build((None, None, 3), seed=0)
    return model


def test_time_is_the_layers_own() -> None:
    found = profile(built(Residual(Slow()), Dense(2)), X, repeat=3)
    assert 4 <= found["0.inner"].forward < 40
    assert 8 <= found["0.inner"].backward < 80
    assert [one.name for one in found.layers] == ["0", "0.inner", "1"]
    assert found["0"].forward < 4
    assert found["1"].forward < 4
    assert found["0.inner"].flops == 720
    assert found.forward == pytest.approx(sum(one.forward for one in found.layers))
    assert found.backward == pytest.approx(sum(one.backward for one in found.layers))


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(timing.time, "perf_counter", lambda: self.now)


class Ticking(Layer):
    """y = x, after so many seconds forward, a call and pass each, and twice as many backward."""

    def __init__(self, clock: Clock, *seconds: float) -> None:
        self.clock, self.left, self.back = clock, list(seconds), [2 * one for one in seconds]
        self.wanted: list[bool] = []

    def __deepcopy__(self, memo: Any) -> "Ticking":
        twin = object.__new__(type(self))
        memo[id(self)] = twin
        twin.__dict__.update(self.__dict__)  # the lists are the same, to be looked at afterwards
        return twin

    def build(self, shape: Any) -> Any:
        return shape

    def forward(self, x: Any) -> Any:
        self.clock.now += self.left.pop(0)
        return x, None

    def backward(self, dy: Any, saved: Any, *, input_gradient: bool = True) -> Any:
        self.wanted.append(input_gradient)
        self.clock.now += self.back.pop(0)
        return dy

    def flops(self, shape: Any) -> float:
        return 6e6


def test_each_figure_is_the_fastest_passes_after_the_first_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock of our own every figure is known exactly."""
    clock = Clock(monkeypatch)
    monkeypatch.setattr(timing, "gemm_peak", lambda *_: 1e9)
    layer = Ticking(clock, 1, 4, 2, 3)  # the first pass warms up
    found = profile(built(layer), X, repeat=3)
    assert layer.left == []
    one = found["0"]
    assert (one.forward, one.backward) == (2e3, 4e3)
    assert (one.flops, found.peak) == (6e6, 1e9)
    assert one.share == pytest.approx(3 * 6e6 / 6 / 1e9)  # backward takes twice the arithmetic
    assert layer.wanted == [False] * 4  # as in training


def test_a_layer_called_again_takes_the_time_of_both_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    shared = Ticking(clock, 9, 9, 1, 4, 3, 5)
    found = profile(built(shared, shared), X, repeat=2)
    assert (found["0"].forward, found["0"].flops) == (5e3, 12e6)
    assert found["0"].backward == 2 * 5e3


def test_a_containers_time_is_without_that_of_the_layers_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)

    class Around(Residual):
        def forward(self, x: Any, lengths: Any = None) -> Any:
            clock.now += 0.5
            return super().forward(x)

        def backward(self, dy: Any, saved: Any, *, input_gradient: bool = True) -> Any:
            clock.now += 0.25
            return super().backward(dy, saved)

    found = profile(built(Around(Around(Ticking(clock, 7, 2)))), X, repeat=1)
    assert [(one.name, one.forward, one.backward) for one in found.layers] == [
        ("0", 500, 250),
        ("0.inner", 500, 250),
        ("0.inner.inner", 2000, 4000),
    ]
    assert (found.forward, found.backward) == (3000, 4500)


@pytest.mark.parametrize("collects", [True, False])
def test_the_garbage_collector_is_as_it_was_and_at_rest_meanwhile(collects: bool) -> None:
    class Looking(Ticking):
        def forward(self, x: Any) -> Any:
            seen.append(gc.isenabled())
            if len(seen) == 3:
                raise KeyError("in the middle")
            return x, None

        def backward(self, dy: Any, saved: Any, *, input_gradient: bool = True) -> Any:
            return dy

    seen: list[bool] = []
    was = gc.isenabled()
    try:
        (gc.enable if collects else gc.disable)()
        model = built(Looking(None))  # type: ignore[arg-type]
        with pytest.raises(KeyError):
            profile(model, X)
        assert gc.isenabled() is collects
        assert seen == [False] * 3
    finally:
        (gc.enable if was else gc.disable)()


def test_ten_passes_are_timed_and_one_warms_up(monkeypatch: pytest.MonkeyPatch) -> None:
    profile(built(layer := Ticking(Clock(monkeypatch), *[1] * 99)), X)
    assert len(layer.wanted) == 11


def test_padding_has_no_part_in_a_recurrent_layers_arithmetic() -> None:
    found = profile(built(SimpleRNN(4), Dense(2)), X, lengths=[6, 1, 0, 3], repeat=1)
    assert found["0"].flops == 2 * 10 * (3 * 4 + 4 * 4)
    assert found["1"].flops == 2 * 4 * 4 * 2  # of four rows


@pytest.mark.parametrize(("on_host", "size"), [(True, 1024), (False, 4096)])
def test_the_peak_is_that_of_the_fastest_product_once_it_is_warm(
    on_host: bool, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A product of n by n takes 2 n^3 operations; one that is not waited for has not been timed."""
    clock, waiting, shapes = Clock(monkeypatch), [], []

    def matmul(a: Any, b: Any) -> None:
        shapes.append((a, b))
        waiting.append(durations.pop(0))

    def synchronize() -> None:
        clock.now += sum(waiting)
        waiting.clear()

    backend: Any = SimpleNamespace(
        on_host=on_host,
        dtype=lambda name: name,
        full=lambda shape, value, dtype: (shape, dtype),
        xp=SimpleNamespace(matmul=matmul),
        synchronize=synchronize,
    )
    durations = [9, 4, 3, 2, 5, 6]
    assert measure(backend, "float32") == 2 * size**3 / 2
    assert (durations, shapes) == ([], [(((size, size), "float32"),) * 2] * 6)
    durations = [9, 4, 3]
    assert measure(backend, "float32", size=10, repeat=2) == 2 * 10**3 / 3


def test_the_model_stays_as_it_is() -> None:
    model = built(SimpleRNN(4, return_sequences=True), Tanh(), Dense(2))
    before = model.state_dict()
    found = profile(model, X, lengths=[6, 1, 0, 3], repeat=2)
    assert [one.name for one in found.layers] == ["0", "1", "2"]
    assert all(not parameter.grad.any() for parameter in model.parameters())
    assert all(np.array_equal(before[name], value) for name, value in model.state_dict().items())
    assert not any("forward" in vars(layer) for _, layer in model.walk())
    assert (found.backend, found.dtype) == ("numpy", "float32")


def test_a_cells_time_is_its_layers_and_a_second_call_counts() -> None:
    shared = Dense(3)
    found = profile(built(shared, shared, Recurrent(LeakyPair(2))), X, repeat=1)
    assert [one.name for one in found.layers] == ["0", "2"]
    assert found["0"].flops == 2 * 2 * 24 * 9
    assert found["2"].flops is None


def test_several_outputs_can_be_profiled() -> None:
    layer = GRU(2, return_state=True, return_sequences=True)
    layer.build((None, None, 3), seed=0)
    found = profile(layer, X, repeat=1)
    assert found["GRU"].output == "(4, 6, 2)"
    assert found["GRU"].share is not None


def test_the_table() -> None:
    layers = [
        LayerProfile("0", "GRU", "(4, 6, 2)", 1.0, 2.5, 2e6, 0.125, 1.25),
        LayerProfile("1", "Tanh", "(4, 6, 2)", 0.25, 0.25, None, None, 0.0),
    ]
    found = Profile(layers, 40e9, "numpy", "float32")
    assert str(found).splitlines() == [
        "layer   output     forward ms  backward ms  time  MFLOP  of peak  kept MB",
        "-------------------------------------------------------------------------",
        "0 GRU   (4, 6, 2)       1.000        2.500   88%   6.00    12.5%     1.25",
        "1 Tanh  (4, 6, 2)       0.250        0.250   12%                     0.00",
        "-------------------------------------------------------------------------",
        "total                   1.250        2.750         6.00     3.8%     1.25",
        "peak: 40.0 GFLOP/s, a large float32 matrix product on numpy",
    ]
    assert repr(found) == "<Profile: 1.25 ms forward, 2.75 ms backward, 2 layers>"
    with pytest.raises(UnknownNameError, match=r"^unknown layer '2'"):
        found["2"]


def test_the_peak_is_a_rate() -> None:
    assert 1e7 < gemm_peak(get_backend("numpy"), "float32", size=128, repeat=2) < 1e14
    with pytest.raises(ArgumentError, match=r"^profile: expected repeat to be a whole number of 1 or more, got 0$"):
        profile(built(Dense(2)), X, repeat=0)


def test_the_examples_run() -> None:
    assert doctest.testmod(timing).failed == 0


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(profile) == {"lengths": None, "repeat": 10}
    assert defaults(gemm_peak) == {"size": None, "repeat": 5}
