"""A recurrent kernel pair against its equation of one step, row by row; gradients by complex steps."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lamina.backends import get_backend

BATCH, TIME, FEATURES, UNITS = 3, 3, 2, 2
BACKENDS = ("numpy", "reference")

# (x_t, weights by name, states) -> the states after, the first of which is the output; all of one row.
Step = Callable[[Any, Mapping[str, Any], tuple[Any, ...]], tuple[Any, ...]]


def sigmoid(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


class Proof:
    """What a kernel is called with, and what its equation gives.

    Parameters
    ----------
    kernel : str
    step : callable
    weights : mapping of str to shape
        As forward takes them; a last one named b may be left out, and backward does not take it.
    states : sequence of arrays (3, size)
        Initial ones.
    options : dict
        Of forward.
    """

    def __init__(
        self, kernel: str, step: Step, weights: Mapping[str, tuple[int, ...]], states: Sequence[Any], **options: Any
    ) -> None:
        rng = np.random.default_rng(2)
        self.kernel, self.step, self.options = kernel, step, options
        self.x = rng.standard_normal((BATCH, TIME, FEATURES))
        self.weights = {name: 0.7 * rng.standard_normal(shape) for name, shape in weights.items()}
        self.states = [np.array(state) for state in states]
        self.dy = rng.standard_normal((BATCH, TIME, self.states[0].shape[1]))
        self.dlast = [rng.standard_normal(state.shape) for state in self.states]

    def given(self) -> dict[str, Any]:
        states = {f"state {index}": state for index, state in enumerate(self.states)}
        return {"x": self.x, **self.weights, **states}

    def equations(self, lengths: Sequence[int], reverse: bool, values: Mapping[str, Any]) -> list[Any]:
        """Return the outputs and the last states."""
        last = [values[f"state {index}"].copy() for index in range(len(self.states))]
        outputs = np.zeros(self.dy.shape, values["x"].dtype)
        for row in range(BATCH):
            states = tuple(state[row] for state in last)
            for t in list(range(lengths[row]))[:: -1 if reverse else 1]:
                states = self.step(values["x"][row, t], values, states)
                outputs[row, t] = states[0]
            for state, own in zip(last, states, strict=True):
                state[row] = own
        return [outputs, *last]

    def gradients(self, lengths: Sequence[int], reverse: bool) -> dict[str, Any]:
        """Return those of everything that is given, by complex steps."""
        values = {name: array + 0j for name, array in self.given().items()}
        found = {}
        for name, array in values.items():
            found[name] = np.zeros(array.shape)
            for place in np.ndindex(array.shape):
                moved = array.copy()
                moved[place] += 1e-30j
                results = self.equations(lengths, reverse, {**values, name: moved})
                both = zip(results, (self.dy, *self.dlast), strict=True)
                found[name][place] = sum((result.imag * d).sum() for result, d in both) / 1e-30
        return found

    def backward_weights(self) -> list[Any]:
        return [array for name, array in self.weights.items() if name != "b"]

    def hold(self, backend: str, lengths: Any, reverse: bool) -> None:
        """Compare a backend's pair with the equation; what stands past a row's end is never looked at."""
        steps = lengths or (TIME,) * BATCH
        for row, length in enumerate(steps):
            self.x[row, length:] = self.dy[row, length:] = 0
        wanted, gradients = self.equations(steps, reverse, self.given()), self.gradients(steps, reverse)
        for row, length in enumerate(steps):
            self.x[row, length:] = self.dy[row, length:] = np.nan
        for array in (*self.given().values(), self.dy, *self.dlast):
            array.flags.writeable = False
        kernel = get_backend(backend).select(self.kernel, **self.options)
        own = None if lengths is None else np.array(lengths)
        h, last, saved = kernel.forward(*self.given().values(), own, **self.options, reverse=reverse)
        last = last if isinstance(last, tuple) else (last,)
        for got, expected in zip((h, *last), wanted, strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-13)
        dx, *further, dstates = kernel.backward(self.dy, *self.dlast, saved, *self.backward_weights())
        dstates = dstates if isinstance(dstates, tuple) else (dstates,)
        for name, gradient in zip(self.given(), (dx, *further, *dstates), strict=True):
            np.testing.assert_allclose(gradient, gradients[name], rtol=1e-10, atol=1e-12, err_msg=name)

    def hold_where_left_out(self, backend: str) -> None:
        """What is None counts as zeros: a bias, states, gradients; and full lengths as none."""
        kernel = get_backend(backend).select(self.kernel, **self.options)
        zeros = {name: np.zeros_like(array) for name, array in self.given().items() if name == "b" or " " in name}
        full = {**self.given(), **zeros}.values()
        some = [None if name in zeros else array for name, array in self.given().items()]

        def gradients(arrays: Any, ends: Any, given: Any, **options: Any) -> list[Any]:
            h, last, saved = kernel.forward(*arrays, ends, **self.options)
            results = [h, *(last if isinstance(last, tuple) else (last,))]
            *found, _ = kernel.backward(*given, saved, *self.backward_weights(), **options)
            return results + found

        count = len(self.states) + 1
        for place in range(count):
            sparse = [None] * count
            sparse[place] = [self.dy, *self.dlast][place]
            dense = [np.zeros_like(array) for array in (self.dy, *self.dlast)]
            dense[place] = sparse[place]
            got = gradients(some, None, sparse)
            for one, other in zip(got, gradients(full, np.full(BATCH, TIME), dense), strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-13)
            without = gradients(some, None, sparse, input_gradient=False)
            assert without.pop(count) is None
            got.pop(count)
            for one, other in zip(got, without, strict=True):
                np.testing.assert_array_equal(one, other)

    def hold_without_steps(self, backend: str) -> None:
        """No rows, or no steps, hand the states through."""
        kernel = get_backend(backend).select(self.kernel, **self.options)
        for batch, time in ((0, 3), (BATCH, 0)):
            states = [state[:batch] for state in self.states]
            x = np.zeros((batch, time, FEATURES))
            y, last, saved = kernel.forward(x, *self.weights.values(), *states, None, **self.options)
            assert y.shape == (batch, time, self.dy.shape[2])
            last = last if isinstance(last, tuple) else (last,)
            dlast = [gradient[:batch] for gradient in self.dlast]
            dx, *_, dstates = kernel.backward(y, *dlast, saved, *self.backward_weights())
            assert dx.shape == x.shape
            dstates = dstates if isinstance(dstates, tuple) else (dstates,)
            for got, expected in zip((*last, *dstates), (*states, *dlast), strict=True):
                np.testing.assert_allclose(got, expected, rtol=1e-12)


def hold_equal(ours: str, theirs: str, proof: Proof, seed: int, sizes: tuple[int, int], dtype: str) -> None:
    """Compare two backends on other sizes, of rows and steps, with lengths of every kind, and in both directions."""
    batch, time = sizes
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((batch, time, FEATURES)).astype(dtype)
    dy = rng.standard_normal((batch, time, proof.dy.shape[2])).astype(dtype)
    weights = [array.astype(dtype) for array in proof.weights.values()]
    rows = rng.integers(0, BATCH, batch)
    states = [array[rows].astype(dtype) for array in proof.states]
    dlast = [rng.standard_normal(state.shape).astype(dtype) for state in states]
    back = [array for name, array in zip(proof.weights, weights, strict=True) if name != "b"]
    tolerance = 1e-9 if dtype == "float64" else 2e-3
    for lengths in (None, rng.integers(0, time + 1, batch)):
        for reverse in (False, True):
            results = []
            for name in (ours, theirs):
                kernel = get_backend(name).select(proof.kernel, **proof.options)
                h, last, saved = kernel.forward(x, *weights, *states, lengths, **proof.options, reverse=reverse)
                *gradients, dstates = kernel.backward(dy, *dlast, saved, *back)
                both = [own if isinstance(own, tuple) else (own,) for own in (last, dstates)]
                results.append([h, *both[0], *gradients, *both[1]])
            for one, other in zip(*results, strict=True):
                assert one.shape == other.shape and one.dtype == other.dtype == dtype
                scale = max(1.0, float(np.abs(other).max(initial=0)))
                np.testing.assert_allclose(one / scale, other / scale, rtol=0, atol=tolerance)
