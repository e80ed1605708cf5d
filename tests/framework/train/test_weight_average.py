"""The moving average of a model's weights."""

import copy
import doctest
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Sequential, WeightAverage
from lamina.errors import ArgumentError, CheckpointError, NotBuiltError
from lamina.layers import Dense, SimpleRNN
from lamina.train import weight_average as averaging

X = np.random.default_rng(0).normal(size=(12, 4, 2))
Y = np.arange(12) % 3


def make_model(built: bool = True) -> Sequential:
    model = Sequential(SimpleRNN(2), Dense(3))
    if built:
        model.build((None, None, 2), backend="numpy", dtype="float64", seed=0)
    return model


@pytest.fixture
def model() -> Sequential:
    return make_model()


def fill(model: Any, value: float) -> None:
    for parameter in model.parameters():
        parameter.data = np.full(parameter.shape, value)


def values(model: Any) -> set[float]:
    return {round(float(value), 12) for array in model.state_dict().values() for value in array.ravel()}


def test_the_average_by_hand(model: Sequential) -> None:
    average = WeightAverage(model, decay=0.5)
    fill(model, 7.0)
    for weights, expected in ((8.0, 8.0), (2.0, 4.0), (4.0, 4.0), (19.0, 12.0)):
        fill(model, weights)
        average.update()
        with average.applied() as applied:
            assert applied is model
            # 8; (8 + 2 * 2) / 3; (8 + 2 * 2 + 4 * 4) / 7; (... + 8 * 19) / 15
            assert values(model) == {expected}
        assert values(model) == {weights}
    assert average.updates == 4


@pytest.mark.parametrize("decay", [0.0, 0.9, 0.999])
def test_it_is_the_weighted_mean_of_the_weights_after_each_update(model: Sequential, decay: float) -> None:
    rng, average, kept = np.random.default_rng(1), WeightAverage(model, decay), []
    for _ in range(20):
        for parameter in model.parameters():
            parameter.data = rng.standard_normal(parameter.shape)
        kept.append(model.state_dict())
        average.update()
    weights = decay ** np.arange(19, -1, -1)
    for name, array in average.state_dict()["parameters"].items():
        expected = np.average([one[name] for one in kept], axis=0, weights=weights)
        np.testing.assert_allclose(array, expected, rtol=1e-11, atol=1e-13)


def test_before_the_first_update_it_is_the_weights_as_they_are(model: Sequential) -> None:
    fill(model, 3.0)
    with WeightAverage(model).applied():
        assert values(model) == {3.0}


def test_weights_come_back_after_an_error_too(model: Sequential) -> None:
    average = WeightAverage(model)
    fill(model, 1.0)
    average.update()
    fill(model, 2.0)
    with pytest.raises(ZeroDivisionError), average.applied():
        assert values(model) == {1.0}
        raise ZeroDivisionError
    assert values(model) == {2.0}


def test_applying_for_good(model: Sequential) -> None:
    average = WeightAverage(model)
    fill(model, 1.0)
    average.update()
    fill(model, 2.0)
    average.apply()
    assert values(model) == {1.0}


def test_inside_the_block_there_is_nothing_to_average(model: Sequential) -> None:
    average = WeightAverage(model)
    with average.applied():
        for call in (average.update, average.apply, lambda: average.applied().__enter__()):
            with pytest.raises(ArgumentError) as caught:
                call()
            assert str(caught.value) == "WeightAverage: the averaged weights are applied: leave that block first"
    average.update()


@pytest.mark.parametrize("part", ["model", "last layer"])
def test_it_goes_where_the_model_goes(model: Sequential, part: str) -> None:
    average = WeightAverage(model, decay=0.5)
    fill(model, 8.0)
    average.update()
    (model if part == "model" else model[1]).to("reference")
    fill(model, 2.0)
    average.update()
    with average.applied():
        assert values(model) == {4.0}
        (model if part == "model" else model[1]).to("numpy")
    assert values(model) == {2.0}
    with average.applied():
        assert values(model) == {4.0}
    model.to("numpy", dtype="float32")
    average.update()
    assert {array.dtype.name for array in average.state_dict()["parameters"].values()} == {"float32"}


