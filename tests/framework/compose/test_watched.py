"""A watched copy tells what its layers do; the model itself stays as it is."""

from typing import Any

import numpy as np

from lamina import Sequential
from lamina.compose.watched import watched
from lamina.layers import Dense, SimpleRNN


def test_the_copy_hands_over_its_calls_and_the_model_does_not() -> None:
    model = Sequential(SimpleRNN(4), Dense(2))
    model.build((None, None, 3), seed=0)
    model[1].w.grad[...] = 1  # type: ignore[attr-defined]
    calls = []

    def watch(layer: Any, method: Any, *arguments: Any, **options: Any) -> Any:
        calls.append((layer.path, method.__name__))
        return method(*arguments, **options)

    twin = watched(model, forward=watch, backward=watch, no_such_method=watch)
    assert not any(one.grad.any() for one in twin.parameters())
    x = np.ones((2, 3, 3), "float32")
    y, saved = twin.forward(x)
    twin.backward(y, saved)
    assert np.array_equal(y, model(x))
    names = [("0", "forward"), ("1", "forward"), ("", "forward"), ("1", "backward"), ("0", "backward")]
    assert sorted(calls) == sorted([*names, ("", "backward")])
    assert (model[1].w.grad == 1).all()  # type: ignore[attr-defined]
    assert twin[1].w.grad.any()
    assert not any("forward" in vars(layer) for _, layer in model.walk())
