"""A regressor of sequences for scikit-learn."""

from __future__ import annotations

from typing import Any, Self, TypeAlias

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import check_array

from lamina.errors import ShapeError
from lamina.kinds.moments import Moments
from lamina.losses.mean_squared_error import MeanSquaredError
from lamina.sklearn.base import SequenceEstimator
from lamina.sklearn.series import Series

__all__ = ["SequenceRegressor"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]


class SequenceRegressor(RegressorMixin, SequenceEstimator):
    """Tells a number, or several, of each sequence.

    Features are standardized, layers of a cell read them, and a Dense tells the numbers from the last state, as in
    ``lamina train --task regress``. Sequences may differ in length, in a list; a 2-D X is a batch of series of one
    feature. What is learned are targets of mean 0 and deviation 1, by their squared errors.

    Parameters
    ----------
    cell : {"simple_rnn", "lstm", "gru"} or callable
        What reads the sequences, by name, or what makes a recurrent layer of ``units`` and ``return_sequences``, such
        as `lamina.layers.MinGRU`.
    units : int
        How many each layer has, in each direction.
    layers : int
        How many layers of the cell.
    bidirectional : bool
        Whether each reads in both directions.
    dropout : float
        The share of each layer's outputs that training leaves out.
    optimizer : str or callable
        By name, with the settings of ``lamina train``; or a function of the parameters that returns one.
    learning_rate : float, optional
        Of an optimizer by name; its own if not given.
    schedule : str
        How the rate changes over the epochs: ``"linear_decay"``, ``"cosine_decay"``, ``"one_cycle"``, ``"constant"``...
        `partial_fit` leaves it as it is.
    epochs : int
        How often `fit` goes through the data.
    batch_size : int
        How many sequences a step takes. Where it takes all of them, a weight of 2 comes to the same as the sequence
        given twice, but for rounding.
    early_stopping : bool
        Whether a part of the sequences is held out, and training ends, with the weights that were best on it, once the
        loss there has not improved for ``n_iter_no_change`` epochs.
    validation_fraction : float
        The share that is held out.
    n_iter_no_change : int
    backend : str, optional
        On what the model runs, such as ``"numba"``: see `lamina.use_backend`.
    dtype : {"float32", "float64"}
    random_state : int, RandomState or None
        From what the weights and the order of the sequences are drawn: with an int each fit comes to the same bits.
    verbose : bool
        Whether a line is printed for each epoch.

    Attributes
    ----------
    target_mean_, target_scale_ : (outputs,) array
        The model's outputs are multiplied by the latter, and the former is added.
    model_ : Layer
        Gives standardized targets; can be saved, and streamed.
    history_ : History
        Of the latest `fit` or `partial_fit`.
    n_iter_ : int
        How many epochs the model was trained for.
    n_features_in_ : int
        How many columns a 2-D X had; otherwise, how many features a step has.
    feature_names_in_ : (n_features_in_,) array of str
        Where X was a table with names.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(64, 5, 2))
    >>> y = 10 + X[:, -1, 0]
    >>> regressor = SequenceRegressor(units=8, optimizer="adam", learning_rate=0.02, random_state=0).fit(X, y)
    >>> regressor.predict(X[:3]).shape, bool(regressor.score(X, y) > 0.9)
    ((3,), True)
    """

    def predict(self, X: Any) -> NumpyArray:
        """Return the numbers of each sequence: (batch,), or (batch, outputs) where y had two axes.

        Parameters
        ----------
        X : as for `fit`
        """
        told = self._told(X) * self.target_scale_ + self.target_mean_
        found: NumpyArray = told[:, 0] if self._is_single else told
        return found

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Go through the data once more, with the model that there is, or a new one.

        Features and targets are standardized as the first data were.

        Parameters
        ----------
        X, y, sample_weight : as for `fit`

        Returns
        -------
        self
        """
        return self._partial_fit(X, y, sample_weight)

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: y may have several numbers."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _read_targets(self, y: Any, x: Series, begins: bool) -> NumpyArray:
        numbers = check_array(y, dtype=np.float64, ensure_2d=False, input_name="y", estimator=self)
        single = numbers.ndim == 1
        found: NumpyArray = numbers[:, None] if single else numbers
        if begins:
            self._is_single = single
        elif found.shape[1] != len(self.target_mean_):
            name = type(self).__name__
            raise ShapeError(f"{name}: expected {len(self.target_mean_)} targets, as before, got {found.shape[1]}")
        return found

    def _outputs(self) -> int:
        return len(self.target_mean_)

    def _loss(self) -> MeanSquaredError:
        return MeanSquaredError()

    def _measure(self, target: NumpyArray, weights: NumpyArray | None) -> None:
        moments = Moments(target.shape[1])
        moments.add(target, weights)
        self.target_mean_ = moments.mean
        self.target_scale_ = np.where(moments.deviation > 0, moments.deviation, 1.0)

    def _goal(self, target: NumpyArray) -> NumpyArray:
        goal: NumpyArray = (target - self.target_mean_) / self.target_scale_
        return goal
