"""Gradients over time: whether they vanish or explode on their way back through a recurrent layer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from lamina.compose.watched import watched
from lamina.core.layer import Layer
from lamina.core.lengths import lengths_after, read_lengths
from lamina.errors import ArgumentError
from lamina.files.html import picture, table
from lamina.inspect.batch import as_batch, free_name, unknown_layer
from lamina.kinds.recurrent import RecurrentLayer
from lamina.losses.loss import Loss

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["GradientFlow", "gradient_flow"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]


class GradientFlow:
    """The norm of dL/dh_t for each step of each recurrent layer; ``flow["0"]`` is a layer's, (time,).

    Of ragged data it is over the rows that have that step: 0 where none has.

    Attributes
    ----------
    rows : dict of str to (batch, time) float64
        By the layer's path: each row's norm, 0 past its end. A layer that was called again has another entry,
        such as ``"encoder (call 2)"``.
    labels : dict of str to str
        The layers' classes.
    lengths : dict of str to (batch,) int64
        How many steps each row has in the layer.
    """

    def __init__(self, rows: dict[str, NumpyArray], labels: dict[str, str], lengths: dict[str, NumpyArray]) -> None:
        self.rows = rows
        self.labels = labels
        self.lengths = lengths

    def __getitem__(self, name: str) -> NumpyArray:
        """Return a layer's norms over the whole batch: (time,)."""
        if name not in self.rows:
            raise unknown_layer(name, self.rows)
        norms: NumpyArray = np.sqrt((self.rows[name] ** 2).sum(axis=0))
        return norms

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def ratio(self, name: str) -> float:
        """Return the first step's norm over the last one's, of each row its own last one; NaN where that is 0.

        Far below 1 the gradient vanishes on its way back, far above 1 it explodes. Empty rows have no part in it.
        """
        if name not in self.rows:
            raise unknown_layer(name, self.rows)
        rows, lengths = self.rows[name], self.lengths[name]
        some = np.flatnonzero(lengths)
        first, last = (np.linalg.norm(rows[some, steps]) for steps in (0 * some, lengths[some] - 1))
        return float(first / last) if last else float("nan")

    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw the norms over time, a line for each layer, on a logarithmic scale.

        Parameters
        ----------
        path : str or Path, optional
            Where to save the picture: its suffix, png, svg or pdf, is the format.

        Returns
        -------
        matplotlib Figure

        Raises
        ------
        MissingPackageError
            If matplotlib is not installed.
        ArgumentError
            If the suffix is another one.
        OutputError
            If the picture cannot be saved.
        """
        from lamina.files.drawing import LINE_COLORS, new_figure, picture_format, save_figure, style_axes

        suffix = picture_format(path)
        figure = new_figure(7.2, 3.8)
        axes: Any = figure.subplots()
        for index, name in enumerate(self.rows):
            norms = self[name]
            shown = np.where(norms > 0, norms, np.nan)  # a logarithm has no 0
            color = LINE_COLORS[index % len(LINE_COLORS)]
            marker = "o" if len(norms) == 1 else ""
            label = f"{name} {self.labels[name]}" if name != self.labels[name] else name
            axes.plot(shown, color=color, linewidth=2, marker=marker, label=label)
        axes.set_yscale("log")
        style_axes(axes, "time step", r"norm of $\partial L / \partial h_t$")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.margins(x=0.02, y=0.1)
        axes.legend(frameon=True, facecolor="white", edgecolor="none", framealpha=0.9, fontsize=10)
        save_figure(figure, path, suffix)
        return figure

    def _repr_html_(self) -> str:
        rows = [
            (name, self.labels[name], str(rows.shape[1]), f"{self.ratio(name):.1e}") for name, rows in self.rows.items()
        ]
        shown = table(("layer", "class", "steps", "first step over last"), rows, "llrr", caption="gradient flow")
        return shown + picture(self.plot, "the gradients' norms over time, a line for each layer")

    def __repr__(self) -> str:
        parts = [f"{name}: {self.ratio(name):.1e}" for name in self.rows]
        return f"<GradientFlow, first step over last: {', '.join(parts)}>"


def gradient_flow(
    model: Layer, x: Any, y: Any, loss: str | Loss = "softmax_cross_entropy", *, lengths: Any = None
) -> GradientFlow:
    """Return the norm of dL/dh_t over time for each recurrent layer of a model.

    dL/dh_t is the whole gradient: what reaches the output of step t from above and through the later steps.
    The model and its gradients stay as they are.

    Parameters
    ----------
    model : Layer
        Built, with at least one `RecurrentLayer` in it.
    x, y, lengths : as for `Trainer.fit`
        Taken as one batch.
    loss : str or Loss

    Returns
    -------
    GradientFlow

    Raises
    ------
    ArgumentError
        If there is no recurrent layer, or as `Trainer.fit`.
    NotBuiltError, ShapeError, DTypeError, DataError

    Notes
    -----
    Each layer runs forward and backward one step at a time, as the gradients of the states between steps are
    what is looked for: slower than training, and equal to it.

    Examples
    --------
    >>> import lamina
    >>> model = lamina.layers.SimpleRNN(2, w_h_initializer=0.1, return_sequences=False)
    >>> model.build((None, None, 1), seed=0)
    (None, 2)
    >>> flow = gradient_flow(model, np.ones((1, 12, 1)), [0])
    >>> flow.ratio("SimpleRNN") < 1e-7
    True
    """
    loss = Loss.registry.create(loss)
    batch = as_batch(model, x, y, lengths, loss)
    rows: dict[str, NumpyArray] = {}
    labels: dict[str, str] = {}
    ends: dict[str, NumpyArray] = {}

    def forward(layer: Any, method: Any, *inputs: Any, lengths: Any = None, **options: Any) -> Any:
        """Run a recurrent layer one step at a time; keep what each step saved."""
        if not isinstance(layer, RecurrentLayer):
            return method(*inputs, lengths=lengths, **options)
        if lengths is not None:
            lengths = read_lengths(layer, lengths, inputs)
        x, *given = inputs
        states = tuple(given) or (None,) * len(layer.state_sizes)
        has_states = layer.check_states(x, states)
        name = free_name(layer, rows)
        batch_size, time = x.shape[0], x.shape[1]
        rows[name], labels[name] = np.zeros((batch_size, time)), type(layer).__name__
        ends[name] = np.full(batch_size, time) if lengths is None else lengths
        steps, kept = [], []
        for t in reversed(range(time)) if layer.go_backwards else range(time):
            valid = None if lengths is None else (lengths > t).astype(np.int64)
            h, states, content = layer.run(x[:, t : t + 1, ...], states, valid)
            steps.append(h)
            kept.append((t, valid, content))
        if kept:
            h = layer.backend.concatenate(steps[::-1] if layer.go_backwards else steps, 1)
        else:
            h, states, _ = layer.run(x, states, lengths)
        return layer.outputs(h, states), (name, kept, has_states)

    def backward(layer: Any, method: Any, dy: Any, saved: Any, **options: Any) -> Any:
        """Run a recurrent layer's gradient one step at a time; note the norm of each step's."""
        if not isinstance(layer, RecurrentLayer):
            return method(dy, saved, **options)
        name, kept, has_states = saved
        dh, dstates = layer.gradients_of(dy)
        norms, parts = rows[name], {}
        to_numpy = layer.backend.to_numpy
        while kept:
            t, valid, content = kept.pop()
            total = 0.0 if dstates[0] is None else to_numpy(dstates[0])
            step = None if dh is None else dh[:, t : t + 1, ...]
            if step is not None:
                total = total + to_numpy(step)[:, 0]
            squares = np.square(np.asarray(total, np.float64))
            norms[:, t] = np.sqrt(squares.sum(axis=-1)) if squares.ndim else 0.0
            if valid is not None:
                norms[valid == 0, t] = 0
            parts[t], dstates = layer.run_backward(step, dstates, content)
        dx = layer.backend.concatenate([parts[t] for t in sorted(parts)], 1)
        return (dx, *dstates) if has_states else dx

    twin = watched(model, forward=forward, backward=backward)
    prediction, saved = twin.forward(*batch.inputs, **batch.options)
    after = lengths_after(twin, batch.options.get("lengths"))
    _, loss_saved = loss.forward_on(model.backend, prediction, batch.target, lengths=after)
    if not rows:
        raise ArgumentError(f"gradient_flow: {model.label} has no recurrent layer")
    twin.backward(loss.backward(loss_saved), saved)
    return GradientFlow(rows, labels, ends)
