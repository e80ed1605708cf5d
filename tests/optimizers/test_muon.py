"""Muon over several steps, by the printed equations in NumPy."""

import math
from typing import Any

import numpy as np
import pytest

from lamina import Sequential
from lamina.errors import ArgumentError, UnknownNameError
from lamina.layers import Dense, Embedding
from lamina.optimizers import AdamW, Muon

RNG = np.random.default_rng(0)


def model_of(inputs: int, outputs: int, backend: str = "numpy") -> Dense:
    layer = Dense(outputs)
    layer.build((None, inputs), backend=backend, dtype="float64", seed=0)
    return layer


def orthogonalized(d: Any, iterations: int) -> Any:
    x = d / max(math.sqrt((d * d).sum()), 1e-7)
    for _ in range(iterations):
        product = x @ x.T
        x = 3.4445 * x + (-4.775 * product + 2.0315 * product @ product) @ x
    return x


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("shape", [(2, 5), (5, 2), (3, 3), (1, 4)])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"nesterov": False, "weight_decay": 0.0, "adjust": "original"},
        {"momentum": 0.6, "iterations": 3, "weight_decay": 0.5},
    ],
    ids=str,
)
def test_steps_of_a_matrix_follow_the_equations(settings: dict[str, Any], shape: tuple[int, int], backend: str) -> None:
    layer = model_of(*shape, backend)
    optimizer = Muon(layer.parameters(), 0.1, **settings)
    expected, m, momentum = layer.w.numpy(), np.zeros(shape), settings.get("momentum", 0.95)
    for _ in range(4):
        layer.w.grad = gradient = RNG.standard_normal(shape)
        optimizer.step()
        m = momentum * m + (1 - momentum) * gradient
        d = (1 - momentum) * gradient + momentum * m if settings.get("nesterov", True) else m
        expected *= 1 - 0.1 * settings.get("weight_decay", 0.1)
        f = 0.2 * math.sqrt(max(shape)) if "adjust" not in settings else math.sqrt(max(1, shape[1] / shape[0]))
        expected -= 0.1 * f * orthogonalized(d, settings.get("iterations", 5))
        np.testing.assert_allclose(layer.w.data, expected, rtol=1e-11)
        assert (layer.w.grad == gradient).all()  # never written to
    state = optimizer.state_dict()["parameters"]
    np.testing.assert_allclose(state["w"]["momentum"], m, rtol=1e-12)
    assert set(state["b"]) == {"mean", "square"}


def test_singular_values_of_a_step_are_near_1_however_large_the_gradients() -> None:
    for size in (1e-3, 1.0, 1e6):
        layer = model_of(20, 30)
        before = layer.w.numpy()
        layer.w.grad = size * RNG.standard_normal((20, 30))
        Muon(layer.parameters(), 1.0, weight_decay=0.0, adjust="original").step()
        found = np.linalg.svd((before - layer.w.data) / math.sqrt(1.5), compute_uv=False)
        assert 0.6 < found.min() < found.max() < 1.3


def test_steps_are_about_as_large_as_adamws() -> None:
    """0.2 is the root mean square of AdamW's in training (Liu et al., 2025), whatever the shape."""
    for shape in ((20, 30), (64, 8), (8, 64)):
        layer = model_of(*shape)
        before = layer.w.numpy()
        layer.w.grad = RNG.standard_normal(shape)
        Muon(layer.parameters(), 1.0, weight_decay=0.0).step()
        assert math.sqrt(((before - layer.w.data) ** 2).mean()) == pytest.approx(0.2, rel=0.3)


def test_no_gradient_is_no_step() -> None:
    layer = model_of(2, 3)
    before = layer.w.numpy()
    Muon(layer.parameters(), weight_decay=0.0).step()
    assert (layer.w.data == before).all()


