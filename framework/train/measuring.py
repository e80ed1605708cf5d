"""What a trained model gives for data, and how good it is: the half of a trainer that changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, nullcontext
from typing import Any

import numpy as np

from lamina.core.arguments import whole
from lamina.core.layer import Layer
from lamina.core.lengths import each_lengths, lengths_after
from lamina.core.shapes import as_tuple
from lamina.data.goals import Goal
from lamina.data.naming import Naming
from lamina.data.shapes import Data, cut_rows
from lamina.errors import ArgumentError
from lamina.metrics.metric import Metric
from lamina.train.batch_feed import BatchFeed
from lamina.train.batches import Batch
from lamina.train.class_weights import Counted, with_class_weights
from lamina.train.classification import classified, is_over_classes, require_classes
from lamina.train.evaluation import evaluate, predict
from lamina.train.feed_choice import feed_of
from lamina.train.feeds import ArrayFeed, Feed
from lamina.train.objective import objective_for
from lamina.train.optimizer_choice import OptimizerChoice
from lamina.train.precision import at_work
from lamina.train.ranks import Ranks
from lamina.train.results import Results

__all__ = ["Measuring", "names_of", "weighted_for"]

# Rows in a batch of what is not trained on: no gradient is kept, so there is room for more of them.
ROWS = 256


class Measuring:
    """Evaluates and predicts.

    Attributes
    ----------
    model : Layer
    goals : tuple of Goal
    precision : str
    class_names : sequence of names, a dict of them by output, or None
        As they were given.
    """

    model: Layer
    goals: tuple[Goal, ...]
    precision: str
    class_names: Any
    _choice: OptimizerChoice
    _ranks: Ranks | None

    @property
    def loss(self) -> Any:
        """The loss; for several outputs a dict of one, or None, for each."""
        return {goal.name: goal.loss for goal in self.goals} if self.goals[0].name else self.goals[0].loss

    @property
    def metrics(self) -> list[Metric]:
        """The metrics of all outputs."""
        return [metric for goal in self.goals for metric in goal.metrics]

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        *,
        lengths: Any = None,
        sample_weight: Any = None,
        mask: Any = None,
        class_weight: Any = None,
        batch_size: int | None = None,
    ) -> dict[str, Any]:
        """Return the loss and the metrics.

        Parameters
        ----------
        x, y, lengths, sample_weight, mask : as for `Trainer.fit`
        class_weight : as for `Trainer.fit`, but for ``"balanced"``
        batch_size : int
            256 if not given.

        Returns
        -------
        dict
            ``"loss"``, that of all rows in one batch, whatever the ``batch_size``, and each metric by name; those of
            several outputs as a history names them. A notebook shows it as tables.

        Raises
        ------
        NotBuiltError
            If the model is not built.
        ShapeError, DTypeError, DataError, ArgumentError
            As for `Trainer.fit`.
        """
        size = None if batch_size is None else whole("Trainer", "batch_size", batch_size)
        self.model.bound()
        if any(isinstance(one, str) and one == "balanced" for one in _given_weights(class_weight)):
            raise ArgumentError("class_weight: expected weights, got 'balanced', which is found in what is trained on")
        given = {"lengths": lengths, "sample_weight": sample_weight, "mask": mask, "outputs": names_of(self.goals)}
        naming = Naming(self.goals, self.model, self.class_names)
        feed = feed_of(self.model, x, y, batch_size=size, rows=ROWS, naming=naming, **given)
        ranks = self._ranks
        feed.share = None if ranks is None else ranks.share
        with nullcontext() if ranks is None else ranks.together(), at_work(self.model, self.precision):
            goals, _ = weighted_for(self.model, self.goals, feed, class_weight, naming)
            with closing(feed.epoch()) as taken:
                return Results(evaluate(self.model, objective_for(goals), taken, None, ranks), naming.all_names())

    def predict(self, x: Any, *, lengths: Any = None, batch_size: int | None = None) -> Any:
        """Return the model's output for all rows, on the host.

        Parameters
        ----------
        x, lengths : as for `Trainer.fit`
        batch_size : int
            256 if not given.

        Returns
        -------
        ndarray, or a tuple of them where the model has several outputs
            Of a list of sequences of unequal length, where the output has a time axis, a list of rows as long as
            they are; of an array with ``lengths``, an array, 0 past each row's end. Of rows that are read piece by
            piece a list where they differ in length.

        Raises
        ------
        NotBuiltError
            If the model is not built.
        ShapeError, DTypeError, DataError, ArgumentError
            As for `Trainer.fit`.
        """
        size = None if batch_size is None else whole("Trainer", "batch_size", batch_size)
        self.model.bound()
        feed = feed_of(self.model, x, lengths=lengths, has_target=False, batch_size=size, rows=ROWS)
        data = feed.check()
        with at_work(self.model, self.precision), closing(feed.epoch()) as taken:
            if isinstance(feed, ArrayFeed):
                return cut_rows(self.model, data, predict(self.model, taken))
            return self._predict_pieces(taken)

    def classify(self, x: Any, *, lengths: Any = None, batch_size: int | None = None) -> Any:
        """Return the class of each row, or step, by its name, and the probabilities of all classes.

        Parameters
        ----------
        x, lengths, batch_size : as for `predict`

        Returns
        -------
        Classified
            ``names``, (batch,) or (batch, time), which are the classes' numbers where they have no names;
            ``probabilities``, (..., classes). Lists of rows where `predict` gives these. For several outputs a dict of
            them by output, of those whose losses are over classes.

        Raises
        ------
        ArgumentError
            If no loss is over classes of which one is right.
        NotBuiltError, ShapeError, DTypeError, DataError
            As for `predict`.

        Examples
        --------
        >>> import lamina
        >>> x = np.random.default_rng(0).normal(size=(64, 4, 2)) + 2 * (np.arange(64) % 2)[:, None, None]
        >>> y = np.where(np.arange(64) % 2, "high", "low")
        >>> model = lamina.Sequential(lamina.layers.GRU(8), lamina.layers.Dense(2))
        >>> trainer = lamina.Trainer(model, optimizer=lambda p: lamina.optimizers.Adam(p, lr=0.02))
        >>> history = trainer.fit(x, y, verbose=False)
        >>> trainer.classify(x[:3]).names.tolist(), model.facts["class_names"]
        (['low', 'high', 'low'], ['high', 'low'])
        """
        require_classes(self.goals)
        naming = Naming(self.goals, self.model, self.class_names)
        outputs = self.predict(x, lengths=lengths, batch_size=batch_size)
        if not self.goals[0].name:
            return classified(self.goals[0].loss, outputs, naming.classes())
        pairs = zip(self.goals, outputs, strict=True)
        return {
            goal.name: classified(goal.loss, output, naming.classes(goal.name))
            for goal, output in pairs
            if is_over_classes(goal.loss)
        }

    def _predict_pieces(self, taken: Iterable[Batch]) -> Any:
        """Return the outputs of rows that are read piece by piece: joined, or a list of rows where they differ."""
        columns: list[list[Any]] = []
        several = False
        for batch in taken:
            outputs = predict(self.model, (batch,))
            several = isinstance(outputs, tuple)
            each = as_tuple(outputs)
            after = lengths_after(self.model, batch.options.get("lengths"))
            ends = each_lengths(after, len(each))
            columns = columns or [[] for _ in each]
            for column, array, own in zip(columns, each, ends, strict=True):
                ragged = own is not None and array.ndim > 2 and (own < array.shape[1]).any()
                column.append([row[:end] for row, end in zip(array, own, strict=True)] if ragged else array)
        joined = tuple(map(_joined, columns))
        return joined if several else joined[0]

    def __repr__(self) -> str:
        losses = [f"{goal.name}={goal.loss!r}" if goal.name else repr(goal.loss) for goal in self.goals]
        names = [goal.named(metric.name) for goal in self.goals for metric in goal.metrics]
        return f"<Trainer: {', '.join(losses)}, {self._choice!r}, metrics {names}>"


def names_of(goals: tuple[Goal, ...]) -> tuple[str, ...]:
    """Return the outputs' names, where there are several."""
    return tuple(goal.name for goal in goals) if goals[0].name else ()


