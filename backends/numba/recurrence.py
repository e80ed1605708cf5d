"""Recurrent kernels on Numba: whole passes, compiled, over the memory of passes before."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import count
from typing import Any, NoReturn

from lamina.backends.arrays import Array, Gradients
from lamina.backends.numba.passes import CompiledPasses, ends, plain

__all__ = ["NumbaRecurrentKernels", "Pass", "PassMemory"]


class PassMemory:
    """The memory of passes, by number while one is open, and after it for the next one like it.

    Nothing waits for a lock: passes end where Python lets go of them, which may be anywhere.

    Parameters
    ----------
    most : int
        Bytes that memory without a pass may take together.
    many : int
        For how many passes it may be.
    """

    def __init__(self, most: int = 2**30, many: int = 64) -> None:
        self.most = most
        self.many = many
        self._numbers = count()
        self._open: dict[int, tuple[Any, Any]] = {}
        self._free: deque[tuple[Any, Any]] = deque()

    def __getitem__(self, number: int) -> Any:
        return self._open[number][1]

    def take(self, key: Any, rows: int, steps: int, make: Callable[[int, int], Any]) -> int:
        """Return the number of a new pass, over memory of a key that is large enough; made where there is none.

        What is too small is given up for one that serves both, unless that were much larger than either.
        """
        most, found = (rows, steps), None
        for _ in range(len(self._free)):
            try:
                own, one = entry = self._free.popleft()
            except IndexError:  # another thread was quicker
                break
            if own == key:
                if one.rows >= rows and one.steps >= steps:
                    found = one
                    break
                both = max(one.rows, most[0]), max(one.steps, most[1])
                if both[0] * both[1] <= 2 * max(one.rows * one.steps, rows * steps):
                    most = both
                    continue
            self._free.append(entry)
        if found is None:
            found = make(*most)
        number = next(self._numbers)
        self._open[number] = key, found
        return number

    def give_back(self, number: int) -> None:
        """Have the memory of a pass for another one, and give up what was not used the longest."""
        self._free.append(self._open.pop(number))
        kept = list(self._free)
        while kept and (len(kept) > self.many or sum(one.nbytes for _, one in kept) > self.most):
            try:
                self._free.remove(kept.pop(0))
            except (ValueError, IndexError):  # taken by another thread, or another one was
                continue


class Pass:
    """A forward pass, for its way back. The backend has its memory, until nobody holds the pass any more.

    Parameters
    ----------
    backend : NumbaRecurrentKernels
    number : int
    weights : sequence of array or None
        As `NumbaRecurrentKernels.recurrent_forward` takes them.
    lengths : array or None
        They have to be there as long.
    """

    def __init__(
        self, backend: NumbaRecurrentKernels, number: int, weights: Sequence[Array | None], lengths: Array | None
    ) -> None:
        self.backend = backend
        self.number = number
        self.weights = weights
        self._lengths = lengths

    def __del__(self) -> None:
        self.backend.passes.give_back(self.number)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a pass cannot be copied: its memory is there once")


class NumbaRecurrentKernels(CompiledPasses):
    """Kernels of recurrent layers that plans have a form of.

    Attributes
    ----------
    passes : PassMemory
    """

    passes: PassMemory

    def recurrent_forward(
        self,
        kernel: str,
        x: Array,
        weights: tuple[Array | None, ...],
        states: Sequence[Array | None],
        lengths: Array | None,
        mask: Array | None = None,
        **options: Any,
    ) -> tuple[list[Array], Pass] | None:
        """Return h of all steps and the last states, and what `recurrent_backward` needs; None for what has no pass.

        Parameters
        ----------
        kernel : str
        x : (batch, time, features)
        weights : tuple of array or None
            Those of the kernel, in the order in which it gives their gradients; of a projected LSTM w_p last.
        states : sequence of (batch, units) or None
        lengths : (batch,) integers, or None
        mask : (batch, units) or None
            Of what products take of the state.
        """
        given = [array for array in (x, *weights, *states, mask) if array is not None]
        if not self.has_pass(*given) or not x.size:
            return None
        rows, steps, features = x.shape
        dtype, known = x.dtype, tuple([() if array is None else array.shape for array in weights])
        if mask is not None:
            options["state_mask"] = True

        def make(rows: int, steps: int) -> Any:
            made = import_module("lamina.backends.numba.engine.alone").Alone
            sizes, shapes = pass_shapes(kernel, len(states), known)
            return made(kernel, dtype.name, rows, steps, features, sizes, shapes, self.empty, **options)

        number = self.passes.take((kernel, dtype, features, known, *options.items()), rows, steps, make)
        x, *rest = [None if array is None else plain(array) for array in (x, *weights, *states, mask)]
        own, begin, stops = rest[: len(weights)], rest[len(weights) : -1], ends(lengths)
        own_pass = Pass(self, number, own, stops)
        return self.passes[number].forward(x, own, begin, stops, rest[-1]), own_pass

    def recurrent_backward(
        self,
        upstream: Sequence[Array | None],
        saved: Pass,
        *weights: Array,
        input_gradient: bool,
        gradients: Gradients | None = None,
    ) -> tuple[Array | None, Sequence[Any], list[Array]]:
        """Return the gradients of x, of all weights that the kernel can have, and of the first states.

        Parameters
        ----------
        upstream : sequence of array or None
            Of h and of the last states.
        saved : Pass
        weights : array
            The first ones of those that the way forward took; the others are known.
        gradients : callable, optional
            See `KernelTable.add_gradients`.
        """
        given = [None if array is None else plain(array) for array in upstream]
        own = [*map(plain, weights), *saved.weights[len(weights) :]]
        found: tuple[Any, Any, Any] = self.passes[saved.number].backward(
            given, own, input_gradient=input_gradient, gradients=gradients
        )
        return found


def pass_shapes(
    kernel: str, states: int, known: Sequence[tuple[int, ...]]
) -> tuple[list[int], dict[str, tuple[int, ...]]]:
    """Return the sizes of a kernel's states, and the shapes of its weights by name, from those that are known.

    The other shapes are (), as those of what is not there.
    """
    if kernel in _GATES:
        columns = known[0][1]
        return [columns // _GATES[kernel]], {"w_x": known[0], "b": (columns,)}
    if kernel == "lru":
        w_c, w_d = known[2:]
        return [w_d[1], w_c[0]], dict(zip(("eigenvalues", "w_b", "w_c", "w_d"), known, strict=True))
    w_x, w_h, *_ = known
    if kernel == "ind_rnn":
        return [w_h[0]], {"w_x": w_x, "w_h": w_h, "b": w_h}
    inner = units = w_h[0]
    shapes = {"w_x": w_x, "w_h": w_h, "b": w_h[1:]}
    if kernel == "gru":
        shapes["b_h"] = (units,)
    elif len(known) > 3:
        shapes["w_p"] = known[3]
        inner = known[3][0]
    return [units, *[inner] * (states - 1)], shapes


_GATES = {"min_gru": 2, "min_lstm": 3}
