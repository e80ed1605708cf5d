"""`check_layer`: one call that proves a layer."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from lamina.backends import Backend
from lamina.core.layer import Layer
from lamina.testing.proofs import layer_conduct, layer_keeping, layer_lengths, layer_streaming, layer_values
from lamina.testing.proofs.trial import Trial
from lamina.testing.report import LayerCheckError, Report, Runner

__all__ = ["check_layer"]


def check_layer(
    layer: Layer,
    *inputs: Any,
    state: Any = None,
    backend: str | Backend | None = None,
    lengths: bool | str = "auto",
    ignores_padding: bool | None = None,
    tolerance: float = 1e-6,
    seed: int = 0,
    skip: Collection[str] = (),
) -> Report:
    """Prove a layer: its gradients, and everything else that the interface promises.

    Parameters
    ----------
    layer : Layer
        As its constructor makes it, not built. It is copied for every check and stays as it is.
    *inputs : tuple of int, or array
        The shape of each input, with real sizes, such as ``(4, 5, 3)``; at least 4 rows let the ragged lengths
        hold an empty row and a full one. An array is used as it is, such as an embedding's integers.
    state : tuple of int, or list of them, optional
        The shapes of further inputs without a time axis, such as an initial state.
    backend : str or Backend, optional
        The default backend if not given.
    lengths : bool or "auto"
        Whether batches with rows of unequal length are tried. "auto" tries them where the first input is
        (batch, time, features), or integers (batch, time).
    ignores_padding : bool, optional
        Whether the layer itself must leave out what stands past a row's end: NaN there, in inputs and in dy,
        must not matter, and the output there is 0. By default this holds for a recurrent layer, and for one
        without layers in it, that takes ``lengths`` in forward. Of others it is asked that finite padding does
        not reach the valid steps, and that no gradient arises where none came in.
    tolerance : float
        Of the gradient checks; see `check_gradients` for the choice.
    seed : int
    skip : collection of str
        Names of checks to leave out, as they stand in the report: the "inference" of a layer that draws random
        numbers in training, say, is not its forward. Such draws are the same in all passes here, where the layer
        is a `RandomLayer`.

    Returns
    -------
    Report
        Printed, a table of all checks; it says which did not apply, and why.

    Raises
    ------
    LayerCheckError
        At the first check that fails: one line with the layer, the check, what was expected and what came.

    Examples
    --------
    >>> import lamina
    >>> class Scale(lamina.Layer):
    ...     def build(self, shape):
    ...         self.factor = lamina.Parameter(shape[-1:], "ones")
    ...         return shape
    ...     def forward(self, x):
    ...         return x * self.factor.data, x
    ...     def backward(self, dy, x):
    ...         self.factor.grad += (dy * x).sum(axis=(0, 1))
    ...         return dy * self.factor.data
    >>> report = check_layer(Scale(), (4, 5, 3))
    >>> "gradients" in report.passed, report.worst_error < 1e-6
    (True, True)
    """
    states = () if state is None else tuple(state) if isinstance(state, list) else (state,)
    trial = Trial(layer, inputs, states, backend, lengths, ignores_padding, seed)

    def gradients(ragged: bool) -> str:
        error = layer_values.gradients(trial, ragged, tolerance)
        runner.report.worst_error = max(runner.report.worst_error, error)
        return f"worst error {error:.1e}"

    def on(check: Callable[[Trial], str | None]) -> Callable[[], str | None]:
        return lambda: check(trial)

    checks: dict[str, Callable[[], str | None]] = {
        "shapes": on(layer_values.shapes),
        "errors": on(layer_conduct.errors),
        "dtypes": on(layer_values.dtypes),
        "read-only": on(layer_conduct.read_only),
        "gradients": lambda: gradients(ragged=False),
        "gradients, ragged": lambda: gradients(ragged=True),
        "every parameter": on(layer_values.every_parameter),
        "accumulation": on(layer_conduct.accumulation),
        "input gradient": on(layer_conduct.input_gradient),
        "interleaving": on(layer_conduct.interleaving),
        "saved state": on(layer_conduct.saved_state),
        "nothing kept": on(layer_conduct.nothing_kept),
        "padding": on(layer_values.padding),
        "row alone": on(layer_values.row_alone),
        "several lengths": on(layer_lengths.several),
        "batch order": on(layer_values.batch_order),
        "memory layout": on(layer_values.memory_layout),
        "generic kernel": on(layer_values.generic_kernel),
        "threads": on(layer_conduct.threads),
        "inference": on(layer_conduct.inference),
        "streaming": on(layer_streaming.streaming),
        "deterministic": on(layer_conduct.determinism),
        "copies": on(layer_keeping.copies),
        "arguments": on(layer_keeping.arguments),
        "configuration": on(layer_keeping.configuration),
        "saving": on(layer_keeping.saving),
        "repr": on(layer_keeping.representation),
    }
    runner = Runner(_name(trial), LayerCheckError, checks, skip)
    return runner.run()


def _name(trial: Trial) -> str:
    text = " ".join(repr(trial.template).split())
    return text if len(text) <= 100 else f"{text[:97]}..."
