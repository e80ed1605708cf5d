"""What each output is trained for: how losses, weights and metrics are given, and what their sum is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.data.goals import each_goal, read_goals
from lamina.errors import ArgumentError, LaminaError, UnknownNameError
from lamina.layers import GRU, Dense
from lamina.losses import MeanSquaredError, SoftmaxCrossEntropy

RNG = np.random.default_rng(0)
X = RNG.normal(size=(10, 4, 2))
LABELS = RNG.integers(0, 3, 10)
NUMBERS = RNG.normal(size=(10, 1))


def test_one_loss_has_no_name() -> None:
    for loss in ("mse", MeanSquaredError()):
        (goal,) = read_goals(loss, None, "mae")
        assert (goal.name, type(goal.loss), goal.weight) == ("", MeanSquaredError, 1.0)
        assert [metric.name for metric in goal.metrics] == ["mean_absolute_error"]
        assert goal.named("loss") == "loss"


def test_several_are_named_by_a_dict_or_by_their_place() -> None:
    goals = read_goals(("mse", None, "softmax_cross_entropy"), (1, 0, 0.5), ("mae", None, ["accuracy"]))
    assert [goal.name for goal in goals] == ["output_0", "output_1", "output_2"]
    assert [type(goal.loss) for goal in goals] == [MeanSquaredError, type(None), SoftmaxCrossEntropy]
    assert [goal.weight for goal in goals] == [1.0, 0.0, 0.5]
    assert [[metric.name for metric in goal.metrics] for goal in goals] == [["mean_absolute_error"], [], ["accuracy"]]
    assert goals[2].named("accuracy") == "output_2_accuracy"

    goals = read_goals({"a": "mse", "b": "mse"}, None, {"b": "mae"})
    assert [goal.name for goal in goals] == ["a", "b"]
    assert [len(goal.metrics) for goal in goals] == [0, 1]
    assert [goal.weight for goal in goals] == [1.0, 1.0]
    assert len(read_goals(["mse"])) == 1
    assert read_goals(["mse"])[0].name == "output_0"


def test_a_metric_leaves_out_what_its_loss_does() -> None:
    goals = read_goals((SoftmaxCrossEntropy(ignore_index=-1), SoftmaxCrossEntropy()), None, ("accuracy", "accuracy"))
    prediction, target = np.eye(3)[[0, 1, 1]], np.array([0, -1, 1])
    assert goals[0].metrics[0](prediction, target) == 1.0
    with pytest.raises(LaminaError):
        goals[1].metrics[0](prediction, target)


REFUSED: list[tuple[tuple[Any, ...], type[LaminaError], str]] = [
    (("mes",), UnknownNameError, "'mes'"),
    ((3,), ArgumentError, "Trainer: expected loss to be a Loss, got 3"),
    (((),), ArgumentError, "Trainer: expected a loss for each output, got none"),
    (({},), ArgumentError, "Trainer: expected a loss for each output, got none"),
    (((None, None),), ArgumentError, "Trainer: expected a loss for one output at least, got None for all"),
    (({1: "mse"},), ArgumentError, "Trainer: expected texts as names of outputs, got [1]"),
    (({"": "mse"},), ArgumentError, "Trainer: expected texts as names of outputs, got ['']"),
    (("mse", 2.0), ArgumentError, "Trainer: loss_weights need several losses, as in loss=(first, second)"),
    ((("mse", "mse"), (1,)), ArgumentError, "loss_weights: expected a tuple of 2, one for each output, or a dict, g"),
    ((("mse", "mse"), 3), ArgumentError, "loss_weights: expected a tuple of 2, one for each output, or a dict, got"),
    ((("mse", "mse"), (1, -1)), ArgumentError, "Trainer: expected each of loss_weights to be"),
    ((("mse", "mse"), {"c": 1}), ArgumentError, "loss_weights: expected some of the outputs output_0, output_1, got "),
    ((("mse", "mse"), None, "mae"), ArgumentError, "metrics: expected a tuple of 2, one for each output, or a dict"),
]


@pytest.mark.parametrize(("given", "error", "message"), REFUSED, ids=range(len(REFUSED)))
def test_what_does_not_fit_is_named(given: Any, error: type[LaminaError], message: str) -> None:
    with pytest.raises(error) as caught:
        read_goals(*given)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_figures_must_have_names_of_their_own() -> None:
    with pytest.raises(ArgumentError, match="expected names of outputs that make figures of different names"):
        read_goals({"a": "mse", "a_b": "mse"}, None, {"a": lamina.metrics.FunctionMetric(_b_loss), "a_b": ()})


def _b_loss(prediction: Any, target: Any) -> float:
    return 0.0


_b_loss.__name__ = "b_loss"


def test_what_is_given_for_each() -> None:
    assert each_goal("y", (1, 2), ("a", "b")) == [1, 2]
    assert each_goal("y", [1, 2], ("a", "b")) == [1, 2]
    assert each_goal("y", {"b": 2}, ("a", "b")) == [None, 2]
    assert each_goal("y", {"b": 2}, ("a", "b"), filling=()) == [(), 2]
    for wrong, got in ((1, "int"), ("ab", "str"), ((1,), "1"), (np.zeros(2), "ndarray")):
        with pytest.raises(ArgumentError, match=f"^y: expected a tuple of 2, .* or a dict, got {got}$"):
            each_goal("y", wrong, ("a", "b"))
    with pytest.raises(ArgumentError, match=r"^y: expected some of the outputs a, b, got 'c'$"):
        each_goal("y", {"c": 1}, ("a", "b"))


# --- what is made small ----------------------------------------------------------------------------------------------


class Two(lamina.Composite):
    def __init__(self) -> None:
        super().__init__()
        self.reader, self.classes, self.numbers = GRU(3), Dense(3), Dense(1)

    def compose(self, t: Any, x: Any) -> Any:
        h = t(self.reader, x)
        return t(self.classes, h), t(self.numbers, h)


def two() -> Any:
    model = Two()
    model.build((None, None, 2), seed=0, dtype="float64")
    return model


@pytest.mark.parametrize("weights", [(1, 1), (0.25, 3), (0, 1)])
@pytest.mark.parametrize("named", [True, False])
def test_the_loss_is_the_weighted_sum_in_plain_numpy(named: bool, weights: tuple[float, float]) -> None:
    def both(one: Any, other: Any) -> Any:
        return {"a": one, "b": other} if named else (one, other)

    trainer = lamina.Trainer(two(), both("softmax_cross_entropy", "mse"), "sgd", loss_weights=both(*weights))
    logits, numbers = trainer.predict(X)
    shifted = logits - logits.max(axis=1, keepdims=True)
    entropy = (np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(10), LABELS]).mean()
    square = ((numbers - NUMBERS) ** 2).mean()
    found = trainer.evaluate(X, both(LABELS, NUMBERS))
    first, second = ("a_loss", "b_loss") if named else ("output_0_loss", "output_1_loss")
    assert found[first] == pytest.approx(entropy, rel=1e-12)
    assert found[second] == pytest.approx(square, rel=1e-12)
    assert found["loss"] == pytest.approx(weights[0] * entropy + weights[1] * square, rel=1e-12)
    history = trainer.fit(X, both(LABELS, NUMBERS), batch_size=10, epochs=1, verbose=False)
    assert history["loss"] == pytest.approx([found["loss"]], rel=1e-12)


def test_an_output_without_a_loss_is_as_one_of_weight_0() -> None:
    without = lamina.Trainer(two(), (None, "mse"), "sgd")
    zero = lamina.Trainer(two(), ("softmax_cross_entropy", "mse"), "sgd", loss_weights=(0, 1))
    without.fit(X, (None, NUMBERS), epochs=2, verbose=False)
    zero.fit(X, (LABELS, NUMBERS), epochs=2, verbose=False)
    for name, array in zero.model.state_dict().items():
        np.testing.assert_allclose(without.model.state_dict()[name], array, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("how", ["tuple", "dict", "by name"])
@pytest.mark.parametrize("wrong", ["none", "text", "rows", "shape", "nan", "unknown class"])
def test_messages_call_a_target_as_the_outputs_are_called(how: str, wrong: str) -> None:
    """By the names that the losses have; else by number."""
    names = ("a", "b") if how == "by name" else ("output_0", "output_1")
    losses = {"a": "softmax_cross_entropy", "b": "mse"} if how == "by name" else ("softmax_cross_entropy", "mse")
    bad: Any = {
        "none": None,
        "text": ["x"] * len(NUMBERS),
        "rows": NUMBERS[:4],
        "shape": 3.0,
        "nan": NUMBERS * np.nan,
        "unknown class": np.where(LABELS == 1, "up", "down"),
    }[wrong]
    y = (bad, NUMBERS) if wrong == "unknown class" else (LABELS, bad)
    wanted = 0 if wrong == "unknown class" else 1
    given = y if how == "tuple" else dict(zip(names, y, strict=True))
    with pytest.raises(LaminaError) as caught:
        lamina.Trainer(two(), losses, "sgd").fit(X, given, verbose=False)
    assert (f"y['{names[wanted]}']" if how == "by name" else f"y[{wanted}]") in str(caught.value)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(read_goals) == {"loss_weights": None, "metrics": ()}
    assert defaults(each_goal) == {"filling": None}
