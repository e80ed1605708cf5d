"""An input that does not fit must be refused: each that the framework would let through is told by name."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.core import guards
from lamina.testing import LayerCheckError, check_layer

SHAPE = (5, 4, 3)
WRONG = {
    "one axis more": "expected ShapeError, got no error",
    "one axis less": "expected ShapeError, got no error",
    "a last axis larger by one": "expected ShapeError, got ValueError: ",
    "float32 for float64": "expected DTypeError, got no error",
    "int64": "expected DTypeError, got no error",
    "bool": "expected DTypeError, got no error",
}


class Scaled(lamina.Layer):
    """y = x s, of any shape that NumPy can multiply."""

    def build(self, shape: Any) -> Any:
        self.s = lamina.Parameter((shape[-1],), "ones")
        return shape

    def forward(self, x: Any) -> Any:
        return x * self.s.data, x

    def backward(self, dy: Any, x: Any) -> Any:
        self.s.grad += (dy * x).sum((0, 1))
        return dy * self.s.data


def what_is_wrong(array: Any) -> str:
    if array.ndim != len(SHAPE):
        return "one axis more" if array.ndim > len(SHAPE) else "one axis less"
    if array.shape[-1] != SHAPE[-1]:
        return "a last axis larger by one"
    return "float32 for float64" if array.dtype == np.float32 else str(array.dtype)


def test_a_sound_one_passes() -> None:
    assert "errors" in check_layer(Scaled(), SHAPE).passed


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_let_through_is_told(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check = guards.check_inputs

    def lenient(layer: Any, inputs: Any) -> None:
        # A layer in float32 is given that rightly.
        if not inputs or layer.bound().dtype != "float64" or what_is_wrong(inputs[0]) != wrong:
            check(layer, inputs)

    monkeypatch.setattr(guards, "check_inputs", lenient)
    with pytest.raises(LayerCheckError) as caught:
        check_layer(Scaled(), SHAPE)
    assert f"errors: input 0 with {wrong}: {WRONG[wrong]}" in str(caught.value)
