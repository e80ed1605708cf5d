"""A model as a table."""

from typing import Any

import pytest

from lamina import Composite, Sequential
from lamina.errors import NotBuiltError
from lamina.layers import Dense, Flatten, SimpleRNN, Tanh


def test_the_whole_table() -> None:
    model = Sequential(SimpleRNN(32, return_sequences=True), Sequential(Tanh(), SimpleRNN(4)), Dense(9))
    model.build((None, None, 12), backend="numpy", seed=0)
    assert model.summary() == "\n".join(
        [
            "layer            output shape       parameters  dtype    backend  kernel",
            "-" * 84,
            "0 SimpleRNN      (batch, time, 32)       1,440  float32  numpy    simple_rnn (numpy)",
            "1 Sequential     (batch, 4)                     float32  numpy",
            "  1.0 Tanh       (batch, time, 32)              float32  numpy    tanh (numpy)",
            "  1.1 SimpleRNN  (batch, 4)                148  float32  numpy    simple_rnn (numpy)",
            "2 Dense          (batch, 9)                 45  float32  numpy    dense (numpy)",
            "1,633 parameters",
        ]
    )


def test_one_layer_alone_on_generic_kernels_with_frozen_weights() -> None:
    layer = Dense(2)
    layer.build((None, 3), backend="reference", dtype="float64")
    layer.b.trainable = False
    assert layer.summary().splitlines() == [
        "layer  output shape  parameters  dtype    backend    kernel",
        "--------------------------------------------------------------------",
        "Dense  (batch, 2)             8  float64  reference  dense (generic)",
        "8 parameters, 2 not trained",
    ]


def test_several_outputs_are_all_shown_and_a_layer_without_a_kernel_shows_none() -> None:
    model = Sequential(SimpleRNN(2, return_sequences=True, return_state=True))
    model.build((None, 5, 3))
    assert "(batch, 5, 2), (batch, 2)" in model.summary()
    flatten = Flatten()
    flatten.build((None, 5, 3), backend="numpy")
    assert flatten.summary().splitlines()[2] == "Flatten  (batch, 15)               float32  numpy"


def test_a_shared_layer_is_shown_and_counted_once() -> None:
    shared = Dense(2)
    model = Sequential(shared, shared)
    model.build((None, 2))
    lines = model.summary().splitlines()
    assert [line.split()[:2] for line in lines[2:]] == [["0", "Dense"], ["6", "parameters"]]


def test_a_layer_that_is_never_called_is_shown_as_not_built() -> None:
    class Spare(Composite):
        def __init__(self) -> None:
            self.used, self.spare = Dense(2), Dense(3)

        def compose(self, t: Any, x: Any) -> Any:
            return t(self.used, x)

    model = Spare()
    model.build((None, 2))
    lines = model.summary().splitlines()
    assert lines[3] == "spare Dense  not built"
    assert lines[-1] == "6 parameters"


def test_a_model_must_be_built() -> None:
    with pytest.raises(NotBuiltError, match=r"^Sequential is not built: call build\(shape\) first$"):
        Sequential(Dense(2)).summary()
