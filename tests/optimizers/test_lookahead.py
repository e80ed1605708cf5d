"""Lookahead around several optimizers, by the printed equations beside the optimizer alone."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Sequential
from lamina.errors import ArgumentError, CheckpointError
from lamina.layers import BatchNorm, Dense, Embedding
from lamina.optimizers import LBFGS, SGD, Adam, AdamW, LinearDecay, Lookahead, Muon


def model_of(backend: str = "numpy", dtype: str = "float64") -> Sequential:
    model = Sequential(Dense(3), Dense(2))
    model.build((None, 4), backend=backend, dtype=dtype, seed=0)
    return model


def give(model: Any, step: int) -> None:
    for place, parameter in enumerate(model.parameters()):
        parameter.grad = np.cos(np.arange(parameter.size) + place + 3 * step).reshape(parameter.shape)


MAKES = {
    "SGD": lambda p: SGD(p, 0.1, momentum=0.9),
    "Adam": lambda p: Adam(p, 0.05),
    "AdamW groups": lambda p: AdamW(p, 0.05, groups={"0.*": {"lr": 0.01}}, clip_norm=0.5),
    "Muon": lambda p: Muon(p, 0.05),
}


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize(("period", "share"), [(1, 0.5), (3, 0.8), (5, 1.0)])
@pytest.mark.parametrize("name", MAKES)
def test_steps_follow_the_equations(name: str, period: int, share: float, backend: str) -> None:
    """The inner optimizer runs over a second model, whose weights are set to the slow ones by hand."""
    model, twin = model_of(backend), model_of(backend)
    optimizer, inner = Lookahead(MAKES[name](model.parameters()), period, share), MAKES[name](twin.parameters())
    slow = twin.state_dict()
    for step in range(1, 12):
        give(model, step)
        give(twin, step)
        optimizer.step()
        inner.step()
        if step % period == 0:
            fast = twin.state_dict()
            slow = {path: slow[path] + share * (fast[path] - slow[path]) for path in slow}
            twin.load_state_dict(slow)
        for path, expected in twin.state_dict().items():
            np.testing.assert_allclose(model.state_dict()[path], expected, rtol=1e-12, atol=1e-14)
    assert optimizer.steps == inner.steps == 11
    state = optimizer.state_dict()["parameters"]
    for path, expected in slow.items():
        np.testing.assert_allclose(state[path]["slow_weights"], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("through", [copy.deepcopy, lambda state: pickle.loads(pickle.dumps(state))])
@pytest.mark.parametrize("name", MAKES)
def test_a_run_goes_on_bit_for_bit(name: str, through: Any) -> None:
    model = model_of()
    optimizer = Lookahead(MAKES[name](model.parameters()), 3)
    for step in range(4):
        give(model, step)
        optimizer.step()
    weights, state = model.state_dict(), through(optimizer.state_dict())
    other = model_of()
    other.load_state_dict(weights)
    again = Lookahead(MAKES[name](other.parameters()), 3)
    again.load_state_dict(state)
    for step in range(4, 9):
        give(model, step)
        give(other, step)
        optimizer.step()
        again.step()
    assert all((array == model.state_dict()[path]).all() for path, array in other.state_dict().items())


def test_a_copy_goes_its_own_way() -> None:
    model = model_of()
    optimizer = Lookahead(Adam(model.parameters()), 2)
    for step in range(3):
        give(model, step)
        optimizer.step()
    copied = pickle.loads(pickle.dumps(optimizer))
    give(model, 3)
    optimizer.step()
    for place, parameter in enumerate(copied.parameters):
        parameter.grad = model.parameters()[place].grad
    copied.step()
    for own, other in zip(copied.parameters, model.parameters(), strict=True):
        assert (own.data == other.data).all()
        assert not np.shares_memory(own.data, other.data)


def test_schedules_rates_and_gradients_are_the_inner_optimizers() -> None:
    model = model_of()
    inner = SGD(model.parameters(), 0.4, clip_norm=1.0, groups={"0.*": {"lr": 0.1}})
    optimizer = Lookahead(inner)
    schedule = LinearDecay(4)
    schedule.attach(optimizer)
    schedule.advance()
    assert inner.lr == optimizer.lr == pytest.approx(0.3)
    optimizer.lr_factor = 0.5
    assert (inner.lr_factor, optimizer.clip_norm, optimizer.groups) == (0.5, 1.0, {"0.*": {"lr": 0.1}})
    give(model, 0)
    optimizer.scale_grad(2.0)
    assert model.parameters()[0].grad.reshape(-1)[0] == 2.0
    optimizer.zero_grad()
    assert not any(parameter.grad.any() for parameter in model.parameters())


def test_rows_of_a_table_that_got_no_gradient_and_what_is_frozen_keep_their_bits() -> None:
    model = Sequential(Embedding(6, 3), BatchNorm(), Dense(2))
    model.build((None,), seed=0)
    before = model.state_dict()
    optimizer = Lookahead(Adam(model.parameters(), 0.1), period=2)
    for _ in range(4):
        optimizer.zero_grad()
        y, saved = model.forward(np.array([1, 2, 2, 5]))
        model.backward(np.ones_like(y), saved, input_gradient=False)
        for parameter in model.parameters():
            if not parameter.trainable:
                parameter.data = np.full(parameter.shape, 7.0)  # as a layer's own running mean moves
        optimizer.step()
    after = model.state_dict()
    assert (after["0.w"][[0, 3, 4]] == before["0.w"][[0, 3, 4]]).all()
    frozen = [parameter for parameter in model.parameters() if not parameter.trainable]
    assert len(frozen) == 2
    assert all((parameter.data == 7.0).all() for parameter in frozen)


def test_a_trainer_trains_by_it() -> None:
    x = np.random.default_rng(0).standard_normal((60, 4))
    y = (x.sum(axis=1) > 0).astype(int)
    trainer = lamina.Trainer(Dense(2), optimizer=lambda p: Lookahead(Adam(p, 0.05)), callbacks=LinearDecay(20))
    history = trainer.fit(x, y, epochs=20, batch_size=10, verbose=False)
    assert history["loss"][-1] < 0.4 * history["loss"][0]
    assert trainer.optimizer.lr == 0.0


def test_around_one_that_needs_a_closure_it_hands_it_on() -> None:
    model = model_of()
    optimizer, calls = Lookahead(LBFGS(model.parameters(), max_iterations=2), period=2), []

    def closure() -> float:
        calls.append(1)
        total = 0.0
        for parameter in model.parameters():
            parameter.grad = 2 * (parameter.numpy() - 1)
            total += float(((parameter.numpy() - 1) ** 2).sum())
        return total

    before = closure()
    assert optimizer.needs_closure
    assert not Lookahead(SGD(model.parameters())).needs_closure
    assert optimizer.step(closure) == before
    assert len(calls) > 2
    with pytest.raises(ArgumentError, match=r"^LBFGS: step needs a closure"):
        optimizer.step()


def test_a_state_that_does_not_fit_changes_nothing() -> None:
    model = model_of()
    optimizer = Lookahead(Adam(model.parameters()))
    give(model, 0)
    optimizer.step()
    kept = optimizer.state_dict()
    for state, told in (
        (Adam(model.parameters()).state_dict(), "state does not fit Lookahead: missing 0.w/slow_weights"),
        (Lookahead(SGD(model.parameters())).state_dict(), "state does not fit Adam: missing 0.w/mean"),
    ):
        with pytest.raises(CheckpointError) as caught:
            optimizer.load_state_dict(state)
        assert str(caught.value).startswith(told)
        assert repr(optimizer.state_dict()) == repr(kept)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: Lookahead(p), "Lookahead: expected optimizer to be an Optimizer, got list: write"),
        (lambda p: Lookahead(SGD(p), 0), "Lookahead: expected period to be a whole number of 1 or more, got 0"),
        (lambda p: Lookahead(SGD(p), 5, 0), "Lookahead: expected share to be a number above 0 and of at most 1, got 0"),
        (
            lambda p: Lookahead(Lookahead(SGD(p))),
            "Lookahead: expected optimizer to be no Lookahead itself, got Lookahead(SGD())",
        ),
    ],
)
def test_settings_out_of_range_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make(model_of().parameters())
    assert str(caught.value).startswith(message)


def test_it_prints_the_optimizer_and_what_differs_from_the_defaults() -> None:
    parameters = model_of().parameters()
    assert repr(Lookahead(SGD(parameters, 0.5))) == "Lookahead(SGD(lr=0.5))"
    assert repr(Lookahead(SGD(parameters), 6, 0.8)) == "Lookahead(SGD(), period=6, share=0.8)"


def test_by_its_name_alone_a_trainer_is_told_how_it_is_made() -> None:
    trainer = lamina.Trainer(Dense(2), optimizer="lookahead")
    with pytest.raises(ArgumentError, match=r"got list: write Lookahead\(Adam\(model.parameters\(\)\)\)$"):
        trainer.fit(np.ones((4, 2)), np.array([0, 1, 0, 1]), verbose=False)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # The paper's k and alpha for images (Zhang et al., 2019).
    assert defaults(Lookahead) == {"period": 5, "share": 0.5}