def weighted_for(
    model: Layer, goals: tuple[Goal, ...], feed: Feed, class_weight: Any, naming: Naming
) -> tuple[tuple[Goal, ...], Data]:
    """Check a feed for the goals; return them with the weights of classes that a call is given, and what was checked.

    The feed's later batches are checked for these.
    """
    data = feed.check(goals)
    if naming.is_known:
        naming.require_as_many(feed.shape_of(data))
    if class_weight is None:
        return goals, data
    weighted = with_class_weights(goals, class_weight, _rows_of(feed, data), feed.shape_of(data), naming.all_names())
    feed.goals = weighted
    return weighted, data


def _rows_of(feed: Feed, data: Data) -> Iterable[Counted] | None:
    """Return all that a feed has, to be counted: of a source a pass of its own; None of one that goes once.

    Parameters
    ----------
    feed : Feed
    data : Data
        What its `check` returned.
    """
    if isinstance(feed, ArrayFeed):
        return [Counted(data.target, data.weights, feed.shape_of(data), lengths_after(feed.model, data.lengths))]
    if isinstance(feed, BatchFeed) and not feed.source.begins_anew:
        return None
    return _pass_over(feed)


def _pass_over(feed: Feed) -> Iterator[Counted]:
    with closing(feed.counted()) as taken:
        for batch in taken:
            ends = lengths_after(feed.model, batch.options.get("lengths"))
            yield Counted(batch.counted, batch.weights, feed.shape_of(Data(batch.inputs)), ends)


def _given_weights(class_weight: Any) -> Iterable[Any]:
    """Return what is given for each output, where there are several; else the weights, or the word for them."""
    if isinstance(class_weight, Mapping):
        return class_weight.values()
    return class_weight if isinstance(class_weight, (tuple, list)) else (class_weight,)


def _joined(parts: list[Any]) -> Any:
    if all(isinstance(part, np.ndarray) for part in parts) and len({part.shape[1:] for part in parts}) == 1:
        return np.concatenate(parts)
    return [row for part in parts for row in part]
