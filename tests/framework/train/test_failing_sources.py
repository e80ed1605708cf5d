"""A source that fails names its batch, or its row, and leaves model, optimizer and trainer usable."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError, DataError, DTypeError, LaminaError, NonFiniteError, ShapeError
from lamina.layers import GRU, Dense, Embedding
from tests.framework.train.every_source import (
    CLASSES,
    PLACES,
    ROWS,
    SIZE,
    Sequences,
    W,
    X,
    Y,
    adam,
    assert_same_weights,
    in_four,
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


def own_error() -> Any:
    raise OSError("the disk is gone")


# What comes in place of the third batch; the error; what its message holds.
BAD: dict[str, tuple[Any, type[Exception], str]] = {
    "other features": ((X[:4, :, :1], Y[:4]), ShapeError, "expected last axis 2, got (4, 5, 1)"),
    "another rank": ((X[:4, 0], Y[:4]), ShapeError, "got (4, 2)"),
    "NaN": ((np.full_like(X[:4], np.nan), Y[:4]), DataError, "x: expected finite float64, got nan at row 0"),
    "text": ((np.full((4, 5, 2), "a"), Y[:4]), DTypeError, "x: expected numbers, got an array of <U1"),
    "objects": ((np.full((4, 5, 2), None), Y[:4]), DTypeError, "x: expected numbers, got an array of object"),
    "one target too few": ((X[:4], Y[:3]), ShapeError, "expected as many rows in x and y, got 4 in x, 3 in y"),
    "one step too few": ((X[:4], Y[:4, :4]), ShapeError, "(4, 4)"),
    "a label too large": ((X[:4], Y[:4] + 7), DataError, "expected labels from 0 to 2, got"),
    "floats as labels": ((X[:4], Y[:4] + 0.5), LaminaError, "expected"),
    "lengths too long": ((X[:4], Y[:4], [1, 2, 3, 6]), ShapeError, "lengths: expected lengths from 0 to 5, got 6"),
    "a weight below 0": ((X[:4], Y[:4], None, [1, 1, 1, -1]), DataError, "sample_weight: expected finite numbers of 0"),
    "one value": ((X[:4],), ArgumentError, "expected (x, y), (x, y, lengths) or (x, y, lengths, sample_weight), got 1"),
    "five values": ((X[:4],) * 5, ArgumentError, "got 5 values"),
    "no tuple": (X[:4], ArgumentError, "got ndarray"),
    "None": (None, ArgumentError, "got NoneType"),
    "no row": ((X[:0], Y[:0]), DataError, "x: expected at least one row"),
    "its own error": (own_error, OSError, "the disk is gone"),
}


def failing(case: str, turn: int) -> Callable[[], Iterator[Any]]:
    """Return a function whose generators have a bad third batch from their ``turn`` on."""
    turns = []

    def source() -> Iterator[Any]:
        turns.append(1)
        for index, one in enumerate(in_four()):
            bad = BAD[case][0]
            if index != 2 or len(turns) < turn:
                yield one
            elif callable(bad):
                yield bad()
            else:
                yield bad

    return source


def require_usable(trainer: lamina.Trainer) -> None:
    """Fit once more: all is as it was left, and the weights go on from there as a twin's do."""
    model, before = trainer.model, trainer.model.state_dict()
    assert all(np.isfinite(array).all() for array in before.values())
    twin = tagger()
    twin.load_state_dict(before)
    other = trainer_of(twin)
    other.optimizer.load_state_dict(trainer.optimizer.state_dict())
    for one in (trainer, other):
        history = one.fit(in_four, epochs=2, verbose=False)
        assert len(history) == 2
    assert_same_weights(model, twin)


@pytest.mark.parametrize("prefetch", [0, 1, 3])
@pytest.mark.parametrize("case", BAD)
def test_a_bad_batch_is_named_and_all_stays_usable(case: str, prefetch: int) -> None:
    _, error, message = BAD[case]
    trainer = trainer_of(tagger())
    with pytest.raises(error) as caught:
        trainer.fit(failing(case, turn=2), epochs=4, prefetch=prefetch, verbose=False)
    text = str(caught.value)
    assert message in text
    assert "\n" not in text
    if issubclass(error, LaminaError):
        assert isinstance(caught.value, LaminaError)
        assert text.startswith("batch 3: ")
    else:
        assert type(caught.value) is error
        assert caught.value.__notes__ == ["while batch 3 of generator was read"]
    assert len(trainer.history) == 1  # the first turn was whole
    assert trainer.history["loss"] == trainer.history["loss"][:1]
    assert not threads_left()  # while the error is held
    require_usable(trainer)


