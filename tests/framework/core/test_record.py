"""The framework's record of a layer: read from the layer, copied with it, and of no attribute's name of a user's."""

import copy
import pickle

import numpy as np
import pytest

import lamina
from lamina.core.record import Record, Recorded, read_only
from lamina.errors import ArgumentError
from lamina.layers import GRU, Dense


def built() -> lamina.Sequential:
    model = lamina.Sequential(GRU(3), Dense(2))
    model.build((None, None, 4), seed=0)
    return model


def test_a_new_layer_has_an_empty_record_whatever_its_constructor_does() -> None:
    class Bare(lamina.Layer):
        def __init__(self) -> None:
            """Calls no other constructor."""

    layer = Bare()
    assert (layer.path, layer.binding, layer.input_shapes, layer.places, layer.output_shape) == ("", None, (), (), None)
    assert (layer.facts, layer.is_built, layer.trainable) == ({}, False, True)
    assert [name for name in vars(layer) if not name.startswith("_")] == []


def test_what_is_recorded_is_read_from_the_layer() -> None:
    model = built()
    gru, dense = model.layers
    assert (gru.path, dense.path, dense.input_shapes, dense.output_shape) == ("0", "1", ((None, 3),), (None, 2))
    assert (dense.label, dense.dtype, dense.backend.name) == ("Dense '1'", "float32", "numpy")
    model.facts["mine"] = 3
    assert built().facts == {}


def test_a_copy_has_a_record_of_its_own() -> None:
    model = built()
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        twin.facts["mine"] = 3
        lamina.Sequential(Dense(4), twin).build((None, None, 4))
        assert twin.path == "1"
        assert (model.path, model.facts) == ("", {})
        np.testing.assert_array_equal(twin(np.ones((2, 3, 4))), model(np.ones((2, 3, 4))))


def test_a_record_copied_alone_has_the_same_notes() -> None:
    first = Record()
    first.path = "encoder"
    second = first.copy()
    second.path = "decoder"
    assert (first.path, vars(second).keys()) == ("encoder", vars(first).keys())


def test_entries_and_read_only_properties_refuse_an_assignment_by_name() -> None:
    class Part:
        def __init__(self) -> None:
            self._record = Record()

        path = Recorded[str]("Where it is.")

        @read_only
        def label(self) -> str:
            return "part"

    part = Part()
    assert (part.path, part.label, Part.path.__doc__) == ("", "part", "Where it is.")
    for name in ("path", "label"):
        with pytest.raises(ArgumentError, match=rf"^Part: the attribute '{name}' is the framework's own"):
            setattr(part, name, "x")


def test_trainable_freezes_what_is_below_before_and_after_building() -> None:
    for early in (True, False):
        model = lamina.Sequential(lamina.Residual(Dense(4)), Dense(2))
        if early:
            model.layers[0].trainable = False
        model.build((None, 4), seed=0)
        model.layers[0].trainable = False
        frozen = {name: value.copy() for name, value in model.state_dict().items() if name.startswith("0")}
        before = model.state_dict()["1.w"].copy()
        trainer = lamina.Trainer(model, optimizer=lambda parameters: lamina.optimizers.SGD(parameters, lr=0.1))
        trainer.fit(np.ones((4, 4)), [0, 1, 1, 0], epochs=1, verbose=False)
        for name, value in frozen.items():
            np.testing.assert_array_equal(model.state_dict()[name], value)
        assert (model.state_dict()["1.w"] != before).any()
        model.layers[0].trainable = True
        trainer.fit(np.ones((4, 4)), [0, 1, 1, 0], epochs=1, verbose=False)
        assert any((model.state_dict()[name] != value).any() for name, value in frozen.items())


def test_what_is_never_trained_stays_so() -> None:
    model = lamina.Sequential(lamina.layers.BatchNorm(), Dense(2))
    model.build((None, 4))
    names = [name for name, parameter in model.named_parameters().items() if not parameter.trainable]
    assert names
    model.trainable = False
    model.trainable = True
    assert [name for name, parameter in model.named_parameters().items() if not parameter.trainable] == names
    with pytest.raises(ArgumentError, match="trainable"):
        model.trainable = "no"  # type: ignore[assignment]
