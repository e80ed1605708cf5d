"""A callback that writes what TensorBoard shows: figures, histograms of weights and gradients, confusion matrices."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from lamina.backends import Array
from lamina.core.arguments import whole
from lamina.errors import MissingPackageError
from lamina.files import require_writable
from lamina.files.drawing import new_figure, png
from lamina.files.whole import refusal
from lamina.metrics.tables import labels_of, names_for
from lamina.train.callback import Training
from lamina.train.epoch_log import EpochLog

__all__ = ["TensorBoard"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]

# How many bars a histogram has, as TensorBoard draws them.
_BARS = 64
# Up to how many classes a confusion matrix has its numbers, and its classes' names.
_MOST_NUMBERS, _MOST_NAMES = 12, 40


class TensorBoard(EpochLog):
    """Write the figures of each epoch for TensorBoard, histograms of weights and gradients, and confusion matrices.

    ``tensorboard --logdir FOLDER`` shows them; the training's and the validation's stand in one picture, by runs
    ``train`` and ``validation``. Figures are there by name, those of each class, such as ``Recall(average=None)``, one
    by one, and the matrix of a `ConfusionMatrix` among the metrics as a picture, drawn by matplotlib. Gradients are
    those of the epoch's last step; there are none where a run is resumed between that and the epoch's end.

    Each epoch is on the disk when it has ended. A second `fit` goes on with epochs numbered on. Of what is there from
    an earlier run of the program, or in a run that is resumed from epochs after its checkpoint's, TensorBoard shows
    nothing.

    Parameters
    ----------
    folder : str or Path
        Is made where there is none.
    histograms : int
        After how many epochs there are histograms; 0 for none.

    Raises
    ------
    MissingPackageError
        Before training, if tensorboardX is not installed.
    OutputError
        If the folder cannot be written to; before training, where that is known.
    """

    def __init__(self, folder: str | Path, histograms: int = 1) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.histograms = whole(self, "histograms", histograms, least=0)
        self._writers: dict[str, Any] = {}
        self._stepped = False

    def check(self, trainer: Training) -> None:
        """Raise where there is nothing to write with, or nowhere to write to."""
        try:
            import tensorboardX.event_file_writer  # noqa: F401
        except ImportError as error:
            told = f"TensorBoard: needs tensorboardX: pip install -e '.[tensorboard]' ({error})"
            raise MissingPackageError(told) from error
        if any(metric.gives_array for metric in getattr(trainer, "metrics", ())):
            new_figure(1, 1)  # raises where matplotlib is not installed
        require_writable(self.folder / "train" / "events")

    def on_epoch_begin(self, trainer: Training, epoch: int) -> None:
        """Wait for a gradient."""
        self._stepped = False

    def on_step_end(self, trainer: Training, epoch: int, step: int, loss: Array) -> None:
        """Know that there is one."""
        self._stepped = True

    def write(self, trainer: Training, epoch: int, values: dict[str, float]) -> None:
        """Write the figures, and what else it is time for."""
        last = {name: each[-1] for name, each in trainer.history.arrays.items() if each}
        names = trainer.history.class_names
        try:
            for run, own in _by_run({**values, **last}).items():
                self._write(run, epoch, [one for name, value in own.items() for one in _shown(name, value, names)])
            if self.histograms and epoch % self.histograms == 0:
                self._write("train", epoch, list(_histograms(trainer, self._stepped)))
            for writer in self._writers.values():
                writer.flush()
        except OSError as error:
            raise refusal(self.folder, error) from error

    def on_train_end(self, trainer: Training) -> None:
        """Close the files."""
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on after as many epochs as `state_dict` returned.

        Raises
        ------
        CheckpointError
            If it is no such state.
        """
        super().load_state_dict(state)
        self._writers, self._stepped = {}, False

    def _write(self, run: str, epoch: int, values: list[Any]) -> None:
        """Add an event of an epoch to a run's file; the first says that later ones of earlier files do not count."""
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog
        from tensorboardX.proto.summary_pb2 import Summary

        if run not in self._writers:
            folder = self.folder / run
            folder.mkdir(parents=True, exist_ok=True)
            number = sum(1 for _ in folder.glob("events.out.tfevents.*"))  # two of one second must not be one
            writer = self._writers[run] = EventsWriter(str(folder / "events"), f".{number:06d}")
            start = SessionLog(status=SessionLog.START)
            writer.write_event(Event(wall_time=time.time(), step=epoch, session_log=start))
        self._writers[run].write_event(Event(wall_time=time.time(), step=epoch, summary=Summary(value=values)))


def _by_run(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return figures without ``val_`` in front, those of the validation apart."""
    found: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        run = "validation" if name.startswith("val_") else "train"
        found.setdefault(run, {})[name.removeprefix("val_")] = value
    return found


def _shown(name: str, value: Any, class_names: Any) -> Iterator[Any]:
    """Return a figure as TensorBoard's: a number, one for each class, or a picture of a matrix."""
    from tensorboardX.proto.summary_pb2 import Summary

    if not np.ndim(value):
        yield Summary.Value(tag=name, simple_value=value)
    elif np.ndim(value) == 1:
        for own, one in zip(labels_of(len(value), names_for(name, class_names)), value.tolist(), strict=True):
            yield Summary.Value(tag=f"{name}/{own}", simple_value=one)
    elif np.ndim(value) == 2:
        picture = _matrix_picture(name, value, labels_of(len(value), names_for(name, class_names)))
        width, height = (int.from_bytes(picture[start : start + 4], "big") for start in (16, 20))  # as a PNG has them
        image = Summary.Image(encoded_image_string=picture, width=width, height=height, colorspace=4)
        yield Summary.Value(tag=name, image=image)


def _histograms(trainer: Training, with_gradients: bool) -> Iterator[Any]:
    """Return those of each parameter that is trained."""
    from tensorboardX.proto.summary_pb2 import Summary
    from tensorboardX.summary import make_histogram

    for name, parameter in trainer.model.named_parameters().items():
        if parameter.trainable:
            arrays = {"weights": parameter.data} | ({"gradients": parameter.grad} if with_gradients else {})
            for kind, array in arrays.items():
                numbers = parameter.backend.to_numpy(array).astype(np.float64).reshape(-1)
                numbers = numbers[np.isfinite(numbers)]
                if numbers.size:
                    yield Summary.Value(tag=f"{kind}/{name}", histo=make_histogram(numbers, _BARS))


def _matrix_picture(name: str, matrix: NumpyArray, labels: tuple[str, ...]) -> bytes:
    """Return a picture of what was taken for what, (true, told), as PNG."""
    rows, columns = matrix.shape
    size = min(12.0, 3 + 0.35 * columns)
    figure = new_figure(size, size)
    axes: Any = figure.subplots()
    totals = matrix.sum(axis=1, keepdims=True)
    axes.imshow(matrix / np.where(totals > 0, totals, 1), cmap="Blues", vmin=0, vmax=1)
    if columns <= _MOST_NUMBERS:
        for (row, column), one in np.ndenumerate(matrix):
            dark = one > 0.5 * max(float(totals[row, 0]), 1e-12)
            axes.text(column, row, f"{one:.4g}", ha="center", va="center", color="white" if dark else "black")
    if columns <= _MOST_NAMES:
        axes.set_yticks(range(rows), labels, parse_math=False)
        axes.set_xticks(range(columns), [*labels, "none"][:columns], rotation=90, parse_math=False)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title(name.replace("_", " "), parse_math=False)
    return png(figure)
