"""Models that tell numbers: of each row, or of a series' next steps. They learn standardized ones, and give units."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from lamina import recipes
from lamina.cli.facts import require_data_facts
from lamina.cli.memory import require_memory
from lamina.cli.npz import NumpyArray
from lamina.cli.part import Data, Part, fingerprint, require_part
from lamina.cli.report import table_text
from lamina.cli.task import TEST_SHARE, Split, Task, Verdict, outputs_of
from lamina.compose.concat import Concat
from lamina.core.layer import Layer
from lamina.errors import ArgumentError, DataError
from lamina.layers import Dense, Flatten, Reshape
from lamina.losses import MeanSquaredError

__all__ = ["Forecast", "Regress"]

# So many columns of steps ahead fit a terminal.
_MOST_STEPS = 11


class Regress(Task):
    """Numbers for each row."""

    name = "regress"
    figure_name = "mean absolute error"
    expected = "(batch, outputs)"
    output_rank = 2
    cell = recipes.NUMBERS_CELL
    units = recipes.NUMBERS_UNITS
    axes: tuple[str, ...] = ("output",)

    def facts(self, data: Data) -> dict[str, Any]:
        """Return what is kept with the model, to read other files alike."""
        return {**super().facts(data), "targets": list(data.targets)}

    def describe(self, data: Data) -> str:
        """Return what the numbers are called."""
        return f"to tell {', '.join(data.targets)}"

    def loss(self) -> MeanSquaredError:
        """Return the squared error, of standardized targets."""
        return MeanSquaredError()

    def build(self, data: Data, first: Layer, options: dict[str, Any]) -> Layer:
        """Return a stack of cells and a Dense that gives numbers."""
        return recipes.build_stack(first, classes=len(data.targets), **options)

    def goal(self, part: Part, split: Split) -> NumpyArray:
        """Return the targets, standardized by those of the rows to train on."""
        mean, deviation = _scale(split.train.y)
        scaled: NumpyArray = (part.y - mean) / deviation
        return scaled

    def finish(self, model: Layer, split: Split, data: Data) -> None:
        """Put the targets' scale into the last Dense, so that the model gives them in their units."""
        mean, deviation = _scale(split.train.y)
        repeats = math.prod(split.train.y.shape[1:-1])
        (dense,) = [layer for layer in model if isinstance(layer, Dense)]  # type: ignore[attr-defined]
        state = model.state_dict()
        assert dense.b is not None
        scale, shift = np.tile(deviation, repeats), np.tile(mean, repeats)
        state[dense.w.name] = state[dense.w.name].astype(np.float64) * scale
        state[dense.b.name] = state[dense.b.name].astype(np.float64) * scale + shift
        model.load_state_dict(state)
        model.facts["task"]["target_mean"] = mean.tolist()
        model.facts["task"]["target_deviation"] = deviation.tolist()

    def judge(self, model: Layer, part: Part, data: Data) -> Verdict:
        """Return the errors, beside those of always telling the mean of the rows trained on."""
        self.require_targets(model, part.y.shape[-1], data)
        found = outputs_of(model, part.x, part.lengths, data.source, self.axes)
        mean = model.facts.get("task", {}).get("target_mean", part.y.mean(axis=0))
        error, naive = found - part.y, np.asarray(mean) - part.y
        absolute, baseline = np.abs(error).mean(axis=0), np.abs(naive).mean(axis=0)
        root = np.sqrt((error**2).mean(axis=0))
        spread = ((part.y - part.y.mean(axis=0)) ** 2).mean(axis=0)
        explained = np.where(spread > 0, 1 - root**2 / np.where(spread > 0, spread, 1), np.nan)
        heads = ["mean absolute error", "of the mean", "root mean squared error", "R squared"]
        columns = zip(data.targets, absolute, baseline, root, explained, strict=True)
        text = table_text("", heads, [(name, list(values)) for name, *values in columns])
        figure, other = float(absolute.mean()), float(baseline.mean())
        line = f"mean absolute error {figure:.4g} ({other:.4g} of always the mean of the training rows)"
        return Verdict(text, line, figure, {"mean_absolute_error": figure, "baseline": other})

    def require_targets(self, model: Layer, count: int, data: Data) -> None:
        """Raise `DataError` where a model tells another number of numbers than the data have."""
        assert isinstance(model.output_shape, tuple)
        if model.output_shape[-1] != count:
            raise DataError(f"{data.source!r}: expected {model.output_shape[-1]} targets of the model's, got {count}")


