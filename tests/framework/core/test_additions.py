"""Backward in several threads, tasks and jobs: every addition to a gradient counts, once."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Parameter, Sequential
from lamina.core.additions import addition_lock, thread
from lamina.kinds.random import fixed_draws
from lamina.layers import BatchNorm, Dense, Embedding, LayerNorm, SelfAttention, SimpleRNN
from lamina.testing.cases import layer_cases


@pytest.fixture(autouse=True)
def often() -> Iterator[None]:
    """Let Python change threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def at_once(work: Callable[[int], Any], number: int = 4) -> None:
    """Run work in so many threads, which start together, and raise what any of them raised."""
    start, errors = threading.Barrier(number), []

    def run(index: int) -> None:
        try:
            start.wait()
            work(index)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(number)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    if errors:
        raise errors[0]


class Slow(lamina.Layer):
    """A layer that leaves time between reading its gradient and writing it."""

    def __init__(self, inner: lamina.Layer | None = None) -> None:
        self.inner = inner

    def build(self, shape: Any) -> Any:
        self.w = Parameter(())
        return shape if self.inner is None else self.inner.build(shape)

    def forward(self, x: Any) -> Any:
        return (x, None) if self.inner is None else self.inner.forward(x)

    def backward(self, dy: Any, saved: Any) -> Any:
        before = self.w.grad.copy()
        dx = dy if self.inner is None else self.inner.backward(dy, saved)
        time.sleep(0.002)
        self.w.grad = before + 1
        return dx


@pytest.mark.parametrize("wrap", [lambda: Slow(), lambda: Slow(Slow()), lambda: Sequential(Slow(), Slow())])
def test_no_addition_is_lost_however_long_it_takes(wrap: Any) -> None:
    model = wrap()
    model.build((None, 2), dtype="float64", seed=0)
    x = np.ones((3, 2))

    def work(index: int) -> None:
        for _ in range(5):
            y, saved = model.forward(x)
            model.backward(y, saved)

    at_once(work)
    assert [float(one.grad) for one in model.parameters()] == [20.0] * len(model.parameters())


def test_a_parameter_of_two_models_gets_the_additions_of_both() -> None:
    first, second = Slow(), Slow()
    for one in (first, second):
        one.build((None, 2), dtype="float64", seed=0)
    second.w = first.w
    x = np.ones((3, 2))

    def work(index: int) -> None:
        model = (first, second)[index % 2]
        for _ in range(5):
            y, saved = model.forward(x)
            model.backward(y, saved)

    at_once(work)
    assert float(first.w.grad) == 20


LARGE = {
    "Dense": (lambda: Dense(250), (8, 250)),
    "SelfAttention": (lambda: SelfAttention(2), (2, 3, 120)),
    "LayerNorm": (lambda: LayerNorm(), (2, 40_000)),
    "Embedding": (lambda: Embedding(500, 100), None),
    "Embedding, dense": (lambda: Embedding(500, 100, row_wise=False), None),
}


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("name", LARGE)
def test_gradients_of_large_layers_from_threads_are_those_of_one_thread(name: str, backend: str) -> None:
    make, shape = LARGE[name]
    model, rng = Sequential(make()), np.random.default_rng(0)
    x = rng.integers(0, 500, (6, 50)) if shape is None else rng.standard_normal(shape)
    model.build(x.shape, backend=backend, dtype="float64", seed=0)
    y, saved = model.forward(x)
    dy = rng.standard_normal(y.shape)
    model.backward(dy, saved)
    alone = [one.grad.copy() for one in model.parameters()]
    model.zero_grad()

    def work(index: int) -> None:
        for _ in range(12):
            _, saved = model.forward(x)
            model.backward(dy, saved)

    at_once(work, 2)
    for one, grad in zip(model.parameters(), alone, strict=True):
        np.testing.assert_allclose(one.grad, 24 * grad, rtol=1e-11, atol=1e-11 * abs(grad).max())