@pytest.mark.parametrize("case", [case for case in BAD if case not in ("other features", "another rank")])
def test_a_bad_first_batch_leaves_the_model_unbuilt(case: str) -> None:
    bad, error, message = BAD[case]
    model = lamina.Sequential(GRU(3, return_sequences=True), Dense(CLASSES))

    def source() -> Iterator[Any]:
        yield bad() if callable(bad) else bad

    with pytest.raises(error) as caught:
        trainer_of(model).fit(source, verbose=False)
    assert message.replace("float64", "float32") in str(caught.value)
    assert not model.is_built
    trainer_of(model).fit(in_four, epochs=1, verbose=False)
    assert model.is_built


@pytest.mark.parametrize("prefetch", [0, 1])
@pytest.mark.parametrize("case", BAD)
def test_a_bad_batch_to_validate_on_is_named_too(case: str, prefetch: int) -> None:
    _, error, message = BAD[case]
    trainer = trainer_of(tagger())
    with pytest.raises(error) as caught:
        # The first turn begins when `fit` looks at its first batch.
        trainer.fit(in_four, epochs=4, validation_data=failing(case, turn=2), prefetch=prefetch, verbose=False)
    assert message in str(caught.value)
    if issubclass(error, LaminaError):
        assert str(caught.value).startswith("validation data: batch 3: ")
    assert len(trainer.history) == 1
    assert not threads_left()
    require_usable(trainer)


# What prediction reads of a batch: its inputs and their lengths.
OF_X = ["other features", "another rank", "NaN", "text", "objects", "no row", "lengths too long", "its own error"]


@pytest.mark.parametrize(
    ("way", "case"), [*(("evaluate", case) for case in BAD), *(("predict", case) for case in OF_X)]
)
def test_a_bad_batch_to_measure_is_named_too(way: str, case: str) -> None:
    _, error, message = BAD[case]
    trainer = trainer_of(tagger())
    with pytest.raises(error) as caught:
        getattr(trainer, way)(failing(case, turn=1))
    assert message in str(caught.value)
    if issubclass(error, LaminaError):
        assert str(caught.value).startswith("batch 3: ")
    assert not threads_left()


def test_a_batch_of_another_dtype_is_converted_or_named() -> None:
    def numbers(dtype: Any) -> Callable[[], Iterator[Any]]:
        return lambda: ((X[place].round().astype(dtype if i else float), Y[place]) for i, place in enumerate(PLACES))

    wanted, found = trainer_of(tagger()), trainer_of(tagger())
    wanted.fit(numbers(float), epochs=2, verbose=False)
    found.fit(numbers(np.int16), epochs=2, verbose=False)
    assert_same_weights(found.model, wanted.model)

    model = lamina.Sequential(Embedding(4, 3), GRU(3, return_sequences=True), Dense(CLASSES))
    ids = [(Y[place] if i != 2 else Y[place] + 0.0, Y[place]) for i, place in enumerate(PLACES)]
    with pytest.raises(DTypeError, match=r"^Embedding '0': expected integers, got float32$"):
        trainer_of(model).fit(lambda: iter(ids), verbose=False)
    assert not threads_left()


def test_other_steps_and_rows_from_batch_to_batch_are_no_error() -> None:
    def source() -> Iterator[Any]:
        for rows, steps in ((4, 5), (1, 2), (7, 3)):
            yield X[:rows, :steps], Y[:rows, :steps]

    model, loss = tagger(), lamina.losses.SoftmaxCrossEntropy()
    trainer = trainer_of(tagger())
    trainer.fit(source, epochs=1, verbose=False)
    optimizer = adam(model.parameters())
    for x, y in source():
        prediction, saved = model.forward(x)
        optimizer.zero_grad()
        model.backward(loss.backward(loss.forward(prediction, y)[1]), saved)
        optimizer.step()
    assert_same_weights(trainer.model, model)


