"""A tagger of the steps of sequences for scikit-learn."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from sklearn.utils import assert_all_finite, check_consistent_length

from lamina.errors import ShapeError
from lamina.sklearn.labels import LabelEstimator
from lamina.sklearn.series import Series, count_steps, read_weights

__all__ = ["SequenceTagger"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]


class SequenceTagger(LabelEstimator):
    """Tells the class of each step of each sequence.

    Features are standardized, layers of a cell read them, and a Dense tells the classes from the state after each
    step, as in ``lamina train --task tag``. Sequences may differ in length, in a list, with their labels in another; a
    2-D X is a batch of series of one feature.

    y is (batch, time), or a list of (time_i,) arrays; (batch,) or (batch, 1) is a class that all steps of a sequence
    have. It is no classifier to scikit-learn, which would take it for one of whole sequences: `score` is the share
    of steps told right, and cross-validation does not balance the folds.

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
    label_smoothing : float
        What share of each target is spread over all classes; 0.1 is what ``lamina train`` takes, which helps the
        accuracy and makes the probabilities less sure.
    class_weight : dict, "balanced" or None
        The weight of each class in the loss.
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
    classes_ : (classes,) array
        Sorted.
    model_ : Layer
        Gives logits; can be saved, and streamed. ``facts["class_names"]`` are its classes.
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
    >>> X = [rng.normal(size=(length, 1)) for length in range(5, 25)]
    >>> y = [np.where(x[:, 0] > 0, "up", "down") for x in X]
    >>> tagger = SequenceTagger(units=8, random_state=0).fit(X, y)
    >>> tagger.predict(X[:1])[0].tolist() == y[0].tolist(), tagger.score(X, y) > 0.9
    (True, True)
    """

    _per_step = True

    def predict(self, X: Any) -> Any:
        """Return the most probable class of each step: (batch, time), or a list of (time_i,) arrays for a list.

        Parameters
        ----------
        X : as for `fit`
        """
        found = self.predict_proba(X)
        if isinstance(found, list):
            return [self.classes_[row.argmax(axis=-1)] for row in found]
        return self.classes_[found.argmax(axis=-1)]

    def predict_proba(self, X: Any) -> Any:
        """Return the probability of each class for each step: (batch, time, classes), or a list of (time_i, classes).

        Parameters
        ----------
        X : as for `fit`
        """
        return self._probabilities(X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of steps told right, each counted as its own weight says, or its sequence's.

        Parameters
        ----------
        X, y, sample_weight : as for `fit`
        """
        found = self.predict(X)
        lengths = count_steps(found)
        weights = read_weights(self, sample_weight, len(found), per_step=True)
        right = np.concatenate(list(found)) == np.concatenate(self._spread("y", y, lengths))
        counts = None if weights is None else np.concatenate(self._spread("sample_weight", weights, lengths))
        return float(np.average(right, weights=counts))

    def _read_targets(self, y: Any, x: Series, begins: bool) -> list[NumpyArray]:
        lengths = count_steps(x)
        labels = np.concatenate(self._spread("y", y, lengths))
        if labels.dtype.kind == "f":
            assert_all_finite(labels, input_name="y")
        return np.split(self._checked(labels, begins), np.cumsum(lengths)[:-1])

    def _spread(self, label: str, values: Any, lengths: NumpyArray) -> list[NumpyArray]:
        """Return what is given for each sequence, or each of its steps, as rows of steps."""
        name = type(self).__name__
        check_consistent_length(lengths, values)
        values = values if isinstance(values, (list, tuple)) else np.asarray(values)
        rows = [np.asarray(row) for row in values]
        padded = isinstance(values, np.ndarray)
        found = []
        for index, (row, length) in enumerate(zip(rows, lengths.tolist(), strict=True)):
            if row.size == 1 and row.ndim < 2:
                row = np.broadcast_to(row.reshape(()), (length,))
            if row.ndim != 1 or len(row) < length or (len(row) > length and not padded):
                wanted = f"{label} of {length} steps, as the sequence has"
                raise ShapeError(f"{name}: expected {wanted}, got {row.shape} at index {index}")
            found.append(row[:length])
        return found
