"""The guard against NaN and infinity names the right place, wherever it arose and however the steps are taken.

What goes wrong is put there on purpose, by a number in the data or a layer that is known to overflow, so what is right
follows from how the model is written. And one relation: a sequence that overflows does so at one step of time, however
it is cut in chunks.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from lamina import Cell, Composite, Concat, Layer, Loss, Parameter, Recurrent, Sequential, Trainer
from lamina.callbacks import Callback
from lamina.core.saved_state import SavedState
from lamina.errors import NonFiniteError
from lamina.layers import GRU, BatchNorm, Dense, SimpleRNN
from lamina.losses import MeanAbsoluteError, MeanSquaredError
from lamina.optimizers import SGD

ROWS, TIME, BATCH = 8, 12, 4
ROW, STEP = 6, 9  # where the data hold the number: in the second batch of four
MARK = 1000.0
HUGE = 2e38  # finite in float32, and twice as much is not

END = "; the weights are those before the step"


def marked(x: Any) -> Any:
    return x >= MARK


class Keep(Callback):
    """Keeps the parameters as they are before each step."""

    state: dict[str, Any]

    def on_train_begin(self, trainer: Any) -> None:
        self.state = trainer.model.state_dict()

    def on_step_end(self, trainer: Any, *_: Any) -> None:
        self.state = trainer.model.state_dict()


class Scale(Layer):
    """y = w x."""

    def build(self, shape: Any) -> Any:
        self.w = Parameter((1,), "ones")
        return shape

    def forward(self, x: Any) -> Any:
        return x * self.w.data, (x, marked(x))

    def backward(self, dy: Any, saved: Any) -> Any:
        self.w.grad += (dy * saved[0]).sum()
        return dy * self.w.data


class FaultyForward(Scale):
    def forward(self, x: Any) -> Any:
        return np.where(marked(x), np.float32(np.nan), x), (x, marked(x))

    def backward(self, dy: Any, saved: Any) -> Any:
        return dy


class FaultyBackward(Scale):
    def backward(self, dy: Any, saved: Any) -> Any:
        return np.where(saved[1], np.float32(np.inf), dy)


class FaultyGradient(Scale):
    def backward(self, dy: Any, saved: Any) -> Any:
        if saved[1].any():
            self.w.grad += np.nan
        return dy


class Steep(Scale):
    """One whose gradient is finite, but for a sum of two, whatever comes from above."""

    def backward(self, dy: Any, saved: Any) -> Any:
        self.w.grad += HUGE
        return dy


class Twice(Sequential):
    """Calls its layer twice."""

    def __init__(self, layer: Layer) -> None:
        super().__init__(layer, layer)


class TwoInputs(Composite):
    """The layer in question has the first of two inputs."""

    def __init__(self, layer: Layer) -> None:
        self.first, self.other, self.layer = Scale(), Scale(), layer
        self.join, self.head = Concat(), Dense(1)

    def compose(self, t: Any, a: Any, b: Any) -> Any:
        return t(self.head, t(self.join, t(self.layer, t(self.first, a)), t(self.other, b)))


def in_a_row(layer: Layer) -> Layer:
    return Sequential(Scale(), layer, Dense(1))


def before_states(layer: Layer) -> Layer:
    return Sequential(Scale(), layer, GRU(2, return_sequences=True), Dense(1))


@dataclass
class Mode:
    """A way to take steps, and what the message says of it.

    ``begins`` stands for where a mark in row 6 and step 9 is found: the step and batch, and its row in that batch.
    """

    make: Callable[[Layer], Layer] = in_a_row
    path: str = "1"
    settings: dict[str, Any] = field(default_factory=dict)
    fit: dict[str, Any] = field(default_factory=dict)
    inputs: int = 1
    first: str = "epoch 1, step 1"
    begins: str = "epoch 1, step 2"
    row: int = 2


# Rows 0 to 3 are short; row 6, the third of its batch, has the step with the mark.
LENGTHS = np.array([3, 4, 2, 1, 5, 0, 11, 12])
MODES = {
    "plain": Mode(),
    "ragged": Mode(fit={"lengths": LENGTHS}),
    "accumulated": Mode(
        settings={"accumulate": 4},
        fit={"batch_size": 2},
        first="epoch 1, step 1, batch 1 of it",
        begins="epoch 1, step 1, batch 4 of it",
        row=0,
    ),
    "truncated": Mode(fit={"truncate": 4}, begins="epoch 1, step 6"),
    "truncated, ragged": Mode(fit={"truncate": 5, "lengths": LENGTHS}, begins="epoch 1, step 3"),
    "truncated, accumulated": Mode(
        settings={"accumulate": 2},
        fit={"truncate": 4},
        first="epoch 1, step 1, batch 1 of it",
        begins="epoch 1, step 3, batch 2 of it",
    ),
    "two inputs": Mode(TwoInputs, "layer", inputs=2),
    "stateful": Mode(before_states),
    "stateful, truncated": Mode(before_states, fit={"truncate": 3}, begins="epoch 1, step 8"),
}
each_mode = pytest.mark.parametrize("mode", MODES.values(), ids=list(MODES))


def message(mode: Mode, layer: Layer, loss: Any = "mean_absolute_error", *, mark: bool = True, y: Any = None) -> str:
    """Return with what a model around the layer is refused, and prove that its parameters stayed as they were."""
    x = np.random.default_rng(0).uniform(0.1, 1, size=(ROWS, TIME, 2))
    if mark:
        x[ROW, STEP, 1] = MARK
    model = mode.make(layer)
    model.build(*[(None, None, 2)] * mode.inputs, seed=0)
    if hasattr(layer, "spoil"):
        layer.spoil()
    kept = Keep()
    trainer = Trainer(model, loss, lambda p: SGD(p, lr=1e-30), callbacks=kept, check_finite=True, **mode.settings)
    inputs = x if mode.inputs == 1 else (x, np.ones_like(x))
    options = {"batch_size": BATCH, "epochs": 1, "shuffle": False, "verbose": False, **mode.fit}
    target = np.zeros((ROWS, TIME, 1)) if y is None else y
    with pytest.raises(NonFiniteError) as caught, np.errstate(all="ignore"):
        trainer.fit(inputs, target, **options)
    after = model.state_dict()
    assert after.keys() == kept.state.keys()
    assert all(np.array_equal(array, kept.state[name], equal_nan=True) for name, array in after.items())
    return str(caught.value)


@each_mode
def test_in_forward(mode: Mode) -> None:
    assert message(mode, FaultyForward()) == (
        f"{mode.begins}: forward of FaultyForward '{mode.path}' gave NaN at row {mode.row}, time step {STEP}{END}"
    )


@each_mode
def test_in_backward(mode: Mode) -> None:
    found = f"backward of FaultyBackward '{mode.path}' gave infinity in the gradient of its input"
    assert message(mode, FaultyBackward()) == f"{mode.begins}: {found} at row {mode.row}, time step {STEP}{END}"


@each_mode
def test_in_the_gradient_of_a_parameter(mode: Mode) -> None:
    assert message(mode, FaultyGradient()) == (
        f"{mode.begins}: backward of FaultyGradient '{mode.path}' gave NaN in the gradient of 'w'{END}"
    )


@each_mode
def test_in_a_parameter(mode: Mode) -> None:
    class Spoilt(Scale):
        def spoil(self) -> None:
            self.w.data[0] = np.inf

    assert message(mode, Spoilt(), mark=False) == (
        f"{mode.first}: forward of Spoilt '{mode.path}' gave infinity, as its parameter 'w' holds infinity at row 0, "
        f"time step 0{END}"
    )


def test_in_a_parameter_of_a_layer_within() -> None:
    class Reading(Layer):
        """y = w x, with the weight of a layer that it does not call."""

        def __init__(self) -> None:
            self.inner = Scale()

        def build(self, shape: Any) -> Any:
            return self.inner.build(shape)

        def forward(self, x: Any) -> Any:
            return x * self.inner.w.data, None

        def backward(self, dy: Any, saved: Any) -> Any:
            return dy * self.inner.w.data

        def spoil(self) -> None:
            self.inner.w.data[0] = np.nan

    assert message(Mode(), Reading(), mark=False) == (
        "epoch 1, step 1: forward of Reading '1' gave NaN, as its parameter 'inner.w' holds NaN at row 0, time step "
        f"0{END}"
    )


@each_mode
def test_in_the_loss(mode: Mode) -> None:
    """A square that overflows, and twice the difference, which does not."""
    y = np.zeros((ROWS, TIME, 1))
    y[ROW, STEP] = 1e30
    found = message(mode, Scale(), MeanSquaredError(), mark=False, y=y)
    assert found == f"{mode.begins}: loss MeanSquaredError gave infinity{END}"


def test_a_loss_is_run_again_with_the_lengths() -> None:
    """Targets past the ends, of which the square would overflow, have no part in what went wrong."""
    y = np.zeros((ROWS, TIME, 1))
    y[np.arange(TIME) >= LENGTHS[:, None]] = 1e30
    found = message(MODES["ragged"], FaultyBackward(), MeanSquaredError(), y=y)
    assert found.startswith("epoch 1, step 2: backward of FaultyBackward '1' gave infinity in the gradient of")


@each_mode
def test_in_the_gradient_of_the_loss(mode: Mode) -> None:
    class Sharp(MeanAbsoluteError):
        def forward(self, prediction: Any, target: Any, *, lengths: Any = None) -> Any:
            loss, _ = super().forward(prediction, target, lengths=lengths)
            return loss, (target, prediction)

        def backward(self, saved: Any) -> Any:
            target, prediction = saved
            return np.where(target == 7, np.float32(np.inf), np.zeros_like(prediction))

    y = np.zeros((ROWS, TIME, 1))
    y[ROW, STEP] = 7
    place = f"at row {mode.row}, time step {STEP}"
    assert message(mode, Scale(), Sharp(), mark=False, y=y) == (
        f"{mode.begins}: backward of loss Sharp gave infinity {place}{END}"
    )


@each_mode
def test_in_the_sum_of_the_gradients_of_two_calls(mode: Mode) -> None:
    class Shared(Steep):
        pass

    found = message(mode, Twice(Shared()), mark=False)
    name = f"{mode.path}.0"
    assert found == f"{mode.first}: backward of Shared '{name}' gave infinity in the gradient of 'w'{END}"


@each_mode
def test_in_what_a_layer_adds_to_a_parameter_of_one_within_it(mode: Mode) -> None:
    class Penalty(Sequential):
        """Adds the gradient of a penalty to that of its layer's weights."""

        def __init__(self) -> None:
            super().__init__(Scale())

        def backward(self, dy: Any, saved: Any, *, input_gradient: bool = True) -> Any:  # type: ignore[override]
            dx = super().backward(dy, saved)
            self[0].w.grad += np.inf  # type: ignore[attr-defined]
            return dx

    assert message(mode, Penalty(), mark=False) == (
        f"{mode.first}: backward of Penalty '{mode.path}' gave infinity in the gradient of '0.w'{END}"
    )


