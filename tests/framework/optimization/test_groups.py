"""Settings of their own for parameters chosen by patterns of their names."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from lamina import Optimizer, Sequential
from lamina.core.arguments import number
from lamina.errors import ArgumentError, UnknownNameError
from lamina.layers import Dense, SimpleRNN
from lamina.optimizers import SGD, AdamW


@pytest.fixture
def model() -> Sequential:
    model = Sequential(SimpleRNN(2), Dense(3))
    model.build((None, None, 2), backend="numpy", dtype="float64", seed=0)
    for parameter in model.parameters():
        parameter.grad += 1
    return model


def moved(model: Sequential, optimizer: Optimizer) -> dict[str, float]:
    """Take a step; return how far each parameter went down: the same for all its elements."""
    before = model.state_dict()
    optimizer.step()
    steps = {name: before[name] - after for name, after in model.state_dict().items()}
    assert all(np.ptp(step) < 1e-15 for step in steps.values())
    return {name: round(float(step.flat[0]), 12) for name, step in steps.items()}


def test_a_parameter_takes_the_options_of_every_pattern_and_the_later_ones_win(model: Sequential) -> None:
    for parameter in model.parameters():
        parameter.data = np.ones(parameter.shape)
    groups = {"0.*": {"lr": 0.01, "weight_decay": 0.5}, "*.b": {"weight_decay": 0.0}, "1.?": {"lr": 0.2}}
    optimizer = SGD(model.parameters(), 0.1, weight_decay=1.0, groups=groups)
    assert moved(model, optimizer) == {"0.w_x": 0.015, "0.w_h": 0.015, "0.b": 0.01, "1.w": 0.4, "1.b": 0.2}


def test_what_no_pattern_matches_keeps_the_optimizers_settings(model: Sequential) -> None:
    optimizer = SGD(model.parameters(), 0.1, groups={"1.w": {"lr": 0.3}})
    assert moved(model, optimizer) == {"0.w_x": 0.1, "0.w_h": 0.1, "0.b": 0.1, "1.w": 0.3, "1.b": 0.1}


def test_neighbours_of_one_group_stay_one_call(model: Sequential) -> None:
    calls: list[tuple[float, int]] = []

    class Recorder(Optimizer):
        def update(self, backend: Any, data: Any, grad: Any, state: Any) -> None:
            calls.append((self.lr, data.size))

    Recorder(model.parameters(), 0.1, groups={"0.w*": {"lr": 0.2}, "0.b": {"lr": 0.2}}).step()
    assert calls == [(0.1, 9), (0.2, 10)]


def test_a_rate_of_a_group_keeps_its_proportion(model: Sequential) -> None:
    optimizer = SGD(model.parameters(), 0.3, groups={"1.w": {"lr": 0.03}, "1.b": {"momentum": 0.5}})
    for rate in (0.3, 0.1, 0.7):
        optimizer.lr = rate
        steps = moved(model, optimizer)
        assert steps["0.b"] == pytest.approx(rate, rel=1e-12)
        assert steps["1.w"] == pytest.approx(rate / 10, rel=1e-12)
    assert optimizer._members[1].lr == 0.7  # without a rate of its own, to the bit


def test_state_is_kept_where_a_groups_options_ask_for_it_and_comes_by_parameter(model: Sequential) -> None:
    optimizer = SGD(model.parameters(), 0.1, groups={"1.*": {"momentum": 0.5}})
    optimizer.step()
    state = optimizer.state_dict()
    assert {name: list(own) for name, own in state["parameters"].items()} == {
        "0.w_x": [], "0.w_h": [], "0.b": [], "1.w": ["velocity"], "1.b": ["velocity"],
    }  # fmt: skip
    expected = moved(model, optimizer)
    other = SGD(model.parameters(), 0.1, groups={"1.*": {"momentum": 0.5}})
    other.load_state_dict(state)
    assert moved(model, other) == expected
    plain = AdamW(model.parameters(), 0.1)
    plain.load_state_dict(AdamW(model.parameters(), 0.1, groups={"*.b": {"weight_decay": 0.0}}).state_dict())


def test_clipping_is_over_all_groups_together(model: Sequential) -> None:
    optimizer = SGD(model.parameters(), 1.0, clip_norm=1.0, groups={"1.*": {"lr": 0.5}})
    norm = np.sqrt(19)
    steps = moved(model, optimizer)
    assert steps["0.b"] == pytest.approx(1 / norm)
    assert steps["1.b"] == pytest.approx(0.5 / norm)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_groups_follow_a_model_that_is_moved_or_copied(model: Sequential, duplicate: Any) -> None:
    optimizer = SGD(model.parameters(), 0.1, groups={"1.w": {"lr": 0.3, "momentum": 0.5}})
    optimizer.step()
    other_model, other = duplicate((model, optimizer))
    other_model.to("reference")
    expected = {"0.w_x": 0.1, "0.w_h": 0.1, "0.b": 0.1, "1.w": 0.45, "1.b": 0.1}
    assert moved(other_model, other) == moved(model, optimizer) == expected


def test_the_state_of_a_group_is_held_once(model: Sequential) -> None:
    optimizer = SGD(model.parameters(), 0.1, groups={"1.w": {"momentum": 0.5}})
    assert [member._runs for member in optimizer._members] == [[]]


class Signs(Optimizer):
    """An optimizer of one's own, with a setting of its own."""

    def __init__(self, parameters: Any, lr: float = 0.1, *, power: float = 0.0, **options: Any) -> None:
        self.power = number(self, "power", power, least=0)
        super().__init__(parameters, lr, **options)

    def update(self, backend: Any, data: Any, grad: Any, state: Any) -> None:
        data -= self.lr * (self.power + 1)


