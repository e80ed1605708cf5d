"""The profile: who is timed, and the table."""

import doctest
import time
from functools import cache
from typing import Any

import numpy as np
import pytest

from lamina import Layer, Recurrent, Residual, Sequential, get_backend
from lamina.errors import ArgumentError, UnknownNameError
from lamina.inspect import LayerProfile, Profile, gemm_peak, profile, timing
from lamina.layers import GRU, Dense, SimpleRNN, Tanh
from lamina.testing.cases.examples import LeakyPair

X = np.random.default_rng(0).normal(size=(4, 6, 3))
measured = cache(gemm_peak)


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