@pytest.mark.parametrize("truncate", [None, 4])
def test_in_the_sum_of_the_gradients_of_a_steps_batches(truncate: int | None) -> None:
    """Each batch's gradient is finite by itself, so none of the layers is to blame alone."""
    mode = Mode(settings={"accumulate": 2}, fit={"truncate": truncate})
    assert message(mode, Steep(), mark=False) == (
        "epoch 1, step 1, batch 2 of it: backward gave, in the sum of the step's batches for parameter '1.w', "
        f"infinity{END}"
    )


def test_in_what_a_batch_weighs_in_its_step() -> None:
    """The gradient of the loss is finite, and not so its product with the number of steps over which it is a mean."""

    class Large(Loss):
        def forward(self, prediction: Any, target: Any) -> Any:
            return np.float32(1), prediction

        def backward(self, prediction: Any) -> Any:
            return np.full_like(prediction, HUGE)

    mode = Mode(make=lambda layer: layer, settings={"accumulate": 2})
    terms, place = BATCH * TIME, "at row 0, time step 0"
    assert message(mode, Dense(1, use_bias=False), Large(), mark=False) == (
        f"epoch 1, step 1, batch 1 of it: backward of loss Large gave, times the batch's {terms} terms, infinity "
        f"{place}{END}"
    )


