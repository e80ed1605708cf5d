"""Models that tell classes, of rows or of steps: their names, their logits, and how often they are right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina import recipes
from lamina.cli.memory import require_memory
from lamina.cli.npz import NumpyArray
from lamina.cli.part import Data, Part
from lamina.cli.report import accuracy_text, confusion_matrix, confusion_text
from lamina.cli.task import Split, Task, Verdict, outputs_of
from lamina.core.layer import Layer
from lamina.errors import DataError
from lamina.losses import SoftmaxCrossEntropy

__all__ = ["Classify", "Tag", "class_names_of", "logits_of", "match_labels"]


class Classify(Task):
    """A class for each row."""

    name = "classify"
    figure_name = "accuracy"
    expected = "(batch, classes)"
    output_rank = 2
    metrics = "accuracy"

    def describe(self, data: Data) -> str:
        """Return how many classes there are."""
        return f"{len(data.class_names)} classes"

    def loss(self) -> SoftmaxCrossEntropy:
        """Return the cross-entropy, of smoothed labels."""
        return SoftmaxCrossEntropy(label_smoothing=recipes.LABEL_SMOOTHING)

    def split(self, data: Data, seed: int, share: float) -> Split:
        """Return the rows to train, validate and test on; two classes at least are needed."""
        if data.train is not None and len(data.class_names) < 2:
            raise DataError(f"{data.source!r}: expected at least two classes, got only {data.class_names[0]!r}")
        count = len(data.class_names)
        require_memory(8 * count**2, data.memory, repr(data.source), f"the confusion matrix of {count} classes")
        return super().split(data, seed, share)

    def build(self, data: Data, first: Layer, options: dict[str, Any]) -> Layer:
        """Return a stack of cells and a Dense that gives logits."""
        return recipes.build_stack(first, classes=len(data.class_names), per_step=self.per_step, **options)

    def finish(self, model: Layer, split: Split, data: Data) -> None:
        """Keep the classes' names with the model."""
        model.facts["class_names"] = list(data.class_names)

    def judge(self, model: Layer, part: Part, data: Data) -> Verdict:
        """Return the accuracy, over rows or over all steps, and who is taken for whom."""
        class_names, labels = match_labels(model, part, data)
        logits = logits_of(model, part.x, part.lengths, data.source)
        lengths = part.lengths if self.per_step else None
        loss = SoftmaxCrossEntropy()(logits, labels, **({} if lengths is None else {"lengths": lengths}))
        counted = part.counted
        matrix = confusion_matrix(labels[counted], logits.argmax(axis=-1)[counted], len(class_names))
        accuracy = float(matrix.trace() / max(1, matrix.sum()))
        line = f"accuracy {accuracy_text(matrix, 'steps' if self.per_step else '')}"
        return Verdict(confusion_text(matrix, class_names), line, accuracy, {"accuracy": accuracy}, float(loss))


class Tag(Classify):
    """A class for each step of each row."""

    name = "tag"
    expected = "(batch, time, classes)"
    output_rank = 3
    per_step = True

    def describe(self, data: Data) -> str:
        """Return how many classes there are."""
        return f"{len(data.class_names)} classes of steps"

    def loss(self) -> SoftmaxCrossEntropy:
        """Return the cross-entropy, averaged over all steps."""
        return SoftmaxCrossEntropy()


def class_names_of(model: Layer) -> tuple[str, ...] | None:
    """Return the names a model's classes are saved with, or None."""
    names = model.facts.get("class_names")
    if not isinstance(names, list) or len(names) != _class_count(model):
        return None
    return tuple(str(name) for name in names)


def logits_of(model: Layer, x: NumpyArray, lengths: NumpyArray | None, source: str) -> NumpyArray:
    """Return a model's logits for rows of some source, batch by batch, on the host.

    Of a model that ends in a softmax they are the logarithms of its probabilities, whose softmax these are.

    Raises
    ------
    DataError
        If the rows have another number of features than the model takes, or numbers too large for its dtype.
    NonFiniteError
        If the output holds NaN or infinity: no class, no probability and no loss follows from that.
    """
    from lamina.compose.sequential import Sequential
    from lamina.layers import Softmax

    steps = ("step",) if isinstance(model.output_shape, tuple) and len(model.output_shape) == 3 else ()
    logits = outputs_of(model, x, lengths, source, (*steps, "class"))
    last = model
    while isinstance(last, Sequential) and len(last):
        last = last[-1]
    if isinstance(last, Softmax):
        with np.errstate(divide="ignore"):
            logits = np.log(logits)
    return logits


def match_labels(model: Layer, part: Part, data: Data) -> tuple[tuple[str, ...], NumpyArray]:
    """Return a model's class names, and a part's labels as positions among them, matched by name.

    Where the data have only numbers and the model has names that are none of them, the numbers count the model's
    classes from 0. The label of a step past its row's end is 0.

    Raises
    ------
    DataError
        If the data have a class that the model does not know.
    """
    count = _class_count(model)
    numbers = tuple(str(number) for number in range(count))
    names, own = class_names_of(model), data.class_names
    if names is None:
        # A model that was saved without names knows its classes by number, from 0.
        names = numbers if data.numbered or len(own) != count else own
    elif data.numbered and not set(own) & set(names):
        own = tuple(names[int(name)] if name in numbers else name for name in own)
    positions = {name: position for position, name in enumerate(names)}
    unknown = [own[label] for label in np.unique(part.y[part.counted]) if own[label] not in positions]
    if unknown:
        raise DataError(f"{data.source!r}: the model knows no class {unknown[0]!r}; it knows {_shown(names)}")
    table = np.array([positions.get(name, -1) for name in own])
    return names, np.where(part.counted, table[part.y], 0)


def _class_count(model: Layer) -> int:
    assert model.output_shape is not None
    size = model.output_shape[-1]
    return size if isinstance(size, int) else 0


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
