"""What the estimators have in common that tell classes: of sequences, or of their steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, TypeAlias

import numpy as np
from sklearn.utils.validation import check_is_fitted

from lamina import recipes
from lamina.errors import ArgumentError, DataError
from lamina.kinds.recurrent import RecurrentLayer
from lamina.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from lamina.sklearn.base import SequenceEstimator
from lamina.sklearn.series import read_series

__all__ = ["LabelEstimator"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]


class LabelEstimator(SequenceEstimator):
    """The base class of estimators whose targets are classes.

    Attributes
    ----------
    classes_ : (classes,) array
    """

    classes_: NumpyArray
    _given_classes: NumpyArray | None = None

    def __init__(
        self,
        *,
        cell: str | Callable[..., RecurrentLayer] = "simple_rnn",
        units: int = recipes.UNITS,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        optimizer: Any = recipes.OPTIMIZER,
        learning_rate: float | None = None,
        schedule: str = recipes.SCHEDULE,
        epochs: int = recipes.EPOCHS,
        batch_size: int = recipes.BATCH_SIZE,
        label_smoothing: float = 0.0,
        class_weight: Any = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        backend: str | None = None,
        dtype: str = "float32",
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(
            cell=cell,
            units=units,
            layers=layers,
            bidirectional=bidirectional,
            dropout=dropout,
            optimizer=optimizer,
            learning_rate=learning_rate,
            schedule=schedule,
            epochs=epochs,
            batch_size=batch_size,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            backend=backend,
            dtype=dtype,
            random_state=random_state,
            verbose=verbose,
        )
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Go through the data once more, with the model that there is, or a new one.

        Features are standardized as the first data were.

        Parameters
        ----------
        X, y, sample_weight : as for `fit`
        classes : array-like, optional
            All that there will be, for the first call; those of the first data if not given.

        Returns
        -------
        self
        """
        if classes is not None:
            name, given = type(self).__name__, np.unique(classes)
            if hasattr(self, "model_") and not np.array_equal(given, self.classes_):
                raise ArgumentError(f"{name}: expected classes to be {self.classes_}, as before, got {given}")
            self._given_classes = given
        try:
            return self._partial_fit(X, y, sample_weight)
        finally:
            self._given_classes = None

    def _checked(self, labels: NumpyArray, begins: bool) -> NumpyArray:
        """Return labels in the classes' dtype; those that occur are the classes, where none were given."""
        name = type(self).__name__
        if begins:
            given = self._given_classes
            self.classes_ = np.unique(labels) if given is None else given
            if len(self.classes_) < 2:
                raise DataError(
                    f"{name}: expected two classes at least in y, got only one class, {self.classes_.tolist()[0]!r}"
                )
        places = np.searchsorted(self.classes_, labels).clip(max=len(self.classes_) - 1)
        found: NumpyArray = self.classes_[places]
        wrong = found != labels
        if wrong.any():
            raise DataError(
                f"{name}: y has {labels[wrong].tolist()[0]!r}, which is none of the classes {self.classes_}"
            )
        return found

    def _outputs(self) -> int:
        return len(self.classes_)

    def _loss(self) -> SoftmaxCrossEntropy:
        return SoftmaxCrossEntropy(label_smoothing=self.label_smoothing)

    def _class_names(self) -> list[Any]:
        names: list[Any] = self.classes_.tolist()
        return names

    def _options(self) -> dict[str, Any]:
        weights = self.class_weight
        if isinstance(weights, dict):
            names = self._class_names()
            for one in set(weights) - set(names):
                raise ArgumentError(f"{type(self).__name__}: class_weight is for {one!r}, which is no class of y")
            weights = {name: weights.get(name, 1.0) for name in names}
        return {"class_weight": weights}

    def _probabilities(self, X: Any) -> Any:
        """Return the probabilities of all classes, of each sequence or step."""
        check_is_fitted(self)
        return self._trainer.classify(read_series(self, X, reset=False)).probabilities
