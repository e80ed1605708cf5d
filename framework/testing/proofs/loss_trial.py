"""A loss on trial: the checks of `check_loss`."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np

from lamina.backends import Array, Backend, get_backend
from lamina.core.calls import takes
from lamina.core.config import describe, rebuild
from lamina.errors import ArgumentError, SavedStateError
from lamina.losses.loss import Loss
from lamina.testing.gradients import check_gradients
from lamina.testing.proofs.arrays import (
    HostArray,
    Watch,
    arrays_in,
    differences,
    expect_close,
    expect_same_bits,
    freeze,
    to_host,
)
from lamina.testing.report import CheckError, Skip

__all__ = ["LossTrial"]

_ROUNDING = 1e-12


class LossTrial:
    """A loss on trial, and what it is fed with; each check is a method."""

    def __init__(self, loss: Loss, shape: tuple[int, ...], target: Any, backend: Backend, seed: int) -> None:
        if not isinstance(loss, Loss):
            raise ArgumentError(f"check_loss: expected a loss, got {loss!r}")
        self.loss = loss
        self.backend = backend
        rng = np.random.default_rng(seed)
        self.prediction: HostArray = 2 * rng.standard_normal(shape)
        self.target: HostArray = rng.standard_normal(shape) if target is None else np.array(target)
        self.takes = [name for name in ("lengths", "mask") if takes(type(loss).forward, name, anything=False)]
        # By name: options that leave something out, and the weight with which each step then counts.
        self.ways: dict[str, tuple[dict[str, Any], HostArray]] = {}
        steps = shape[:-1]
        if "mask" in self.takes:
            masked = steps if loss.masks_steps else steps[:1]
            mask = (rng.random(masked) < 0.6).astype(np.float64)
            mask.flat[0], mask.flat[-1] = 0, 1
            self.ways["mask"] = {"mask": mask}, mask
            weights = mask * (0.5 + rng.random(masked))
            self.ways["weights"] = {"mask": weights}, weights
            self.ways["bool mask"] = {"mask": mask != 0}, mask
            if len(steps) > 1:
                rows = np.arange(steps[0]) % 2.0
                self.ways["mask of rows"] = {"mask": rows}, rows
            for name, (options, counts) in self.ways.items():  # a row's weight is that of each of its steps
                spread = counts.reshape(*counts.shape, *(1,) * (len(steps) - counts.ndim))
                self.ways[name] = options, np.broadcast_to(spread, steps)
        if "lengths" in self.takes and len(steps) == 2:
            lengths = rng.integers(0, steps[1] + 1, size=steps[0])
            lengths[:3] = [steps[1] // 2, 0, steps[1]][: len(lengths)]
            valid = 1.0 * (np.arange(steps[1])[None, :] < lengths[:, None])
            self.ways["lengths"] = {"lengths": lengths}, valid
            if "mask" in self.takes:
                both = valid * self.ways["mask"][1]
                self.ways["lengths and mask"] = {"lengths": lengths, "mask": mask}, both

    def new(self, backend: Backend | None = None) -> Loss:
        """Return a copy of the loss, bound to a backend."""
        loss = copy.deepcopy(self.loss)
        loss.backend = backend or self.backend
        if loss.reduction == "none":  # as a number, and its gradient: the losses themselves have a check of their own
            loss.reduction = "sum"
        return loss

    def array(self, value: HostArray, dtype: str = "float64", backend: Backend | None = None) -> Array:
        """Return a read-only array of a backend."""
        return freeze((backend or self.backend).asarray(value.astype(dtype)))

    def run(
        self, loss: Loss, prediction: HostArray, target: HostArray, dtype: str = "float64", **options: Any
    ) -> tuple[HostArray, HostArray]:
        """Return the loss and the gradient, on the host."""
        backend = loss.backend or self.backend
        number, saved = loss.forward(self.array(prediction, dtype, backend), freeze(target.copy()), **options)
        gradient = loss.backward(saved)
        if tuple(number.shape) != ():
            raise CheckError(f"expected a 0-d loss, got shape {tuple(number.shape)}")
        if tuple(gradient.shape) != prediction.shape:
            raise CheckError(f"expected a gradient {prediction.shape}, got {tuple(gradient.shape)}")
        for name, array in (("loss", number), ("gradient", gradient)):
            if array.dtype != backend.dtype(dtype):
                raise CheckError(f"{name}: expected {dtype}, got {array.dtype}")
        return to_host(backend, number), to_host(backend, gradient)

    def all_options(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the ways to leave something out, by name, and the plain call."""
        return [("nothing left out", {}), *((name, options) for name, (options, _) in self.ways.items())]

    def gradients(self, tolerance: float) -> float:
        """Check that the gradient equals central differences, whatever is left out; return the worst error."""
        worst = 0.0
        for name, options in self.all_options():
            try:
                error = check_gradients(self.new(), self.prediction, target=self.target, tolerance=tolerance, **options)
            except CheckError as failure:
                raise CheckError(f"with {name}: {failure}") from None
            worst = max(worst, error)
        return worst

    def dtypes(self) -> None:
        """Check that loss and gradient have the dtype of the prediction, and their shapes."""
        for dtype in ("float32", "float64"):
            for _, options in self.all_options():
                self.run(self.new(), self.prediction, self.target, dtype, **options)

    def read_only(self) -> None:
        """Check that nothing is written into arguments, or into a gradient already returned."""
        for name, options in self.all_options():
            loss = self.new()
            prediction = self.array(self.prediction)
            # As arrays of the backend, which a loss takes without a copy.
            target = freeze(self.backend.asarray(self.target.copy()))
            options = {key: freeze(np.array(value)) for key, value in options.items()}
            kept = {key: value.copy() for key, value in options.items()}
            _, saved = loss.forward(prediction, target, **options)
            gradient = loss.backward(saved)
            first = to_host(self.backend, gradient)
            self.run(loss, self.prediction + 1, self.target, **options)
            expect_same_bits(f"prediction, with {name}", to_host(self.backend, prediction), self.prediction)
            expect_same_bits(f"target, with {name}", to_host(self.backend, target), self.target)
            expect_same_bits(f"gradient, after another call with {name}", to_host(self.backend, gradient), first)
            for key, value in options.items():
                expect_same_bits(key, value, kept[key])

    def saved_state(self) -> None:
        """Check that the saved state serves one backward pass, of this loss, and then holds no memory."""
        loss = self.new()

        def refuse(what: str, saved: Any) -> None:
            try:
                loss.backward(saved)
            except SavedStateError:
                return
            raise CheckError(f"backward with {what}: expected SavedStateError, got no error")

        refuse("no saved state", None)
        _, others = self.new().forward(self.array(self.prediction), self.target)
        refuse("another loss's saved state", others)
        _, saved = loss.forward(self.array(self.prediction), self.target)
        # What both hold is nobody's: a constant that a device keeps.
        inside = arrays_in([loss, self, others], self.backend)
        watch = Watch(self.backend, arrays_in(saved, self.backend, [loss]), inside)
        loss.backward(saved)
        refuse("a used saved state", saved)
        if alive := watch.alive():
            raise CheckError(f"after backward: expected what was saved to be freed, got {alive} arrays still held")

    def interleaving(self) -> None:
        """Check that two calls before their backward passes give what each gives alone."""
        loss = self.new()
        other = self.prediction[::-1] - 1.0
        first = self.run(loss, self.prediction, self.target)[1]
        second = self.run(loss, other, self.target)[1]
        _, saved_a = loss.forward(self.array(self.prediction), self.target)
        _, saved_b = loss.forward(self.array(other), self.target)
        expect_close("second gradient", to_host(self.backend, loss.backward(saved_b)), second, _ROUNDING)
        expect_close("first gradient", to_host(self.backend, loss.backward(saved_a)), first, _ROUNDING)

    def left_out(self) -> str:
        """Check that steps that do not count change nothing, and that the others count as they do alone."""
        if not self.ways:
            raise Skip("takes neither lengths nor mask")
        for name, (options, counts) in self.ways.items():
            out = counts == 0
            loss = self.new()
            expected = self.run(loss, self.prediction, self.target, **options)
            if expected[1][out].any():
                raise CheckError(f"with {name}: expected a gradient of 0 at steps left out, got another one")
            for value in (float("nan"), 1e30):
                prediction = np.where(out[..., None], value, self.prediction)
                with np.errstate(all="ignore"):
                    got = self.run(loss, prediction, self._garbage(out, value), **options)
                for what, array, other in zip(("loss", "gradient"), got, expected, strict=True):
                    if not (error := differences(array, other)) <= _ROUNDING:
                        raise CheckError(f"with {name}: {what} changed by {error:.1e} where {value:g} is left out")
            keep = ~out
            if self._has_target_by_step(keep) and not loss.over_rows:
                alone = {"mask": counts[keep]} if "mask" in self.takes else {}
                flat = self.run(loss, self.prediction[keep], self.target[keep], **alone)
            else:
                flat = self._rows_alone(keep, counts)
            expect_close(f"loss with {name}, against the steps that count alone", expected[0], flat[0], _ROUNDING)
            expect_close(f"gradient with {name}, against the steps that count", expected[1][keep], flat[1], _ROUNDING)
        return ", ".join(self.ways)

    def _has_target_by_step(self, steps: HostArray) -> bool:
        return bool(self.target.shape[: steps.ndim] == steps.shape)

    def _rows_alone(self, keep: HostArray, counts: HostArray) -> tuple[HostArray, HostArray]:
        """Return the mean, or sum, over the rows that count, of each one's loss alone, without the steps left out."""
        loss, numbers, gradients, terms = self.new(), [], [], []
        for row in (row for row in range(len(keep)) if keep[row].any()):
            steps: Any = (slice(None), keep[row]) if keep.ndim > 1 else ()
            target = self.target[[row]][steps] if self._has_target_by_step(keep) else self.target[[row]]
            options: dict[str, Any] = {}
            if "mask" in self.takes:
                own = counts[[row]]
                options["mask"] = own[steps] if loss.masks_steps else own.reshape(1, -1).max(axis=1)
            prediction = self.prediction[[row]][steps]
            number, gradient = self.run(loss, prediction, target, **options)
            weighted = loss.over_rows and loss.reduction == "mean"
            terms.append(loss.terms(prediction, target, **options) if weighted else 1.0)
            numbers.append(number * terms[-1])
            gradients.append((gradient if keep.ndim == 1 else gradient[0]) * terms[-1])
        whole = 1.0 if loss.reduction == "sum" else sum(terms)
        return np.asarray(sum(numbers) / whole), np.concatenate(gradients) / whole

    def _garbage(self, out: HostArray, value: float) -> HostArray:
        target = self.target.copy()
        if not self._has_target_by_step(out):
            return target
        target[out] = -123456 if target.dtype.kind == "i" else 0 if target.dtype.kind in "ub" else value
        return target

    def nothing_counts(self) -> None:
        """Check that loss and gradient are 0 where nothing counts."""
        steps = self.prediction.shape[:-1]
        if "mask" in self.takes:
            options: dict[str, Any] = {"mask": np.zeros(steps if self.loss.masks_steps else steps[:1])}
        elif "lengths" in self.ways:
            options = {"lengths": np.zeros(steps[0], np.int64)}
        else:
            raise Skip("takes no mask")
        number, gradient = self.run(self.new(), self.prediction, self.target, **options)
        if number != 0 or gradient.any():
            what = "a mask" if "mask" in options else "lengths"
            raise CheckError(f"with {what} of zeros: expected a loss and gradient of 0, got {float(number):.3g}")

    def memory_layout(self) -> None:
        """Check that a prediction that does not lie in C order in memory gives the same numbers."""
        loss = self.new()
        expected = self.run(loss, self.prediction, self.target)
        for name, laid_out in (
            ("in Fortran order", np.asfortranarray(self.prediction)),
            ("every second of a larger array", np.repeat(self.prediction, 2, axis=-1)[..., ::2]),
        ):
            number, saved = loss.forward(self.backend.asarray(laid_out), self.target)
            expect_close(f"loss, {name}", to_host(self.backend, number), expected[0], _ROUNDING)
            expect_close(f"gradient, {name}", to_host(self.backend, loss.backward(saved)), expected[1], _ROUNDING)

    def generic_kernel(self) -> str:
        """Check that the backend's kernels equal the generic ones on NumPy."""
        if self.backend.name == "reference":
            raise Skip("this is the generic kernel")
        worst = 0.0
        for dtype, allowed in (("float64", 1e-10), ("float32", 1e-4)):
            for name, options in self.all_options():
                got = self.run(self.new(), self.prediction, self.target, dtype, **options)
                generic = self.new(get_backend("reference"))
                expected = self.run(generic, self.prediction, self.target, dtype, **options)
                for what, array, other in zip(("loss", "gradient"), got, expected, strict=True):
                    where = f"{what} in {dtype} with {name}, against the generic kernel"
                    error = expect_close(where, array, other, allowed)
                    worst = max(worst, error if dtype == "float64" else 0.0)
        return f"{worst:.1e} in float64"

    def deterministic(self) -> None:
        """Check that two runs give the same bits."""
        expected = self.run(self.new(), self.prediction, self.target)
        got = self.run(self.new(), self.prediction, self.target)
        for what, array, other in zip(("loss", "gradient"), got, expected, strict=True):
            expect_same_bits(f"{what}, run twice", array, other)

    def configuration(self) -> None:
        """Check that the constructor's arguments, written as JSON, make the same loss again."""
        if Loss.registry.name_of(type(self.loss)) is None:
            raise Skip("not registered")
        described = describe(self.loss)
        again = rebuild(json.loads(json.dumps(described)), {Loss.registry.kind: Loss.registry})
        if describe(again) != described or repr(again) != repr(self.loss):
            raise CheckError(f"expected {self.loss!r}, got {again!r}")
