"""What is read as arrays, by rows or by batches; and the rows that a split holds out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError, DataError, LaminaError, ShapeError
from lamina.layers import GRU, Dense
from lamina.train import feed_choice
from lamina.train.batch_feed import BatchFeed
from lamina.train.feed_choice import feed_of, hold_arrays, split_feed
from lamina.train.feeds import ArrayFeed, RowFeed
from tests.framework.train.every_source import (
    BY_BATCHES,
    BY_ROWS,
    CLASSES,
    FEATURES,
    LENGTHS,
    PLACES,
    ROWS,
    Sequences,
    W,
    X,
    Y,
    in_four,
    mapped,
    tagger,
    trainer_of,
)

LABELS = np.array(["b", "a", "c", "a"])[np.random.default_rng(0).integers(0, 4, ROWS)]


@pytest.mark.parametrize("kind", [*BY_ROWS, *BY_BATCHES])
def test_which_feed_data_are(kind: str, tmp_path: Path) -> None:
    given = (BY_ROWS | BY_BATCHES)[kind](tmp_path)
    feed = feed_of(tagger(), **given)
    in_memory = kind in ("arrays", "lists of sequences")
    assert type(feed) is (BatchFeed if kind in BY_BATCHES else ArrayFeed if in_memory else RowFeed)
    assert feed.rows == (None if kind in BY_BATCHES else ROWS)
    says = {"an iterable with a length", "a torch DataLoader", "an iterable, by steps_per_epoch"}
    if kind in BY_BATCHES:
        assert feed.steps == (len(PLACES) if kind in says or "steps_per_epoch" in kind else None)
    else:
        assert (feed.batch_size, feed.steps) == (32, 1)
        assert feed_of(tagger(), **given, rows=5).steps == 5
    assert feed.begins_anew


def test_what_can_be_gone_through_once_is_known() -> None:
    assert not feed_of(tagger(), in_four()).begins_anew
    assert not feed_of(tagger(), iter([])).begins_anew
    assert feed_of(tagger(), in_four(), steps_per_epoch=2).begins_anew


def unbuilt() -> Any:
    return lamina.Sequential(GRU(3, return_sequences=True), Dense(CLASSES))


STORED = "stored"  # stands for an array on a disk
REFUSED: dict[str, tuple[dict[str, Any], type[LaminaError], str]] = {
    "y beside rows": ({"x": Sequences(), "y": Y}, ArgumentError, "y: expected none beside a Sequences, which gives"),
    "lengths beside rows": ({"x": Sequences(), "lengths": LENGTHS}, ArgumentError, "lengths: expected none beside"),
    "weights beside rows": ({"x": Sequences(), "sample_weight": W}, ArgumentError, "sample_weight: expected none"),
    "a mask beside rows": ({"x": Sequences(), "mask": W > 0}, ArgumentError, "mask: expected none beside a Sequences"),
    "y beside batches": ({"x": in_four, "y": Y}, ArgumentError, "y: expected none beside a function, which gives"),
    "weights beside batches": (
        {"x": in_four, "sample_weight": W},
        ArgumentError,
        "sample_weight: expected none beside",
    ),
    "batch_size beside batches": (
        {"x": in_four, "batch_size": 4},
        ArgumentError,
        "batch_size: expected none beside a function, which gives batches",
    ),
    "steps_per_epoch of rows": (
        {"x": Sequences(), "steps_per_epoch": 2},
        ArgumentError,
        "steps_per_epoch: expected none where the number of rows is known",
    ),
    "steps_per_epoch of arrays": (
        {"x": X, "y": Y, "steps_per_epoch": 2},
        ArgumentError,
        "steps_per_epoch: expected none where the number of rows is known",
    ),
    "arrays without y": (
        {"x": X},
        ArgumentError,
        "y: expected targets, got none: a list is rows, and iter(...) of it gives batches",
    ),
    "a memmap without y": ({"x": STORED}, ArgumentError, "y: expected targets, got none"),
    "a memmap and one y": ({"x": STORED, "y": 5}, ShapeError, "y: expected one for each row, got a int without rows"),
    "a memmap and one length": ({"x": STORED, "y": Y, "lengths": 5}, ShapeError, "lengths: expected one for each row"),
    "a memmap and one weight": ({"x": STORED, "y": Y, "sample_weight": 1.0}, ShapeError, "sample_weight: expected one"),
    "a memmap and a generator": ({"x": STORED, "y": (1 for _ in X)}, ShapeError, "y: expected one for each row, got"),
    "a memmap and fewer y": (
        {"x": STORED, "y": Y[:-1]},
        ShapeError,
        "expected as many rows in x and y, got 22 in x",
    ),
    "split of batches": (
        {"x": in_four, "validation_split": 0.5},
        ArgumentError,
        "validation_split: expected rows to split, got batches: pass validation_data",
    ),
    "split beside validation": (
        {"x": X, "y": Y, "validation_split": 0.5, "validation_data": (X, Y)},
        ArgumentError,
        "validation_split: expected none beside validation_data",
    ),
    "stratify without split": (
        {"x": X, "y": Y, "stratify": True},
        ArgumentError,
        "stratify: expected a",
    ),
    "a split of 1": ({"x": X, "y": Y, "validation_split": 1.0}, ArgumentError, "validation_split"),
    "a split below 0": ({"x": X, "y": Y, "validation_split": -0.5}, ArgumentError, "validation_split"),
    "a split of no row": (
        {"x": X, "y": Y, "validation_split": 0.01},
        ArgumentError,
        "validation_split: expected rows in both parts, got 0 of 22 for 0.01",
    ),
    "stratify by targets of steps": (
        {"x": X, "y": Y, "validation_split": 0.5, "stratify": True},
        ShapeError,
        "stratify: expected a label for each of 22 rows, got int64 of shape (22, 5): pass the labels as stratify",
    ),
    "stratify by what rows hold": (
        {"x": Sequences(), "validation_split": 0.5, "stratify": True},
        ShapeError,
        "stratify: expected a label for each of 22 rows, got",
    ),
    "stratify by fewer labels": (
        {"x": X, "y": Y, "validation_split": 0.5, "stratify": LABELS[:9]},
        ShapeError,
        "of shape (9,)",
    ),
    "stratify by numbers": (
        {"x": X, "y": Y, "validation_split": 0.5, "stratify": W[:, 0]},
        ShapeError,
        "got float64 of shape (22,)",
    ),
    "stratify by lists of sequences": (
        {"x": X, "y": Y, "validation_split": 0.5, "stratify": [[1], [1, 2]] * 11},
        ShapeError,
        "stratify: expected a label for each row, got rows of unequal length",
    ),
    "stratify with a label missing": (
        {"x": X, "y": Y, "validation_split": 0.5, "stratify": [None, *LABELS[1:]]},
        DataError,
        "stratify: expected a value, got None at index 0",
    ),
    "stratify by a class of one": (
        {"x": X, "y": Y, "validation_split": 0.5, "stratify": np.arange(ROWS) // 21},
        DataError,
        "stratify: expected two rows at least of each class, got one of some",
    ),
    "validation that goes once": (
        {"x": in_four, "validation_data": in_four()},
        ArgumentError,
        "validation data: expected what can be gone through each epoch, got what can be once",
    ),
    "validation of one value": (
        {"x": in_four, "validation_data": (X,)},
        ArgumentError,
        "validation data: expected (x, y), (x, y, lengths) or (x, y, lengths, sample_weight), got 1 values",
    ),
    "a function of nothing": (
        {"x": lambda: None},
        ArgumentError,
        "x: expected a function that returns an iterable of batches, got a NoneType",
    ),
    "no rows": (
        {"x": type("None_", (Sequences,), {"__len__": lambda self: 0})()},
        DataError,
        "x: expected at least one",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_leaves_the_model_as_it_was(case: str, tmp_path: Path) -> None:
    given, error, message = REFUSED[case]
    if given["x"] is STORED:
        given = given | mapped(tmp_path, x=X)
    model = unbuilt()
    trainer = trainer_of(model)
    with pytest.raises(error) as caught:
        trainer.fit(**given, verbose=False)
    assert str(caught.value).startswith(message) or message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not model.is_built
    assert model.facts == {}
    assert len(trainer.history) == 0
    trained, plain = trainer, trainer_of(unbuilt())
    for one in (trained, plain):  # the trainer's generator was not drawn from either
        one.fit(X, Y, lengths=LENGTHS, epochs=1, batch_size=4, verbose=False)
    for name, array in plain.model.state_dict().items():
        np.testing.assert_array_equal(trained.model.state_dict()[name], array)


# --- splits ----------------------------------------------------------------------------------------------------------


def numbered(rows: int = ROWS) -> Any:
    """Return rows that hold their numbers."""
    return np.broadcast_to(np.arange(rows, dtype=float)[:, None, None], (rows, TIME, 1)).copy()


TIME = 3


class Rows:
    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, row: int) -> Any:
        return numbered()[row], int(Y[row, 0])


def parts(given: dict[str, Any], **options: Any) -> tuple[list[int], list[int], lamina.Trainer]:
    """Fit, and return which rows were trained on and which were validated on, as the first layer saw them."""
    seen: dict[bool, list[int]] = {True: [], False: []}

    class Look(lamina.Layer):
        def build(self, shape: Any) -> Any:
            return shape

        def forward(self, x: Any) -> Any:
            seen[True].extend(x[:, 0, 0].astype(int).tolist())
            return x, None

        def infer(self, x: Any, **options: Any) -> Any:
            seen[False].extend(x[:, 0, 0].astype(int).tolist())
            return x

        def backward(self, dy: Any, saved: Any) -> Any:
            return dy

    model = lamina.Sequential(Look(), GRU(2), Dense(CLASSES))
    model.build((None, None, 1), seed=0, dtype="float64")
    trainer = lamina.Trainer(model, optimizer="sgd", seed=options.pop("seed", 0))
    trainer.fit(**given, **{"epochs": 1, "batch_size": 4, "verbose": False} | options)
    return seen[True], seen[False], trainer


PARTED: dict[str, Callable[[Path], dict[str, Any]]] = {
    "arrays": lambda _: {"x": numbered(), "y": Y[:, 0]},
    "lists": lambda _: {"x": [one[:end] for one, end in zip(numbered(), LENGTHS, strict=True)], "y": Y[:, 0]},
    "a memmap": lambda folder: {**mapped(folder, x=numbered()), "y": Y[:, 0]},
    "memmaps": lambda folder: mapped(folder, x=numbered(), y=Y[:, 0].copy()),
    "rows by index": lambda _: {"x": Rows()},
    "weights": lambda _: {"x": numbered(), "y": Y[:, 0], "sample_weight": W[:, 0]},
}


@pytest.mark.parametrize("stratify", [False, True], ids=["plain", "stratified"])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("kind", PARTED)
def test_the_two_parts_are_all_rows_once_and_the_same_ones_each_time(
    kind: str, share: float, stratify: bool, tmp_path: Path
) -> None:
    given = PARTED[kind](tmp_path)
    options: dict[str, Any] = {"validation_split": share, "stratify": Y[:, 0] if stratify else False}
    trained, held, trainer = parts(given, **options)
    assert sorted(trained + held) == list(range(ROWS))
    assert len(held) == round(share * ROWS)
    assert held == sorted(held)  # it keeps the order of the data
    # The same whatever the order, the size of batches and how often; the same of every kind of data.
    for other in ({"shuffle": False}, {"batch_size": 7}, {"prefetch": 0}):
        assert parts(given, **(options | other))[1] == held
    assert parts(PARTED["arrays"](tmp_path), **options)[1] == held
    first = list(held)
    trainer.fit(**given, epochs=2, batch_size=4, verbose=False, **options)
    assert held == first * 3  # what it saw goes on: one epoch, and two
    assert any(parts(given, seed=seed, **options)[1] != first for seed in (1, 2, 3))


def test_the_figures_are_those_of_the_parts_by_themselves(tmp_path: Path) -> None:
    trainer = trainer_of(tagger())
    everything = {"lengths": LENGTHS, "sample_weight": W}
    first, second = split_feed(feed_of(trainer.model, X, Y, **everything), 0.3, trainer.seed)
    assert isinstance(first, ArrayFeed)
    assert isinstance(second, ArrayFeed)
    rows = [int(np.flatnonzero((one == X).all(axis=(1, 2)))[0]) for one in second.data.inputs[0]]
    others = np.setdiff1d(np.arange(ROWS), rows)
    history = trainer.fit(X, Y, **everything, validation_split=0.3, epochs=2, shuffle=False, verbose=False)
    figures = trainer.evaluate(X[rows], Y[rows], lengths=LENGTHS[rows], sample_weight=W[rows])
    assert history["val_loss"][-1] == pytest.approx(figures["loss"], rel=1e-12)
    assert history["val_accuracy"][-1] == pytest.approx(figures["accuracy"], rel=1e-12)
    twin = trainer_of(tagger())
    twin.fit(
        X[others], Y[others], lengths=LENGTHS[others], sample_weight=W[others], epochs=2, shuffle=False, verbose=False
    )
    for name, array in twin.model.state_dict().items():
        np.testing.assert_array_equal(trainer.model.state_dict()[name], array)
    assert X.shape == (ROWS, 5, FEATURES)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.73])
@pytest.mark.parametrize("seed", range(5))
def test_each_class_has_its_share_in_both_parts(seed: int, share: float) -> None:
    rows = 200
    generator = np.random.default_rng(seed)
    labels = generator.choice(4, rows, p=[0.6, 0.3, 0.06, 0.04])
    x = numbered(rows)
    _, held, _ = parts({"x": x, "y": np.zeros(rows, int)}, validation_split=share, stratify=labels)
    assert len(held) == round(share * rows)
    for label in range(4):
        count = (labels == label).sum()
        assert abs((labels[held] == label).sum() - count * round(share * rows) / rows) < 1
    # A split that is not stratified differs by more somewhere: what makes the claim above one.
    misses = []
    for other in range(20):
        drawn = np.random.default_rng(other).permutation(rows)[: round(share * rows)]
        misses.append(max(abs((labels[drawn] == k).sum() - (labels == k).sum() * share) for k in range(4)))
    assert max(misses) > 2


@pytest.mark.parametrize("form", ["text", "list", "objects", "integers", "booleans", "a column", "ragged rows"])
def test_labels_of_every_form_stratify_alike(form: str) -> None:
    two = np.arange(ROWS) % 3 == 0
    forms: dict[str, Any] = {
        "text": np.where(two, "yes", "no"),
        "list": np.where(two, "yes", "no").tolist(),
        "objects": np.where(two, "yes", "no").astype(object),
        "integers": two.astype("uint8") * 7,
        "booleans": two,
        "a column": two[:, None].astype(int),
        "ragged rows": two,
    }
    x: Any = numbered()
    if form == "ragged rows":
        x = [one[:end] for one, end in zip(x, LENGTHS, strict=True)]
    _, held, _ = parts({"x": x, "y": Y[:, 0]}, validation_split=0.5, stratify=forms[form])
    _, wanted, _ = parts({"x": numbered(), "y": Y[:, 0]}, validation_split=0.5, stratify=two.astype(int))
    assert held == wanted
    assert two[held].sum() == two.sum() // 2


@pytest.mark.parametrize("y", ["booleans", "text", "integers", "a column"])
def test_the_targets_of_binary_cross_entropy_stratify(y: str, tmp_path: Path) -> None:
    two = np.arange(ROWS) % 3 == 0
    forms = {"booleans": two, "text": np.where(two, "x", "a"), "integers": two * 1, "a column": two[:, None] * 1}
    model = lamina.Sequential(GRU(2), Dense(1))
    trainer = lamina.Trainer(model, "binary_cross_entropy", "sgd")
    given = forms[y][:, None] if y == "integers" else forms[y]
    history = trainer.fit(numbered(), given, validation_split=0.5, stratify=True, epochs=1, verbose=False)
    assert np.isfinite(history["val_loss"]).all()


def test_a_stratified_split_of_a_memmap_takes_its_targets(tmp_path: Path) -> None:
    for y in (Y[:, 0], Y[:, 0].tolist(), mapped(tmp_path, y=Y[:, 0].copy())["y"]):
        given = {**mapped(tmp_path, x=numbered()), "y": y}
        _, held, _ = parts(given, validation_split=0.5, stratify=True)
        assert held == parts({"x": numbered(), "y": Y[:, 0]}, validation_split=0.5, stratify=True)[1]


def test_arrays_are_held_on_a_device_and_nothing_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def hold(backend: Any, several: Any) -> list[Any]:
        asked.extend(several)
        return [("there", index) for index, _ in enumerate(several)]

    monkeypatch.setattr(feed_choice, "hold", hold)
    arrays, rows, batches = feed_of(tagger(), X, Y), feed_of(tagger(), Sequences()), feed_of(tagger(), in_four)
    other = feed_of(tagger(), X[:3], Y[:3])
    assert isinstance(arrays, ArrayFeed)
    assert isinstance(other, ArrayFeed)
    hold_arrays(rows, None, batches)
    assert asked == []
    hold_arrays(arrays, None, rows, other)
    assert asked == [arrays.data, other.data]
    assert (arrays.held, other.held) == (("there", 0), ("there", 1))


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(split_feed) == {"stratify": False}
    assert defaults(feed_of) == {
        "y": None,
        "lengths": None,
        "sample_weight": None,
        "mask": None,
        "outputs": (),
        "has_target": True,
        "naming": None,
        "learns": False,
        "batch_size": None,
        "steps_per_epoch": None,
        "prefetch": 1,
        "rows": 32,
    }
