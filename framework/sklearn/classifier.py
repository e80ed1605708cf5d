"""A classifier of sequences for scikit-learn."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from lamina.sklearn.labels import LabelEstimator
from lamina.sklearn.series import Series

__all__ = ["SequenceClassifier"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]


class SequenceClassifier(ClassifierMixin, LabelEstimator):
    """Tells the class of each sequence.

    Features are standardized, layers of a cell read them, and a Dense tells the classes from the last state, as in
    ``lamina train``. Sequences may differ in length, in a list; a 2-D X is a batch of series of one feature.

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
        The share that is held out, of each class.
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
    >>> X = [rng.normal(loc, size=(length, 2)) for length in range(4, 12) for loc in (0, 2)]
    >>> y = ["low", "high"] * 8
    >>> classifier = SequenceClassifier(units=8, epochs=20, random_state=0).fit(X, y)
    >>> classifier.predict(X[:3]).tolist(), classifier.predict_proba(X[:3]).shape
    (['low', 'high', 'low'], (3, 2))
    """

    _stratified = True

    def predict(self, X: Any) -> NumpyArray:
        """Return the most probable class of each sequence, (batch,).

        Parameters
        ----------
        X : as for `fit`
        """
        labels = self.predict_proba(X).argmax(axis=1)
        found: NumpyArray = self.classes_[labels]
        return found

    def predict_proba(self, X: Any) -> NumpyArray:
        """Return the probability of each class, (batch, classes), in the order of ``classes_``.

        Parameters
        ----------
        X : as for `fit`
        """
        found: NumpyArray = self._probabilities(X)
        return found

    def _read_targets(self, y: Any, x: Series, begins: bool) -> NumpyArray:
        labels = column_or_1d(y, warn=True)
        assert_all_finite(labels, input_name="y")
        check_classification_targets(labels)
        return self._checked(labels, begins)
