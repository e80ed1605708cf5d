"""The optimizers' updates on CUDA: those of many stretches of parameters, and of tables by rows, in one launch."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
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


class CuPyUpdateKernels(UpdateKernels, SegmentKernels):
    """One launch for all updates of one kind."""

    joins_updates = True

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
            numbers = [*_NUMBERS[kernel](settings)]
            numbers += [0.0] * (_SETTINGS - len(numbers))
            with np.errstate(over="ignore"):  # what float32 cannot hold is infinite
                packed = np.array(numbers, dtype).tobytes()
            entries.append(_PIECE.pack(*places, 0 if ids is None else ids.data.ptr, units, total) + packed)
            total += arrays[1].size
        if entries:
            table, _held = self.table(entries, _ROOM)
            launched = self.kernel(kernel, ("segments.cuh", "updates.cu"), dtype)
            launched(grid_over(total, ELEMENTS), (THREADS,), (table, np.int64(total)))

    # Each alone, for optimizers whose update does more than that.

    def _update(self, kernel: str, arrays: tuple[Array | None, ...], settings: Mapping[str, Any]) -> None:
        call = UpdateCall(kernel, arrays, settings)
        if self._takes(call):
            self.update_together([call])
        else:
            getattr(super(), kernel)(*arrays, **settings)

    def sgd_update(self, parameter: Array, gradient: Array, velocity: Array | None, **settings: Any) -> None:
        """Step parameter -= lr d, where d is the gradient, or its momentum where ``velocity`` is given."""
        self._update("sgd_update", (parameter, gradient, velocity), settings)

    def adagrad_update(self, parameter: Array, gradient: Array, accumulator: Array, **settings: Any) -> None:
        """Step accumulator += g^2; parameter -= lr g / (sqrt(accumulator) + epsilon)."""
        self._update("adagrad_update", (parameter, gradient, accumulator), settings)

    def rmsprop_update(
        self,
        parameter: Array,
        gradient: Array,
        square: Array,
        mean: Array | None,
        velocity: Array | None,
        **settings: Any,
    ) -> None:
        """Step parameter -= lr g / (sqrt(square - mean^2) + epsilon), or its momentum where ``velocity`` is given."""
        self._update("rmsprop_update", (parameter, gradient, square, mean, velocity), settings)

    def adadelta_update(
        self, parameter: Array, gradient: Array, square: Array, change: Array, **settings: Any
    ) -> None:
        """Step parameter -= lr d, d = g sqrt(change + epsilon) / sqrt(square + epsilon)."""
        self._update("adadelta_update", (parameter, gradient, square, change), settings)

    def adam_update(
        self,
        parameter: Array,
        gradient: Array,
        mean: Array,
        square: Array,
        largest: Array | None,
        **settings: Any,
    ) -> None:
        """Step parameter -= lr m / (sqrt(v) + epsilon), m and v being ``mean`` and ``square`` without their bias."""
        self._update("adam_update", (parameter, gradient, mean, square, largest), settings)


# What the kernels take as settings, in their order: computed in double, as the generic kernels do.


def _sgd(settings: Mapping[str, Any]) -> Iterable[float]:
    return (
        settings["lr"],
        settings.get("momentum", 0.0),
        settings.get("nesterov", False),
        settings.get("weight_decay", 0.0),
    )


def _adagrad(settings: Mapping[str, Any]) -> Iterable[float]:
    return settings["lr"], settings["epsilon"], settings.get("weight_decay", 0.0)


def _rmsprop(settings: Mapping[str, Any]) -> Iterable[float]:
    decay = settings["decay"]
    momentum, weight_decay = settings.get("momentum", 0.0), settings.get("weight_decay", 0.0)
    return settings["lr"], decay, 1 - decay, settings["epsilon"], momentum, weight_decay


def _adadelta(settings: Mapping[str, Any]) -> Iterable[float]:
    decay = settings["decay"]
    return settings["lr"], decay, 1 - decay, settings["epsilon"], settings.get("weight_decay", 0.0)


def _adam(settings: Mapping[str, Any]) -> Iterable[float]:
    lr, beta1, beta2, step = (settings[name] for name in ("lr", "beta1", "beta2", "step"))
    decay = settings.get("weight_decay", 0.0)
    decoupled = bool(decay and settings.get("decoupled", False))
    rate, root = lr / (1 - beta1**step), math.sqrt(1 - beta2**step)
    moments = (beta1, 1 - beta1, beta2, 1 - beta2)
    return rate, *moments, settings["epsilon"], root, 1 - lr * decay if decoupled else decay, decoupled


_NUMBERS: dict[str, Callable[[Mapping[str, Any]], Iterable[float]]] = {
    "sgd_update": _sgd,
    "adagrad_update": _adagrad,
    "rmsprop_update": _rmsprop,
    "adadelta_update": _adadelta,
    "adam_update": _adam,
}