@pytest.mark.parametrize(
    "bad", [(X[:4], Y[:3]), (X[:4] * np.nan, Y[:4])], ids=["when it is read", "when it is checked"]
)
def test_batches_are_counted_from_the_start_of_their_turn(bad: Any) -> None:
    """The sixth batch is the second one of the second epoch of four: whoever looks for it counts as the source does."""

    def source() -> Iterator[Any]:
        for index, one in enumerate(in_four()):
            yield bad if index == 5 else one

    trainer = trainer_of(tagger())
    with pytest.raises(LaminaError, match=r"^batch 6: "):
        trainer.fit(source, steps_per_epoch=4, epochs=3, verbose=False)
    assert len(trainer.history) == 1


class Says:
    """Says that it has more batches, or fewer, than it gives."""

    def __init__(self, says: int, gives: int, from_turn: int = 1) -> None:
        self.says, self.gives, self.from_turn, self.turns = says, gives, from_turn, 0

    def __len__(self) -> int:
        return self.says

    def __iter__(self) -> Iterator[Any]:
        self.turns += 1
        count = self.gives if self.turns >= self.from_turn else self.says
        return (one for _, one in zip(range(count), in_four(), strict=False))


@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_a_source_that_ends_early_says_how_many_there_were(prefetch: int) -> None:
    trainer = trainer_of(tagger())
    with pytest.raises(DataError) as caught:
        trainer.fit(Says(5, 3, from_turn=3), epochs=4, prefetch=prefetch, verbose=False)
    assert str(caught.value) == "x: expected 5 batches an epoch, got 3"
    assert len(trainer.history) == 2
    require_usable(trainer)
    with pytest.raises(DataError, match=r"^x: expected 5 batches an epoch, got 3$"):
        trainer.evaluate(Says(5, 3))
    with pytest.raises(DataError, match=r"^validation data: x: expected 5 batches an epoch, got 3$"):
        trainer.fit(in_four, validation_data=Says(5, 3), prefetch=prefetch, verbose=False)
    assert len(trainer.history) == 0
    require_usable(trainer)


@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_a_source_that_does_not_end_where_it_said_is_no_longer_trained_on(prefetch: int) -> None:
    trainer, seen = trainer_of(tagger()), trainer_of(tagger())
    with pytest.raises(DataError) as caught:
        trainer.fit(Says(3, 5), prefetch=prefetch, verbose=False)
    assert str(caught.value) == "x: expected 3 batches an epoch, got 4 or more"
    assert len(trainer.history) == 0
    seen.fit(Says(3, 3), epochs=1, prefetch=prefetch, verbose=False)
    assert trainer.optimizer.steps == seen.optimizer.steps == 3
    for name, array in seen.model.state_dict().items():
        assert (trainer.model.state_dict()[name] == array).all(), name
    require_usable(trainer)
    for call in (trainer.evaluate, trainer.predict):
        with pytest.raises(DataError, match=r"^x: expected 3 batches an epoch, got 4 or more$"):
            call(Says(3, 4))
    with pytest.raises(DataError, match=r"^validation data: x: expected 3 batches an epoch, got 4 or more$"):
        trainer.fit(in_four, validation_data=Says(3, 5), prefetch=prefetch, verbose=False)
    trainer.fit(Says(3, 5), steps_per_epoch=2, epochs=2, prefetch=prefetch, verbose=False)  # which asks for a part
    assert len(trainer.history) == 2


@pytest.mark.parametrize(("gives", "got"), [(3, "3"), (5, "5 or more")])
def test_what_measures_the_data_first_finds_it_too(gives: int, got: str) -> None:
    model = lamina.Sequential(lamina.layers.Standardize(), GRU(3, return_sequences=True), Dense(CLASSES))
    trainer = trainer_of(model)
    with pytest.raises(DataError, match=rf"^x: expected 4 batches an epoch, got {got}$"):
        trainer.fit(Says(4, gives), verbose=False)
    assert trainer.optimizer.steps == 0 and not model[0].is_adapted


@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_steps_per_epoch_that_are_not_there_are_said(prefetch: int) -> None:
    trainer = trainer_of(tagger())
    with pytest.raises(DataError, match=r"^x: expected 4 batches an epoch, got 2$"):
        trainer.fit(in_four(), steps_per_epoch=4, epochs=3, prefetch=prefetch, verbose=False)
    assert len(trainer.history) == 1
    require_usable(trainer)


@pytest.mark.parametrize("source", [lambda: iter(()), lambda: (), iter(()), Says(0, 0)], ids=range(4))
def test_a_source_without_a_batch_is_refused(source: Any) -> None:
    model = lamina.Sequential(GRU(3, return_sequences=True), Dense(CLASSES))
    with pytest.raises(DataError, match="x: expected at least one batch, got none: it may have been gone through"):
        trainer_of(model).fit(source, epochs=1, verbose=False)
    assert not model.is_built


