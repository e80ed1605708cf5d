"""The conformance suite's cases, one pass each in float32, compared with NumPy's in float64: a first look, no proof."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import lamina
from benchmarks.gpu.rehearsal import sized
from lamina.backends import Backend
from lamina.testing.cases import layer_cases, loss_cases, optimizer_cases
from lamina.testing.proofs.arrays import differences
from lamina.testing.proofs.loss_trial import LossTrial
from lamina.testing.proofs.optimizer_trial import OptimizerTrial
from lamina.testing.proofs.trial import Trial

__all__ = ["every"]

Errors = dict[str, float]


def every() -> list[tuple[str, Callable[[], Errors]]]:
    """Return the cases' names, and what runs each on both backends and returns the differences by array."""
    layers, losses, optimizers = layer_cases(), loss_cases(), optimizer_cases()
    share = sized(1, 9)
    return [
        *((case.name, partial(_layer, case)) for case in layers[::share]),
        *((case.name, partial(_loss, case)) for case in losses[::share]),
        *((case.name, partial(_optimizer, case)) for case in optimizers[::share]),
    ]


def _both(run: Callable[[Backend, str], dict[str, Any]]) -> Errors:
    found = run(lamina.get_backend("cupy"), "float32")
    expected = run(lamina.get_backend("numpy"), "float64")
    return {name: differences(found[name], array, scale=1.0) for name, array in expected.items()}


def _layer(case: Any) -> Errors:
    options = {name: value for name, value in case.options.items() if name != "skip"}
    state = options.pop("state", ())  # the shape of one, or the shapes of several
    options["state"] = [state] if isinstance(state, tuple) and state else state

    def run(backend: Backend, dtype: str) -> dict[str, Any]:
        trial = Trial(case.make(), case.inputs, backend=backend, **options)
        found: dict[str, Any] = {}
        for way, lengths in (("full", None), ("ragged", trial.lengths)):
            if way == "full" or lengths is not None:
                outcome = trial.run(trial.build(dtype), lengths=lengths)
                found |= {f"{way}: {name}": array for name, array in outcome.named().items()}
        return found

    return _both(run)


def _loss(case: Any) -> Errors:
    def run(backend: Backend, dtype: str) -> dict[str, Any]:
        trial = LossTrial(case.make(), case.shape, case.target, backend, seed=0)
        found: dict[str, Any] = {}
        for way, options in trial.all_options():
            number, gradient = trial.run(trial.new(), trial.prediction, trial.target, dtype, **options)
            found |= {f"{way}: loss": number, f"{way}: gradient": gradient}
        return found

    return _both(run)


def _optimizer(case: Any) -> Errors:
    def run(backend: Backend, dtype: str) -> dict[str, Any]:
        trial = OptimizerTrial(case.make, backend, steps=3, seed=0)
        weights = trial.run(trial.make(trial.build(dtype)), 0, 3)
        return {f"weights {number}": array for number, array in enumerate(weights)}

    return _both(run)
