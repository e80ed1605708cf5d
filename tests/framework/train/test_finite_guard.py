"""The guard against NaN and infinity: it names where they arose, and the weights stay."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Layer, Sequential, Trainer
from lamina.callbacks import Callback
from lamina.errors import DataError, NonFiniteError
from lamina.layers import BatchNorm, Dense, Dropout, SimpleRNN, Tanh
from lamina.losses import MeanSquaredError
from lamina.optimizers import SGD
from lamina.train.finite_guard import FiniteGuard

X = np.random.default_rng(0).normal(size=(8, 6, 3))
Y = np.random.default_rng(1).normal(size=(8, 6, 2))


class Faulty(Layer):
    """y = x, with a number put in forward or backward from some call on."""

    def __init__(self, output: float = 0.0, gradient: float = 0.0, calls: int = 1) -> None:
        self.put = output, gradient
        self.calls = calls
        self.count = 0

    def build(self, shape: Any) -> Any:
        return shape

    def forward(self, x: Any) -> Any:
        self.count += 1
        y = x.copy()
        if self.count >= self.calls and self.put[0]:
            y[2, 4, 1] = y[1, 5, 0] = self.put[0]
        return y, None

    def backward(self, dy: Any, saved: Any) -> Any:
        dx = dy.copy()
        if self.count >= self.calls and self.put[1]:
            dx[0, 3, 1] = self.put[1]
        return dx


class Blowing(Layer):
    """y = w x, whose gradient of w is infinite."""

    def build(self, shape: Any) -> Any:
        self.w = lamina.Parameter((1,), "ones")
        return shape

    def forward(self, x: Any) -> Any:
        return x * self.w.data, None

    def backward(self, dy: Any, saved: Any) -> Any:
        self.w.grad += np.inf
        return dy


def trainer_of(*layers: Layer, **options: Any) -> Trainer:
    return Trainer(
        Sequential(*layers),
        "mean_squared_error",
        lambda parameters: SGD(parameters, lr=0.1),
        check_finite=True,
        **options,
    )


@pytest.mark.parametrize("truncate", [None, 6])
@pytest.mark.parametrize(
    ("layer", "what"),
    [
        (Faulty(output=np.nan, calls=4), "epoch 2, step 2: forward of Faulty '1' gave NaN at row 2, time step 4"),
        (Faulty(output=np.inf), "epoch 1, step 1: forward of Faulty '1' gave infinity at row 2, time step 4"),
        (
            Faulty(gradient=-np.inf, calls=2),
            "epoch 1, step 2: backward of Faulty '1' gave infinity in the gradient of its input at row 0, time step 3",
        ),
        (Blowing(), "epoch 1, step 1: backward of Blowing '1' gave infinity in the gradient of 'w'"),
    ],
)
def test_the_first_layer_is_named_and_the_weights_stay(layer: Any, what: str, truncate: int | None) -> None:
    if isinstance(layer, Faulty):
        layer.count = 0
    trainer = trainer_of(SimpleRNN(4, return_sequences=True), layer, Dense(2))
    kept: dict[str, Any] = {}

    class Keep(Callback):
        def on_train_begin(self, trainer: Trainer) -> None:
            kept.update(trainer.model.state_dict())

        def on_step_end(self, trainer: Trainer, *_: Any) -> None:
            kept.update(trainer.model.state_dict())

    trainer.callbacks = [Keep()]
    with pytest.raises(NonFiniteError) as caught, np.errstate(invalid="ignore"):
        trainer.fit(X, Y, epochs=3, batch_size=4, truncate=truncate, verbose=False)
    assert str(caught.value) == f"{what}; the weights are those before the step"
    assert isinstance(caught.value, DataError)
    state = trainer.model.state_dict()
    assert all(np.array_equal(state[name], kept[name]) for name in kept)
    assert len(trainer.history) == (1 if "epoch 2" in what else 0)
    assert not any("forward" in vars(one) for _, one in trainer.model.walk())


def test_a_chunk_is_run_again_from_its_own_state() -> None:
    trainer = trainer_of(SimpleRNN(4, return_sequences=True), Faulty(output=np.nan, calls=2), Dense(2))
    with pytest.raises(
        NonFiniteError, match=r"^epoch 1, step 2: forward of Faulty '1' gave NaN at row 2, time step 10;"
    ):
        trainer.fit(np.tile(X, (1, 2, 1)), np.tile(Y, (1, 2, 1)), batch_size=8, truncate=6, verbose=False)


def test_a_weight_that_is_not_finite_is_named() -> None:
    trainer = trainer_of(SimpleRNN(4, return_sequences=True), Dense(2))
    trainer.model.build((None, None, 3), seed=0)
    trainer.model[1].w.data[0, 0] = np.nan  # type: ignore[index]
    message = r"^epoch 1, step 1: forward of Dense '1' gave NaN, as its parameter 'w' holds NaN at row 0, time step 0;"
    with pytest.raises(NonFiniteError, match=message):
        trainer.fit(X, Y, verbose=False)


def test_a_loss_that_overflows_is_named() -> None:
    trainer = trainer_of(Dense(2), Tanh())
    message = r"^epoch 1, step 1: loss MeanSquaredError gave infinity; the weights are those before the step$"
    with pytest.raises(NonFiniteError, match=message), np.errstate(over="ignore"):
        trainer.fit(X, np.full(Y.shape, 1e30), verbose=False)


def test_what_is_not_found_again_is_said_so() -> None:
    class Once(Faulty):
        def forward(self, x: Any) -> Any:
            done.append(1)
            return (x * np.nan if len(done) == 1 else x), None

    done: list[int] = []
    with pytest.raises(NonFiniteError, match=r"^epoch 1, step 1: NaN or infinity, but not when the step was run again"):
        trainer_of(Once(), Dense(2)).fit(X, Y, verbose=False)


def test_random_numbers_are_drawn_again_and_running_means_stay() -> None:
    class Reciprocal(Tanh):
        """Infinite where a Dropout before it gave 0."""

        def forward(self, x: Any) -> Any:
            return 1 / x, x

        def backward(self, dy: Any, saved: Any) -> Any:
            return -dy / saved**2

    model = Sequential(BatchNorm(), Dropout(0.05), Reciprocal(), Dense(2))
    model.build((None, None, 3), seed=0)
    before = model.state_dict()
    trainer = Trainer(model, "mean_squared_error", check_finite=True)
    message = r"^epoch 1, step 1: forward of Reciprocal '2' gave infinity at row \d, time step \d; the weights are"
    with pytest.raises(NonFiniteError, match=message), np.errstate(all="ignore"):
        trainer.fit(X, Y, batch_size=8, verbose=False)
    after = model.state_dict()
    assert all(np.array_equal(after[name], before[name]) for name in before)


def test_a_sum_that_overflows_is_no_alarm() -> None:
    model = Dense(2)
    model.build((None, 3), seed=0)
    guard = FiniteGuard(model, MeanSquaredError())
    model.w.grad[...] = 3e38
    assert guard.is_finite(np.float32(1.0))
    model.w.grad[0, 0], model.w.grad[0, 1] = np.inf, -np.inf
    assert not guard.is_finite(np.float32(1.0))


def test_without_the_guard_or_with_it_training_is_the_same() -> None:
    results = []
    for check in (False, True):
        trainer = Trainer(Sequential(SimpleRNN(4, return_sequences=True), Dense(2)), "mean_squared_error")
        trainer.check_finite = check
        trainer.fit(X, Y, epochs=2, batch_size=4, verbose=False)
        results.append(trainer.model.state_dict())
    assert all(np.array_equal(results[0][name], results[1][name]) for name in results[0])


@pytest.mark.parametrize("settings", [{}, {"clip_norm": 1.0}, {"clip_value": 1.0}])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_clipping_does_not_hide_what_is_not_finite(settings: dict[str, float], accumulate: int) -> None:
    class Bursts(lamina.Layer):
        def build(self, shape: Any) -> Any:
            self.w = lamina.Parameter((), "ones")
            return shape

        def forward(self, x: Any) -> Any:
            return x * self.w.data, None

        def backward(self, dy: Any, saved: Any) -> Any:
            self.w.grad += np.inf
            return dy

    model = lamina.Sequential(Bursts(), lamina.layers.Dense(2))
    model.build((None, 3), seed=0)
    before = model.state_dict()
    trainer = lamina.Trainer(
        model,
        optimizer=lambda p: lamina.optimizers.SGD(p, lr=0.1, **settings),
        check_finite=True,
        accumulate=accumulate,
    )
    with pytest.raises(NonFiniteError, match=r"backward of Bursts '0' gave infinity in the gradient of 'w'"):
        trainer.fit(np.ones((4, 3)), np.array([0, 1, 0, 1]), epochs=1, batch_size=2, verbose=False)
    assert all((values == before[name]).all() for name, values in model.state_dict().items())