def test_a_function_that_returns_the_same_generator_again_is_found_out() -> None:
    one = in_four()
    trainer = trainer_of(tagger())
    with pytest.raises(DataError, match="x: expected at least one batch, got none"):
        trainer.fit(lambda: one, epochs=3, verbose=False)
    assert len(trainer.history) == 1
    require_usable(trainer)


class Row(Sequences):
    """Rows by index of which one is bad, from its second reading on."""

    def __init__(self, bad: Any, row: int = 9) -> None:
        self.bad, self.row, self.reads = bad, row, 0

    def __getitem__(self, row: int) -> Any:
        self.reads += row == self.row
        if row != self.row or self.reads < 2:
            return super().__getitem__(row)
        return self.bad() if callable(self.bad) else self.bad


BAD_ROWS: dict[str, tuple[Any, type[Exception], str]] = {
    "other features": ((X[0, :, :1], Y[0], W[0]), ShapeError, "x: expected sequences (time, 2), got (5, 1) at index 1"),
    "text": ((np.full((5, 2), "a"), Y[0], W[0]), DTypeError, "x: expected numbers, got an array of <U1 at index 1"),
    "NaN": ((X[0] * np.nan, Y[0], W[0]), DataError, "x: expected finite float64, got nan at row 1, step 0, feature 0"),
    "no weight": ((X[0], Y[0]), DataError, "x: expected a sample_weight in each row, got none in row 9"),
    "one value": ((X[0],), DataError, "x: expected (x, y) or (x, y, sample_weight) as row 9, got 1 values"),
    "no tuple": (X[0], DataError, "x: expected (x, y) or (x, y, sample_weight) as row 9, got ndarray"),
    "a step too few": ((X[0], Y[0, :4], W[0]), ShapeError, "y: expected 5 steps at row 1, got 4"),
    "two inputs": (((X[0], X[0]), Y[0], W[0]), ShapeError, "x: expected one value in row 9, as in row 8, got a tuple"),
    "its own error": (own_error, OSError, "the disk is gone"),
}


@pytest.mark.parametrize("prefetch", [0, 1, 3])
@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_bad_row_is_named_and_all_stays_usable(case: str, prefetch: int) -> None:
    bad, error, message = BAD_ROWS[case]
    trainer = trainer_of(tagger())
    with pytest.raises(error) as caught:
        trainer.fit(Row(bad), batch_size=SIZE, epochs=4, shuffle=False, prefetch=prefetch, verbose=False)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    if issubclass(error, LaminaError):
        assert str(caught.value).startswith("batch 3: ")
    else:
        assert type(caught.value) is error
        assert caught.value.__notes__ == ["while row 9 of Row was read"]
    assert len(trainer.history) == 1
    assert not threads_left()
    require_usable(trainer)


def test_rows_that_are_fewer_than_said_keep_their_own_error() -> None:
    class Fewer(Sequences):
        def __len__(self) -> int:
            return ROWS + 5

    trainer = trainer_of(tagger())
    with pytest.raises(IndexError) as caught:
        trainer.fit(Fewer(), batch_size=SIZE, shuffle=False, verbose=False)
    assert caught.value.__notes__ == [f"while row {ROWS} of Fewer was read"]
    require_usable(trainer)


@pytest.mark.parametrize("who", ["callback", "check_finite", "metric"])
def test_no_thread_outlives_what_another_part_raises(who: str) -> None:
    class Fail(lamina.callbacks.Callback):
        def on_step_end(self, trainer: Any, epoch: int, step: int, loss: Any) -> None:
            raise RuntimeError("mine")

    class Broken(lamina.metrics.Accuracy):
        def result(self) -> float:
            raise RuntimeError("mine")

    options: dict[str, Any] = {
        "callback": {"callbacks": Fail()},
        "metric": {"metrics": Broken()},
        "check_finite": {"check_finite": True},
    }
    trainer = lamina.Trainer(tagger(), optimizer=adam, **options[who])
    if who == "check_finite":
        trainer.model[1].b.data = np.full(CLASSES, np.nan)
    with pytest.raises((RuntimeError, NonFiniteError)) as caught:
        trainer.fit(in_four, prefetch=3, verbose=False)
    assert caught.value.__traceback__ is not None  # held, with every frame
    assert not threads_left()
