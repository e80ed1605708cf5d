"""Functions by name; what `Lambda` does with them is tested there."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError, UnknownNameError
from lamina.kinds.functions import Function, find_function, name_of_function, register_function


def twice(x: Any) -> Any:
    return 2 * x


def two(x: Any) -> Any:
    return 0 * x + 2


def test_a_name_is_found_again_and_belongs_to_one_function() -> None:
    known = Function(twice, derivative=two)
    register_function("twice, in a test", known)
    assert find_function("twice, in a test") is known
    assert name_of_function(twice) == "twice, in a test"
    assert name_of_function(two) is None
    again = Function(twice, gradient=lambda dy, x: 2 * dy)  # as a notebook runs a cell again
    register_function("twice, in a test", again)
    assert find_function("twice, in a test") is again
    with pytest.raises(ArgumentError) as caught:
        register_function("twice, in a test", Function(two, derivative=two))
    assert str(caught.value) == (f"Lambda.register: the name 'twice, in a test' is taken by {__name__}.twice")
    with pytest.raises(ArgumentError, match=r"^Lambda.register: expected a name, got 3$"):
        register_function(3, known)  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="twice, in a tent"):
        find_function("twice, in a tent")


def test_what_a_function_takes_is_given() -> None:
    backend, lengths = lamina.get_backend("numpy"), np.array([1])

    def call(function: Any) -> Any:
        return Function(function, derivative=two).call("function", 1.0, backend=backend, lengths=lengths)

    assert call(lambda x: x) == 1
    assert call(lambda x, xp: xp) is backend.xp
    assert call(lambda x, *, lengths: lengths) is lengths
    assert call(lambda x, **options: options) == {}
    assert call(np.sqrt) == 1  # which says nothing of what it takes
    assert Function(lambda x, lengths: x, derivative=two).takes_lengths
    assert not Function(twice, derivative=two).takes_lengths


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"function": 3, "derivative": two}, "Lambda: expected function to be a function, got 3"),
        ({"function": twice, "derivative": 2.0}, "Lambda: expected derivative to be a function, got 2.0"),
        (
            {"function": twice},
            "Lambda: expected gradient, of dy and the inputs, or derivative, element by element, got neither",
        ),
        (
            {"function": twice, "gradient": twice, "derivative": two},
            "Lambda: expected gradient, of dy and the inputs, or derivative, element by element, got both",
        ),
        (
            {"function": twice, "derivative": two, "shape": 3},
            "Lambda: expected shape to be sizes after the batch or a function, got 3",
        ),
    ],
)
def test_what_is_none_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        Function(**arguments)
    assert str(caught.value) == message


def test_shapes() -> None:
    shapes = [(None, None, 3), (None, 2)]
    assert Function(twice, derivative=two).output_shape(*shapes) == shapes[0]
    assert Function(twice, derivative=two, shape=(None, 5)).output_shape(*shapes) == (None, None, 5)
    assert Function(twice, derivative=two, shape=lambda a, b: (*a[:2], b[1])).output_shape(*shapes) == (None, None, 2)
