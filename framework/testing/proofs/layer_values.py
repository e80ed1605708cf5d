"""Checks of a layer's numbers: gradients, shapes, dtypes, padding, order of the batch, and the backend's kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.backends import Array, get_backend
from lamina.core.layer import Layer
from lamina.core.lengths import lengths_after
from lamina.core.shapes import Shape
from lamina.errors import ShapeError
from lamina.kinds.random import fixed_draws, rows_of_batch
from lamina.testing.gradients import check_gradients
from lamina.testing.proofs.arrays import HostArray, as_list, cut_to, differences, expect_close
from lamina.testing.proofs.passes import Outcome, hosts, parameter_gradients
from lamina.testing.proofs.trial import Trial
from lamina.testing.report import CheckError, Skip

__all__ = [
    "batch_order",
    "dtypes",
    "every_parameter",
    "generic_kernel",
    "gradients",
    "memory_layout",
    "padding",
    "row_alone",
    "shapes",
]

# Two sums of the same float64 numbers in another order differ by about this much.
_ROUNDING = 1e-12


def shapes(trial: Trial) -> str | None:
    """Check that what build says of the output's shape is what forward returns; so it is with an open time axis."""
    layer = trial.build()
    _compare_shapes("output", layer, trial)
    if trial.time is None:
        return None
    open_shapes = [
        (value.shape[0], None, *value.shape[2:]) if trial.has_time(value, index) else value.shape
        for index, value in enumerate(trial.values)
    ]
    layer = trial.new()
    try:
        layer.build(*open_shapes, backend=trial.backend, dtype="float64", seed=trial.seed)
    except ShapeError:
        return "needs a fixed time axis"
    _compare_shapes("output, built for any time", layer, trial)
    return None


def _compare_shapes(what: str, layer: Layer, trial: Trial) -> None:
    y, saved = trial.forward(layer)
    built: Any = layer.output_shape
    if isinstance(y, list):
        raise CheckError(f"{what}: expected an array or a tuple of arrays, got a list")
    if isinstance(y, tuple) != (bool(built) and isinstance(built[0], tuple)):
        raise CheckError(f"{what}: built for {built}, got {len(as_list(y))} outputs")
    wanted: Sequence[Shape] = built if isinstance(y, tuple) else (built,)
    for index, (output, shape) in enumerate(zip(as_list(y), wanted, strict=True)):
        real = tuple(output.shape)
        if len(real) != len(shape) or any(size not in (None, got) for size, got in zip(shape, real, strict=True)):
            raise CheckError(f"{what} {index}: expected {shape}, as built, got {real}")
        if real[0] != trial.batch:
            raise CheckError(f"{what} {index}: expected a batch of {trial.batch}, got {real}")
    dx = trial.backward(layer, y, saved)
    for index, (own, value) in enumerate(zip(dx, trial.values, strict=True)):
        if own is None and value.dtype.kind == "f":
            raise CheckError(f"dx {index}: expected an array of shape {value.shape}, got None")
        if own is not None and tuple(own.shape) != value.shape:
            raise CheckError(f"dx {index}: expected {value.shape}, got {tuple(own.shape)}")


def dtypes(trial: Trial) -> None:
    """Check that outputs and gradients have the model's dtype, float32 or float64, and live on its backend."""
    for dtype in ("float32", "float64"):
        layer = trial.build(dtype)
        wanted = layer.backend.dtype(dtype)
        y, saved = trial.forward(layer)
        _require_dtype(layer, dtype, wanted, {f"output {i}": output for i, output in enumerate(as_list(y))})
        dx = trial.backward(layer, y, saved)
        arrays = {f"dx {i}": own for i, own in enumerate(dx) if own is not None}
        arrays |= {f"gradient of {parameter.name}": parameter.grad for parameter in layer.parameters()}
        _require_dtype(layer, dtype, wanted, arrays)


def _require_dtype(layer: Layer, dtype: str, wanted: Any, arrays: dict[str, Array]) -> None:
    for name, array in arrays.items():
        if not layer.backend.is_array(array):
            kind = type(array).__name__
            raise CheckError(f"{name}: expected an array of backend {layer.backend.name!r}, got {kind}")
        if array.dtype != wanted:
            raise CheckError(f"{name}: expected {dtype}, got {array.dtype}")


def gradients(trial: Trial, ragged: bool, tolerance: float) -> float:
    """Check that every gradient equals central differences in float64, with ragged lengths or without."""
    if ragged and trial.lengths is None:
        raise Skip("no time axis, or lengths=False")
    return check_gradients(
        trial.build(),
        *trial.values,
        lengths=trial.lengths if ragged else None,
        tolerance=tolerance,
        seed=trial.seed,
    )


