"""Names that every part of a kind has: an argument cannot have one; any other name is kept as it was given."""

import re

import numpy as np
import pytest

import lamina
from lamina.core.reserved import is_reserved
from lamina.errors import ArgumentError
from lamina.layers import GRU, Dense
from lamina.metrics import Metric
from lamina.optimization.optimizer import Optimizer
from lamina.testing import check_layer

# What a layer's author may well call an argument.
USUAL = (
    "units",
    "words",
    "file",
    "shape",
    "name",
    "rate",
    "trainable",
    "record",
    "given",
    "integers",
    "frozen",
    "size",
)


def layer_with(name: str) -> type[lamina.Layer]:
    """Return a layer whose constructor keeps one argument."""
    made: dict[str, object] = {}
    exec(  # a class whose argument has that name can be written in no other way
        f"class Own(lamina.Layer):\n"
        f"    def __init__(self, {name}):\n"
        f"        self.{name} = {name}\n"
        f"    def build(self, shape):\n"
        f"        return shape\n"
        f"    def forward(self, x):\n"
        f"        return 2 * x, None\n"
        f"    def backward(self, dy, saved):\n"
        f"        return 2 * dy\n",
        {"lamina": lamina},
        made,
    )
    return made["Own"]  # type: ignore[return-value]


def test_the_reserved_names_are_those_that_the_docstring_lists():
    reserved = {name for name in dir(lamina.Layer) if is_reserved(lamina.Layer, name)}
    text = re.search(r"may be called (.*?): every layer has these", lamina.Layer.__doc__, re.S)[1]
    assert set(re.split(r",\s+|\s+or\s+", text)) == reserved


@pytest.mark.parametrize("name", sorted(name for name in dir(lamina.Layer) if is_reserved(lamina.Layer, name)))
def test_an_argument_with_a_reserved_name_is_refused_when_the_class_is_defined(name):
    with pytest.raises(ArgumentError, match=rf"^Own: the argument '{name}' has the name of what every layer has"):
        layer_with(name)


@pytest.mark.parametrize("name", USUAL)
def test_any_other_argument_is_after_building_and_running_what_it_was(name):
    value = name == "trainable" or "words.txt"
    layer = layer_with(name)(value)
    before = layer.config(), repr(layer)
    layer.build((None, None, 3), seed=0)
    layer(np.ones((2, 4, 3)), lengths=[2, 4])
    lamina.Sequential(layer, Dense(2)).build((None, None, 3))
    assert (layer.config(), repr(layer)) == before
    assert getattr(layer, name) == value
    check_layer(layer_with(name)(value), (4, 5, 3))


@pytest.mark.parametrize("name", ["path", "kernel", "dtype", "save", "build"])
def test_one_that_comes_by_keyword_is_refused_at_the_first_build(name):
    class Any(GRU):
        def __init__(self, units, **further):
            super().__init__(units)
            self.further = further

    layer = Any(2, **{name: 3})
    with pytest.raises(ArgumentError, match=rf"^Any: the argument '{name}' has the name of what every layer has"):
        layer.build((None, None, 2))
    assert not layer.is_built
    Any(2, words=3).build((None, None, 2))


def test_losses_metrics_optimizers_and_recurrent_layers_refuse_theirs():
    with pytest.raises(ArgumentError, match=r"^L: the argument 'backend' has the name of what every loss has"):

        class L(lamina.Loss):
            def __init__(self, backend):
                self.backend = backend

    with pytest.raises(ArgumentError, match=r"^M: the argument 'result' has the name of what every metric has"):

        class M(Metric):
            def __init__(self, result):
                self.result = result

    with pytest.raises(ArgumentError, match=r"^O: the argument 'step' has the name of what every optimizer has"):

        class O(Optimizer):  # noqa: E742
            def __init__(self, parameters, step):
                super().__init__(parameters, 0.1)

    with pytest.raises(ArgumentError, match=r"^R: the argument 'step' has the name of what every layer has"):

        class R(GRU):
            def __init__(self, units, step=1):
                super().__init__(units)

    class Named(Metric):  # a metric's name is what a user sets
        def __init__(self, name):
            self.name = name


@pytest.mark.parametrize("name", ["path", "input_shapes", "places", "output_shape", "label", "backend", "facts"])
def test_the_record_is_read_only_for_other_code_too(name):
    layer = Dense(2)
    layer.build((None, 3))
    before = getattr(layer, name)
    with pytest.raises(ArgumentError, match=rf"^Dense: the attribute '{name}' is the framework's own"):
        setattr(layer, name, "mine")
    assert getattr(layer, name) is before or getattr(layer, name) == before
