"""Every kind of source trains to the same weights, takes no more memory than a batch, and is measured alike."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.data.checks import read_data
from lamina.data.sources import Batches
from lamina.errors import ArgumentError
from lamina.layers import GRU, Dense, Standardize
from lamina.train.batch_feed import BatchFeed
from lamina.train.feeds import Feed
from tests.framework.train.every_source import (
    BY_BATCHES,
    BY_ROWS,
    CLASSES,
    CUT,
    EPOCHS,
    FEATURES,
    LENGTHS,
    PLACES,
    RNG,
    ROWS,
    SIZE,
    TIME,
    VALID,
    W,
    X,
    Y,
    adam,
    assert_same_weights,
    by_hand,
    in_four,
    mapped,
    tagger,
    threads_left,
    trainer_of,
)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """What any test begins here, it ends: also where an error is still held, and so its frames."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("shuffle", [None, False])
@pytest.mark.parametrize("prefetch", [0, 1, 3])
@pytest.mark.parametrize("kind", BY_ROWS)
def test_rows_of_every_kind_train_to_the_weights_of_a_loop_of_ones_own(
    kind: str, prefetch: int, shuffle: bool | None, tmp_path: Path
) -> None:
    generator = np.random.default_rng(0)
    plain = shuffle is False
    wanted = by_hand([np.arange(ROWS) if plain else generator.permutation(ROWS) for _ in range(EPOCHS)])
    trainer = trainer_of(tagger())
    given = BY_ROWS[kind](tmp_path)
    trainer.fit(**given, batch_size=SIZE, epochs=EPOCHS, shuffle=shuffle, prefetch=prefetch, verbose=False)
    assert_same_weights(trainer.model, wanted, kind not in CUT)


@pytest.mark.parametrize("shuffle", [None, False])
@pytest.mark.parametrize("prefetch", [0, 1, 3])
@pytest.mark.parametrize("kind", BY_BATCHES)
def test_batches_of_every_kind_train_to_the_weights_of_a_loop_of_ones_own(
    kind: str, prefetch: int, shuffle: bool | None, tmp_path: Path
) -> None:
    trainer = trainer_of(tagger())
    trainer.fit(**BY_BATCHES[kind](tmp_path), epochs=EPOCHS, shuffle=shuffle, prefetch=prefetch, verbose=False)
    assert_same_weights(trainer.model, by_hand([np.arange(ROWS)] * EPOCHS))


def test_a_generator_is_gone_through_once() -> None:
    trainer = trainer_of(tagger())
    history = trainer.fit(in_four(), epochs=1, verbose=False)
    assert len(history) == 1
    assert_same_weights(trainer.model, by_hand([np.arange(ROWS)]))


@pytest.mark.parametrize("kind", [*BY_ROWS, *BY_BATCHES])
def test_every_kind_is_evaluated_and_predicted_and_validated_on_alike(kind: str, tmp_path: Path) -> None:
    given = (BY_ROWS | BY_BATCHES)[kind](tmp_path)
    given.pop("steps_per_epoch", None)
    trainer = trainer_of(tagger())
    wanted = trainer.evaluate(X, Y, lengths=LENGTHS, sample_weight=W)
    if kind == "a generator, by steps_per_epoch":
        given["x"] = in_four()  # for one turn
    found = trainer.evaluate(**given)
    assert found == pytest.approx(wanted, rel=1e-12)

    if kind == "a generator, by steps_per_epoch":
        given["x"] = in_four()
    predicted = trainer.predict(given["x"], lengths=given.get("lengths"))
    assert len(predicted) == ROWS
    for row, one in enumerate(predicted):
        end = LENGTHS[row]
        np.testing.assert_allclose(one[:end], trainer.model(X[row : row + 1, :end])[0], rtol=1e-9, atol=1e-12)

    if kind == "a generator, by steps_per_epoch":
        return  # it cannot be gone through each epoch: refused, see test_feed_choice.py
    several = [given.get(name) for name in ("x", "y", "lengths", "sample_weight")]
    validation = tuple(several) if "y" in given else given["x"]
    history = trainer.fit(X, Y, lengths=LENGTHS, epochs=2, validation_data=validation, verbose=False)
    after = trainer.evaluate(X, Y, lengths=LENGTHS, sample_weight=W)
    assert history["val_loss"][-1] == pytest.approx(after["loss"], rel=1e-12)
    assert history["val_accuracy"][-1] == pytest.approx(after["accuracy"], rel=1e-12)


