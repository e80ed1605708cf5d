"""What cannot be trained for, or weighed, is refused in one line, before anything changes."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Loss, Sequential, Trainer
from lamina.errors import ArgumentError, DataError, ShapeError
from lamina.layers import Dense, SimpleRNN
from tests.framework.train.three_heads import built, drawn, losses

ROWS = drawn()
COUNT, TIME = 12, 5
RNG = np.random.default_rng(0)
X, ENDS = RNG.normal(size=(COUNT, TIME, 2)), RNG.integers(1, TIME + 1, COUNT)
STEP_NUMBERS = RNG.normal(size=(COUNT, TIME, 3))
WEIGHTS = np.array([0, 1, 2, 3, 0, 1, 1, 2, 0, 4, 1, 0])


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"loss": ("mse", "mse"), "y": ROWS.y[:2]}, ShapeError, "Trainer: expected a model with 2 outputs, got 3"),
        ({"loss": "mse", "y": ROWS.y[1]}, ShapeError, "Trainer: expected a model with one output, got 3"),
        ({"y": (None, None, None)}, ArgumentError, "y['tags']: expected targets for tags, got None"),
        ({"y": ROWS.y[:2]}, ArgumentError, "y: expected a tuple of 3, one for each output, or a dict, got 2"),
        ({"y": {"tag": ROWS.y[0]}}, ArgumentError, "y: expected some of the outputs tags, sizes, marks, got 'tag'"),
        ({"y": (ROWS.y[0], ROWS.y[1][:4], ROWS.y[2])}, ShapeError, "expected as many rows in x and y['sizes']"),
        ({"y": (ROWS.y[0], ROWS.y[1][:, :1], ROWS.y[2])}, ShapeError, "MeanSquaredError"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_changes(options: Any, error: Any, says: str) -> None:
    model = built()
    before = model.state_dict()
    (x, y), more = ROWS.given()
    with pytest.raises(error) as caught:
        Trainer(model, options.get("loss", losses())).fit(x, options.get("y", y), **more, verbose=False)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "training" not in model.facts
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"loss": ()}, "expected a loss for each output, got none"),
        ({"loss": (None, None)}, "expected a loss for one output at least, got None for all"),
        ({"loss": {3: "mse"}}, "expected texts as names of outputs, got [3]"),
        ({"loss": "mse", "loss_weights": (1.0,)}, "loss_weights need several losses"),
        ({"loss": ("mse", "mse"), "loss_weights": (1.0,)}, "loss_weights: expected a tuple of 2"),
        ({"loss": ("mse", "mse"), "loss_weights": (1.0, -1.0)}, "each of loss_weights"),
        ({"loss": ("mse", "mse"), "metrics": ("mae",)}, "metrics: expected a tuple of 2"),
        ({"loss": ("mse", "mse"), "metrics": {"size": "mae"}}, "metrics: expected some of the outputs"),
        ({"loss": {"a": "mse", "a_loss": "mse"}, "metrics": {"a": [lambda p, t: 0.0]}}, ""),
    ],
)
def test_goals_that_do_not_fit_together_are_refused(options: Any, says: str) -> None:
    if not says:
        assert list(Trainer(built(), **options).loss) == ["a", "a_loss"]  # names that make no two figures alike
        return
    with pytest.raises(ArgumentError) as caught:
        Trainer(built(), **options)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


class Maskless(Loss):
    """A loss that leaves nothing out."""

    def forward(self, prediction: Any, target: Any) -> Any:
        return ((prediction - target) ** 2).mean(), prediction - target

    def backward(self, saved: Any) -> Any:
        return saved


class Weightless(lamina.metrics.Metric):
    """A metric to which all rows are alike."""

    name = "weightless"

    def reset(self) -> None:
        self.rows = 0

    def update(self, prediction: Any, target: Any, lengths: Any = None, backend: Any = None) -> None:
        self.rows += len(target)

    def result(self) -> float:
        return float(self.rows)


def put(value: Any, where: Any = 3) -> Any:
    weight = np.ones(COUNT)
    weight[where] = value
    return weight


@pytest.mark.parametrize("argument", ["sample_weight", "mask"])
@pytest.mark.parametrize(
    ("value", "error", "says"),
    [
        (put(-1), DataError, "expected finite numbers of 0 or more, got -1.0 at index (3,)"),
        (put(np.nan), DataError, "expected finite numbers of 0 or more, got nan at index (3,)"),
        (put(np.inf), DataError, "expected finite numbers of 0 or more, got inf at index (3,)"),
        (np.ones(7), ShapeError, "expected a weight for each of 12 rows, or for each step, got (7,)"),
        (np.ones(()), ShapeError, "expected a weight for each of 12 rows, or for each step, got ()"),
        (np.ones((COUNT, TIME, 3)), ShapeError, "expected a weight for each of 12 rows, or for each step, got"),
        (np.ones((COUNT, TIME + 2)), ShapeError, "expected weights of shape (12,) or (12, 5), got (12, 7)"),
        (["a"] * COUNT, lamina.errors.DTypeError, "expected numbers"),
    ],
)
def test_weights_that_are_none_are_refused(argument: str, value: Any, error: Any, says: str) -> None:
    _refused("mse", (), {argument: value}, error, says)


@pytest.mark.parametrize(
    ("loss", "metrics", "given", "error", "says"),
    [
        (Maskless(), (), {"sample_weight": WEIGHTS}, ArgumentError, "Maskless takes no mask: it cannot weigh rows"),
        ("mse", Weightless(), {"mask": WEIGHTS}, ArgumentError, "metric 'weightless' takes no sample_weight"),
        (
            "mse",
            (),
            {"sample_weight": np.ones((COUNT, TIME)), "mask": np.ones((COUNT, TIME + 1))},
            ShapeError,
            "mask: expected as many steps as sample_weight has, got",
        ),
        ("mse", (), {"sample_weight": (WEIGHTS, None)}, ShapeError, "sample_weight"),
        (
            "mse",
            (),
            {"validation_data": (X, STEP_NUMBERS, ENDS, -WEIGHTS)},
            DataError,
            "validation data: sample_weight",
        ),
    ],
)
def test_what_cannot_weigh_is_refused(loss: Any, metrics: Any, given: Any, error: Any, says: str) -> None:
    _refused(loss, metrics, given, error, says)


def _refused(loss: Any, metrics: Any, given: Any, error: Any, says: str) -> None:
    model = Sequential(SimpleRNN(4, return_sequences=True), Dense(3))
    trainer = Trainer(model, loss, metrics=metrics)
    with pytest.raises(error) as caught:
        trainer.fit(X, STEP_NUMBERS, **given, verbose=False)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not model.is_built
    assert not model.facts
    model.build((None, None, 2), seed=0)
    before = model.state_dict()
    given.pop("validation_data", None)
    for ask in (trainer.fit, trainer.train_on_batch, trainer.evaluate) if given else ():
        with pytest.raises(error):
            ask(X, STEP_NUMBERS, **given)
        for name, array in model.state_dict().items():
            np.testing.assert_array_equal(array, before[name])