def test_a_part_of_a_model_is_averaged_alone(model: Sequential) -> None:
    average = WeightAverage(model[1])
    fill(model, 1.0)
    average.update()
    fill(model, 2.0)
    with average.applied():
        assert values(model[1]) == {1.0}
        assert values(model[0]) == {2.0}
    assert list(average.state_dict()["parameters"]) == ["w", "b"]


def test_a_state_dict_is_a_copy_and_goes_on_where_it_was_taken(model: Sequential) -> None:
    average = WeightAverage(model, decay=0.5)
    fill(model, 8.0)
    average.update()
    state = average.state_dict()
    before = copy.deepcopy(state)
    fill(model, 2.0)
    average.update()
    assert all((state["parameters"][name] == array).all() for name, array in before["parameters"].items())
    other_model = make_model()
    other = WeightAverage(other_model, decay=0.5)
    other.load_state_dict(state)
    state["parameters"]["1.b"][...] = 0
    fill(other_model, 2.0)
    other.update()
    assert other.updates == 2
    for name, array in average.state_dict()["parameters"].items():
        assert (other.state_dict()["parameters"][name] == array).all()


def test_a_state_that_does_not_fit_is_named_in_full_and_changes_nothing(model: Sequential) -> None:
    average = WeightAverage(model)
    fill(model, 3.0)
    average.update()
    state = copy.deepcopy(average.state_dict())
    del state["parameters"]["0.w_x"]
    state["parameters"]["2.w"] = np.zeros(2)
    state["parameters"]["1.b"] = np.zeros(4)
    with pytest.raises(CheckpointError) as caught:
        average.load_state_dict({**state, "updates": 9})
    assert str(caught.value) == (
        "state does not fit WeightAverage: missing 0.w_x; unexpected 2.w; 1.b: expected (3,), got (4,)"
    )
    with pytest.raises(CheckpointError, match=r"^state does not fit WeightAverage: no updates$"):
        average.load_state_dict({"parameters": average.state_dict()["parameters"]})
    assert average.updates == 1
    with average.applied():
        assert values(model) == {3.0}


@pytest.mark.parametrize("built", [True, False])
def test_as_a_callback_it_takes_note_of_every_step(built: bool) -> None:
    class Kept(lamina.callbacks.Callback):
        def __init__(self) -> None:
            self.weights: list[Any] = []

        def on_step_end(self, trainer: lamina.Trainer, epoch: int, step: int, loss: Any) -> None:
            self.weights.append(trainer.model.state_dict())

    model, kept = make_model(built), Kept()
    average = WeightAverage(model, decay=0.5)
    trainer = lamina.Trainer(model, optimizer="sgd", callbacks=[average, kept])
    trainer.fit(X, Y, epochs=2, batch_size=5, verbose=False)
    assert average.updates == len(kept.weights) == 6
    weights = 0.5 ** np.arange(5, -1, -1)
    for name, array in average.state_dict()["parameters"].items():
        expected = np.average([one[name] for one in kept.weights], axis=0, weights=weights)
        np.testing.assert_allclose(array, expected, rtol=1e-5, atol=1e-7)


def test_mistakes_are_named() -> None:
    model = make_model(built=False)
    with pytest.raises(ArgumentError, match=r"^WeightAverage: expected decay to be a number .*, got 1$"):
        WeightAverage(model, decay=1)
    with pytest.raises(ArgumentError, match=r"^WeightAverage: expected model to be a Layer, got 3$"):
        WeightAverage(3)  # type: ignore[arg-type]
    with pytest.raises(NotBuiltError, match=r"^Sequential is not built: call build\(shape\) first$"):
        WeightAverage(model).update()
    with pytest.raises(NotBuiltError, match=r"^Sequential is not built: call build\(shape\) first$"):
        WeightAverage(model).load_state_dict(WeightAverage(make_model()).state_dict())
    with pytest.raises(ArgumentError, match=r"^WeightAverage: its model is another one than the trainer's$"):
        lamina.Trainer(model, callbacks=WeightAverage(make_model())).fit(X, Y, verbose=False)
    assert repr(WeightAverage(model)) == "<WeightAverage: Sequential, decay 0.999, 0 updates>"


def test_the_examples_in_the_docstrings() -> None:
    assert doctest.testmod(averaging).failed == 0


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(WeightAverage) == {"decay": 0.999}
