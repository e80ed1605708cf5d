"""Which layers are lowered as their class says, and which are not because something of them is another's."""

import copy

import numpy as np
import pytest

import lamina
from lamina.backends.program import Frame, Program
from lamina.core.lowering import Lowering, NotPlanned, count_arrays, lowers, own_lowering


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


def test_a_projection_gives_h_a_size_of_its_own():
    program, y = lowered(built(lamina.layers.LSTM(4, projection=2), (None, None, 3)), 0)
    (call,) = program.calls
    assert call.weights["w_p"].data.shape == (4, 2)
    assert [value.features for value in call.outputs] == [2, 4]
    assert y == call.outputs[0]


def test_recurrent_dropout_is_a_mask_of_ones_in_training_alone():
    layer = built(lamina.layers.GRU(4, recurrent_dropout=0.5), (None, None, 3))
    program, _ = lowered(layer, 0)
    ones, dropout, gru = program.calls
    assert (ones.kernel, dropout.kernel, gru.kernel) == ("ones", "dropout", "gru")
    assert gru.inputs[-1] == dropout.outputs[0]
    assert gru.options["state_mask"]
    program, last = lowered(layer, 0, training=False)
    assert [call.kernel for call in program.calls] == ["gru"]
    assert last.features == 4


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


def test_a_layer_that_was_copied_is_lowered_as_before():
    layer = built(Plain(), (None, 3))
    copy.deepcopy(layer)  # which leaves a note at the class
    assert own_lowering(layer) is not None
    assert own_lowering(copy.deepcopy(layer)) is not None


class Named(lamina.Layer):
    name = "one"

    @lowers(despite=("name",))
    def lower(self, lowering, x):
        return lowering.apply(self.name, x)


class Open(lamina.Layer):
    @lowers(unless=("forward",))
    def lower(self, lowering, x):
        return x


@pytest.mark.parametrize(
    "base, changed, is_lowered",
    [(Named, "name", True), (Named, "other", False), (Open, "other", True), (Open, "forward", False)],
)
def test_a_lower_may_say_what_classes_below_may_change(base, changed, is_lowered):
    below = type("Below", (base,), {changed: lambda self, x: x})
    assert (own_lowering(below()) is not None) is is_lowered


def started(rows=4, steps=5):
    program = Program("float32", rows, steps)
    program.frames.append(Frame(steps, None, {}))
    return program, Lowering(program)


def test_values_are_folded_from_the_first_on():
    program, lowering = started()
    a, b, c = (program.value(3, 0) for _ in range(3))
    y = lowering.fold("add", (a, b, c))
    first, second = program.calls
    assert (first.inputs, second.inputs) == ((a, b), (first.outputs[0], c))
    assert second.outputs == (y,)
    assert lowering.fold("add", (a,)) is a


@pytest.mark.parametrize("features, frame, integers", [(4, 0, False), (3, None, False), (3, 0, True)])
def test_values_that_differ_are_not_folded(features, frame, integers):
    program, lowering = started()
    with pytest.raises(NotPlanned, match="multiply of values that differ"):
        lowering.fold("multiply", (program.value(3, 0), program.value(features, frame, integers)))


def test_what_is_broadcast_is_spread_first():
    program, lowering = started()
    y = lowering.fold("multiply", (program.value(1), program.value(3, 0), program.value(3)), broadcast=True)
    assert sorted(call.kernel for call in program.calls) == ["multiply"] * 2 + ["spread"] * 2 + ["take_features"]
    assert (y.features, y.frame) == (3, 0)


def test_values_of_one_frame_alone_are_joined():
    program, lowering = started()
    assert lowering.join((program.value(3, 0), program.value(2, 0))).features == 5
    with pytest.raises(NotPlanned, match="differ in lengths"):
        lowering.join((program.value(3, 0), program.value(2)))


def test_a_table_by_rows_is_counted_for_each_use_and_other_weights_are_none():
    program, lowering = started()
    by_rows, whole = (built(lamina.layers.Embedding(6, 2, row_wise=one), (None,)).w for one in (True, False))
    assert [lowering.table(one) for one in (by_rows, whole, by_rows)] == [{"table": 0}, {}, {"table": 1}]
    assert (program.tables, lowering.tables) == (2, [by_rows, by_rows])
    by_rows.trainable = False
    assert lowering.table(by_rows) == {}


def test_the_least_bound_of_ids_holds_and_what_is_ignored_stays():
    program, lowering = started()
    ids = program.value(1, 0, integers=True)
    program.bounds[ids.index] = 7, -1
    for count in (9, 5, 6):
        lowering.bound(ids, count)
    assert program.bounds[ids.index] == (5, -1)


def test_what_draws_is_counted_in_order():
    program, lowering = started()
    layer = lamina.layers.Dropout(0.5)
    assert [lowering.draws(layer), lowering.draws(layer)] == [0, 1]
    assert (program.draws, lowering.drawing) == (2, [layer, layer])
