"""What is made ahead comes in its order, with its errors, and leaves no thread; Ctrl-C ends the wait for it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from lamina.train.interruption import Interruption
from lamina.train.prefetch import ahead
from tests.framework.train.every_source import (
    LENGTHS,
    PLACES,
    SIZE,
    Sequences,
    W,
    X,
    Y,
    assert_same_weights,
    by_hand,
    in_four,
    tagger,
    threads_left,
    trainer_of,
)

COUNTS = [0, 1, 3]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert not threads_left()


HANDLED = threading.Event()


@pytest.fixture
def default_handler(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Python's own handler for Ctrl-C, a note of each that `fit` handles, and a check that it is back afterwards."""
    handle = Interruption._handle

    def noted(self: Interruption, number: int, frame: Any) -> None:
        HANDLED.set()
        handle(self, number, frame)

    monkeypatch.setattr(Interruption, "_handle", noted)
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, previous) is signal.default_int_handler


@pytest.mark.parametrize("items", [[], [None], range(100), "text", iter([1, 2, 3])], ids=range(5))
@pytest.mark.parametrize("count", COUNTS)
def test_all_items_come_in_their_order(count: int, items: Any) -> None:
    wanted = list(items)
    assert list(ahead(iter(wanted), count)) == wanted


@pytest.mark.parametrize("count", [1, 3])
def test_so_many_are_made_while_one_is_worked_on_and_no_more(count: int) -> None:
    made: list[int] = []
    enough = threading.Event()

    def items() -> Iterator[int]:
        for index in range(100):
            made.append(index)
            if len(made) == count + 2:
                enough.set()
            yield index

    taken = ahead(items(), count)
    assert next(taken) == 0
    # One is with us, so many wait, and one more is made that waits for its place.
    assert enough.wait(20)
    time.sleep(0.15)  # longer than a glance
    assert made == list(range(count + 2))
    taken.close()


def test_with_none_ahead_nothing_is_made_before_it_is_asked_for() -> None:
    made: list[int] = []
    taken = ahead((made.append(index) for index in range(3)), 0)
    assert made == []
    next(taken)
    assert made == [0]
    assert not threads_left()


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize(
    "error", [OSError("mine"), KeyboardInterrupt(), SystemExit(3)], ids=lambda one: type(one).__name__
)
def test_an_error_is_raised_in_its_place(error: BaseException, count: int) -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise error

    taken = ahead(items(), count)
    assert [next(taken), next(taken)] == [1, 2]
    with pytest.raises(type(error)) as caught:
        next(taken)
    assert caught.value is error
    assert list(taken) == []


@pytest.mark.parametrize("count", COUNTS)
def test_what_cannot_be_gone_through_says_so(count: int) -> None:
    class Broken:
        def __iter__(self) -> Any:
            raise OSError("not now")

    with pytest.raises(OSError, match="not now"):
        next(ahead(Broken(), count))


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("left", ["closed", "dropped"])
def test_what_is_left_in_the_middle_is_closed_at_once(left: str, count: int) -> None:
    closed: list[str] = []

    def items() -> Iterator[int]:
        try:
            yield from range(10)
        finally:
            closed.append("there")

    taken = ahead(items(), count)
    next(taken)
    if left == "closed":
        taken.close()
    del taken
    assert closed == ["there"]
    assert not threads_left()


def test_the_items_are_made_on_one_thread_of_their_own() -> None:
    found = list(ahead((threading.current_thread().name for _ in range(5)), 2))
    assert set(found) == {"lamina-batches"}
    assert set(ahead((threading.current_thread() for _ in range(5)), 0)) == {threading.current_thread()}


# --- Ctrl-C ----------------------------------------------------------------------------------------------------------


class PressingRows(Sequences):
    """Rows by index: Ctrl-C is pressed, once or twice, when the first row of the third batch is read again."""

    def __init__(self, times: int) -> None:
        self.times, self.reads = times, 0

    def __getitem__(self, row: int) -> Any:
        self.reads += row == 2 * SIZE
        if row == 2 * SIZE and self.reads == 2:
            press(self.times)
        return super().__getitem__(row)


