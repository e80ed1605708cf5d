"""The trainer: fits a model to data, tells how well it does, and predicts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from lamina.checkpoints.every import EVERY
from lamina.core.arguments import flag, instance, whole
from lamina.core.layer import Layer
from lamina.data.goals import LossLike, MetricsLike, read_goals
from lamina.data.naming import Naming
from lamina.optimization.optimizer import Optimizer
from lamina.train.callback import Callback, read_callbacks
from lamina.train.fitting import batch_sizes
from lamina.train.history import History
from lamina.train.interruption import Interruption, SharedInterruption
from lamina.train.loop import Run
from lamina.train.one_step import Stepping
from lamina.train.optimizer_choice import OptimizerChoice, OptimizerLike
from lamina.train.precision import at_work, read_precision
from lamina.train.preparation import prepare
from lamina.train.progress import Progress, choose_progress
from lamina.train.ranks import read_ranks
from lamina.train.saver import Saver
from lamina.train.shared_saver import opened, saver_for

__all__ = ["Trainer"]


class Trainer(Stepping):
    """Trains a model with a loss and an optimizer.

    Parameters
    ----------
    model : Layer
        One that is not built is built by `fit`, from the shapes of the data: on the default backend, in
        float32, from ``seed``. Batch and time are left open; the time is fixed only where a layer needs it,
        such as Flatten, and all rows are full.
    loss : str or Loss; a tuple, or a dict by names of yours, of one for each output where there are several
        By name, or as an object; None for an output that is not trained. What is made small is their sum.
    optimizer : str, Optimizer or callable
        By name, with its own default rate; an object over this model's parameters; or a function of the
        parameters that returns one, such as ``lambda parameters: SGD(parameters, lr=0.1)``.
    loss_weights : tuple or dict of float, optional
        By what the loss of each output is multiplied before they are added up; 1 if not given.
    metrics : str, Metric or function, or several of them; for several outputs a tuple or dict with those of each
        A function takes (prediction, target) and returns a number: see `FunctionMetric`.
    callbacks : Callback, or several of them
        Called in this order. Each once, and one at most that sets the learning rate: see `Callback`.
    seed : int
        From which the weights are drawn, and, by ``numpy.random.default_rng(seed)``, the order of the rows.
        A second `fit` goes on with that generator.
    accumulate : int
        How many batches make a step: their gradients are those of one batch of all their rows, random masks
        included, but for rounding, and take the memory of one. The last step of an epoch takes what is left.
    check_finite : bool
        Whether each step's loss and gradients are checked before the weights are changed, and a step that gave
        NaN or infinity raises `NonFiniteError`, which names the layer in which they arose.
    precision : {"fp32", "tf32", "bf16"}
        In what the layers' matrix products are computed, where the backend has it: see `Backend.in_precision`.
    class_names : sequence of names, optional
        Of the classes 0, 1, ...; otherwise those that targets name, or numbers: see `classify`. For several outputs a
        dict of them by the outputs' names.
    compile : bool, optional
        Whether steps are planned by a backend that compiles them, such as ``"numba"``: where it can if not given,
        which `lamina.inspect.explain` tells; True raises where it cannot.
    communicator : Communicator or str, optional
        Of the ranks that train together, each of which makes the same calls: see `lamina.distributed`. ``batch_size``
        counts the rows of all of them.

    Attributes
    ----------
    history : History
        Of the latest `fit`, kept also where that raised.
    figures : dict of str to bool
        The names of what the latest `fit` measures, and whether higher is better.
    epochs : int
        How many epochs the latest `fit` was asked for.

    Raises
    ------
    UnknownNameError
        If a name is not registered; the message gives the nearest match.
    ArgumentError
        If something is not what it should be, or the optimizer is over another model's parameters.

    Notes
    -----
    What ``fit`` refuses, it refuses before anything changes: model, optimizer or files. Then
    ``model.facts["training"]`` holds how the model was trained. A `Standardize` that is not adapted is adapted first.

    Examples
    --------
    >>> import lamina
    >>> x = np.random.default_rng(0).normal(size=(32, 5, 2))
    >>> y = (x.sum(axis=(1, 2)) > 0).astype(int)
    >>> model = lamina.Sequential(lamina.layers.SimpleRNN(8), lamina.layers.Dense(2))
    >>> trainer = Trainer(model, optimizer="sgd", metrics="accuracy")
    >>> history = trainer.fit(x, y, epochs=3, verbose=False)
    >>> history.keys()
    ('loss', 'accuracy', 'learning_rate', 'seconds')
    >>> sorted(trainer.evaluate(x, y)), trainer.predict(x).shape
    (['accuracy', 'loss'], (32, 2))
    """

    def __init__(
        self,
        model: Layer,
        loss: LossLike = "softmax_cross_entropy",
        optimizer: OptimizerLike = "adagrad",
        *,
        loss_weights: Any = None,
        metrics: MetricsLike = (),
        callbacks: Callback | Iterable[Callback] = (),
        seed: int = 0,
        accumulate: int = 1,
        check_finite: bool = False,
        precision: str = "fp32",
        class_names: Any = None,
        compile: bool | None = None,
        communicator: Any = None,
    ) -> None:
        self.model = instance("Trainer", "model", model, Layer)
        self.goals = read_goals(loss, loss_weights, metrics)
        self.callbacks = read_callbacks(callbacks)
        self.seed = whole("Trainer", "seed", seed, least=0)
        self.accumulate = whole("Trainer", "accumulate", accumulate)
        self.check_finite = flag(self, "check_finite", check_finite)
        self.precision = read_precision(precision, model)
        self.class_names = class_names
        self.compile = None if compile is None else flag(self, "compile", compile)
        self._ranks = read_ranks(communicator)
        Naming(self.goals, model, class_names)  # raises where they are none
        self.history = History()
        self.figures: dict[str, bool] = {}
        self.epochs = 0
        self._generator = np.random.default_rng(self.seed)
        self._progress = Progress()
        self._run: Run | None = None
        self._choice = OptimizerChoice(optimizer)
        if self._choice.is_made:
            self._choice.of(self.model)  # raises where it is another model's

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer; one given by name or function is made when first asked for.

        Raises
        ------
        NotBuiltError
            If it cannot be made yet, as the model is not built.
        ArgumentError
            If it is over another model's parameters.
        """
        return self._choice.of(self.model)

    def fit(
        self,
        x: Any,
        y: Any = None,
        *,
        lengths: Any = None,
        sample_weight: Any = None,
        mask: Any = None,
        class_weight: Any = None,
        epochs: int = 10,
        batch_size: int | None = None,
        steps_per_epoch: int | None = None,
        validation_data: Any = None,
        validation_split: float = 0.0,
        stratify: Any = False,
        shuffle: bool | None = None,
        bucket: bool = False,
        truncate: int | None = None,
        prefetch: int = 1,
        checkpoint: str | Path | None = None,
        every: int | str = EVERY,
        keep: int = 2,
        verbose: bool = True,
    ) -> History:
        """Train the model.

        Ctrl-C lets the running step finish and ends training as if that were its end; pressed again, it raises
        KeyboardInterrupt at once. Where the program handles SIGINT itself, or outside the main thread, that is left
        as it is. In each case, and after an error, the callbacks' ends run and all can be used.

        Parameters
        ----------
        x : (batch, time, features) or (batch, features) array-like, or (batch, time) integers
            Or a list of (time_i, features) sequences of unequal length, or a tuple of one of these for each
            input of the model; or what is read piece by piece, see the Notes.
        y : array-like
            As the loss takes it, such as (batch,) integer labels; where each step has a target, also a list of
            sequences as long as those of ``x``. For several outputs a tuple, or a dict by name, of one for each.
        lengths : (batch,) integers, optional
            The number of valid steps of each row. Where inputs differ, a tuple of one such, or None, for each.
        sample_weight : (batch,) or (batch, time) numbers of 0 or more, optional
            With what weight each row, or step, counts in the loss and the metrics; for several outputs also a tuple,
            or a dict, of one such, or None, for each. A mean divides by the sum of weights.
        mask : (batch,) or (batch, time) bool, optional
            Which rows, or steps, count: what ``sample_weight`` is multiplied by.
        class_weight : dict, sequence or "balanced", optional
            The weight of each class in the loss, in validation too; a mean's divisor is without it. Balanced, a class
            with n_c of n rows, or steps, in k classes has n / (k n_c).
        epochs : int
            How often to go through the data.
        batch_size : int
            How many rows a batch has, 32 if not given; the last one of an epoch has what is left. A step takes one
            batch, or as many as ``accumulate`` says.
        steps_per_epoch : int, optional
            How many batches an epoch takes of a source of batches; the next one goes on from there.
        validation_data : (x, y), (x, y, lengths) or (x, y, lengths, sample_weight), or a source, optional
            Evaluated after each epoch.
        validation_split : float
            The share of the rows that are held out to validate on: drawn from the trainer's seed, the same in each fit.
        stratify : bool, or (batch,) labels
            Whether the split gives each class of ``y``, or of these labels, its share in both parts.
        shuffle : bool
            Whether each epoch takes the rows in a new order; it does if not given, but for a source of batches.
        bucket : bool
            Whether batches are of rows of like length, and cut to their longest: less padding is computed, and which
            rows meet in a batch is less by chance.
        truncate : int, optional
            Cut each batch along time in chunks of so many steps, and take a step for each: the states go on
            from chunk to chunk, without a gradient (truncated backpropagation through time). Needs a target
            for each step.
        prefetch : int
            How many batches of a source are read ahead, on a thread; with 0 in this one, when they are due.
        checkpoint : str or Path, optional
            A folder in which the run is kept, so that the same call made again goes on where it ended, however it
            did, to the same bits on the same backend with as many threads; of a finished run it returns what that
            came to. See `lamina.checkpoints`. SIGTERM then does what Ctrl-C does.
        every : int or str
            After how many steps a checkpoint is written, or ``"2 epochs"``, ``"10 minutes"``; and when Ctrl-C is
            pressed, and at the end.
        keep : int
            How many of the latest checkpoints stay.
        verbose : bool
            Whether to print a line for each epoch and to show a bar while it runs: where standard error is a
            terminal, and in a notebook that has ipywidgets.

        Returns
        -------
        History
            The loss and the metrics, each a mean over what counts in the epoch's batches, while the
            weights change; those of the validation data are measured at the epoch's end.

        Raises
        ------
        ShapeError, DTypeError, DataError
            If the data do not fit the model or the loss, or hold NaN or infinity.
        ArgumentError
            If an argument is out of range.
        StreamError
            If sequences are to be cut and a layer cannot read them piece by piece.
        CheckpointError, OutputError
            If the checkpoint is of another run, or cannot be read or written.
        NonFiniteError
            With ``check_finite``; the weights are then those before the step, or those a callback put back.
        """
        given = {"lengths": lengths, "sample_weight": sample_weight, "mask": mask}
        given |= batch_sizes(batch_size, steps_per_epoch, prefetch)
        order = {"shuffle": shuffle, "bucket": bucket, "truncate": truncate}
        held_out = {"validation_data": validation_data, "split": (validation_split, stratify, self.seed)}
        verbose, epochs = flag(self, "verbose", verbose), whole("Trainer", "epochs", epochs)
        saver = saver_for(checkpoint, every, keep, self._ranks)
        with opened(self._ranks, saver):
            return self._fit((x, y, given, held_out, order, epochs, class_weight), verbose, saver)

    def _fit(self, asked: Any, verbose: bool, saver: Saver | None) -> History:
        """Make ready what was asked for, and run it."""
        ranks = self._ranks
        self._progress = choose_progress(verbose and (ranks is None or ranks.leads), asked[-2])
        try:
            ready = prepare(self, *asked, saver=saver, ranks=ranks)
            self.history = History(self.figures, ready.names)
            interrupts = Interruption if ranks is None else SharedInterruption
            with interrupts(saver is not None) as interruption, at_work(self.model, self.precision):
                self._run = Run(*ready[:2], self, ready.callbacks, self._progress, interruption, saver, ranks)
                self._run.train()
        finally:
            self._progress.close()
            self._progress, self._run = Progress(), None
        return self.history

    def stop(self) -> None:
        """End training after the current epoch."""
        if self._run is not None:
            self._run.stopped = True

    def note(self, text: str) -> None:
        """Say something in one line beside the progress; nothing where `fit` is not ``verbose``."""
        self._progress.note(text)
