"""What `fit` makes of its arguments before anything changes: what it refuses, it has not touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.data.naming import Naming
from lamina.errors import ArgumentError, LaminaError
from lamina.layers import GRU, Dense, Flatten, Standardize
from lamina.train.batch_feed import BatchFeed
from lamina.train.feed_choice import feed_of
from lamina.train.feeds import ArrayFeed, RowFeed
from lamina.train.fitting import (
    batch_sizes,
    facts_of,
    order_for,
    read_given,
    require_turns,
    validation_of,
    whole_feed,
)
from tests.framework.train.every_source import (
    CLASSES,
    LENGTHS,
    ROWS,
    SIZE,
    Sequences,
    W,
    X,
    Y,
    in_four,
    mapped,
    tagger,
    trainer_of,
)

ANEW = "or a function that returns it anew"
# Of a generator that may be asked nothing before: what is given beside it, and the message.
OF_A_GENERATOR: dict[str, tuple[dict[str, Any], str]] = {
    "two epochs": ({"epochs": 2}, "epochs: expected 1 for what can be gone through once, got 2: pass steps_per_epoch"),
    "shuffle": ({"shuffle": True}, "shuffle: expected none for batches, which come in the order that their source"),
    "bucket": ({"bucket": True}, "bucket: expected rows, got batches, which hold what their source put together"),
    "batch_size": ({"batch_size": 4}, "batch_size: expected none beside a generator, which gives batches"),
    "validation_split": ({"validation_split": 0.5}, "validation_split: expected rows to split, got batches"),
    "stratify": ({"stratify": True}, "stratify: expected a validation_split to stratify"),
    "y": ({"y": Y}, "y: expected none beside a generator, which gives its own"),
    "lengths": ({"lengths": LENGTHS}, "lengths: expected none beside a generator"),
    "sample_weight": ({"sample_weight": W}, "sample_weight: expected none beside a generator"),
    "mask": ({"mask": W > 0}, "mask: expected none beside a generator"),
    "validation that goes once": ({"validation_data": iter([])}, "validation data: expected what can be gone through"),
    "no prefetch": ({"prefetch": -1}, "Trainer: expected prefetch to be a whole number of 0 or more, got -1"),
    "no steps": ({"steps_per_epoch": 0}, "Trainer: expected steps_per_epoch to be a whole number of 1 or more, got 0"),
    "epochs": ({"epochs": 0}, "Trainer: expected epochs to be a whole number of 1 or more, got 0"),
    "Standardize": ({"standardize": True}, "Standardize: measures the data before training, and these can be gone"),
}


@pytest.mark.parametrize("case", OF_A_GENERATOR)
def test_what_is_refused_takes_nothing_of_a_generator_and_builds_nothing(case: str) -> None:
    given, message = OF_A_GENERATOR[case]
    given = {"epochs": 1, **given}
    layers = [Standardize()] if given.pop("standardize", False) else []
    model = lamina.Sequential(*layers, GRU(3, return_sequences=True), Dense(CLASSES))
    source = in_four()
    with pytest.raises(ArgumentError) as caught:
        trainer_of(model).fit(source, **given, verbose=False)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert not model.is_built
    assert model.facts == {}
    np.testing.assert_array_equal(next(source)[0], X[:SIZE])


@pytest.mark.parametrize("case", [case for case in OF_A_GENERATOR if case not in ("two epochs", "Standardize")])
def test_a_function_is_refused_in_the_same_words_and_not_called(case: str) -> None:
    given, _ = OF_A_GENERATOR[case]
    calls: list[int] = []

    def source() -> Iterator[Any]:
        calls.append(1)
        return in_four()

    with pytest.raises(ArgumentError) as caught:
        trainer_of(tagger()).fit(source, **{"epochs": 1, **given}, verbose=False)
    assert str(caught.value).split(": expected")[0] == OF_A_GENERATOR[case][1].split(": expected")[0]
    assert calls == []


def test_what_begins_anew_is_taken_as_often_as_asked() -> None:
    for given in ({"x": in_four}, {"x": in_four(), "steps_per_epoch": 2}, {"x": Sequences()}, {"x": X, "y": Y}):
        require_turns(feed_of(tagger(), **given), 3)
    require_turns(feed_of(tagger(), in_four()), 1)
    with pytest.raises(ArgumentError, match=ANEW):
        require_turns(feed_of(tagger(), in_four()), 2)


BUCKETS: dict[str, tuple[Callable[[Path], dict[str, Any]], str]] = {
    "without lengths": (lambda _: {"x": X, "y": Y}, "bucket: expected one array of lengths"),
    "of rows by index": (lambda _: {"x": Sequences()}, "bucket: expected one array of lengths"),
    "of a memmap without lengths": (lambda folder: {**mapped(folder, x=X), "y": Y}, "bucket: expected one array of"),
    "without shuffle": (
        lambda _: {"x": X, "y": Y, "lengths": LENGTHS, "shuffle": False},
        "bucket: expected shuffle, as batches of rows of like length take them in another order",
    ),
}


@pytest.mark.parametrize("case", BUCKETS)
def test_buckets_are_refused_where_there_is_nothing_to_sort_by(case: str, tmp_path: Path) -> None:
    given, message = BUCKETS[case]
    model = lamina.Sequential(GRU(3, return_sequences=True), Dense(CLASSES))
    with pytest.raises(ArgumentError) as caught:
        trainer_of(model).fit(**given(tmp_path), bucket=True, verbose=False)
    assert str(caught.value).startswith(message)
    assert not model.is_built


def test_buckets_need_an_open_time_axis() -> None:
    model = lamina.Sequential(Flatten(), Dense(CLASSES))
    model.build((None, 5, 2), seed=0)
    full = np.full(ROWS, 5)
    with pytest.raises(LaminaError):
        trainer_of(model).fit(X, Y[:, 0], lengths=full, bucket=True, verbose=False)
    fixed = lamina.Sequential(GRU(3, return_sequences=True), Dense(CLASSES))
    fixed.build((None, 5, 2), seed=0)
    with pytest.raises(ArgumentError, match="bucket: expected a model with an open time axis, got one built for 5 ste"):
        trainer_of(fixed).fit(X, Y, lengths=LENGTHS, bucket=True, verbose=False)


def test_the_order_is_that_of_the_generator() -> None:
    feed = feed_of(tagger(), X, Y, lengths=LENGTHS, batch_size=SIZE)
    assert order_for(feed, False, False, np.random.default_rng(0)) is None
    assert order_for(feed_of(tagger(), in_four), None, False, np.random.default_rng(0)) is None
    for shuffle in (None, True):
        order = order_for(feed, shuffle, False, np.random.default_rng(3))
        assert order is not None
        twin = np.random.default_rng(3)
        for _ in range(2):
            np.testing.assert_array_equal(order(ROWS, None), twin.permutation(ROWS))
    assert not feed.shortens
    order = order_for(feed, None, True, np.random.default_rng(3))
    assert order is not None
    assert sorted(np.asarray(order(ROWS, LENGTHS)).tolist()) == list(range(ROWS))
    assert feed.shortens


def test_what_is_given_is_read_and_split_or_paired_with_what_validates() -> None:
    model = tagger()
    trainer = trainer_of(model)
    naming = Naming(trainer.goals, model)
    columns = {"lengths": LENGTHS, "batch_size": SIZE}
    none = (0.0, False, 0)
    feed, validation = read_given(model, trainer.goals, X, Y, columns, None, none, naming)
    assert isinstance(feed, ArrayFeed)
    assert (feed.rows, feed.batch_size, validation) == (ROWS, SIZE, None)
    feed, validation = read_given(model, trainer.goals, X, Y, columns, (X[:5], Y[:5]), none, naming)
    assert (feed.rows, validation is not None and validation.rows) == (ROWS, 5)
    feed, validation = read_given(model, trainer.goals, X, Y, columns, None, (0.5, False, 0), naming)
    assert (feed.rows, validation is not None and validation.rows) == (11, 11)


def test_the_kinds_of_what_validates() -> None:
    model, goals = tagger(), trainer_of(tagger()).goals
    naming = Naming(goals, model)
    for value, kind, size in (
        ((X, Y), ArrayFeed, 256),
        ([X, Y, LENGTHS], ArrayFeed, 256),
        (Sequences(), RowFeed, 256),
        (in_four, BatchFeed, 32),
    ):
        feed = validation_of(model, goals, value, naming)
        assert (type(feed), feed.batch_size) == (kind, size)


def test_one_batch_is_all_rows_of_what_is_in_memory() -> None:
    model = tagger()
    naming = Naming(trainer_of(model).goals, model)
    feed = whole_feed(model, X, Y, (), {"lengths": LENGTHS}, naming)
    assert (feed.rows, feed.batch_size, feed.steps) == (ROWS, ROWS, 1)
    for source in (Sequences(), in_four, in_four()):
        got = type(source).__name__
        with pytest.raises(ArgumentError, match=f"^x: expected the rows of one batch, got a {got}: see fit$"):
            whole_feed(model, source, None, (), {}, naming)
        with pytest.raises(ArgumentError, match=f"^x: expected the rows of one batch, got a {got}: see fit$"):
            trainer_of(model).train_on_batch(source, None)


def test_sizes_are_checked() -> None:
    assert batch_sizes(None, None, 0) == {"batch_size": None, "steps_per_epoch": None, "prefetch": 0}
    assert batch_sizes(np.int64(3), 4, 2) == {"batch_size": 3, "steps_per_epoch": 4, "prefetch": 2}
    for given in ((0, None, 1), (None, 0, 1), (None, None, -1), (1.5, None, 1), (None, None, True), (None, "2", 1)):
        with pytest.raises(ArgumentError, match=r"^Trainer: expected "):
            batch_sizes(*given)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"x": X, "y": Y, "lengths": LENGTHS, "batch_size": 4}, {"batch_size": 4}),
        ({"x": Sequences()}, {"batch_size": 32}),
        ({"x": in_four}, {}),
        ({"x": X, "y": Y, "lengths": LENGTHS, "bucket": True}, {"batch_size": 32, "bucket": True}),
        ({"x": X, "y": Y, "lengths": LENGTHS, "truncate": 2}, {"batch_size": 32, "truncate": 2}),
    ],
    ids=["arrays", "rows", "batches", "bucket", "truncate"],
)
def test_the_facts_say_of_each_kind_what_there_is_to_say(given: dict[str, Any], wanted: dict[str, Any]) -> None:
    trainer = trainer_of(tagger(), seed=5)
    trainer.fit(**given, epochs=1, verbose=False)
    facts = trainer.model.facts["training"]
    assert facts["seed"] == 5
    assert facts["loss"] == "SoftmaxCrossEntropy()"
    optional = ("batch_size", "bucket", "truncate", "accumulate", "precision", "loss_weights")
    assert {name: facts[name] for name in optional if name in facts} == wanted


def test_the_facts_of_several_outputs_are_by_name() -> None:
    trainer = lamina.Trainer(tagger(), {"a": "mse", "b": None}, loss_weights={"a": 0.5, "b": 2}, accumulate=3)
    feed = feed_of(tagger(), in_four)
    assert facts_of(trainer, trainer.goals, feed, None) == {
        "seed": 0,
        "loss": {"a": "MeanSquaredError()", "b": None},
        "loss_weights": {"a": 0.5, "b": 2.0},
        "accumulate": 3,
    }


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(require_turns) == {"shuffle": None, "bucket": False}
