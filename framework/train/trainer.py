"""The trainer: fits a model to data, tells how well it does, and predicts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from lamina.core.arguments import flag, instance, whole
from lamina.core.layer import Layer
from lamina.data.checks import checked_for, named, read_data, read_validation
from lamina.data.shapes import build_for, cut_rows, restored_on_error
from lamina.losses.loss import Loss
from lamina.metrics.choice import MetricLike, find_metrics
from lamina.optimization.optimizer import Optimizer
from lamina.train.callback import Callback, read_callbacks, require_together
from lamina.train.evaluation import evaluate, predict
from lamina.train.history import History, figures_of
from lamina.train.interruption import Interruption
from lamina.train.loop import Parts, Plan, Run
from lamina.train.optimizer_choice import OptimizerChoice, OptimizerLike
from lamina.train.precision import at_work, read_precision, require_precision
from lamina.train.progress import Progress, choose_progress
from lamina.train.truncation import require_cuttable

__all__ = ["Trainer"]


class Trainer:
    """Trains a model with a loss and an optimizer.

    Parameters
    ----------
    model : Layer
        One that is not built is built by `fit`, from the shapes of the data: on the default backend, in
        float32, from ``seed``. Batch and time are left open; the time is fixed only where a layer needs it,
        such as Flatten, and all rows are full.
    loss : str or Loss
        By name, or as an object.
    optimizer : str, Optimizer or callable
        By name, with its own default rate; an object over this model's parameters; or a function of the
        parameters that returns one, such as ``lambda parameters: SGD(parameters, lr=0.1)``.
    metrics : str, Metric or function, or several of them
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
        loss: str | Loss = "softmax_cross_entropy",
        optimizer: OptimizerLike = "adagrad",
        *,
        metrics: MetricLike | Iterable[MetricLike] = (),
        callbacks: Callback | Iterable[Callback] = (),
        seed: int = 0,
        accumulate: int = 1,
        check_finite: bool = False,
        precision: str = "fp32",
    ) -> None:
        self.model = instance("Trainer", "model", model, Layer)
        self.loss = instance("Trainer", "loss", Loss.registry.create(loss), Loss)
        self.metrics = find_metrics(metrics, getattr(self.loss, "ignore_index", None))
        self.callbacks = read_callbacks(callbacks)
        self.seed = whole("Trainer", "seed", seed, least=0)
        self.accumulate = whole("Trainer", "accumulate", accumulate)
        self.check_finite = flag(self, "check_finite", check_finite)
        self.precision = read_precision(precision, model)
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
        y: Any,
        *,
        lengths: Any = None,
        epochs: int = 10,
        batch_size: int = 32,
        validation_data: Any = None,
        shuffle: bool = True,
        truncate: int | None = None,
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
            input of the model.
        y : array-like
            As the loss takes it, such as (batch,) integer labels; where each step has a target, also a list of
            sequences as long as those of ``x``.
        lengths : (batch,) integers, optional
            The number of valid steps of each row. Where inputs differ, a tuple of one such, or None, for each.
        epochs : int
            How often to go through the data.
        batch_size : int
            How many rows a batch has; the last one of an epoch has what is left. A step takes one batch, or as
            many as ``accumulate`` says.
        validation_data : (x, y) or (x, y, lengths), optional
            Evaluated after each epoch.
        shuffle : bool
            Whether each epoch takes the rows in a new order.
        truncate : int, optional
            Cut each batch along time in chunks of so many steps, and take a step for each: the states go on
            from chunk to chunk, without a gradient (truncated backpropagation through time). Needs a target
            for each step.
        verbose : bool
            Whether to print a line for each epoch and, where standard error is a terminal, to show a bar there
            while the epoch runs.

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
        NonFiniteError
            With ``check_finite``; the weights are then those before the step, or those a callback put back.
        """
        truncate = None if truncate is None else whole("Trainer", "truncate", truncate)
        shuffle, verbose = flag(self, "shuffle", shuffle), flag(self, "verbose", verbose)
        epochs, batch_size = whole("Trainer", "epochs", epochs), whole("Trainer", "batch_size", batch_size)
        data = read_data(self.model, x, y, lengths)
        with named("validation data"):
            validation = None if validation_data is None else read_validation(self.model, validation_data)
        with restored_on_error(self.model):
            build_for(self.model, data, self.seed)
            require_precision(self.precision, self.model)
            data = checked_for(self.model, data, self.loss, self.metrics)
            with named("validation data"):
                validation = validation and checked_for(self.model, validation, self.loss, self.metrics)
            if truncate is not None:
                require_cuttable(self.model, data)
            parameters = self.model.parameters()
            optimizer = self._choice.of(self.model, parameters)
            self.epochs = epochs
            self.figures = figures_of(self.metrics, validation is not None)
            require_together(self.callbacks)  # some may have been added
            for callback in self.callbacks:
                callback.check(self)
        self.history = History(self.figures)
        self._progress = choose_progress(verbose, epochs)
        parts = Parts(self.model, self.loss, optimizer, self.metrics, parameters, self.accumulate, self.check_finite)
        generator = self._generator if shuffle else None
        plan = Plan(data, validation, batch_size, generator, truncate, self.seed, self.precision)
        try:
            with Interruption() as interruption, at_work(self.model, self.precision):
                self._run = Run(parts, plan, self, self.callbacks, self._progress, interruption)
                self._run.train()
        finally:
            self._progress.close()
            self._progress, self._run = Progress(), None
        return self.history

    def evaluate(self, x: Any, y: Any, *, lengths: Any = None, batch_size: int = 256) -> dict[str, float]:
        """Return the loss and the metrics.

        Parameters
        ----------
        x, y, lengths : as for `fit`
        batch_size : int

        Returns
        -------
        dict
            ``"loss"``, that of all rows in one batch, whatever the ``batch_size``, and each metric by name.

        Raises
        ------
        NotBuiltError
            If the model is not built.
        ShapeError, DTypeError, DataError, ArgumentError
            As for `fit`.
        """
        batch_size = whole("Trainer", "batch_size", batch_size)
        self.model.bound()
        data = checked_for(self.model, read_data(self.model, x, y, lengths), self.loss, self.metrics)
        with at_work(self.model, self.precision):
            return evaluate(self.model, self.loss, self.metrics, data, batch_size)

    def predict(self, x: Any, *, lengths: Any = None, batch_size: int = 256) -> Any:
        """Return the model's output for all rows, on the host.

        Parameters
        ----------
        x, lengths : as for `fit`
        batch_size : int

        Returns
        -------
        ndarray, or a tuple of them where the model has several outputs
            Of a list of sequences of unequal length, where the output has a time axis, a list of rows as long as
            they are; of an array with ``lengths``, an array, 0 past each row's end.

        Raises
        ------
        NotBuiltError
            If the model is not built.
        ShapeError, DTypeError, DataError, ArgumentError
            As for `fit`.
        """
        batch_size = whole("Trainer", "batch_size", batch_size)
        self.model.bound()
        data = checked_for(self.model, read_data(self.model, x, lengths=lengths, has_target=False))
        with at_work(self.model, self.precision):
            return cut_rows(self.model, data, predict(self.model, data, batch_size))

    def stop(self) -> None:
        """End training after the current epoch."""
        if self._run is not None:
            self._run.stopped = True

    def note(self, text: str) -> None:
        """Say something in one line beside the progress; nothing where `fit` is not ``verbose``."""
        self._progress.note(text)

    def __repr__(self) -> str:
        return f"<Trainer: {self.loss!r}, {self._choice!r}, metrics {[metric.name for metric in self.metrics]}>"