@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_what_is_no_matrix_follows_adamw_to_the_bit(backend: str) -> None:
    """A bias, a table of which rows are updated, and a matrix of a group that asks for it."""

    def trained(make: Any) -> dict[str, Any]:
        model = Sequential(Embedding(9, 4), Dense(5), Dense(3))
        model.build((None,), dtype="float64", seed=0, backend=backend)
        optimizer = make(model.parameters())
        for ids in ([1, 3, 3], [3, 8, 0], [1, 1, 1]):
            optimizer.zero_grad()
            model.named_parameters()["1.w"].data = np.ones((4, 5))  # so that all others get the same gradients
            _, saved = model.forward(np.array(ids))
            model.backward(model.backend.asarray(np.cos(np.arange(9.0).reshape(3, 3))), saved, input_gradient=False)
            for name, parameter in model.named_parameters().items():
                if name != "0.w":
                    parameter.grad = np.sin(np.arange(parameter.size)).reshape(parameter.shape)
            optimizer.step()
        return model.state_dict()

    settings = {"beta1": 0.8, "beta2": 0.9, "epsilon": 1e-6, "weight_decay": 0.2}
    found = trained(lambda p: Muon(p, 0.01, groups={"2.w": {"orthogonalize": False}}, **settings))
    expected = trained(lambda p: AdamW(p, 0.01, **settings))
    assert (found["1.w"] != expected["1.w"]).any()
    for name in ("0.w", "1.b", "2.w", "2.b"):
        assert (found[name] == expected[name]).all(), name


def test_a_run_goes_on_bit_for_bit() -> None:
    def step(layer: Dense, optimizer: Any, first: int, last: int) -> None:
        for t in range(first, last):
            layer.w.grad, layer.b.grad = np.cos(np.arange(6.0).reshape(2, 3) + t), np.sin(np.arange(3.0) + t)
            optimizer.step()

    layer = model_of(2, 3)
    optimizer = Muon(layer.parameters())
    step(layer, optimizer, 0, 3)
    weights, state = layer.state_dict(), optimizer.state_dict()
    step(layer, optimizer, 3, 6)
    again = model_of(2, 3)
    again.load_state_dict(weights)
    other = Muon(again.parameters(), 0.5)
    other.load_state_dict(state)
    step(again, other, 3, 6)
    assert (again.w.data == layer.w.data).all()
    assert (again.b.data == layer.b.data).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"momentum": 1.0}, "expected momentum to be a number of at least 0 and below 1, got 1.0"),
        ({"nesterov": "no"}, "expected nesterov to be True or False, got 'no'"),
        ({"iterations": 0}, "expected iterations to be a whole number of 1 or more, got 0"),
        ({"orthogonalize": 2}, "expected orthogonalize to be True or False, got 2"),
        ({"beta1": 1.0}, "expected beta1 to be a number of at least 0 and below 1, got 1.0"),
        ({"beta2": -0.5}, "expected beta2 to be a number of at least 0 and below 1, got -0.5"),
        ({"epsilon": 0}, "expected epsilon to be a number above 0, got 0"),
        ({"weight_decay": -1}, "expected weight_decay to be a number of at least 0, got -1"),
    ],
)
def test_settings_out_of_range_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        Muon(model_of(2, 3).parameters(), **settings)
    assert str(caught.value) == f"Muon: {message}"


def test_an_adjustment_that_is_none_is_told_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown adjust of Muon 'origina': did you mean 'original'\?"):
        Muon(model_of(2, 3).parameters(), adjust="origina")


def test_it_prints_what_differs_from_the_defaults() -> None:
    assert repr(Muon(model_of(2, 3).parameters())) == "Muon()"
    assert repr(Muon(model_of(2, 3).parameters(), 0.5, iterations=3)) == "Muon(lr=0.5, iterations=3)"


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # PyTorch's, but for the adjustment: one rate is for AdamW's parameters too, whose settings are AdamW's.
    assert defaults(Muon) == {
        "lr": 0.001,
        "momentum": 0.95,
        "nesterov": True,
        "iterations": 5,
        "adjust": "match_rms_adamw",
        "orthogonalize": True,
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-08,
        "weight_decay": 0.1,
    }
