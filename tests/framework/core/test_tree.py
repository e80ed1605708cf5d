"""A layer as the root of a tree: what is found below it, and by which paths."""

import pytest

import lamina
from lamina.errors import NotBuiltError
from lamina.layers import Dense


class Holder(lamina.Layer):
    """Layers and parameters in every kind of place."""

    def __init__(self):
        self.first = Dense(2)
        self.several = [Dense(2), (Dense(2), self.first)]
        self.named = {"a": Dense(2), 3: [Dense(2)]}
        self._facts = {"hidden": Dense(2)}

    def build(self, shape):
        self.scale = lamina.Parameter((2,), "ones")
        self.rows = [lamina.Parameter((1,)), self.scale]
        for layer in self.children().values():
            layer.build(shape)
        return shape


PATHS = ["", "first", "several.0", "several.1.0", "named.a", "named.3.0"]


def test_layers_are_found_in_lists_tuples_and_dicts_each_once_in_order():
    assert [path for path, _ in Holder().walk()] == PATHS


def test_parameters_are_found_by_path_each_once():
    holder = Holder()
    holder.build((None, 2))
    own = ["scale", "rows.0"]
    assert list(holder.named_parameters()) == own + [f"{path}.{name}" for path in PATHS[1:] for name in "wb"]
    assert holder.parameter_count == 3 + 5 * 6
    assert [parameter.name for parameter in holder.parameters()] == list(holder.named_parameters())


def test_parameters_of_what_is_not_built_are_refused():
    with pytest.raises(NotBuiltError) as info:
        Holder().parameters()
    assert str(info.value) == "Holder is not built: call build(shape) first"


def test_zero_grad_reaches_every_parameter():
    holder = Holder()
    holder.build((None, 2))
    for parameter in holder.parameters():
        parameter.grad += 1
    holder.zero_grad()
    assert not any(parameter.grad.any() for parameter in holder.parameters())


def test_facts_belong_to_one_model():
    one, other = Dense(1), Dense(1)
    one.facts["name"] = "one"
    assert one.facts == {"name": "one"} and other.facts == {}


def test_a_layer_without_a_constructor_takes_no_arguments() -> None:
    for arguments, named in (((3,), {}), ((), {"units": 3})):
        with pytest.raises(TypeError, match=r"^Tanh\(\) takes no arguments$"):
            lamina.layers.Tanh(*arguments, **named)