def test_nan_that_is_not_found_again_is_no_sum_that_overflowed() -> None:
    """A sum of finite numbers is never NaN."""
    calls = []

    class Once(Scale):
        def backward(self, dy: Any, saved: Any) -> Any:
            calls.append(1)
            self.w.grad += np.nan if len(calls) == 2 else 0
            return dy

    assert message(Mode(settings={"accumulate": 2}), Once(), mark=False) == (
        "epoch 1, step 1, batch 2 of it: NaN or infinity, but not when the step was run again: a layer of it is not "
        f"deterministic{END}"
    )


@each_mode
def test_what_forward_counts_is_counted_again_from_before_the_batch(mode: Mode) -> None:
    class Counting(Scale):
        def build(self, shape: Any) -> Any:
            self.calls = Parameter((1,), "zeros", trainable=False)
            return super().build(shape)

        def forward(self, x: Any) -> Any:
            self.calls.data += 1
            return (x * np.nan if self.calls.data[0] == 2 else x), (x, marked(x))

    found = message(mode, Counting(), mark=False)
    where = "epoch 1, step 1, batch 2 of it" if "accumulate" in mode.settings else "epoch 1, step 2"
    assert found.startswith(f"{where}: forward of Counting '{mode.path}' gave NaN at row 0, time step ")


