"""What the three estimators have in common: their settings, the model that these make, and how it is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, TypeAlias

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from lamina import recipes
from lamina.callbacks import EarlyStopping
from lamina.core.arguments import flag, number, whole
from lamina.errors import ArgumentError
from lamina.kinds.recurrent import RecurrentLayer
from lamina.layers import Standardize
from lamina.losses.loss import Loss
from lamina.sklearn.series import Series, read_series, read_weights, weighted_moments
from lamina.train.callback import Callback
from lamina.train.trainer import Trainer

__all__ = ["SequenceEstimator"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]


class SequenceEstimator(BaseEstimator):
    """The base class of the estimators: features are standardized, read by layers of a cell, and told by a Dense.

    Subclasses say what is told: `_read_targets`, `_outputs`, `_loss`.
    """

    # What follows a cell is told of each step.
    _per_step = False
    # Whether what is held out has its share of each class.
    _stratified = False
    # Whether X had two axes.
    _saw_table = False

    def __init__(
        self,
        *,
        cell: str | Callable[..., RecurrentLayer] = recipes.NUMBERS_CELL,
        units: int = recipes.NUMBERS_UNITS,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        optimizer: Any = recipes.OPTIMIZER,
        learning_rate: float | None = None,
        schedule: str = recipes.SCHEDULE,
        epochs: int = recipes.EPOCHS,
        batch_size: int = recipes.BATCH_SIZE,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        backend: str | None = None,
        dtype: str = "float32",
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.cell = cell
        self.units = units
        self.layers = layers
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.epochs = epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.backend = backend
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Make a model and train it, whatever was fitted before.

        Parameters
        ----------
        X : (batch, time) or (batch, time, features) array-like, or list of (time_i, features) or (time_i,) arrays
            A 2-D X is a batch of series of one feature.
        y : array-like
            What is to be told.
        sample_weight : (batch,) numbers of 0 or more, optional
            How much each sequence counts, in what is measured of the features too.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            If the data or the settings are not what they should be: scikit-learn's own, or Lamina's, which derive
            from them.
        """
        whole(self, "epochs", self.epochs)
        early = flag(self, "early_stopping", self.early_stopping)
        callbacks: list[Callback] = []
        schedule = recipes.find_schedule(self.schedule, self.epochs)
        if schedule is not None:
            callbacks.append(schedule)
        share = number(self, "validation_fraction", self.validation_fraction, above=0, below=1) if early else 0.0
        if early:
            callbacks.append(EarlyStopping("val_loss", self.n_iter_no_change))
        x, target, weights = self._read(X, y, sample_weight, True)
        self._begin(x, target, weights, callbacks)
        options = {"validation_split": share, "stratify": self._stratified} if early else {}
        self._train(x, target, weights, self.epochs, **options)
        return self

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any) -> Self:
        """Go through the data once, with the model that there is, or a new one."""
        begins = not hasattr(self, "model_")
        x, target, weights = self._read(X, y, sample_weight, begins)
        if begins:
            self._begin(x, target, weights, [])
        self._trainer.callbacks.clear()
        optimizer = self._trainer.optimizer
        optimizer.lr, optimizer.lr_factor = self._rate, 1.0  # a schedule may have brought it to nothing
        self._train(x, target, weights, 1)
        return self

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: X has two axes, or three."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.target_tags.required = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        """Tell whether there is a trained model."""
        return hasattr(self, "model_")

    # What subclasses say.

    def _read_targets(self, y: Any, x: Series, begins: bool) -> Any:
        """Return y checked; of the first that is seen, note what it is of."""
        raise NotImplementedError(f"{type(self).__name__} does not define _read_targets")

    def _outputs(self) -> int:
        """Return how many numbers the last layer gives."""
        raise NotImplementedError(f"{type(self).__name__} does not define _outputs")

    def _loss(self) -> Loss:
        """Return what is made small."""
        raise NotImplementedError(f"{type(self).__name__} does not define _loss")

    def _goal(self, target: Any) -> Any:
        """Return targets as the model learns them."""
        return target

    def _class_names(self) -> list[Any] | None:
        """Return what classes are called, where there are any."""
        return None

    def _options(self) -> dict[str, Any]:
        """Return what the trainer is told beside."""
        return {}

    def _measure(self, target: Any, weights: NumpyArray | None) -> None:
        """Note what targets are like, before the first step."""

    # What they share.

    def _read(self, X: Any, y: Any, sample_weight: Any, begins: bool) -> tuple[Series, Any, NumpyArray | None]:
        """Return sequences, targets and weights, checked."""
        if y is None:
            name = type(self).__name__
            raise ArgumentError(f"This {name} estimator requires y to be passed, but the target y is None.")
        x = read_series(self, X, reset=begins)
        check_consistent_length(x, y)
        target = self._read_targets(y, x, begins)
        return x, target, read_weights(self, sample_weight, len(x), self._per_step)

    def _begin(self, x: Series, target: Any, weights: NumpyArray | None, callbacks: list[Callback]) -> None:
        """Make a model for data, and its trainer."""
        cell = recipes.find_cell(self.cell) if isinstance(self.cell, str) else self.cell
        if not callable(cell):
            raise ArgumentError(f"{type(self).__name__}: expected cell to be a name or a class, got {cell!r}")
        optimizer = self.optimizer
        if isinstance(optimizer, str):
            optimizer = recipes.find_recipe(optimizer, self.learning_rate).make
        elif self.learning_rate is not None:
            name = type(self).__name__
            raise ArgumentError(f"{name}: expected no learning_rate beside an optimizer that is no name")
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self._measure(target, weights)
        first = Standardize()
        if weights is not None:  # otherwise the trainer measures them, of the rows that it trains on
            first.take(weighted_moments(x, weights))
        model = recipes.build_stack(
            first,
            cell,
            whole(self, "units", self.units),
            self._outputs(),
            layers=whole(self, "layers", self.layers),
            bidirectional=flag(self, "bidirectional", self.bidirectional),
            dropout=self.dropout,
            per_step=self._per_step,
        )
        model.build((None, None, x[0].shape[-1]), backend=self.backend, dtype=self.dtype, seed=seed)
        names = self._class_names()
        self._trainer = Trainer(model, self._loss(), optimizer, callbacks=callbacks, seed=seed, class_names=names)
        self._rate = self._trainer.optimizer.lr
        self.model_ = model
        self.n_iter_ = 0

    def _train(self, x: Series, target: Any, weights: NumpyArray | None, epochs: int, **options: Any) -> None:
        """Train so many epochs, and keep what was measured."""
        self.history_ = self._trainer.fit(
            x,
            self._goal(target),
            sample_weight=weights,
            epochs=epochs,
            batch_size=whole(self, "batch_size", self.batch_size),
            verbose=flag(self, "verbose", self.verbose),
            **self._options(),
            **options,
        )
        self.n_iter_ += len(self.history_)

    def _told(self, X: Any) -> Any:
        """Return the model's outputs."""
        check_is_fitted(self)
        return self._trainer.predict(read_series(self, X, reset=False))
