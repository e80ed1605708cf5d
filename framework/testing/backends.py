"""`check_backend`: one call that proves a backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.backends import Backend, get_backend
from lamina.testing.proofs.arrays import HostArray, expect_close, expect_same_bits, to_host
from lamina.testing.report import CheckError, Report, Runner

__all__ = ["check_backend"]


def check_backend(backend: str | Backend | None = None) -> Report:
    """Prove a backend: its array primitives, and every layer, loss and optimizer of Lamina on its kernels.

    Every case of `lamina.testing.cases` runs through `check_layer`, `check_loss` or `check_optimizer` on this
    backend, and so each of its kernels is compared with the generic one on NumPy, forward and backward, in
    float64 and float32.

    Parameters
    ----------
    backend : str or Backend, optional
        The default backend if not given. Pickled layers find their backend by name, so it must be registered.

    Returns
    -------
    Report
        A line for each case.

    Raises
    ------
    CheckError
        At the first check that fails: one line with the case, the check, what was expected and what came.
    """
    from lamina.testing.cases import layer_cases, loss_cases, optimizer_cases

    own = get_backend(backend)
    checks: dict[str, Callable[[], str | None]] = {name: _bind(check, own) for name, check in _PRIMITIVES.items()}

    def case(item: Any) -> Callable[[], str]:
        def run() -> str:
            report = item.check(own)
            runner.report.worst_error = max(runner.report.worst_error, report.worst_error)
            return f"{len(report.passed)} checks"

        return run

    cases: list[Any] = [*layer_cases(), *loss_cases(), *optimizer_cases()]
    for item in cases:
        checks[item.name] = case(item)
    runner = Runner(f"backend {own.name!r}", CheckError, checks)
    return runner.run()


def _bind(check: Callable[[Backend, Backend], None], backend: Backend) -> Callable[[], None]:
    return lambda: check(backend, get_backend("reference"))


def _numbers(*shape: int) -> HostArray:
    return np.random.default_rng(len(shape)).standard_normal(shape)


def _pairs(backend: Backend, generic: Backend) -> None:
    """Raise where one half of a kernel is overridden: the generic pair would run, and the override never."""
    for name in dir(Backend):
        kernel, _, half = name.rpartition("_")
        if half == "forward":
            overridden = [
                getattr(type(backend), method, None) is not getattr(Backend, method)
                for method in (name, f"{kernel}_backward")
            ]
            if any(overridden) and not all(overridden):
                raise CheckError(f"{kernel}: expected forward and backward overridden together, got one of them")


def _creation(backend: Backend, generic: Backend) -> None:
    for dtype in ("float32", "float64", "int64"):
        kind = backend.dtype(dtype)
        made = {
            "empty": backend.empty((2, 3), kind),
            "zeros": backend.zeros((2, 3), kind),
            "full": backend.full((2, 3), 4, kind),
            "asarray": backend.asarray(np.ones((2, 3)), dtype),
            "astype": backend.astype(backend.asarray(np.ones((2, 3))), kind),
        }
        for name, array in made.items():
            if not backend.is_array(array) or tuple(array.shape) != (2, 3) or array.dtype != kind:
                raise CheckError(f"{name}: expected a {dtype} array (2, 3), got {array!r}")
            if backend.is_float(array) == (dtype == "int64") or backend.is_integer(array) != (dtype == "int64"):
                raise CheckError(f"is_float or is_integer: wrong for an array of {dtype}")
        if to_host(backend, made["zeros"]).any() or (to_host(backend, made["full"]) != 4).any():
            raise CheckError("zeros or full: expected 0 and 4, got other values")


def _moving(backend: Backend, generic: Backend) -> None:
    values = _numbers(3, 4)
    for array in (values, values.T, values.astype(np.float32), np.arange(6).reshape(2, 3)):
        expect_same_bits("to_numpy of asarray", to_host(backend, backend.asarray(array)), np.array(array))
    original = backend.asarray(values.copy())
    copied = backend.copy(original)
    copied[...] = 0
    expect_same_bits("an array whose copy was overwritten", to_host(backend, original), values)
    expect_same_bits("moved", to_host(backend, backend.moved(generic.asarray(values), generic)), values)
    if backend.item(backend.asarray(np.asarray(2.5))) != 2.5:
        raise CheckError("item: expected 2.5")
    for value, finite in ((1.0, True), (float("nan"), False), (float("inf"), False)):
        if backend.all_finite(backend.asarray(np.array([0.0, value]))) is not finite:
            raise CheckError(f"all_finite: expected {finite} with {value}")
    backend.synchronize()


def _uploads(backend: Backend, generic: Backend) -> None:
    """Raise where what is brought another way than by ``asarray`` is something else."""
    values, ids = _numbers(7, 3, 2), np.arange(14).reshape(7, 2)
    ids.flags.writeable = False
    for array in (values, values.astype(np.float32), values[:, ::2], ids):
        expect_same_bits("upload", to_host(backend, backend.upload(array)), np.array(array))
        for _ in range(2):  # the second time it may be known
            expect_same_bits("constant", to_host(backend, backend.constant(array)), np.array(array))
    expect_same_bits("constant as int64", to_host(backend, backend.constant([1, 0], "int64")), np.array([1, 0]))
    noted = np.array([4, 2])
    backend.note_constant(noted, backend.asarray(noted))
    expect_same_bits("constant that was noted", to_host(backend, backend.constant(noted)), noted)
    picks: list[Any] = [slice(0, 3), np.array([6, 0, 2]), slice(5, 7)]
    brought = list(backend.upload_rows((values, ids), picks))
    if len(brought) != len(picks):
        raise CheckError(f"upload_rows: expected rows for each of {len(picks)} picks, got {len(brought)}")
    for pick, rows in zip(picks, brought, strict=True):
        for array, own in zip((values, ids), rows, strict=True):
            expect_same_bits("upload_rows", to_host(backend, own), array[pick])
    free = backend.free_memory()
    if not isinstance(free, int) or free < 0:
        raise CheckError(f"free_memory: expected a number of bytes of 0 or more, got {free!r}")


def _shaping(backend: Backend, generic: Backend) -> None:
    a, b = _numbers(3, 4, 2), _numbers(3, 4, 2) + 1
    for axis in (1, -1):
        got = backend.concatenate([backend.asarray(a), backend.asarray(b)], axis)
        expect_same_bits("concatenate", to_host(backend, got), np.concatenate([a, b], axis))
        for part, whole in zip(backend.split(got, [a.shape[axis]] * 2, axis), (a, b), strict=True):
            expect_same_bits("split", to_host(backend, part), whole)
    expect_same_bits("reshape", to_host(backend, backend.reshape(backend.asarray(a), (3, -1))), a.reshape(3, -1))
    expect_same_bits("permute", to_host(backend, backend.permute(backend.asarray(a), (2, 0, 1))), a.transpose(2, 0, 1))
    for shape in ((2,), (4, 1), (3, 1, 2), (1, 1, 1), (3, 4, 2)):
        got = to_host(backend, backend.sum_to(backend.asarray(a), shape))
        expect_close(f"sum_to {shape}", got, to_host(generic, generic.sum_to(a, shape)), 1e-12)


def _sequences(backend: Backend, generic: Backend) -> None:
    values, lengths = _numbers(4, 5, 3), np.array([2, 0, 5, 1])
    padded = values.copy()
    padded[0, 2:] = padded[1] = np.nan
    calls: dict[str, Callable[[Backend], Any]] = {
        "valid_steps": lambda on: on.valid_steps(lengths, 5),
        "zero_past": lambda on: on.zero_past(on.asarray(padded), lengths),
        "zero_past without lengths": lambda on: on.zero_past(on.asarray(values), None),
        "last_step": lambda on: on.last_step(on.asarray(padded), lengths),
        "last_step without lengths": lambda on: on.last_step(on.asarray(values), None),
        "scatter_last_step": lambda on: on.scatter_last_step(on.asarray(values[:, 0, :]), lengths, 5),
        "scatter_last_step without lengths": lambda on: on.scatter_last_step(on.asarray(values[:, 0, :]), None, 5),
    }
    for name, call in calls.items():
        expect_same_bits(name, to_host(backend, call(backend)), to_host(generic, call(generic)))


def _clipping(backend: Backend, generic: Backend) -> None:
    values = [_numbers(4), 3 * _numbers(2, 3)]
    for limit in (0.5, 100.0):
        for scale in (1.0, 1e-3):
            ours = [backend.asarray(scale * value) for value in values]
            theirs = [scale * value for value in values]
            norms = backend.item(backend.clip_global_norm(ours, limit)), float(generic.clip_global_norm(theirs, limit))
            expect_close("clip_global_norm's norm", np.array(norms[0]), np.array(norms[1]), 1e-12)
            for got, expected in zip(ours, theirs, strict=True):
                expect_close("clip_global_norm", to_host(backend, got), expected, 1e-12)
        ours = [backend.asarray(value.copy()) for value in values]
        for got, value in zip(ours, values, strict=True):
            backend.clip_value(got, limit)
            expect_same_bits("clip_value", to_host(backend, got), np.clip(value, -limit, limit))


_PRIMITIVES = {
    "pairs": _pairs,
    "creation": _creation,
    "moving": _moving,
    "uploads": _uploads,
    "shaping": _shaping,
    "sequences": _sequences,
    "clipping": _clipping,
}