def softmax(z: Any) -> Any:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("kind", ["function", "rows", "memmap"])
def test_a_source_of_pairs_is_gradient_descent_in_plain_numpy(kind: str, tmp_path: Path) -> None:
    x, labels = X[:, 0], Y[:, 0]
    model = lamina.Sequential(Dense(CLASSES))
    model.build((None, FEATURES), seed=0, dtype="float64")
    w, b = (array.copy() for array in (model[0].w.numpy(), model[0].b.numpy()))

    class Pairs:
        def __len__(self) -> int:
            return ROWS

        def __getitem__(self, row: int) -> Any:
            return x[row], labels[row]

    source: dict[str, Any] = {
        "function": {"x": lambda: ((x[place], labels[place]) for place in PLACES)},
        "rows": {"x": Pairs(), "batch_size": SIZE, "shuffle": False},
        "memmap": {**mapped(tmp_path, x=x), "y": labels, "batch_size": SIZE, "shuffle": False},
    }
    trainer = lamina.Trainer(model, optimizer=lambda parameters: lamina.optimizers.SGD(parameters, lr=0.5))
    history = trainer.fit(**source[kind], epochs=2, verbose=False)
    losses = []
    for _ in range(2):
        total = 0.0
        for place in PLACES:
            p, aim = softmax(x[place] @ w + b), np.eye(CLASSES)[labels[place]]
            total -= np.log(p[aim > 0]).sum()
            slope = (p - aim) / len(p)
            w, b = w - 0.5 * x[place].T @ slope, b - 0.5 * slope.sum(axis=0)
        losses.append(total / ROWS)
    np.testing.assert_allclose(model[0].w.numpy(), w, rtol=1e-12)
    np.testing.assert_allclose(model[0].b.numpy(), b, rtol=1e-12)
    assert history["loss"] == pytest.approx(losses, rel=1e-12)