def every_parameter(trial: Trial) -> str:
    """Check that every trainable parameter receives a gradient that is not zero."""
    found = trial.expected().gradients
    for name, gradient in found.items():
        if not gradient.any():
            raise CheckError(f"{name}: expected a gradient, got all zeros")
    return ", ".join(found) or "there are none"


def padding(trial: Trial) -> str:
    """Check that what stands past a row's end changes nothing, and receives no gradient."""
    lengths = trial.lengths
    if lengths is None:
        raise Skip("no time axis, or lengths=False")
    layer = trial.build()
    if not trial.takes_lengths and lengths_after(layer, lengths) is None:
        raise Skip("takes padding for data")
    expected = trial.expected(lengths)
    past = trial.past_end(trial.values, lengths)
    past_out = trial.past_end_of_outputs(layer, expected.outputs, lengths)
    # For a layer that leaves padding to its neighbours, no gradient comes from there.
    dy = [_filled(own, steps, 0.0) for own, steps in zip(_gradients(trial, expected), past_out, strict=True)]
    expected = trial.run(layer, trial.values, lengths, dy)
    for name, own, steps in _with_padding("dx", expected.dx, past):
        if own[steps].any():
            raise CheckError(f"{name}: expected 0 past each row's end, got {np.abs(own[steps]).max():.3g}")
    if trial.ignores_padding:
        for name, output, steps in _with_padding("output", expected.outputs, past_out):
            if output[steps].any():
                raise CheckError(f"{name}: expected 0 past each row's end, got {np.abs(output[steps]).max():.3g}")
    garbage = (float("nan"), 1e30) if trial.ignores_padding else (37.5,)
    for value in garbage:
        values, given = trial.padded(past, value), dy
        if trial.ignores_padding:
            given = [_filled(own, steps, value) for own, steps in zip(dy, past_out, strict=True)]
        with np.errstate(all="ignore"):
            got = trial.run(layer, values, lengths, given)
        for (name, array), other in zip(got.named().items(), expected.named().values(), strict=True):
            own_steps = past_out[int(name.split()[1])] if name.startswith("output") else None
            # Outputs of a layer that leaves padding to its neighbours may hold anything past the end.
            known = ... if own_steps is None or trial.ignores_padding else ~own_steps
            error = differences(array[known], other[known])
            if not error <= _ROUNDING:
                hint = "; or is ignores_padding=False meant?" if trial.ignores_padding else ""
                raise CheckError(f"{name}: changed by {error:.1e} where {value:g} stands past each row's end{hint}")
    return "NaN and 1e30" if trial.ignores_padding else "finite numbers; no gradient from there"


def row_alone(trial: Trial) -> str | None:
    """Check that a row of a ragged batch gives what it gives alone, cut to its length; full lengths are as none."""
    lengths = trial.lengths
    if lengths is None or not trial.takes_lengths:
        raise Skip("takes no lengths")
    layer = trial.build()
    plain = trial.expected()
    full = trial.run(layer, lengths=np.full_like(lengths, trial.time or 0))
    for (name, array), expected in zip(full.named().items(), plain.named().values(), strict=True):
        expect_close(f"{name}, lengths of all steps", array, expected, _ROUNDING)
    whole = trial.expected(lengths)
    past = trial.past_end(trial.values, lengths)
    past_out = trial.past_end_of_outputs(layer, whole.outputs, lengths)
    dy = [_filled(own, steps, 0.0) for own, steps in zip(_gradients(trial, whole), past_out, strict=True)]
    whole = trial.run(layer, lengths=lengths, dy=dy)
    after = lengths_after(layer, lengths)
    after = next((own for own in after if own is not None), None) if isinstance(after, tuple) else after
    ends = lengths if after is None else after
    for row, (length, end) in enumerate(zip(lengths, ends, strict=True)):
        if not length:
            continue  # not every layer takes a time axis of size 0

        def cut(arrays: Sequence[Any], steps: Sequence[HostArray | None], length: int, row: int = row) -> list[Any]:
            return [
                None if array is None else array[row : row + 1] if own is None else array[row : row + 1, :length]
                for array, own in zip(arrays, steps, strict=True)
            ]

        try:
            with rows_of_batch(row):  # it draws what it does in the batch
                alone = trial.run(layer, cut(trial.values, past, length), dy=cut(dy, past_out, end))
        except ShapeError:
            return "needs a fixed time axis"
        for index, (got, expected) in enumerate(zip(alone.outputs, cut(whole.outputs, past_out, end), strict=True)):
            expect_close(f"output {index} of row {row}, {length} steps long", cut_to(expected, got), got, _ROUNDING)
        for index, (own, other) in enumerate(zip(alone.dx, cut(whole.dx, past, length), strict=True)):
            if own is not None:
                expect_close(f"dx {index} of row {row}, {length} steps long", other, own, _ROUNDING)
    return None