class Doubling(SimpleRNN):
    """h = relu(x + 1e10 h): of ones it overflows at the fifth step."""

    overflows_at = 4

    def __init__(self, **options: Any) -> None:
        super().__init__(2, activation="relu", return_sequences=True)

    def spoil(self) -> None:
        self.w_x.data[...] = np.eye(2)
        self.w_h.data[...] = np.eye(2) * 1e10


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("lengths", [None, [2, 4, 1, 12, 6, 7, 3, 0]])
@pytest.mark.parametrize("make", [in_a_row, TwoInputs], ids=["in a row", "two inputs"])
@pytest.mark.parametrize("truncate", [None, 1, 2, 3, 4, 5, 6, 7, 12])
def test_from_a_carried_state(truncate: int | None, make: Any, lengths: Any, accumulate: int) -> None:
    """The place is the same however the time is cut: in the chunk that has the fifth step."""
    layer = Doubling()
    two = make is TwoInputs
    mode = Mode(
        make,
        settings={"accumulate": accumulate},
        fit={"truncate": truncate, "lengths": None if lengths is None else np.array(lengths)},
        inputs=1 + two,
    )
    found = message(mode, layer, mark=False)
    chunk = 1 if truncate is None else layer.overflows_at // truncate + 1
    where = f"epoch 1, step {-(-chunk // accumulate)}"
    where += "" if accumulate == 1 else f", batch {(chunk - 1) % accumulate + 1} of it"
    # Within the fifth step, every row that has it overflows: the first is told.
    row = 0 if lengths is None else 3
    path = "layer" if two else "1"
    assert found == (
        f"{where}: forward of Doubling '{path}' gave infinity at row {row}, time step {layer.overflows_at}{END}"
    )


class Hidden(Cell):
    """A second state that overflows at the third step, unseen, and makes a NaN of the fourth one's output."""

    def __init__(self, units: int) -> None:
        self.units = units

    @property
    def state_sizes(self) -> tuple[int, ...]:
        return self.units, self.units

    def build(self, x: Any, h: Any, c: Any) -> Any:
        return h, c

    def forward(self, x: Any, h: Any, c: Any) -> Any:
        return (np.tanh(x) + 0 * c, np.float32(1e20) * c + 1), None

    def backward(self, dy: Any, saved: Any) -> Any:
        return dy[0], 0 * dy[0], 0 * dy[1]


class Gathering(Layer):
    """A stream's state that overflows with the third step, and only then is of any effect."""

    def build(self, shape: Any) -> Any:
        return shape

    def forward(self, x: Any) -> Any:
        y, _ = self.run(x, np.ones((len(x), 2), x.dtype))
        return y, None

    def run(self, x: Any, state: Any) -> tuple[Any, Any]:
        steps = []
        for t in range(x.shape[1]):
            steps.append(x[:, t] + 0 * state)
            state = state * np.float32(1e13)
        return np.stack(steps, 1), state

    def stream_state(self, batch: int) -> Any:
        return np.ones((batch, 2), "float32")

    def stream(self, x: Any, state: Any = None, lengths: Any = None, training: bool = False) -> Any:  # type: ignore[override]
        y, state = self.run(x, self.stream_state(len(x)) if state is None else state)
        return y, state, SavedState(self, None, y) if training else None

    def backward(self, dy: Any, saved: Any) -> Any:
        return dy


@pytest.mark.parametrize("truncate", [None, 1, 2, 3, 4])
def test_a_state_that_overflowed_unseen_is_told_where_it_did_harm(truncate: int | None) -> None:
    mode = Mode(fit={"truncate": truncate})
    step = 1 if truncate is None else 3 // truncate + 1
    # Where the third step is of the same chunk as the fourth, its state is what is told.
    told = "NaN, as the state from the steps before holds infinity" if truncate in (1, 3) else "infinity"
    assert message(mode, Recurrent(Hidden(2), return_sequences=True), mark=False) == (
        f"epoch 1, step {step}: forward of Hidden '1.cell' gave {told} at row 0{END}"
    )
    hint = ", as the state from the steps before holds infinity" if truncate in (1, 3) else ""
    assert message(mode, Gathering(), mark=False) == (
        f"epoch 1, step {step}: forward of Gathering '1' gave NaN{hint} at row 0, time step 3{END}"
    )


def test_a_step_of_several_batches_that_failed_moved_no_running_mean() -> None:
    def with_means(layer: Layer) -> Layer:
        return Sequential(BatchNorm(), layer, Dense(1))

    class Late(Scale):
        """Wrong from a mark on, also once it was normalized."""

        def forward(self, x: Any) -> Any:
            return np.where(x > 5, np.float32(np.nan), x), (x, x > 5)

    mode = Mode(with_means, settings={"accumulate": 2}, fit={"batch_size": BATCH})
    assert re.match(r"epoch 1, step 1, batch 2 of it: forward of Late '1' gave NaN at row 2, ", message(mode, Late()))