class Sub(Signs):
    def __init__(self, parameters: Any, **options: Any) -> None:
        super().__init__(parameters, **options)


@pytest.mark.parametrize("cls", [Signs, Sub])
def test_an_optimizer_of_ones_own_has_them_too(model: Sequential, cls: type[Signs]) -> None:
    optimizer = cls(model.parameters(), lr=0.2, power=1.0, groups={"0.*": {"power": 3.0}, "1.b": {"lr": 0.1}})
    assert moved(model, optimizer) == {"0.w_x": 0.8, "0.w_h": 0.8, "0.b": 0.8, "1.w": 0.4, "1.b": 0.2}


def test_an_optimizer_that_hides_its_settings_is_told_so(model: Sequential) -> None:
    class Hiding(Signs):
        def __init__(self, parameters: Any, secret: float = 1.0, **options: Any) -> None:
            super().__init__(parameters, **options)
            self.secret = secret

    Hiding(model.parameters()).step()
    with pytest.raises(ArgumentError) as caught:
        Hiding(model.parameters(), groups={"*.b": {"lr": 1.0}})
    assert str(caught.value) == "Hiding: groups need the argument 'secret' as self.secret, before super()"


@pytest.mark.parametrize(
    ("groups", "error", "message"),
    [
        (
            {"*.bias": {"lr": 1.0}},
            ArgumentError,
            "no parameter's name matches '*.bias' in groups: 0.w_x, 0.w_h, 0.b, 1.w, 1.b",
        ),
        ({3: {"lr": 1.0}}, ArgumentError, "no parameter's name matches 3 in groups: 0.w_x, 0.w_h, 0.b, 1.w, 1.b"),
        (
            {"*.b": 0.5},
            ArgumentError,
            "expected groups to be a dict of options by pattern, such as {'*.b': {'lr': 0.001}}, got {'*.b': 0.5}",
        ),
        (
            ["*.b"],
            ArgumentError,
            "expected groups to be a dict of options by pattern, such as {'*.b': {'lr': 0.001}}, got ['*.b']",
        ),
        (
            {"*.b": {"weight_deca": 0.5}},
            UnknownNameError,
            "unknown option of SGD in groups 'weight_deca': did you mean 'weight_decay'? "
            "Known: lr, momentum, nesterov, weight_decay",
        ),
        (
            {"*.b": {"clip_norm": 0.5}},
            UnknownNameError,
            "unknown option of SGD in groups 'clip_norm': Known: lr, momentum, nesterov, weight_decay",
        ),
        (
            {"*.b": {"momentum": 1.0}},
            ArgumentError,
            "expected momentum to be a number of at least 0 and below 1, got 1.0, in groups for '0.b'",
        ),
        ({"1.b": {"nesterov": True}}, ArgumentError, "nesterov needs a momentum above 0, in groups for '1.b'"),
        ({"1.*": {"lr": 0}}, ArgumentError, "expected lr to be a number above 0, got 0, in groups for '1.w'"),
    ],
)
def test_groups_that_cannot_be_are_refused(
    model: Sequential, groups: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        SGD(model.parameters(), 0.1, groups=groups)
    assert str(caught.value) == (message if message.startswith("unknown") else f"SGD: {message}")


def test_many_names_are_not_all_told() -> None:
    model = Sequential(*[Dense(1) for _ in range(9)])
    model.build((None, 1))
    with pytest.raises(ArgumentError, match=r"^SGD: no .* 'x' in groups: 0.w, 0.b, 1.w, 1.b, 2.w, 2.b, 3.w, 3.b, ...$"):
        SGD(model.parameters(), groups={"x": {}})


def test_the_dict_is_copied(model: Sequential) -> None:
    groups: dict[str, dict[str, Any]] = {"*.b": {"lr": 0.2}}
    optimizer = SGD(model.parameters(), 0.1, groups=groups)
    groups["*.b"]["lr"] = 9.0
    assert repr(optimizer) == "SGD(lr=0.1, groups={'*.b': {'lr': 0.2}})"