def batch_order(trial: Trial) -> None:
    """Check that rows in another order give outputs and gradients in that order, and the same parameter gradients."""
    order = np.random.default_rng(trial.seed).permutation(trial.batch)
    if (order == np.arange(trial.batch)).all():
        order = order[::-1]
    layer = trial.build()
    for lengths in (None, trial.lengths) if trial.lengths is not None else (None,):
        expected = trial.expected(lengths)
        got = trial.run(
            layer,
            [value[order] for value in trial.values],
            None if lengths is None else lengths[order],
            [own[order] for own in _gradients(trial, expected)],
        )
        for (name, array), other in zip(got.named().items(), expected.named().values(), strict=True):
            rows = other if name.startswith("gradient") else other[order]
            expect_close(f"{name}, rows in another order", array, rows, _ROUNDING)


def memory_layout(trial: Trial) -> None:
    """Check that inputs and gradients that do not lie in C order in memory give the same numbers."""
    layer = trial.build()
    expected = trial.expected(trial.lengths)
    weights = _gradients(trial, expected)
    for name, laid_out in _LAYOUTS.items():
        arrays = [layer.as_input(laid_out(value), index) for index, value in enumerate(trial.values)]
        layer.zero_grad()
        options = {} if trial.lengths is None else {"lengths": trial.lengths}
        with fixed_draws(trial.seed):
            y, saved = layer.forward(*arrays, **options)
        dy = [layer.backend.asarray(laid_out(weight)) for weight in weights]
        dx = as_list(layer.backward(tuple(dy) if isinstance(y, tuple) else dy[0], saved))
        got = Outcome(
            hosts(layer, y),
            hosts(layer, dx),
            parameter_gradients(layer),
        )
        for (what, array), other in zip(got.named().items(), expected.named().values(), strict=True):
            expect_close(f"{what}, {name}", array, other, _ROUNDING)


def _time_major(array: HostArray) -> HostArray:
    if array.ndim < 2:
        return array
    return np.ascontiguousarray(np.swapaxes(array, 0, 1)).swapaxes(0, 1)


_LAYOUTS: dict[str, Callable[[HostArray], HostArray]] = {
    "laid out time-major": _time_major,
    "in Fortran order": np.asfortranarray,
    "every second of a larger array": lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
    "reversed in memory": lambda array: np.ascontiguousarray(array[::-1])[::-1],
}


def generic_kernel(trial: Trial, tolerance: float = 1e-10) -> str:
    """Check that the backend's kernels equal the generic ones on NumPy, which are written as the equations are."""
    if trial.backend.name == "reference":
        raise Skip("this is the generic kernel")
    worst = 0.0
    # In float32 too: a backend may have other kernels for it, which no gradient check can reach.
    for dtype, allowed in (("float64", tolerance), ("float32", 1e-4)):
        layer = trial.build(dtype)
        generic = trial.build(dtype, get_backend("reference"))
        generic.load_state_dict(layer.state_dict())
        for lengths in (None, trial.lengths) if trial.lengths is not None else (None,):
            got, expected = trial.run(layer, lengths=lengths), trial.run(generic, lengths=lengths)
            for (name, array), other in zip(got.named().items(), expected.named().values(), strict=True):
                error = expect_close(f"{name} in {dtype}, against the generic kernel", array, other, allowed)
                worst = max(worst, error if dtype == "float64" else 0.0)
            # What is not trained is what a forward pass may move, such as running statistics.
            moved = generic.state_dict()
            for name, array in layer.state_dict().items():
                where = f"{name} after forward in {dtype}, against the generic kernel"
                expect_close(where, array, moved[name], allowed)
    sources = {below.kernel.source for _, below in layer.walk() if below.kernel_name}
    return f"{worst:.1e} in float64; kernels: {', '.join(sorted(sources)) or 'none'}"


def _gradients(trial: Trial, outcome: Outcome) -> list[HostArray]:
    return trial.gradients_for([output.shape for output in outcome.outputs])


def _filled(array: HostArray, steps: HostArray | None, value: float) -> HostArray:
    array = array.copy()
    if steps is not None:
        array[steps] = value
    return array


def _with_padding(
    what: str, arrays: Sequence[HostArray | None], steps: Sequence[HostArray | None]
) -> list[tuple[str, HostArray, HostArray]]:
    return [
        (f"{what} {index}", array, own)
        for index, (array, own) in enumerate(zip(arrays, steps, strict=True))
        if array is not None and own is not None
    ]
