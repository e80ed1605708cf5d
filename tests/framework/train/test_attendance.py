"""Callbacks are told of the end of training, however it ends, and whatever another one raises."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.callbacks import Callback, EarlyStopping
from lamina.errors import NonFiniteError, OutputError
from lamina.layers import Dense
from lamina.optimizers import SGD
from lamina.train.attendance import attended
from lamina.train.interruption import Interruption

X, Y = np.random.default_rng(0).normal(size=(12, 2)), np.arange(12) % 3
ERRORS = [
    ValueError("mine"),
    OSError(28, "No space left on device"),
    OutputError("cannot write"),
    MemoryError(),
    KeyboardInterrupt(),
    SystemExit(3),
    StopIteration(),
]
HOOKS = ["on_epoch_begin", "on_step_end", "on_epoch_end"]


class Attending(Callback):
    """Notes what it is told, and raises in one hook if it is to, in the second epoch where there are epochs."""

    def __init__(self, hook: str = "", error: BaseException | None = None) -> None:
        self.told: list[str] = []
        self.hook, self.error = hook, error

    def _tell(self, hook: str, epoch: int = 2) -> None:
        self.told.append(hook)
        if hook == self.hook and epoch == 2 and self.error is not None:
            raise self.error

    def on_train_begin(self, trainer: Any) -> None:
        self._tell("on_train_begin")

    def on_epoch_begin(self, trainer: Any, epoch: int) -> None:
        self._tell("on_epoch_begin", epoch)

    def on_step_end(self, trainer: Any, epoch: int, step: int, loss: Any) -> None:
        self._tell("on_step_end", epoch)

    def on_epoch_end(self, trainer: Any, epoch: int, values: dict[str, float]) -> None:
        self._tell("on_epoch_end", epoch)

    def on_train_end(self, trainer: Any) -> None:
        self._tell("on_train_end")

    @property
    def ends(self) -> int:
        return self.told.count("on_train_end")


def fit(*callbacks: Callback, **options: Any) -> lamina.Trainer:
    trainer = lamina.Trainer(Dense(3), optimizer=lambda p: SGD(p, 0.5), callbacks=callbacks, **options)
    trainer.fit(X, Y, epochs=3, batch_size=4, verbose=False)
    return trainer


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("hook", HOOKS)
def test_every_callback_is_told_of_the_end_whatever_ended_training_and_where(hook: str, error: BaseException) -> None:
    before, after, failing = Attending(), Attending(), Attending(hook, error)
    with pytest.raises(type(error)) as caught:
        fit(before, failing, after)
    assert caught.value is error
    assert before.ends == failing.ends == after.ends == 1
    assert before.told[-1] == after.told[-1] == "on_train_end"


@pytest.mark.parametrize("end", [ValueError("at the end"), KeyboardInterrupt(), SystemExit(1)], ids=repr)
def test_an_end_that_raises_keeps_no_other_from_its_own_and_hides_no_error(end: BaseException) -> None:
    first, failing, last = Attending(), Attending("on_train_end", end), Attending()
    with pytest.raises(type(end)) as caught:
        fit(first, failing, last)
    assert caught.value is end
    assert (first.ends, last.ends) == (1, 1)

    original, first, last = RuntimeError("original"), Attending(), Attending()
    failing, other = Attending("on_train_end", end), Attending("on_train_end", OSError("second"))
    with pytest.raises(RuntimeError) as found:
        fit(first, failing, Attending("on_epoch_end", original), other, last)
    assert found.value is original
    assert (first.ends, last.ends) == (1, 1)
    assert original.__notes__ == [
        f"Attending.on_train_end raised {type(end).__name__} too: {end}",
        "Attending.on_train_end raised OSError too: second",
    ]


def test_only_those_that_began_end() -> None:
    first, failing, last = Attending(), Attending("on_train_begin", ValueError("mine")), Attending()
    with pytest.raises(ValueError, match="mine"):
        fit(first, failing, last)
    assert (first.told, failing.told, last.told) == (
        ["on_train_begin", "on_train_end"],
        ["on_train_begin"],
        [],
    )


def test_what_is_refused_before_training_begins_and_ends_nothing() -> None:
    class Refusing(Callback):
        def check(self, trainer: Any) -> None:
            raise ValueError("no")

    one = Attending()
    with pytest.raises(ValueError, match="no"):
        fit(one, Refusing())
    assert one.told == []


def test_a_run_after_one_that_failed_is_as_any_other() -> None:
    error = RuntimeError("once")
    failing = Attending("on_epoch_end", error)
    trainer = lamina.Trainer(Dense(3), optimizer="sgd", callbacks=failing)
    with pytest.raises(RuntimeError):
        trainer.fit(X, Y, epochs=3, verbose=False)
    assert (len(trainer.history), trainer.history.interrupted) == (2, False)
    failing.error = None
    assert len(trainer.fit(X, Y, epochs=2, verbose=False)) == 2
    assert failing.ends == 2


class Rates(Callback):
    """Good rates, and from the third epoch on one that breaks the model."""

    def on_epoch_begin(self, trainer: Any, epoch: int) -> None:
        trainer.optimizer.lr = 0.1 if epoch < 3 else 1e30


@pytest.mark.parametrize("what", ["end", "error", "nan", "Ctrl-C"])
@pytest.mark.parametrize("first", [True, False])
def test_the_best_weights_are_put_back_whatever_ended_training(what: str, first: bool) -> None:
    """The right value: the loss of the weights left is the best that was measured, which the model then gives."""
    stopping, best = EarlyStopping("val_loss", patience=9), {}

    class Keep(Callback):
        def on_epoch_end(self, trainer: Any, epoch: int, values: dict[str, float]) -> None:
            if epoch == 2:
                best.update(trainer.model.state_dict())

    class Break(Callback):
        def on_step_end(self, trainer: Any, epoch: int, step: int, loss: Any) -> None:
            if epoch == 3 and step == 3 and what in ("error", "Ctrl-C"):
                raise OSError("mine") if what == "error" else KeyboardInterrupt

    model = lamina.Sequential(Dense(4), Dense(3))
    used = [stopping, Rates(), Keep(), Break()] if first else [Rates(), Keep(), Break(), stopping]
    trainer = lamina.Trainer(model, optimizer=lambda p: SGD(p, 0.1), callbacks=used, check_finite=what == "nan")
    expected = {"end": None, "error": OSError, "nan": NonFiniteError, "Ctrl-C": KeyboardInterrupt}[what]
    with np.errstate(all="ignore"):
        if expected is None:
            trainer.fit(X, Y, epochs=4, batch_size=4, validation_data=(X, Y), verbose=False)
        else:
            with pytest.raises(expected):
                trainer.fit(X, Y, epochs=4, batch_size=4, validation_data=(X, Y), verbose=False)
    assert stopping.best_epoch == 2
    assert all((array == best[name]).all() for name, array in model.state_dict().items())
    assert trainer.evaluate(X, Y)["loss"] == stopping.best_value
    assert model.facts["training"]["restored_epoch"] == 2


def test_the_block_alone() -> None:
    class Training:
        history = lamina.History()

    one = Attending()
    with Interruption() as interruption:
        with attended([one], Training(), interruption):  # type: ignore[arg-type]
            assert one.told == ["on_train_begin"]
        assert one.told == ["on_train_begin", "on_train_end"]
        assert not Training.history.interrupted
        with pytest.raises(KeyboardInterrupt), attended([one], Training(), interruption):  # type: ignore[arg-type]
            raise KeyboardInterrupt
    assert Training.history.interrupted
    assert one.ends == 2
