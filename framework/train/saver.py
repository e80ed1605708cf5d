"""Checkpoints of a training run: what of it is kept, when, and how it is put back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lamina.checkpoints.every import Every
from lamina.checkpoints.fingerprint import require_same
from lamina.checkpoints.store import BEST, Content, Store
from lamina.core.arguments import instance, whole
from lamina.core.layer import Layer
from lamina.core.model_file import require_savable
from lamina.core.version import __version__
from lamina.errors import ArgumentError, CheckpointError, LaminaError
from lamina.files import require_writable
from lamina.files.folder import locked_folder
from lamina.kinds.random import RandomLayer
from lamina.train.callback import Training, sound_figure
from lamina.train.meter import listed
from lamina.train.place import Place
from lamina.train.saved import Saved, content_of, deal, require_content

__all__ = ["Saver"]


class Saver:
    """Writes the checkpoints of a run, and puts the latest back where there is one.

    Parameters
    ----------
    folder : str or Path
    every : int or str
        As for `Every`.
    keep : int
        How many of the latest stay.

    Raises
    ------
    ArgumentError
        If one of them is not what it should be.
    """

    #: Of the run's ranks this one.
    rank = 0

    def __init__(self, folder: Any, every: Any, keep: Any) -> None:
        if not isinstance(folder, (str, Path)) or not str(folder):
            raise ArgumentError(f"Trainer: expected checkpoint to be the path of a folder, got {folder!r}")
        self.folder = Path(folder)
        self._every = Every(every)
        self._store = Store(self.folder, whole("Trainer", "keep", keep))
        self._settings: dict[str, Any] = {}
        self._found: Content | None = None
        self._written_at = 0.0
        self._last: tuple[int, int, int] | None = None
        self._best = float("nan")
        self._steps_before = 0
        self._keeps_best = True
        self._before: tuple[Any, Any] = ({}, {})

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Have the folder alone while the block runs.

        Raises
        ------
        OutputError
            If it cannot be written to, or another run has it.
        """
        with locked_folder(self.folder):
            yield

    def read(self, model: Layer, settings: dict[str, Any], training: Training) -> None:
        """Read what the folder holds, before anything changes.

        Parameters
        ----------
        model : Layer
            Built.
        settings : dict
            By which a run is known, by name.
        training : Training

        Raises
        ------
        CheckpointError
            If it holds another run, one of a newer version, or nothing that can be read.
        """
        require_writable(self.folder / BEST)
        self._settings = settings
        self._found, told = self._store.latest(model.backend)
        if told:
            training.note(f"{self.folder}: {told}")
        if self._found is not None:
            require_content(str(self.folder), self._found)
            require_same(str(self.folder), self._found["settings"], settings)
        try:
            require_savable(model)
        except CheckpointError:  # its weights can be kept, but no file could say what model it is
            self._keeps_best = False

    @property
    def is_finished(self) -> bool:
        """Whether the run that the folder holds came to its end."""
        return self._found is not None and bool(self._found["finished"])

    def put_model(self, run: Saved) -> None:
        """Put back the model alone, so that it measures no data again; `put` does so once callbacks have begun."""
        if self._found is not None:
            self._before = run.model.state_dict(), run.optimizer.state_dict()
            with self._put_back_on_error(run):
                self._put_model(run, self._found)

    def _put_model(self, run: Saved, found: Content) -> None:
        model = run.model
        model.load_state_dict(found["parameters"])
        for name, parameter in model.named_parameters().items():
            parameter.trainable = name not in found["frozen"]
        drawing = {path: layer for path, layer in model.walk() if isinstance(layer, RandomLayer)}
        for path, layer in drawing.items():
            if found["draws"][path] is not None:
                layer.reseed(**found["draws"][path])
        if set(drawing) != set(found["draws"]):
            raise CheckpointError(f"{str(self.folder)!r}: has the draws of {sorted(found['draws'])}")

    def put(self, run: Saved) -> Place:
        """Put back all that a checkpoint holds; return where the run stands. Callbacks know that it begins."""
        self._written_at = time.monotonic()
        if self._found is None:
            # What cannot be kept is found before the first step, and what callbacks saw at the beginning is known.
            self.write(run, Place())
            return Place()
        found, self._found = self._found, None
        with self._put_back_on_error(run):
            place = self._put(run, found)
            if place.begun:
                deal(run, found, place, self.rank)
        run.training.note(self._told(run, found, place))
        return place

    @contextmanager
    def _put_back_on_error(self, run: Saved) -> Iterator[None]:
        """Leave weights and optimizer as they were before, and raise a typed error, where the block raises."""
        try:
            yield
        except Exception as error:
            weights, state = self._before
            run.model.load_state_dict(weights)
            run.optimizer.load_state_dict(state)
            if isinstance(error, LaminaError):
                raise
            raise CheckpointError(f"{str(self.folder)!r}: its content is no run's ({error!r})") from error

    def _put(self, run: Saved, found: Content) -> Place:
        """Put back what was found; return where the run stands."""
        place = Place.of(found["place"])
        for state in (place.order, found["generator"]) if place.begun else (found["generator"],):
            run.generator.bit_generator.state = state
        self._put_model(run, found)
        for callback, state in zip(run.callbacks, found["callbacks"], strict=True):
            instance(callback, "state", state, dict)
            callback.load_state_dict(state)
        run.optimizer.load_state_dict(found["optimizer"])  # after the callbacks, of which some set its rate
        run.training.history.load_state_dict(found["history"])
        run.stopped, self._best, self._steps_before = found["stopped"], found["best"], found["steps"]
        run.model.facts["training"] = found["training"]
        self._last = self._steps_before, place.epoch, place.steps
        return place

    def _told(self, run: Saved, found: Content, place: Place) -> str:
        """Return what to say of a run that goes on, and let it do so where it can."""
        epochs = run.training.epochs
        if found["finished"]:
            ended = f"after {len(run.training.history)} of {epochs} epochs"
            return f"{self.folder}: this run is finished, {ended}: nothing is trained"
        where = f"epoch {place.epoch} of {epochs}"
        where = f"step {place.steps} of {where}" if place.steps else f"the beginning of {where}"
        others = [
            f"was begun {what} {before}, goes on {what} {now}: numbers may differ by rounding"
            for what, before, now in (
                ("with lamina", found["lamina"], __version__),
                ("by", found["taken_by"], run.taken_by),
                ("on", *(f"{count} rank{'s' * (count != 1)}" for count in (found["ranks"], run.rank_count))),
            )
            if before != now
        ]
        if place.meter is not None and found["backend"] != run.model.backend.name:
            # Where a metric keeps its sums, it alone knows.
            place.meter = [(means, None) for means, _ in listed(place.meter)]
            others.append(f"the metrics of epoch {place.epoch} are of what is left of it")
        other_ranks = found["ranks"] != run.rank_count and not run.taken_by.startswith("kernels")
        if place.start and (found["taken_by"] != run.taken_by or other_ranks):
            others.append(f"batch {place.batches + 1} begins again, as its states are those of {found['taken_by']}")
            place.start, place.carried = 0, None
        return "; ".join([f"{self.folder}: goes on from {where}", *others])

    def step_ended(self, run: Saved, place: Any) -> None:
        """Write a checkpoint where one is due.

        Parameters
        ----------
        run : Saved
        place : callable
            Returns where the run stands.
        """
        self._steps_before += 1
        if self._is_due(steps=self._steps_before):
            self.write(run, place())

    def epoch_ended(self, run: Saved, place: Place, values: dict[str, float]) -> None:
        """Keep the best epoch's model, and write a checkpoint where one is due, at the place before the next."""
        self._keep_best(run, values)
        if self._is_due(epochs=place.epoch - 1):
            self.write(run, place)

    def _is_due(self, steps: int = 0, epochs: int = 0) -> bool:
        """Tell whether a checkpoint is due where a step, or an epoch, has just ended."""
        return self._every.is_due(steps=steps, epochs=epochs, seconds=time.monotonic() - self._written_at)

    def _keep_best(self, run: Saved, values: dict[str, float]) -> None:
        name = "val_loss" if "val_loss" in values else "loss"
        value = sound_figure(run.training, name, values)
        if self._keeps_best and value == value and not value >= self._best:  # NaN is neither
            self._save_best(run.model)
            self._best = value

    def _save_best(self, model: Layer) -> None:
        model.save(self.folder / BEST)

    def write(self, run: Saved, place: Place, finished: bool = False) -> None:
        """Write a checkpoint, unless the last one says the same.

        Raises
        ------
        OutputError
            If it cannot be written; those before stay.
        CheckpointError
            If a metric or a callback keeps something that no file can hold.
        """
        at = self._steps_before, place.epoch, place.steps
        if at != self._last or finished:
            own = {"settings": self._settings, "steps": self._steps_before, "finished": finished, "best": self._best}
            self._store.write(self._steps_before, own | content_of(run, place))
            self._last, self._written_at = at, time.monotonic()