class Wired(lamina.Composite):
    """Two inputs, two outputs: labels a row and a number a step."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = GRU(3, return_sequences=True), GRU(3, return_sequences=True)
        self.reader, self.classes, self.numbers = GRU(2), Dense(CLASSES), Dense(1)

    def compose(self, t: Any, a: Any, b: Any) -> Any:
        h = t(self.first, a) + t(self.second, b)
        return t(self.classes, t(self.reader, h)), t(self.numbers, h)


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("kind", ["batches", "rows", "memmap", "one memmap", "loader"])
def test_several_inputs_and_outputs(kind: str, named: bool, tmp_path: Path) -> None:
    first, second = X, RNG.normal(size=(ROWS, TIME, 1))
    labels, numbers = Y[:, 0], RNG.normal(size=(ROWS, TIME, 1))
    row_weights, step_weights = W[:, 0].copy(), RNG.uniform(0.1, 1, (ROWS, TIME))

    def both(one: Any, other: Any) -> Any:
        return {"label": one, "number": other} if named else (one, other)

    def trained(**given: Any) -> Any:
        model = Wired()
        model.build((None, None, FEATURES), (None, None, 1), seed=2, dtype="float64")
        losses = both("softmax_cross_entropy", "mean_squared_error")
        trainer = lamina.Trainer(model, losses, adam, loss_weights=both(1, 0.25))
        shuffle = False if "y" in given or hasattr(given["x"], "__getitem__") else None
        trainer.fit(**given, epochs=2, shuffle=shuffle, verbose=False)
        return trainer

    x, y, weights = (first, second), both(labels, numbers), both(row_weights, step_weights)
    plain = trained(x=x, y=y, sample_weight=weights, batch_size=SIZE)

    def batch(place: Any) -> Any:
        aims = both(labels[place], numbers[place])
        return (first[place], second[place]), aims, None, both(row_weights[place], step_weights[place])

    class Rows:
        def __len__(self) -> int:
            return ROWS

        def __getitem__(self, row: int) -> Any:
            x, y, _, weights = batch(row)
            return x, y, weights

    given: dict[str, Any] = {}
    if kind == "batches":
        given["x"] = lambda: map(batch, PLACES)
    elif kind == "loader":
        torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")

        def together(rows: list[Any]) -> Any:  # torch's own makes lists of tuples, and a list is rows
            return batch(rows)

        given["x"] = torch.utils.data.DataLoader(range(ROWS), batch_size=SIZE, collate_fn=together)
    elif kind == "rows":
        given |= {"x": Rows(), "batch_size": SIZE}
    else:
        there = mapped(tmp_path, first=first, second=second, labels=labels, numbers=numbers)
        if kind == "one memmap":
            there |= {"second": second, "labels": labels}
        given |= {"x": (there["first"], there["second"]), "y": both(there["labels"], there["numbers"])}
        given |= {"sample_weight": weights, "batch_size": SIZE}
    trainer = trained(**given)
    assert_same_weights(trainer.model, plain.model)
    found, wanted = trainer.predict(x if kind != "memmap" else given["x"]), plain.predict(x)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


def test_steps_per_epoch_goes_on_and_begins_anew() -> None:
    """Four of six batches an epoch: the second takes the last two and the first two of a new turn."""
    seen: list[int] = []
    begun: list[int] = []

    def source() -> Iterator[Any]:
        begun.append(1)
        for index, one in enumerate(in_four()):
            seen.append(index)
            yield one

    trainer = trainer_of(tagger())
    trainer.fit(source, steps_per_epoch=4, epochs=3, verbose=False)
    assert seen == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]
    assert len(begun) == 2
    assert_same_weights(trainer.model, by_hand([np.arange(ROWS)] * 2))


@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_no_batch_of_a_generator_is_lost_between_epochs_and_fits(prefetch: int) -> None:
    source = (one for _ in range(2) for one in in_four())
    trainer = trainer_of(tagger())
    for _ in range(2):
        trainer.fit(source, steps_per_epoch=3, epochs=2, prefetch=prefetch, verbose=False)
    assert_same_weights(trainer.model, by_hand([np.arange(ROWS)] * 2))
    assert next(source, None) is None


@pytest.mark.parametrize("kind", [*BY_ROWS, *BY_BATCHES])
def test_layers_that_measure_the_data_measure_those_of_every_source(kind: str, tmp_path: Path) -> None:
    given = (BY_ROWS | BY_BATCHES)[kind](tmp_path)
    model = lamina.Sequential(Standardize(), GRU(3, return_sequences=True), Dense(CLASSES))
    model.build((None, None, FEATURES), seed=1, dtype="float64")
    if kind == "a generator, by steps_per_epoch":
        with pytest.raises(ArgumentError, match="these can be gone through once: adapt it first"):
            trainer_of(model).fit(**given, epochs=1, verbose=False)
        assert not model[0].is_adapted
        return
    trainer_of(model).fit(**given, epochs=1, verbose=False)
    inside = X[VALID]
    assert model[0].steps.data.item() == len(inside)
    np.testing.assert_allclose(model[0].mean.numpy() + model[0].mean_rest.numpy(), inside.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(model[0].deviation.numpy(), inside.std(axis=0), rtol=1e-12)


def peak(train: Callable[[], Any]) -> int:
    gc.collect()
    tracemalloc.start()
    train()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


@pytest.mark.parametrize("way", ["fit", "evaluate", "bad"])
def test_ten_times_the_data_on_a_disk_take_no_more_memory(way: str, tmp_path: Path) -> None:
    def run(rows: int) -> Callable[[], Any]:
        x = np.memmap(tmp_path / f"{rows}.raw", "float32", "w+", shape=(rows, 10, 20))
        y = np.memmap(tmp_path / f"{rows}.y", "int8", "w+", shape=(rows,))
        model = lamina.Sequential(GRU(4), Dense(2))
        model.build((None, None, 20), seed=0)
        trainer = lamina.Trainer(model, optimizer="sgd")
        if way == "evaluate":
            return lambda: trainer.evaluate(x, y)
        source = np.array(x) if way == "bad" else x  # what is copied to memory shows that the measure sees it
        if way == "bad":
            return lambda: trainer.fit(source.astype("float64"), y, batch_size=64, epochs=1, verbose=False)
        return lambda: trainer.fit(x, y, batch_size=64, epochs=1, verbose=False)

    run(200)()  # what is loaded once
    small, large = peak(run(600)), peak(run(6000))
    if way == "bad":
        assert large > 3 * small
    else:
        assert large <= 1.5 * small
        assert large < 6000 * 10 * 20 * 4 / 2


@pytest.mark.parametrize("kind", ["arrays", "lists", "memmap"])
def test_buckets_take_every_row_once_in_batches_cut_to_their_longest(kind: str, tmp_path: Path) -> None:
    seen: list[Any] = []

    class Look(GRU):
        def forward(self, x: Any, **options: Any) -> Any:
            seen.append((np.array(x), options["lengths"]))
            return super().forward(x, **options)

    model = lamina.Sequential(Look(3, return_sequences=True), Dense(CLASSES))
    model.build((None, None, FEATURES), seed=1, dtype="float64")
    trainer = trainer_of(model)
    given = BY_ROWS[{"lists": "lists of sequences", "memmap": "np.memmap"}.get(kind, kind)](tmp_path)
    history = trainer.fit(**given, batch_size=SIZE, epochs=2, bucket=True, verbose=False)
    assert len(seen) == 2 * len(PLACES)
    for x, lengths in seen:
        assert x.shape[1] == lengths.max()
    assert min(x.shape[1] for x, _ in seen) < TIME
    keys = [[row[0, 0] for x, _ in seen[part] for row in x] for part in (slice(6), slice(6, 12))]
    assert sorted(keys[0]) == sorted(keys[1]) == sorted(X[:, 0, 0])
    assert keys[0] != keys[1]
    assert trainer.model.facts["training"]["bucket"] is True

    # The same batches in a loop of one's own give the same weights, and the same mean loss.
    twin, losses = trainer_of(tagger()), []
    row_of = {value: row for row, value in enumerate(X[:, 0, 0])}
    for x, lengths in seen:
        rows = [row_of[one[0, 0]] for one in x]
        end = lengths.max()
        np.testing.assert_array_equal(x, X[rows, :end])
        figures = twin.train_on_batch(X[rows, :end], Y[rows, :end], lengths=lengths, sample_weight=W[rows, :end])
        losses.append((figures["loss"], W[rows].sum()))
    assert_same_weights(trainer.model, twin.model)
    total = [sum(loss * terms for loss, terms in losses[part]) / W.sum() for part in (slice(6), slice(6, 12))]
    assert history["loss"] == pytest.approx(total, rel=1e-12)


def test_a_row_cut_to_its_length_is_worth_what_it_was() -> None:
    """What buckets rely on, of any model: steps past the end of all rows change neither loss nor gradient."""
    given = {"lengths": np.minimum(LENGTHS, 3), "sample_weight": W}
    wide, cut = trainer_of(tagger()), trainer_of(tagger())
    a = wide.train_on_batch(X, Y, **given)
    b = cut.train_on_batch(X[:, :3], Y[:, :3], lengths=given["lengths"], sample_weight=W[:, :3])
    assert a == pytest.approx(b, rel=1e-12)
    assert_same_weights(cut.model, wide.model, exact=False)


# --- the classes by themselves ---------------------------------------------------------------------------------------


def test_a_feed_by_itself_promises_and_does_nothing() -> None:
    feed = Feed(tagger())
    for call in (feed.sample, feed.check, feed.epoch, feed.counted):
        with pytest.raises(NotImplementedError):
            call()
    data = read_data(feed.model, X, Y, lengths=LENGTHS)
    assert feed.short(data) is data


def test_the_sample_is_still_the_first_batch() -> None:
    feed = BatchFeed(tagger(), Batches(tagger(), in_four), prefetch=0)
    for _ in range(2):
        np.testing.assert_array_equal(feed.sample().inputs[0], X[:SIZE])
    assert [batch.rows for batch in feed.epoch()] == [4, 4, 4, 4, 4, 2]
    assert [batch.rows for batch in feed.epoch()] == [4, 4, 4, 4, 4, 2]


def test_an_epoch_that_is_left_in_the_middle_leaves_no_thread() -> None:
    feed = BatchFeed(tagger(), Batches(tagger(), in_four), prefetch=1)
    taken = feed.epoch()
    next(taken)
    assert threads_left()
    taken.close()
    assert not threads_left()
