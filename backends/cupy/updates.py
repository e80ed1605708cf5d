"""The optimizers' updates on CUDA: those of many stretches of parameters, and of tables by rows, in one launch."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.cupy.compiled import THREADS, grid_over
from lamina.backends.cupy.segments import ELEMENTS, SegmentKernels, apart, dense
from lamina.backends.generic.updates import UpdateCall, UpdateKernels

__all__ = ["CuPyUpdateKernels"]

_ROOM = 24  # pieces that go by value
_STATES, _SETTINGS = 3, 10
_PIECE = struct.Struct(f"{3 + _STATES}P2q")  # its settings follow


class CuPyUpdateKernels(SegmentKernels, UpdateKernels):
    """One launch for all updates of one kind."""

    joins_calls = True

    def update_together(self, calls: Sequence[UpdateCall]) -> None:
        """Run updates of different parameters: those of the same kernel and dtype in one launch."""
        together: dict[tuple[str, Any], list[UpdateCall]] = {}
        for call in calls:
            if self._takes(call):
                together.setdefault((call.kernel, call.arrays[0].dtype), []).append(call)
            else:
                super().update_together([call])
        for (kernel, dtype), several in together.items():
            # Two views of the same memory are updated one after the other.
            written = [array for call in several for array in (call.arrays[0], *call.arrays[2:]) if array is not None]
            for joint in [several] if apart(written) else [[call] for call in several]:
                self._launch_updates(kernel, dtype, joint)

    def _takes(self, call: UpdateCall) -> bool:
        """Tell whether the kernels handle a call."""
        given = [array for array in call.arrays if array is not None]
        parameter, gradient, *states = given
        if call.kernel not in _NUMBERS or not dense(given):
            return False
        if call.ids is None:
            return all(array.shape == parameter.shape for array in given)
        fits = call.ids.dtype == np.int64 and gradient.shape == (*call.ids.shape, parameter.shape[-1])
        return fits and parameter.ndim == 2 and all(state.shape == parameter.shape for state in states)

    def _launch_updates(self, kernel: str, dtype: Any, calls: list[UpdateCall]) -> None:
        entries, total = [], 0
        for arrays, settings, ids in ((call.arrays, call.settings, call.ids) for call in calls):
            if not arrays[1].size:
                continue
            places = [0 if array is None else array.data.ptr for array in arrays]
            places += [0] * (2 + _STATES - len(places))
            units = 0 if ids is None else arrays[0].shape[-1]
            numbers = [*_NUMBERS[kernel](**settings)]
            numbers += [0.0] * (_SETTINGS - len(numbers))
            with np.errstate(over="ignore"):  # what float32 cannot hold is infinite
                packed = np.array(numbers, dtype).tobytes()
            entries.append(_PIECE.pack(*places, 0 if ids is None else ids.data.ptr, units, total) + packed)
            total += arrays[1].size
        if entries:
            table, _held = self.table(entries, _ROOM)
            launched = self.kernel(kernel, "updates.cu", dtype)
            launched(grid_over(total, ELEMENTS), (THREADS,), (table, np.int64(total)))

    # Each alone, for optimizers whose update does more than that.

    def _update(self, kernel: str, arrays: tuple[Array, ...], settings: Mapping[str, Any]) -> None:
        call = UpdateCall(kernel, arrays, settings)
        if self._takes(call):
            self.update_together([call])
        else:
            getattr(super(), kernel)(*arrays, **settings)

    def sgd_update(
        self,
        parameter: Array,
        gradient: Array,
        velocity: Array | None,
        *,
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        """Step parameter -= lr d, where d is the gradient, or its momentum where ``velocity`` is given."""
        settings = {"lr": lr, "momentum": momentum, "nesterov": nesterov, "weight_decay": weight_decay}
        self._update("sgd_update", (parameter, gradient, velocity), settings)

    def adagrad_update(
        self,
        parameter: Array,
        gradient: Array,
        accumulator: Array,
        *,
        lr: float,
        epsilon: float,
        weight_decay: float = 0.0,
    ) -> None:
        """Step accumulator += g^2; parameter -= lr g / (sqrt(accumulator) + epsilon)."""
        settings = {"lr": lr, "epsilon": epsilon, "weight_decay": weight_decay}
        self._update("adagrad_update", (parameter, gradient, accumulator), settings)

    def rmsprop_update(
        self,
        parameter: Array,
        gradient: Array,
        square: Array,
        mean: Array | None,
        velocity: Array | None,
        *,
        lr: float,
        decay: float,
        epsilon: float,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        """Step parameter -= lr g / (sqrt(square - mean^2) + epsilon), or its momentum where ``velocity`` is given."""
        settings = {"lr": lr, "decay": decay, "epsilon": epsilon, "momentum": momentum, "weight_decay": weight_decay}
        self._update("rmsprop_update", (parameter, gradient, square, mean, velocity), settings)

    def adadelta_update(
        self,
        parameter: Array,
        gradient: Array,
        square: Array,
        change: Array,
        *,
        lr: float,
        decay: float,
        epsilon: float,
        weight_decay: float = 0.0,
    ) -> None:
        """Step parameter -= lr d, d = g sqrt(change + epsilon) / sqrt(square + epsilon)."""
        settings = {"lr": lr, "decay": decay, "epsilon": epsilon, "weight_decay": weight_decay}
        self._update("adadelta_update", (parameter, gradient, square, change), settings)

    def adam_update(
        self,
        parameter: Array,
        gradient: Array,
        mean: Array,
        square: Array,
        largest: Array | None,
        *,
        lr: float,
        beta1: float,
        beta2: float,
        epsilon: float,
        step: int,
        weight_decay: float = 0.0,
        decoupled: bool = False,
    ) -> None:
        """Step parameter -= lr m / (sqrt(v) + epsilon), m and v being ``mean`` and ``square`` without their bias."""
        settings = {"lr": lr, "beta1": beta1, "beta2": beta2, "epsilon": epsilon, "step": step}
        settings |= {"weight_decay": weight_decay, "decoupled": decoupled}
        self._update("adam_update", (parameter, gradient, mean, square, largest), settings)


# What the kernels take as settings, in their order: computed in double, as the generic kernels do.


def _sgd(*, lr: float, momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0) -> tuple[float, ...]:
    return lr, momentum, nesterov, weight_decay


def _adagrad(*, lr: float, epsilon: float, weight_decay: float = 0.0) -> tuple[float, ...]:
    return lr, epsilon, weight_decay


def _rmsprop(
    *, lr: float, decay: float, epsilon: float, momentum: float = 0.0, weight_decay: float = 0.0
) -> tuple[float, ...]:
    return lr, decay, 1 - decay, epsilon, momentum, weight_decay


def _adadelta(*, lr: float, decay: float, epsilon: float, weight_decay: float = 0.0) -> tuple[float, ...]:
    return lr, decay, 1 - decay, epsilon, weight_decay


def _adam(
    *,
    lr: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    step: int,
    weight_decay: float = 0.0,
    decoupled: bool = False,
) -> tuple[float, ...]:
    moments = (beta1, 1 - beta1, beta2, 1 - beta2)
    rate, root = lr / (1 - beta1**step), math.sqrt(1 - beta2**step)
    decoupled = bool(weight_decay) and decoupled
    return rate, *moments, epsilon, root, 1 - lr * weight_decay if decoupled else weight_decay, decoupled


_NUMBERS: dict[str, Callable[..., tuple[float, ...]]] = {
    "sgd_update": _sgd,
    "adagrad_update": _adagrad,
    "rmsprop_update": _rmsprop,
    "adadelta_update": _adadelta,
    "adam_update": _adam,
}