@pytest.mark.parametrize("case", layer_cases(), ids=lambda case: case.name)
def test_every_layer_gives_in_threads_what_it_gives_in_one(case: Any) -> None:
    rng = np.random.default_rng(0)
    layer = case.make()
    shapes = [one if isinstance(one, tuple) else np.shape(one) for one in case.inputs]
    inputs = [rng.standard_normal(one) if isinstance(one, tuple) else np.asarray(one) for one in case.inputs]
    layer.build(*shapes, dtype="float64", seed=0)

    def run(index: int) -> Any:
        with fixed_draws():
            y, saved = layer.forward(*inputs)
            dy = tuple(np.cos(one) for one in y) if isinstance(y, tuple) else np.cos(y)
            dx = layer.backward(dy, saved)
            return y, dx, layer(*inputs) if not layer_moves(layer) else None

    expected = run(0)
    alone = [one.grad.copy() for one in layer.parameters()] if layer.named_parameters() else []
    layer.zero_grad()
    found: list[Any] = []
    at_once(lambda index: found.extend(run(index) for _ in range(3)), 3)
    for own in found:
        for one, other in zip(flat(own), flat(expected), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
    for one, grad in zip(layer.parameters() if alone else [], alone, strict=True):
        np.testing.assert_allclose(one.grad, 9 * grad, rtol=1e-11, atol=1e-11)


def layer_moves(layer: lamina.Layer) -> bool:
    return any(isinstance(one, BatchNorm) for _, one in layer.walk())


def flat(value: Any) -> list[Any]:
    if isinstance(value, (tuple, list)):
        return [one for part in value for one in flat(part)]
    return [] if value is None else [value]


def test_running_statistics_take_in_every_thread() -> None:
    layer = BatchNorm(momentum=0.01)
    features = 50_000
    layer.build((None, features), dtype="float64", seed=0)
    x = np.ones((2, features))
    at_once(lambda index: [layer.forward(x) for _ in range(25)])
    # m = m + 0.01 (1 - m), a hundred times.
    np.testing.assert_allclose(layer.running_mean.data, 1 - 0.99**100, rtol=1e-12)


def test_rows_added_from_threads_all_count() -> None:
    model = Sequential(Embedding(50, 4), Dense(2))
    model.build((None,), dtype="float64", seed=0)
    table: Any = model[0].w  # type: ignore[attr-defined]

    def work(index: int) -> None:
        for number in range(200):
            if index == 0:
                table.read_grad()
            elif index == 1 and number == 100:
                table.grad  # noqa: B018
            else:
                table.add_rows(np.arange(50), np.ones((50, 4)))

    at_once(work)
    assert (table.grad == 599).all()


def test_tasks_that_take_turns_and_tasks_in_threads() -> None:
    model = Sequential(SimpleRNN(4, return_sequences=True), Dense(2))
    model.build((None, None, 3), dtype="float64", seed=0)
    batches = [np.random.default_rng(seed).standard_normal((3, 5, 3)) for seed in range(8)]

    def one(x: Any) -> None:
        y, saved = model.forward(x)
        model.backward(np.sin(y), saved)

    async def turns(x: Any) -> None:
        y, saved = model.forward(x)
        await asyncio.sleep(0)
        dy = np.sin(y)
        await asyncio.sleep(0.001)
        model.backward(dy, saved)

    async def together(make: Any) -> None:
        await asyncio.gather(*(make(x) for x in batches))

    for x in batches:
        one(x)
    expected = [parameter.grad.copy() for parameter in model.parameters()]
    for make in (turns, lambda x: asyncio.to_thread(one, x)):
        model.zero_grad()
        asyncio.run(together(make))
        for parameter, grad in zip(model.parameters(), expected, strict=True):
            np.testing.assert_allclose(parameter.grad, grad, rtol=1e-12, atol=1e-13)


def test_jobs_of_joblib_in_threads() -> None:
    joblib = pytest.importorskip("joblib")
    model = Sequential(Slow(), Dense(3))
    model.build((None, 2), dtype="float64", seed=0)
    x = np.ones((3, 2))

    def one() -> float:
        y, saved = model.forward(x)
        model.backward(np.ones_like(y), saved)
        return float(y.sum())

    outputs = joblib.Parallel(n_jobs=2, prefer="threads")(joblib.delayed(one)() for _ in range(10))
    assert outputs == [float(model(x).sum())] * 10
    assert float(model[0].w.grad) == 10  # type: ignore[attr-defined]
    np.testing.assert_array_equal(model[1].b.grad, [30, 30, 30])  # type: ignore[attr-defined]


def test_the_lock_is_held_for_the_addition_alone() -> None:
    """Another model's backward, and reading a gradient, do not wait for one that computes."""
    computing, goes_on = threading.Event(), threading.Event()

    class Waits(lamina.Layer):
        def build(self, shape: Any) -> Any:
            self.w = Parameter(())
            return shape

        def forward(self, x: Any) -> Any:
            return x, None

        def backward(self, dy: Any, saved: Any) -> Any:
            computing.set()
            assert goes_on.wait(20)
            self.w.grad += 1
            return dy

    slow, other = Waits(), Slow()
    for model in (slow, other):
        model.build((None, 2), seed=0)
    x = np.ones((1, 2), "float32")
    worker = threading.Thread(target=lambda: slow.backward(x, slow.forward(x)[1]))
    worker.start()
    assert computing.wait(20)
    other.backward(x, other.forward(x)[1])
    assert float(slow.w.grad) == 0
    goes_on.set()
    worker.join()
    assert (float(slow.w.grad), float(other.w.grad)) == (1, 1)


def is_free() -> bool:
    """Tell whether another thread gets the lock."""
    found = []

    def ask() -> None:
        lock = addition_lock()
        if lock.acquire(timeout=5):
            found.append(True)
            lock.release()

    worker = threading.Thread(target=ask)
    worker.start()
    worker.join()
    return bool(found)


def test_an_error_in_backward_leaves_the_lock_free() -> None:
    class Breaks(lamina.Layer):
        def build(self, shape: Any) -> Any:
            self.w = Parameter(())
            return shape

        def forward(self, x: Any) -> Any:
            return x, None

        def backward(self, dy: Any, saved: Any) -> Any:
            self.w.grad += 1
            raise ZeroDivisionError

    model = Sequential(Dense(2), Breaks())
    model.build((None, 2), seed=0)
    x = np.ones((1, 2), "float32")
    with pytest.raises(ZeroDivisionError):
        model.backward(x, model.forward(x)[1])
    assert thread.adding.held is None
    assert is_free()


def test_outside_of_backward_reading_a_gradient_holds_nothing() -> None:
    model = Dense(2)
    model.build((None, 2), seed=0)
    model.w.grad += 1
    assert thread.adding.held is None
    assert is_free()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that interrupts")
def test_an_interruption_while_waiting_leaves_the_lock_usable() -> None:
    model = Dense(2)
    model.build((None, 2), seed=0)
    x = np.ones((1, 2), "float32")
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with addition_lock():
            held.set()
            done.wait(20)

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    worker = threading.Thread(target=hold)
    worker.start()
    try:
        assert held.wait(20)
        _, saved = model.forward(x)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            model.backward(x, saved)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        done.set()
        worker.join()
    assert thread.adding.held is None
    model.backward(x, model.forward(x)[1])
    assert is_free()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that interrupts")
# One that comes while an array is let go of cannot be raised: Python tells of it, and goes on.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_interruptions_anywhere_in_backward_leave_the_lock_free() -> None:
    model = Sequential(Dense(2), Dense(2), Dense(2))
    model.build((None, 2), seed=0)
    x = np.ones((1, 2), "float32")

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    times = 0
    try:
        for number in range(300):
            _, saved = model.forward(x)
            try:
                signal.setitimer(signal.ITIMER_REAL, 1e-6 + number * 2e-7)
                model.backward(x, saved)
                model.zero_grad()
            except KeyboardInterrupt:
                times += 1
            finally:
                while True:
                    try:
                        signal.setitimer(signal.ITIMER_REAL, 0)
                        break
                    except KeyboardInterrupt:
                        times += 1
            assert thread.adding.held is None
    finally:
        signal.signal(signal.SIGALRM, before)
    assert times
    assert is_free()