class Forecast(Regress):
    """The next steps of series, from a window of those before.

    Parameters
    ----------
    horizon : int
        How many steps to tell.
    window : int, optional
        How many to read: twice the season or, where there is none, the horizon, and 10 at least, if not given.
    season : int, optional
        After how many steps a series repeats itself, for the naive forecast to compare with.

    Raises
    ------
    ArgumentError
        If a season does not fit into the window.
    """

    name = "forecast"
    expected = "(batch, horizon, targets)"
    output_rank = 3
    axes = ("step", "output")

    def __init__(self, horizon: int = 1, window: int | None = None, season: int | None = None) -> None:
        self.horizon, self.season = horizon, season
        self.window = window or max(10, 2 * (season or horizon))
        if season is not None and season > self.window:
            raise ArgumentError(f"--window: expected a season of {season} steps at least, got {self.window}")

    def facts(self, data: Data) -> dict[str, Any]:
        """Return what is kept with the model, to read other files alike."""
        return {**super().facts(data), "window": self.window, "horizon": self.horizon, "season": self.season}

    def describe(self, data: Data) -> str:
        """Return what is forecast from what."""
        steps = "the next step" if self.horizon == 1 else f"the next {self.horizon} steps"
        return f"{steps} of {', '.join(data.targets)} from {self.window}"

    def build(self, data: Data, first: Layer, options: dict[str, Any]) -> Layer:
        """Return a stack of cells, beside the window itself, and a Dense: what is linear needs no cell."""
        outputs = self.horizon * len(data.targets)
        end = Reshape((self.horizon, len(data.targets)))
        return recipes.build_stack(
            first, classes=outputs, beside=lambda stack: Concat(stack, Flatten()), end=(end,), **options
        )

    def split(self, data: Data, seed: int, share: float) -> Split:
        """Return windows: those of each series' last fifth are to test on, and a share before it to validate."""
        series = require_part(data.train, "training", data)
        lengths = self._lengths(series)
        tested = lengths - np.maximum(self.horizon, np.rint(TEST_SHARE * lengths).astype(int))
        validated = tested - np.maximum(self.horizon, np.rint(share * tested).astype(int)) if share else tested
        least = int((validated - self.window - self.horizon).argmin())
        if validated[least] < self.window + self.horizon:
            name = series.ids[least] if series.ids is not None else str(least)
            raise DataError(
                f"{data.source!r}: series {name!r} has {lengths[least]} steps, too few for a window of {self.window} "
                f"and a horizon of {self.horizon}, and as many to {'validate and to ' if share else ''}test on"
            )
        train = self._windows(series, np.zeros_like(lengths), validated, data)
        validation = self._windows(series, validated, tested, data) if share else None
        test = self._windows(series, tested, lengths, data)
        facts = {"held_out_of": fingerprint(series), "held_out_seed": seed}
        return Split(train, validation, test, ", of the last fifth of each series", facts)

    def choose_part(self, model: Layer, data: Data, name: str | None) -> tuple[str, Part]:
        """Return the windows to evaluate a model on: of the end of the series it was trained on, else all."""
        series = require_part(data.train, "training", data)
        known = require_data_facts(model).get("held_out_of") == fingerprint(series)
        if known:
            split = self.split(data, 0, 0.0)
            return (name or "test"), (split.train if name == "train" else split.test)
        if name == "train":
            raise DataError(f"{data.source!r}: not the file that the model was trained on: leave out --part")
        lengths = self._lengths(series)
        windows = self._windows(series, np.zeros_like(lengths), lengths, data)
        if not len(windows):
            raise DataError(f"{data.source!r}: no series is {self.window + self.horizon} steps long")
        return "all windows", windows

    def last_windows(self, x: NumpyArray, lengths: NumpyArray | None, source: str) -> NumpyArray:
        """Return the end of each series, from which what follows is forecast."""
        whole = self._lengths(Part(x, np.arange(len(x)), lengths))
        if whole.min() < self.window:
            row = int(whole.argmin())
            raise DataError(f"{source!r}: expected {self.window} steps at least, got {whole[row]} in row {row}")
        return np.stack([one[length - self.window : length] for one, length in zip(x, whole, strict=True)])

    def judge(self, model: Layer, part: Part, data: Data) -> Verdict:
        """Return the errors by steps ahead, beside those of naive forecasts."""
        self.require_targets(model, part.y.shape[-1], data)
        past = part.x[:, :, self._targets(data)]
        ahead = np.arange(self.horizon)
        rows = {"model": outputs_of(model, part.x, None, data.source, self.axes)}
        rows["last value"] = past[:, -1:].repeat(self.horizon, axis=1)
        if self.season is not None:
            rows["a season ago"] = past[:, self.window + ahead - self.season * (ahead // self.season + 1)]
        errors = {name: np.abs(found - part.y).mean(axis=(0, 2)) for name, found in rows.items()}
        shown = np.unique(np.linspace(0, self.horizon - 1, min(self.horizon, _MOST_STEPS)).round().astype(int))
        heads = [*(str(step + 1) for step in shown), "mean"]
        text = table_text(
            "mean absolute error, by steps ahead",
            heads,
            [(name, [*error[shown], error.mean()]) for name, error in errors.items()],
        )
        means = {name: float(error.mean()) for name, error in errors.items()}
        figure = means.pop("model")
        others = ", ".join(f"{name} {mean:.4g}" for name, mean in means.items())
        facts = {"mean_absolute_error": figure, **{name.replace(" ", "_"): mean for name, mean in means.items()}}
        return Verdict(text, f"mean absolute error {figure:.4g} ({others})", figure, facts)

    def _lengths(self, series: Part) -> NumpyArray:
        return np.full(len(series), series.x.shape[1]) if series.lengths is None else series.lengths

    def _targets(self, data: Data) -> NumpyArray:
        """Return which features are forecast: the last ones."""
        part = require_part(data.train, "training", data)
        return np.arange(part.x.shape[2])[-len(data.targets) :]

    def _windows(self, series: Part, start: NumpyArray, stop: NumpyArray, data: Data) -> Part:
        """Return all windows whose targets lie in [start, stop) of their series; the past may reach before it."""
        positions = self._targets(data)
        first, last = np.maximum(start, self.window), stop - self.horizon + 1
        features, count = series.x.shape[2], int(np.maximum(last - first, 0).sum())
        needed = 8 * count * (self.window * features + self.horizon * len(positions))
        require_memory(needed, data.memory, repr(data.source), f"{count} windows of {self.window} steps")
        x = np.empty((count, self.window, features), series.x.dtype)
        y = np.empty((count, self.horizon, len(positions)), series.x.dtype)
        place = 0
        for one, begin, end in zip(series.x, first.tolist(), last.tolist(), strict=True):
            if begin < end:
                past = sliding_window_view(one[begin - self.window : end - 1], self.window, axis=0)
                ahead = sliding_window_view(one[begin : end + self.horizon - 1, positions], self.horizon, axis=0)
                x[place : place + end - begin] = past.transpose(0, 2, 1)
                y[place : place + end - begin] = ahead.transpose(0, 2, 1)
                place += end - begin
        return Part(x, y, None)


def _scale(y: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
    """Return the mean and the deviation of each target; 1 where it is constant."""
    rows = y.reshape(-1, y.shape[-1])
    deviation = rows.std(axis=0)
    return rows.mean(axis=0), np.where(deviation > 0, deviation, 1.0)
