"""Which layers are lowered as their class says, and which are not because something of them is another's."""

import numpy as np
import pytest

import lamina
from lamina.backends.program import Frame, Program
from lamina.core.lowering import Lowering, NotPlanned, count_arrays, own_lowering


class Plain(lamina.layers.Dense):
    """Made in another way, and nothing else."""

    def __init__(self):
        super().__init__(3)


class Doubled(lamina.layers.Dense):
    def forward(self, x):
        y, saved = super().forward(x)
        return 2 * y, saved


class Clipped(lamina.layers.Dense):
    def backward(self, dy, saved, *, input_gradient=True):
        return super().backward(np.clip(dy, -1, 1), saved, input_gradient=input_gradient)


class Further(lamina.layers.GRU):
    def run(self, x, states, lengths):
        return super().run(x, states, lengths)


class Own(lamina.Layer):
    def build(self, shape):
        return shape

    def forward(self, x):
        return x, None

    def backward(self, dy, saved):
        return dy


def built(layer, shape=(None, 3)):
    layer.build(shape, seed=0)
    return layer


def lowered(layer, frame=None, **options):
    program = Program("float32", 4, 5)
    program.frames.append(Frame(5, None, {}))
    return program, Lowering(program, **options)(layer, program.value(3, frame))


def test_a_layer_adds_its_kernel():
    layer = built(lamina.layers.Dense(2))
    program, y = lowered(layer)
    (call,) = program.calls
    assert (call.kernel, call.outputs) == ("dense", (y,))
    assert call.weights["w"].data is layer.w.data
    assert (y.features, y.frame) == (2, None)


def test_a_class_that_changes_nothing_but_how_it_is_made_is_lowered():
    assert lowered(built(Plain()))[1].features == 3


@pytest.mark.parametrize("make", [lambda: Doubled(3), lambda: Clipped(3), Own], ids=["forward", "backward", "own"])
def test_a_class_that_changes_anything_else_is_not(make):
    layer = built(make())
    assert own_lowering(layer) is None
    with pytest.raises(NotPlanned, match="has no compiled form"):
        lowered(layer)


def test_a_class_that_changes_what_a_recurrent_layer_runs_is_not():
    with pytest.raises(NotPlanned, match="has no compiled form"):
        lowered(built(Further(4), (None, None, 3)), 0)


@pytest.mark.parametrize("name", ["forward", "backward", "infer"])
def test_a_layer_of_which_an_attribute_hides_a_method_is_not(name):
    layer = built(lamina.layers.Dense(2))
    vars(layer)[name] = getattr(layer, name)
    with pytest.raises(NotPlanned, match="has no compiled form"):
        lowered(layer)


def test_what_is_frozen_has_no_gradient():
    layer = built(lamina.layers.Dense(2))
    layer.b.trainable = False
    (call,) = lowered(layer)[0].calls
    assert call.weights["b"].grad is None
    assert call.weights["w"].grad is not None


def test_a_projection_is_refused_with_its_name():
    with pytest.raises(NotPlanned, match=r"LSTM .*has a projection"):
        lowered(built(lamina.layers.LSTM(4, projection=2), (None, None, 3)), 0)


def test_recurrent_dropout_is_refused_in_training_alone():
    layer = built(lamina.layers.GRU(4, recurrent_dropout=0.5), (None, None, 3))
    with pytest.raises(NotPlanned, match="recurrent dropout"):
        lowered(layer, 0)
    assert lowered(layer, 0, training=False)[1].features == 4


def test_states_of_a_stream_are_what_recurrent_layers_keep():
    model = lamina.Sequential(lamina.layers.LSTM(4, return_sequences=True), lamina.layers.GRU(5))
    program, _ = lowered(built(model, (None, None, 3)), 0, training=False, streaming=True)
    assert [array.shape for _, _, array in program.states] == [(4, 4), (4, 4), (4, 5)]


def test_a_layer_that_keeps_something_else_is_no_part_of_a_planned_stream():
    model = lamina.Sequential(lamina.layers.GRU(4, return_sequences=True), lamina.layers.LastStep())
    with pytest.raises(NotPlanned):
        lowered(built(model, (None, None, 3)), 0, training=False, streaming=True)


def test_arrays_of_a_state_are_counted_however_deep_it_is():
    assert count_arrays(((), (np.zeros(2), (np.zeros(1), None)))) == 2
