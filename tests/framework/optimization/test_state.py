"""What of an optimizer's state is no array: whatever the next step depends on is saved and continued."""

import copy
import json
import pickle
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from lamina import Optimizer, Sequential, optimizers
from lamina.core.config import arguments_of
from lamina.errors import ArgumentError, CheckpointError
from lamina.layers import Dense
from lamina.optimizers import (
    SGD,
    AdaDelta,
    Adafactor,
    AdaGrad,
    Adam,
    Adamax,
    AdamW,
    AMSGrad,
    CosineDecay,
    Lion,
    Muon,
    NAdam,
    RAdam,
    ReduceOnPlateau,
    RMSprop,
)

OPTIMIZERS = [SGD, AdaGrad, RMSprop, AdaDelta, Adam, AMSGrad, AdamW, NAdam, RAdam, Adamax, Lion, Adafactor, Muon]
NEW = ("first_lr", "lr_factor", "group_rates", "kept")


def make_model(dtype: str = "float64") -> Sequential:
    model = Sequential(Dense(3), Dense(2))
    model.build((None, 4), backend="numpy", dtype=dtype, seed=0)
    return model


def advance(model: Sequential, optimizer: Any, steps: int = 1) -> dict[str, Any]:
    for step in range(steps):
        for index, parameter in enumerate(model.parameters()):
            parameter.grad = np.cos(np.arange(parameter.size) + index + step).reshape(parameter.shape)
        optimizer.step()
    return model.state_dict()


def moved(model: Sequential, optimizer: Any) -> dict[str, float]:
    """Return how far each parameter goes down along a gradient of ones."""
    before = model.state_dict()
    for parameter in model.parameters():
        parameter.grad = np.ones(parameter.shape)
    optimizer.step()
    return {name: float((before[name] - after).flat[0]) for name, after in model.state_dict().items()}


def test_the_optimizers_are_all() -> None:
    public = {name: getattr(optimizers, name) for name in optimizers.__all__}
    ours = {name for name, cls in public.items() if isinstance(cls, type) and issubclass(cls, Optimizer)}
    # These take no groups of their own: their tests have it that a run goes on.
    assert {cls.__name__ for cls in OPTIMIZERS} == ours - {"LBFGS", "Lookahead"}


@pytest.mark.parametrize("through", [copy.deepcopy, lambda state: pickle.loads(pickle.dumps(state))])
@pytest.mark.parametrize("cls", OPTIMIZERS)
@pytest.mark.parametrize(
    ("lr", "rate"), [(0.1, 0.01), (0.05, 0.01), (0.1, 0.3), (0.03, 0.03)], ids=["same", "lr", "group", "both"]
)
def test_a_run_goes_on_bit_for_bit_whatever_rates_the_new_optimizer_was_made_with(
    cls: Any, lr: float, rate: float, through: Callable[[Any], Any]
) -> None:
    model = make_model()
    optimizer = cls(model.parameters(), 0.1, groups={"0.*": {"lr": 0.01}})
    schedule = CosineDecay(9)
    schedule.attach(optimizer)
    for _ in range(3):
        advance(model, optimizer)
        schedule.advance()
    weights, state = model.state_dict(), through(optimizer.state_dict())
    json.dumps({key: value for key, value in state.items() if key != "parameters"})
    expected = advance(model, optimizer, 3)

    model = make_model()
    model.load_state_dict(weights)
    other = cls(model.parameters(), lr, groups={"0.*": {"lr": rate}})
    other.load_state_dict(state)
    found = advance(model, other, 3)
    assert all((found[name] == array).all() for name, array in expected.items())


@pytest.mark.parametrize(("lr", "rate"), [(0.1, 0.01), (0.05, 0.01), (0.1, 0.3)])
def test_a_groups_rate_is_the_one_that_was_saved(lr: float, rate: float) -> None:
    model = make_model()
    optimizer = SGD(model.parameters(), 0.1, groups={"0.*": {"lr": 0.01}})
    optimizer.lr = 0.05
    state = optimizer.state_dict()
    assert state["group_rates"] == {"0.w": 0.01, "0.b": 0.01}
    assert (state["lr"], state["first_lr"]) == (0.05, 0.1)
    other = SGD(model.parameters(), lr, groups={"0.*": {"lr": rate}})
    other.load_state_dict(state)
    assert moved(model, other) == pytest.approx({"0.w": 0.005, "0.b": 0.005, "1.w": 0.05, "1.b": 0.05}, rel=1e-12)
    other.lr = 0.2
    assert moved(model, other) == pytest.approx({"0.w": 0.02, "0.b": 0.02, "1.w": 0.2, "1.b": 0.2}, rel=1e-12)


