"""Composites as programs: which kernels, on which values, and what cannot be."""

import numpy as np
import pytest

import lamina
from lamina import layers
from lamina.backends.program import Frame, Program
from lamina.core.lowering import Lowering, NotPlanned, own_lowering


def lowered(model, *shapes):
    """Return the calls of a model's program as (kernel, indices of inputs, of outputs)."""
    model.build(*shapes, seed=0)
    program = Program("float32", 2, 4)
    program.frames.append(Frame(4, None, {}))
    values = [program.value(shape[-1], 0 if len(shape) == 3 else None) for shape in shapes]
    Lowering(program)(model, *values)
    return [(one.kernel, [x.index for x in one.inputs], [y.index for y in one.outputs]) for one in program.calls]


def test_a_residual_is_its_layer_and_a_sum():
    assert lowered(lamina.Residual(layers.Dense(3)), (None, 3)) == [("dense", [0], [1]), ("add", [1, 0], [2])]


def test_branches_are_joined():
    model = lamina.Concat(layers.Dense(2), layers.Tanh())
    assert lowered(model, (None, None, 3)) == [
        ("dense", [0], [1]),
        ("tanh", [0], [2]),
        ("concatenate", [1, 2], [3]),
    ]


def test_both_directions_are_run_and_merged():
    calls = lowered(lamina.Bidirectional(layers.GRU(2), merge="average"), (None, None, 3))
    assert [one[0] for one in calls] == ["gru", "gru", "add", "rescaling"]


def test_operators_are_the_kernels_of_their_layers():
    class Mixed(lamina.Composite):
        def compose(self, t, a, b):
            return (1 - a) * b - a / b, b[:, 0], b[..., 1:]

    calls = lowered(Mixed(), (None, None, 3), (None, None, 3))
    kernels = ["rescaling", "multiply", "divide", "subtract", "select_step", "take_features"]
    assert [one[0] for one in calls] == kernels


def test_a_layer_called_twice_has_its_weights_twice():
    class Twice(lamina.Composite):
        def __init__(self):
            self.inner = layers.Dense(3)

        def compose(self, t, x):
            return t(self.inner, t(self.inner, x))

    model = Twice()
    model.build((None, 3), seed=0)
    program = Program("float32", 2, 1)
    program.frames.append(Frame(1, None, {}))
    Lowering(program)(model, program.value(3))
    first, second = (call.weights["w"] for call in program.calls)
    assert np.shares_memory(first.grad, second.grad)
    assert np.shares_memory(first.data, model.inner.w.data)


def test_a_compose_that_looks_into_values_is_not_planned():
    class Looks(lamina.Composite):
        def __init__(self):
            self.inner = layers.Dense(3)

        def compose(self, t, x):
            y = t(self.inner, x)
            return y if y.content is None or len(y.content) else x  # a shape, an array, or nothing

    with pytest.raises(NotPlanned, match="more than calling layers"):
        lowered(Looks(), (None, 3))


@pytest.mark.parametrize("name", ["forward", "backward", "infer"])
def test_a_composite_with_passes_of_its_own_is_not_planned(name):
    own = type("Own", (lamina.Residual,), {name: lambda self, *values, **options: None})
    assert own_lowering(lamina.Residual(layers.Tanh())) is not None
    assert own_lowering(own(layers.Tanh())) is None


def test_a_layer_below_without_a_form_says_so():
    with pytest.raises(NotPlanned, match="Flatten '0' has no compiled form"):
        lowered(lamina.Concat(layers.Flatten()), (None, 3))


def test_an_activation_of_ones_own_is_named_by_its_kernel():
    class Own(layers.Tanh):
        kernel_name = "sigmoid"

    class Odd(layers.Tanh):
        def forward(self, x):
            return super().forward(x * 2)

    assert lowered(Own(), (None, 3)) == [("sigmoid", [0], [1])]
    assert own_lowering(Odd()) is None