def press(times: int) -> None:
    """Press Ctrl-C, each time after the main thread has handled the one before: two that come together are one."""
    for _ in range(times):
        HANDLED.clear()
        signal.raise_signal(signal.SIGINT)
        assert HANDLED.wait(20)


def pressing_batches(times: int) -> Any:
    turns: list[int] = []

    def source() -> Iterator[Any]:
        turns.append(1)
        for index, one in enumerate(in_four()):
            if index == 2 and len(turns) == 2:
                press(times)
            yield one

    return source


def given(kind: str, times: int) -> dict[str, Any]:
    if kind == "batches":
        return {"x": pressing_batches(times)}
    return {"x": PressingRows(times), "batch_size": SIZE, "shuffle": False}


def after(steps: int) -> Any:
    """Return the model of a loop that takes so many batches."""
    model = by_hand([])
    trainer = trainer_of(model)
    for step in range(steps):
        place = PLACES[step % len(PLACES)]
        trainer.train_on_batch(X[place], Y[place], lengths=LENGTHS[place], sample_weight=W[place])
    return model


@pytest.mark.parametrize("prefetch", COUNTS)
@pytest.mark.parametrize("kind", ["batches", "rows"])
def test_ctrl_c_while_a_source_is_read_ends_training_as_with_arrays(
    kind: str, prefetch: int, default_handler: None
) -> None:
    trainer = trainer_of(tagger())
    history = trainer.fit(**given(kind, 1), epochs=4, prefetch=prefetch, verbose=False)
    assert (len(history), history.interrupted) == (1, True)
    assert not threads_left()
    taken = trainer.optimizer.steps
    # It is pressed while the third batch is made: no other is begun, and none is cut in two.
    assert taken == 8 if not prefetch else 6 <= taken <= 8
    for name, array in after(taken).state_dict().items():
        np.testing.assert_allclose(trainer.model.state_dict()[name], array, rtol=1e-9, atol=1e-12)
    again = trainer.fit(in_four, epochs=2, verbose=False)
    assert (len(again), again.interrupted) == (2, False)


@pytest.mark.parametrize("prefetch", COUNTS)
@pytest.mark.parametrize("kind", ["batches", "rows"])
def test_ctrl_c_twice_raises_and_leaves_all_usable(kind: str, prefetch: int, default_handler: None) -> None:
    trainer = trainer_of(tagger())
    with pytest.raises(KeyboardInterrupt) as caught:
        trainer.fit(**given(kind, 2), epochs=4, prefetch=prefetch, verbose=False)
    assert caught.value.__traceback__ is not None
    for _ in range(100):  # the thread makes what it is making
        if threads_left():
            time.sleep(0.02)
    assert not threads_left()
    assert (len(trainer.history), trainer.history.interrupted) == (1, True)
    twin = tagger()
    twin.load_state_dict(trainer.model.state_dict())
    other = trainer_of(twin)
    other.optimizer.load_state_dict(trainer.optimizer.state_dict())
    for one in (trainer, other):
        one.fit(in_four, epochs=2, verbose=False)
    assert_same_weights(trainer.model, twin)


def test_ctrl_c_twice_does_not_wait_for_a_source_that_hangs(default_handler: None) -> None:
    go_on = threading.Event()

    def source() -> Iterator[Any]:
        yield next(in_four())
        go_on.wait(60)

    def presses() -> None:
        time.sleep(0.3)
        press(2)

    trainer = trainer_of(tagger())
    finger = threading.Thread(target=presses)
    began = time.perf_counter()
    finger.start()
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(source, epochs=1, verbose=False)
    assert time.perf_counter() - began < 30
    finger.join()
    go_on.set()
    for _ in range(500):
        if threads_left():
            time.sleep(0.02)
    assert not threads_left()
    assert np.isfinite(trainer.predict(X)).all()


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(ahead) == {"count": 1}