def test_a_state_of_an_earlier_version_keeps_the_proportion_of_the_constructor() -> None:
    model = make_model()
    optimizer = SGD(model.parameters(), 0.1, momentum=0.5, groups={"0.*": {"lr": 0.01}})
    state = {key: value for key, value in optimizer.state_dict().items() if key not in NEW}
    other = SGD(model.parameters(), 0.4, momentum=0.5, groups={"0.*": {"lr": 0.02}})
    other.lr_factor = 0.5
    other.load_state_dict(state)
    assert (other.lr, other.lr_factor) == (0.1, 1.0)
    assert moved(model, other)["0.w"] == pytest.approx(0.1 * 0.02 / 0.4, rel=1e-12)


def test_rates_that_no_group_here_can_have_are_refused_and_change_nothing() -> None:
    model = make_model()
    state = SGD(model.parameters(), 0.1, groups={"0.w": {"lr": 0.01}}).state_dict()
    for groups, told in (
        (None, "0.w: its first rate was 0.01, but here it is in no group beside 0.1"),
        ({"?.w": {"lr": 0.01}}, "1.w: its first rate was 0.1, but here its group's is 0.01 beside 0.1"),
    ):
        other = SGD(model.parameters(), 0.3, groups=groups)
        with pytest.raises(CheckpointError) as caught:
            other.load_state_dict({**state, "steps": 5})
        assert str(caught.value) == f"state does not fit SGD: {told}"
        assert (other.lr, other.steps) == (0.3, 0)
    # Groups without rates of their own need not be there.
    plain = SGD(model.parameters(), 0.3)
    plain.load_state_dict(SGD(model.parameters(), 0.1, groups={"0.w": {"weight_decay": 0.1}}).state_dict())
    assert plain.lr == 0.1


class Counting(Optimizer):
    """One that keeps more than arrays: its step shrinks with what it counted."""

    def __init__(self, parameters: Any, lr: float = 0.1, **general: Any) -> None:
        super().__init__(parameters, lr, **general)
        self.product, self.seen = 1.0, [0]

    def update(self, backend: Any, data: Any, grad: Any, state: Any) -> None:
        self.product *= 0.5
        self.seen = [*self.seen, self.steps]
        data -= self.lr * self.product * grad


@pytest.mark.parametrize("groups", [None, {"1.*": {"lr": 0.4}}])
def test_what_a_class_keeps_beside_arrays_is_in_the_state_that_of_groups_too(groups: Any) -> None:
    model = make_model()
    optimizer = Counting(model.parameters(), groups=groups)
    advance(model, optimizer, 2)
    weights, state = model.state_dict(), copy.deepcopy(optimizer.state_dict())
    assert state["kept"][""] == {"product": 0.25, "seen": [0, 1, 2]}
    expected = advance(model, optimizer, 2)
    model.load_state_dict(weights)
    other = Counting(model.parameters(), 0.7, groups=groups and {"1.*": {"lr": 0.9}})
    other.load_state_dict(state)
    found = advance(model, other, 2)
    assert all((found[name] == array).all() for name, array in expected.items())
    model.to("reference")  # the state follows, and so does what is kept
    assert optimizer.state_dict()["kept"] == other.state_dict()["kept"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kept": {"": {"step": 3}}}, "unexpected step in kept"),
        ({"kept": {"": {"_runs": []}}}, "unexpected _runs in kept"),
        ({"kept": {"": {"momentum": 0.5}}}, "unexpected momentum in kept"),
        ({"kept": {"": {"x": np.zeros(2)}}}, "unexpected x in kept"),
        ({"kept": {"0.w": {"x": 1}}}, "unexpected group of 0.w"),
        ({"lr": float("nan")}, "expected lr to be a number of at least 0, got nan"),
        ({"lr": "fast"}, "expected lr to be a number of at least 0, got 'fast'"),
        ({"steps": -1}, "expected steps to be a number of at least 0, got -1"),
        ({"steps": 0.5}, "expected steps to be a whole number, got 0.5"),
        ({"first_lr": 0.0}, "expected first_lr to be a number above 0, got 0.0"),
        ({"lr_factor": None}, "expected lr_factor to be a number of at least 0, got None"),
        ({"group_rates": {"0.w": -1}}, "expected the rate of 0.w to be a number above 0, got -1"),
    ],
)
def test_a_state_that_is_none_is_refused_in_one_line_and_changes_nothing(change: Any, told: str) -> None:
    optimizer = SGD(make_model().parameters(), 0.1)
    before = {**vars(optimizer)}
    with pytest.raises(CheckpointError) as caught:
        optimizer.load_state_dict({**optimizer.state_dict(), **change})
    assert str(caught.value) == f"state does not fit SGD: {told}"
    assert vars(optimizer) == before


