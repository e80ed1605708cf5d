"""Several optimizers over parts of one model: each is as if it were alone."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError, CheckpointError
from lamina.layers import GRU, Dense
from lamina.optimization.joint import JointOptimizer
from lamina.optimizers import LBFGS, SGD, Adam

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(24, 5, 3)), RNG.integers(0, 2, 24)


def made() -> lamina.Sequential:
    model = lamina.Sequential(GRU(4), Dense(2))
    model.build((None, None, 3), seed=0, dtype="float64")
    return model


def step(model: lamina.Layer, *optimizers: Any) -> None:
    """Take one step by hand."""
    loss = lamina.losses.SoftmaxCrossEntropy()
    model.zero_grad()
    y, saved = model.forward(X)
    _, of_loss = loss.forward(y, Y)
    model.backward(loss.backward(of_loss), saved)
    for optimizer in optimizers:
        optimizer.step()


def same(one: lamina.Layer, other: lamina.Layer) -> bool:
    expected = other.state_dict()
    return all(np.array_equal(array, expected[name]) for name, array in one.state_dict().items())


def test_each_part_steps_as_if_it_were_alone() -> None:
    together, apart = made(), made()
    joint = JointOptimizer({"body": Adam(together[0].parameters(), lr=0.01), "head": SGD(together[1].parameters())})
    alone = Adam(apart[0].parameters(), lr=0.01), SGD(apart[1].parameters())
    for _ in range(5):
        step(together, joint)
        step(apart, *alone)
    assert same(together, apart)
    assert joint.steps == 5


def test_a_trainer_gives_each_pattern_its_optimizer_the_later_one_where_two_match() -> None:
    trained, by_hand = made(), made()
    trainer = lamina.Trainer(trained, optimizer={"*": "sgd", "1.*": lambda parameters: Adam(parameters, lr=0.01)})
    trainer.fit(X, Y, epochs=3, batch_size=24, shuffle=False, verbose=False)
    alone = SGD(by_hand[0].parameters()), Adam(by_hand[1].parameters(), lr=0.01)
    for _ in range(3):
        step(by_hand, *alone)
    assert same(trained, by_hand)
    given = made()
    pair = Adam(given[1].parameters(), lr=0.01), SGD(given[0].parameters())
    lamina.Trainer(given, optimizer=pair).fit(X, Y, epochs=3, batch_size=24, shuffle=False, verbose=False)
    assert same(given, trained)


def test_its_state_goes_on_as_if_it_had_not_ended() -> None:
    model = made()
    joint = JointOptimizer({"body": Adam(model[0].parameters()), "head": Adam(model[1].parameters(), lr=0.05)})
    for _ in range(3):
        step(model, joint)
    joint.lr *= 0.5
    state, weights = pickle.loads(pickle.dumps(joint.state_dict())), model.state_dict()
    for _ in range(3):
        step(model, joint)
    again = made()
    again.load_state_dict(weights)
    following = JointOptimizer({"body": Adam(again[0].parameters()), "head": Adam(again[1].parameters(), lr=0.05)})
    following.load_state_dict(state)
    assert (
        following.rates()
        == joint.rates()
        == {
            "learning_rate": 0.0005,
            "learning_rate_body": 0.0005,
            "learning_rate_head": 0.025,
        }
    )
    for _ in range(3):
        step(again, following)
    assert same(again, model)


def test_a_state_that_does_not_fit_changes_nothing() -> None:
    model = made()
    joint = JointOptimizer({"body": Adam(model[0].parameters()), "head": SGD(model[1].parameters(), momentum=0.9)})
    step(model, joint)
    state = joint.state_dict()
    wrong = state | {"members": {"body": state["members"]["body"], "head": state["members"]["body"]}}
    with pytest.raises(CheckpointError, match="state does not fit SGD"):
        joint.load_state_dict(wrong)
    with pytest.raises(CheckpointError, match="expected parts"):
        joint.load_state_dict(state | {"members": {}})
    after = joint.state_dict()
    for name, own in state["members"].items():
        for path, arrays in own["parameters"].items():
            for key, array in arrays.items():
                assert np.array_equal(after["members"][name]["parameters"][path][key], array)


def test_what_is_no_set_of_parts_is_refused() -> None:
    model = made()
    with pytest.raises(ArgumentError, match="expected at least one optimizer, got none"):
        JointOptimizer({})
    with pytest.raises(ArgumentError, match="is in two parts, 'a' and 'b'"):
        JointOptimizer({"a": SGD(model.parameters()), "b": SGD(model[1].parameters())})
    with pytest.raises(ArgumentError, match="expected an optimizer for 'a', got str"):
        JointOptimizer({"a": "sgd"})  # type: ignore[dict-item]
    with pytest.raises(ArgumentError, match="LBFGS computes the loss anew"):
        JointOptimizer({"a": LBFGS(model.parameters())})
    with pytest.raises(ArgumentError, match=r"no pattern matches parameter '0.w_x': add '\*' for the rest"):
        lamina.Trainer(model, optimizer={"1.*": "sgd"}).fit(X, Y, verbose=False)
    with pytest.raises(ArgumentError, match="no parameter is left for 'nothing'"):
        lamina.Trainer(model, optimizer={"nothing": "sgd", "*": "sgd"}).fit(X, Y, verbose=False)
    with pytest.raises(ArgumentError, match="expected a name or a function"):
        lamina.Trainer(model, optimizer={"*": SGD(model.parameters())})
