import signal
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.callbacks import Callback, EarlyStopping
from lamina.layers import Dense, SimpleRNN
from lamina.train.interruption import Interruption

X = np.random.default_rng(0).normal(size=(12, 4, 2))
Y = np.arange(12) % 3


@pytest.fixture(autouse=True)
def default_handler() -> Iterator[None]:
    """Python's own handler for Ctrl-C, and a check that it is back afterwards."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    found = signal.signal(signal.SIGINT, previous)
    assert found is signal.default_int_handler


class Press(Callback):
    """Presses Ctrl-C, once or more often, at the end of a step, and notes what is called."""

    def __init__(self, epoch: int, step: int, times: int = 1) -> None:
        self.at, self.times = (epoch, step), times
        self.steps = 0
        self.ended = 0

    def on_step_end(self, trainer: lamina.Trainer, epoch: int, step: int, loss: Any) -> None:
        self.steps += 1
        if (epoch, step) == self.at:
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)

    def on_train_end(self, trainer: lamina.Trainer) -> None:
        self.ended += 1


def trainer_with(*callbacks: Callback) -> lamina.Trainer:
    model = lamina.Sequential(SimpleRNN(4), Dense(3))
    return lamina.Trainer(model, optimizer="sgd", callbacks=callbacks)


def test_the_first_finishes_the_step_and_ends_training(capsys: pytest.CaptureFixture[str]) -> None:
    press = Press(2, 2)
    trainer = trainer_with(press)
    history = trainer.fit(X, Y, batch_size=4, epochs=5)
    assert (press.steps, press.ended) == (5, 1)  # three steps of the first epoch, two of the second
    assert history is trainer.history
    assert history.interrupted
    assert (len(history), len(history["loss"])) == (1, 1)
    assert capsys.readouterr().out.splitlines()[-1] == "interrupted after 1 of 5 epochs"
    assert trainer.model.facts["training"]["epochs"] == 1

    # The weights are those after five steps.
    twin = trainer_with()
    twin.fit(X, Y, batch_size=4, epochs=1, verbose=False)
    order = np.random.default_rng(0)
    order.permutation(12)
    picked = order.permutation(12)[:8]
    twin.fit(X[picked], Y[picked], batch_size=4, epochs=1, shuffle=False, verbose=False)
    for name, array in twin.model.state_dict().items():
        np.testing.assert_array_equal(trainer.model.state_dict()[name], array)

    # Both the trainer and its model go on as if nothing had been.
    press.at = (0, 0)
    again = trainer.fit(X, Y, epochs=2, verbose=False)
    assert (len(again), again.interrupted) == (2, False)
    assert np.isfinite(trainer.predict(X)).all()


def test_in_the_first_epoch_nothing_is_recorded() -> None:
    trainer = trainer_with(Press(1, 1))
    history = trainer.fit(X, Y, batch_size=4, verbose=False)
    assert (len(history), history.interrupted, history.last) == (0, True, {})
    assert trainer.predict(X).shape == (12, 3)


def test_at_the_end_of_an_epoch_the_epoch_counts() -> None:
    press = Press(2, 3)
    history = trainer_with(press).fit(X, Y, batch_size=4, verbose=False)
    assert (len(history), history.interrupted, press.steps) == (2, True, 6)


def test_validation_stops_too() -> None:
    evaluated: list[int] = []

    class Count(lamina.metrics.Metric):
        def reset(self) -> None:
            pass

        def update(self, *arguments: Any) -> None:
            if len(arguments[0]) > 4:
                evaluated.append(1)
                signal.raise_signal(signal.SIGINT)

        def result(self) -> float:
            return 0.0

    trainer = lamina.Trainer(lamina.Sequential(SimpleRNN(4), Dense(3)), metrics=[Count()])
    x, y = np.tile(X, (50, 1, 1)), np.tile(Y, 50)
    history = trainer.fit(X, Y, batch_size=4, validation_data=(x, y), verbose=False)
    assert (len(history), history.interrupted, evaluated) == (0, True, [1])


def test_the_best_weights_are_restored_after_it() -> None:
    stopping = EarlyStopping("loss")
    kept = {}

    class Keep(Callback):
        def on_epoch_end(self, trainer: lamina.Trainer, epoch: int, values: dict[str, float]) -> None:
            kept.update(trainer.model.state_dict())

    trainer = trainer_with(Keep(), stopping, Press(2, 2))
    history = trainer.fit(X, Y, batch_size=4, verbose=False)
    assert (len(history), stopping.best_epoch) == (1, 1)
    for name, array in trainer.model.state_dict().items():
        np.testing.assert_array_equal(array, kept[name])


def test_the_second_raises_at_once_and_leaves_all_usable() -> None:
    press = Press(2, 2, times=2)
    trainer = trainer_with(press)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(X, Y, batch_size=4, verbose=False)
    assert (press.steps, press.ended) == (5, 1)
    assert (len(trainer.history), trainer.history.interrupted) == (1, True)
    assert np.isfinite(trainer.predict(X)).all()
    press.at = (0, 0)
    assert len(trainer.fit(X, Y, epochs=1, verbose=False)) == 1


def test_one_raised_inside_a_step_leaves_all_usable() -> None:
    """As where the handler is not ours: the gradients of the broken step must not leak into the next."""

    class Broken(Dense):
        fails = False

        def forward(self, x: Any) -> Any:
            return super().forward(x)

        def backward(self, dy: Any, saved: Any) -> Any:
            dx = super().backward(dy, saved)
            if self.fails:
                raise KeyboardInterrupt
            return dx

    head = Broken(3)
    model = lamina.Sequential(SimpleRNN(4), head)
    trainer = lamina.Trainer(model, optimizer="sgd")
    trainer.fit(X, Y, batch_size=4, epochs=1, verbose=False)
    before = model.state_dict()
    head.fails = True
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(X, Y, batch_size=4, epochs=1, verbose=False)
    assert (len(trainer.history), trainer.history.interrupted) == (0, True)
    assert all(np.array_equal(before[name], array) for name, array in model.state_dict().items())
    assert head.w.grad.any()  # what must not leak
    head.fails = False
    twin = lamina.Sequential(SimpleRNN(4), Dense(3))
    twin.build((None, None, 2))
    twin.load_state_dict(before)
    for one in (model, twin):
        lamina.Trainer(one, optimizer="sgd").fit(X, Y, batch_size=4, epochs=1, verbose=False)
    assert all(np.array_equal(array, model.state_dict()[name]) for name, array in twin.state_dict().items())


def test_outside_the_main_thread_the_handler_is_left_alone() -> None:
    seen: list[Any] = []

    class Look(Callback):
        def on_step_end(self, trainer: lamina.Trainer, epoch: int, step: int, loss: Any) -> None:
            seen.append(signal.getsignal(signal.SIGINT))

    trainer = trainer_with(Look())
    thread = threading.Thread(target=lambda: trainer.fit(X, Y, epochs=1, verbose=False))
    thread.start()
    thread.join()
    assert len(trainer.history) == 1
    assert set(seen) == {signal.default_int_handler}


def test_a_handler_of_the_program_is_left_alone() -> None:
    pressed: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        history = trainer_with(Press(1, 1)).fit(X, Y, epochs=2, verbose=False)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    assert (len(history), history.interrupted, pressed) == (2, False, [signal.SIGINT])


def test_the_handler_is_restored_after_an_error() -> None:
    class Fail(Callback):
        def on_step_end(self, trainer: lamina.Trainer, epoch: int, step: int, loss: Any) -> None:
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        trainer_with(Fail()).fit(X, Y, epochs=1, verbose=False)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_context_alone() -> None:
    with Interruption() as interruption:
        assert not interruption.requested
        signal.raise_signal(signal.SIGINT)
        assert interruption.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_press_waits_for_the_end_of_a_held_block_and_counts_there() -> None:
    with Interruption() as interruption:
        with interruption.held():
            signal.raise_signal(signal.SIGINT)
            assert not interruption.requested
        assert interruption.requested
        done = False
        with pytest.raises(KeyboardInterrupt), interruption.held():
            signal.raise_signal(signal.SIGINT)
            done = True
        assert done
        with pytest.raises(KeyboardInterrupt), interruption.held():
            signal.raise_signal(signal.SIGINT)
            done = False
            signal.raise_signal(signal.SIGINT)  # does not wait
            done = True
        assert not done


@pytest.mark.parametrize("presses", [0, 1])
@pytest.mark.parametrize("times", [1, 2])
def test_weights_that_are_being_put_back_are_put_back_whole(times: int, presses: int) -> None:
    stopping = EarlyStopping("loss")
    kept: dict[str, Any] = {}

    class Keep(Callback):
        def on_epoch_end(self, trainer: lamina.Trainer, epoch: int, values: dict[str, float]) -> None:
            kept.update(trainer.model.state_dict())

        def on_train_end(self, trainer: lamina.Trainer) -> None:  # before that of `stopping`
            for _ in range(presses):
                signal.raise_signal(signal.SIGINT)

    trainer = trainer_with(Keep(), stopping, Press(2, 2, times))
    if times + presses > 1:
        with pytest.raises(KeyboardInterrupt):
            trainer.fit(X, Y, batch_size=4, verbose=False)
    else:
        trainer.fit(X, Y, batch_size=4, verbose=False)
    assert (len(trainer.history), trainer.history.interrupted, stopping.best_epoch) == (1, True, 1)
    for name, array in trainer.model.state_dict().items():
        np.testing.assert_array_equal(array, kept[name])
