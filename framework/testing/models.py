"""`check_model`: one call that proves a whole model, by relations that must hold of any."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias

from lamina.backends import Backend
from lamina.core.layer import Layer
from lamina.errors import ArgumentError
from lamina.losses.loss import Loss
from lamina.testing.proofs import (
    model_calls,
    model_copies,
    model_fits,
    model_passes,
    model_plans,
    model_ranks,
    model_resumes,
    model_streams,
)
from lamina.testing.proofs.model_goals import read_losses
from lamina.testing.proofs.model_rounding import unless_rounding
from lamina.testing.proofs.model_trial import ModelTrial
from lamina.testing.report import ModelCheckError, Report, Runner

__all__ = ["MODEL_RELATIONS", "check_model"]

_BACKENDS = ("numpy", "reference", "numba", "array-api-strict")

#: The relations by name, and what each one needs: where that does not hold, it is skipped, and the report says why.
MODEL_RELATIONS: dict[str, str] = {
    "call": "nothing",
    "predict": "nothing",
    "stream": "inputs, others given whole, have a time axis of open size that every layer can read piece by piece",
    "saved": "every layer is registered, its arguments as JSON can hold them",
    "copied": "nothing",
    "pickled": "every class can be imported by its name, the backend's arrays pickled",
    "backends": "there is another backend here",
    "rows alone": "nothing",
    "padding": "there are lengths",
    "row order": "nothing",
    "inference changes nothing": "nothing",
    "threads": "nothing",
    "forward": "nothing",
    "gradients": "nothing",
    "gradients of rows": "forward moves no statistics",
    "gradients past the ends": "there are lengths",
    "passes add up": "nothing",
    "backward in threads": "it does not refuse them, every time",
    "evaluate": "a loss, and something counts in the targets",
    "accumulate": "a loss, something to train, and forward moves no statistics",
    "truncate": "a loss for each step, inputs of one time axis, and a model that can stream",
    "frozen": "a loss and something to train",
    "two fits": "a loss and something to train",
    "optimizer state": "a loss and something to train",
    "resumed": "a loss and something to train",
    "ranks": "a loss, something to train, and no layer that moves statistics but BatchNorm outside of cells",
    "moved in training": "a loss, something to train, and another backend",
    "parts apart": "a loss and something to train",
    "planned": "a loss, something to train, and a backend here that plans the model's steps",
    "loop": "a loss and something to train",
}

# Those that compare passes. Of gradients and trained models rounding is looked at where they are compared.
_OF_PASSES = set(tuple(MODEL_RELATIONS)[: tuple(MODEL_RELATIONS).index("evaluate") + 1]) - {"gradients"}

Relation: TypeAlias = Callable[[ModelTrial], float | str | dict[str, float] | None]


def relations_of(backends: Sequence[str]) -> dict[str, Relation]:
    """Return the relations by name: each measures something, says something, or raises."""
    relations: dict[str, Relation] = {
        "call": model_calls.calls,
        "predict": model_calls.predicts,
        "stream": model_streams.streams,
        "saved": model_copies.saved,
        "copied": model_copies.copied,
        "pickled": model_copies.pickled,
        "backends": lambda trial: model_copies.moved(trial, backends),
        "rows alone": model_calls.rows_alone,
        "padding": model_calls.padding,
        "row order": model_calls.row_order,
        "inference changes nothing": model_calls.changes_nothing,
        "threads": model_calls.in_threads,
        "forward": model_passes.forward,
        "gradients": lambda trial: model_passes.gradient_values(trial, 1e-5),
        "gradients of rows": model_passes.rows_of_gradients,
        "gradients past the ends": model_passes.padded_passes,
        "passes add up": model_passes.interleaved,
        "backward in threads": model_passes.backward_in_threads,
        "evaluate": model_fits.evaluates,
        "accumulate": model_fits.accumulates,
        "truncate": model_fits.truncates,
        "frozen": model_fits.frozen,
        "two fits": model_fits.two_fits,
        "optimizer state": model_fits.optimizer_state,
        "resumed": model_resumes.resumed,
        "ranks": model_ranks.shared,
        "moved in training": lambda trial: model_fits.moved_in_training(trial, backends),
        "parts apart": model_fits.parts_apart,
        "planned": model_plans.planned,
        "loop": model_fits.written_out,
    }
    for name in _OF_PASSES:
        relations[name] = unless_rounding(relations[name], backends if name == "backends" else ())
    return relations


def check_model(
    model: Layer,
    *inputs: Any,
    lengths: Any = "auto",
    loss: str | Loss | Sequence[str | Loss | None] | None = None,
    target: Any = None,
    optimizer: str | Callable[..., Any] | None = None,
    schedule: Callable[[], Any] | None = None,
    backend: str | Backend | None = None,
    dtype: str | None = None,
    backends: Sequence[str] = _BACKENDS,
    tolerance: float | None = None,
    seed: int = 0,
    skip: Collection[str] = (),
) -> Report:
    """Prove a model: whatever way it is asked, trained, kept or moved, what comes out must be the same.

    Parameters
    ----------
    model : Layer
        As its constructor makes it, or built. It is copied for every relation and stays as it is.
    *inputs : tuple of int, or array
        The shape of each input with its batch, such as ``(5, 7, 3)``, or an array, such as an embedding's integers.
    lengths : (batch,) integers, a tuple of one such, or None, for each input, None or "auto"
        How many steps each row has; "auto" draws them where there is a time axis of open size.
    loss : str or Loss, or a tuple of one, or None, for each of several outputs, optional
        With one, the model is also trained; with several, on their sum.
    target : array-like, or a tuple of one, or None, for each of several outputs, optional
        Drawn to fit the loss if not given: classes, 0 and 1, labels of CTC, or numbers.
    optimizer : str or function of the parameters, optional
        As for `Trainer`; SGD if not given.
    schedule : callable, optional
        Returns a new schedule of the learning rate for each run, such as ``lambda: CosineDecay(9)``.
    backend, dtype : optional
        Of a model that is not built: the default backend and float64.
    backends : sequence of str
        Where it must give the same; those that are not here are left out.
    tolerance : float, optional
        Of what may differ by rounding, relative to the largest number: 1e-9 in float64, 2e-3 in float32. One that is
        given is held whatever rounding does.
    seed : int
    skip : collection of str
        Relations to leave out, by the names in the report.

    Returns
    -------
    Report
        Printed, a table of the relations: what was measured, or why one was skipped. ``worst`` holds the largest
        difference by relation, ``worst_by_backend`` that to each other backend.

    Raises
    ------
    ModelCheckError
        At the first relation that does not hold: one line with the model, the relation, and what differed.

    Notes
    -----
    Each relation needs what ``lamina.testing.models.MODEL_RELATIONS`` says, and is skipped where that is not so, never
    because the model fails: nothing else that raises is taken for a skip. One that fails by no more than rounding alone
    is seen to move a pass, or a trained model, is skipped, and says so. Where trained models are compared but for
    rounding, and for gradients, a model of float32 is taken in float64.

    - *call*: a call = infer = forward outside of training, lengths by name = by position; *predict* at any batch
      size, and from a list of rows; *stream*, piece by piece, with any of several inputs
      given whole; *saved* and loaded, *copied*, *pickled*, parts of it
      too; on other *backends*, and back.
    - *rows alone*: each row cut to its length gives what it gives in the batch; *padding*: whatever stands past the
      ends, and however much; *row order*.
    - *inference changes nothing*: no weight, gradient, draw, input or argument. *threads*.
    - *forward* = call, and where layers draw, the same draws however it is asked. *gradients*: central
      differences, through the loss too; the *gradients of rows* add up to the batch's, with zeros past the ends; so do
      *passes* side by side, and *backward in threads*.
    - *evaluate* at any batch size; *accumulate* = one batch; *truncate* over the whole length = none; *frozen*
      parameters stay; *two fits* of an epoch = one of two; *optimizer state* saved and loaded = going on; a run kept in
      a folder, ended after a step and *resumed* = one that was not; several *ranks* that share each batch = one;
      *moved in training* to another backend = staying;
      *parts apart*, in memory of their own, = side by side; *planned* steps = those by kernels; the trainer = the
      *loop* written out. *evaluate*, *accumulate*, *two fits* and *loop* also with rows of different weights, where the
      loss takes a mask.

    Examples
    --------
    >>> import lamina
    >>> model = lamina.Sequential(lamina.layers.GRU(3, return_sequences=True), lamina.layers.Dense(2))
    >>> report = check_model(model, (5, 6, 2), loss="mse", backends=["reference"])
    >>> set(report.skipped) <= {"planned"}  # which needs Numba
    True
    >>> report.worst["gradients"] < 1e-6
    True
    """
    if not isinstance(model, Layer):
        raise ArgumentError(f"check_model: expected a model, got {model!r}")
    if not inputs:
        raise ArgumentError("check_model: expected the shape of an input, such as (5, 7, 3), or an array")
    report = Report(" ".join(repr(model).split()))
    trial = ModelTrial(
        model,
        inputs,
        lengths=lengths,
        loss=read_losses(loss),
        target=target,
        optimizer=optimizer,
        schedule=schedule,
        backend=backend,
        dtype=dtype,
        seed=seed,
        tolerance=tolerance,
    )

    def on(name: str, relation: Relation) -> Callable[[], str | None]:
        def run() -> str | None:
            trial.recycle()
            found = relation(trial)
            if isinstance(found, dict):
                report.worst_by_backend.update(found)
                return ", ".join(f"{other} {value:.0e}" for other, value in found.items())
            if isinstance(found, float):
                report.worst[name] = found
                return f"worst difference {found:.1e}" if found else None
            return found

        return run

    checks = {name: on(name, relation) for name, relation in relations_of(backends).items()}
    return Runner(report.subject, ModelCheckError, checks, skip, report).run()
