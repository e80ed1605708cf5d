"""Gradients of parameters, against differences that know nothing of how a layer finds them."""

from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import pytest

# Of central differences the error is about STEP^2 beside rounding over STEP: both far below what is asked for.
STEP, RELATIVE, ABSOLUTE = 1e-5, 1e-6, 1e-8


def slopes(value: Callable[[], float], parameter: Any) -> np.ndarray[Any, Any]:
    """Return by how much a value grows with each element of a parameter."""
    start = parameter.numpy()
    found = np.zeros(start.shape)
    for place in np.ndindex(start.shape):
        ends = []
        for sign in (1, -1):
            moved = start.copy()
            moved[place] += sign * STEP
            parameter.data = moved
            ends.append(value())
        found[place] = (ends[0] - ends[1]) / (2 * STEP)
    parameter.data = start
    return found


@pytest.fixture
def prove_gradients() -> Callable[..., None]:
    """Return a function that proves the gradient of each of a layer's parameters, element by element."""

    def prove(
        layer: Any,
        *inputs: Any,
        lengths: Any = None,
        state: Any = None,
        stream: bool = False,
        flat: Collection[str] = (),
    ) -> None:
        """Prove them all, with and without the gradient of the input; those named ``flat`` are 0 by nature.

        What is differentiated is the sum of the outputs, each weighted with a random number. The gradients are added
        to what is there already. With ``stream``, from a state in the middle of a sequence.
        """
        rng = np.random.default_rng(7)
        options = {} if lengths is None else {"lengths": lengths if isinstance(lengths, tuple) else np.array(lengths)}

        def forward() -> tuple[Any, Any]:
            if stream:
                outputs, _, saved = layer.stream(*inputs, state=state, training=True, **options)
                return outputs, saved
            given: tuple[Any, Any] = layer.forward(*inputs, **options)
            return given

        trained = {name: one for name, one in layer.named_parameters().items() if one.trainable}
        assert trained
        for parameter in trained.values():
            parameter.data = rng.normal(0, 0.5, parameter.shape)
        outputs, _ = forward()
        several = isinstance(outputs, tuple)
        weights = [rng.standard_normal(one.shape) for one in (outputs if several else (outputs,))]

        def value() -> float:
            found, _ = forward()
            return float(sum((w * y).sum() for w, y in zip(weights, found if several else (found,), strict=True)))

        expected = {name: slopes(value, parameter) for name, parameter in trained.items()}
        assert {name for name, found in expected.items() if abs(found).max() < ABSOLUTE} == set(flat)
        for input_gradient in (True, False):
            for parameter in trained.values():
                parameter.grad = np.full(parameter.shape, 0.5)
            _, saved = forward()
            layer.backward(tuple(weights) if several else weights[0], saved, input_gradient=input_gradient)
            for name, parameter in trained.items():
                np.testing.assert_allclose(
                    parameter.grad - 0.5, expected[name], rtol=RELATIVE, atol=ABSOLUTE, err_msg=f"gradient of {name}"
                )

    return prove