def settings() -> list[tuple[Any, str]]:
    """Return each optimizer with each of its numbers."""
    found = [(cls, name) for cls in OPTIMIZERS for name, one in arguments_of(cls).items() if type(one.default) is float]
    return found + [(cls, name) for cls in OPTIMIZERS for name in ("clip_norm", "clip_value")]


def test_every_optimizer_has_a_rate_among_them() -> None:
    assert {cls for cls, name in settings() if name == "lr"} == set(OPTIMIZERS)


@pytest.mark.parametrize(("cls", "name"), settings())
def test_a_setting_of_any_type_of_number_gives_the_bits_of_pythons_float(cls: Any, name: str) -> None:
    def trained(value: Any) -> dict[str, Any]:
        model = make_model("float32")
        options = {"lr": 0.1} if name != "lr" else {}
        return advance(model, cls(model.parameters(), **options, **{name: value}), 3)

    for value, same in ((np.float64(0.3), 0.3), (np.float32(0.3), float(np.float32(0.3))), (Fraction(1, 4), 0.25)):
        found, expected = trained(value), trained(same)
        assert all(array.dtype == np.float32 for array in found.values())
        assert all((found[key] == array).all() for key, array in expected.items())
    for value in (np.array(0.3), Decimal("0.3"), "0.3", 0.3j):
        with pytest.raises(ArgumentError, match=f"^{cls.__name__}: expected {name} to be a number "):
            trained(value)


@pytest.mark.parametrize("cls", OPTIMIZERS)
def test_a_rate_assigned_between_steps_is_read_as_one_given_at_first(cls: Any) -> None:
    def trained(value: Any) -> dict[str, Any]:
        model = make_model("float32")
        optimizer = cls(model.parameters(), 0.1, groups={"0.*": {"lr": np.float64(0.2)}})
        advance(model, optimizer)
        optimizer.lr = value
        assert type(optimizer.lr) is float
        return advance(model, optimizer, 2)

    for value, same in ((np.float64(0.3), 0.3), (np.float32(0.3), float(np.float32(0.3))), (1, 1.0), (0, 0.0)):
        found, expected = trained(value), trained(same)
        assert all((found[key] == array).all() for key, array in expected.items())
    for wrong in (-0.1, float("nan"), float("inf"), "0.1", None, np.array(0.1)):
        with pytest.raises(ArgumentError, match=f"^{cls.__name__}: expected lr to be a number of at least 0, got "):
            trained(wrong)


def test_a_schedules_product_goes_on_after_a_restart() -> None:
    model = make_model()

    def start(rate: float) -> tuple[SGD, CosineDecay, ReduceOnPlateau]:
        return SGD(model.parameters(), rate), CosineDecay(10), ReduceOnPlateau(factor=0.5, patience=1)

    def go(parts: Any, epochs: int) -> list[float]:
        optimizer, schedule, plateau = parts
        schedule.attach(optimizer)
        rates = []
        for _ in range(epochs):
            rates.append(optimizer.lr)
            schedule.advance()
            plateau.observe(optimizer, 1.0)
        return rates

    parts = start(0.1)
    first = go(parts, 4)
    kept = [part.state_dict() for part in parts]
    other = start(0.7)
    for part, state in zip(other, kept, strict=True):
        part.load_state_dict(state)
    assert first + go(other, 4) == go(start(0.1), 8)
