"""Evaluating, predicting and classifying: of one output and of several, whatever the batch size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Sequential, Trainer
from lamina.errors import ArgumentError, NotBuiltError, ShapeError
from lamina.layers import Dense, SimpleRNN
from lamina.train.measuring import Measuring, names_of
from tests.framework.train.three_heads import NAMES, built, drawn, losses, written_out

ROWS = drawn()
LABELS = np.arange(11) % 3


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(Measuring.evaluate) == {
        "y": None,
        "lengths": None,
        "sample_weight": None,
        "mask": None,
        "class_weight": None,
        "batch_size": None,
    }
    assert defaults(Measuring.predict) == {"lengths": None, "batch_size": None}
    assert defaults(Measuring.classify) == {"lengths": None, "batch_size": None}


def classifier(steps: bool = False) -> Sequential:
    model = Sequential(SimpleRNN(4, return_sequences=steps), Dense(3))
    model.build((None, None, 3), dtype="float64", seed=0)
    return model


@pytest.mark.parametrize("size", [1, 4, 11, None])
def test_predictions_of_several_outputs_are_a_tuple(backend: Any, size: int | None) -> None:
    model = built(backend)
    (x, _), more = ROWS.given()
    found = Trainer(model, losses()).predict(x, **more, batch_size=size)
    state = model.state_dict()
    first, other = (np.tanh(one @ state["body.w"] + state["body.b"]) for one in x)
    last = first[np.arange(11), ROWS.ends[0] - 1]
    assert isinstance(found, tuple)
    for name, hidden, output in zip(NAMES, (first, last, other), found, strict=True):
        wanted = hidden @ state[f"{name}.w"] + state[f"{name}.b"]
        if hidden.ndim > 2:  # the rows as far as they go
            ends = ROWS.ends[0 if name == "tags" else 1]
            wanted = wanted * (np.arange(wanted.shape[1]) < ends[:, None])[..., None]
            output = output * (np.arange(wanted.shape[1]) < ends[:, None])[..., None]
        np.testing.assert_allclose(output, wanted, rtol=1e-12, atol=1e-13, err_msg=name)


def test_predictions_of_lists_are_lists_where_the_output_has_steps() -> None:
    (x, _), more = ROWS.given()
    trainer = Trainer(built(), losses())
    lists = tuple(
        [row[:end] for row, end in zip(one, ends, strict=True)] for one, ends in zip(x, ROWS.ends, strict=True)
    )
    found, whole = trainer.predict(lists, batch_size=4), trainer.predict(x, **more)
    assert [type(one) for one in found] == [list, np.ndarray, list]
    np.testing.assert_array_equal(found[1], whole[1])
    for index, ends in ((0, ROWS.ends[0]), (2, ROWS.ends[1])):
        for row, end in enumerate(ends):
            np.testing.assert_allclose(found[index][row], whole[index][row, :end], rtol=1e-13)


@pytest.mark.parametrize("size", [1, 2, 5, None])
def test_figures_are_those_of_all_rows_whatever_the_batch(size: int | None) -> None:
    trainer = Trainer(classifier(True), metrics=["accuracy", "brier"])
    y, weight = ROWS.y[0], np.arange(55).reshape(11, 5) % 3
    found = trainer.evaluate(ROWS.a, y, lengths=ROWS.ends[0], sample_weight=weight, batch_size=size)
    z = trainer.predict(ROWS.a, lengths=ROWS.ends[0])
    softmax = np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)
    share = weight * (np.arange(5) < ROWS.ends[0][:, None])
    share = share / share.sum()
    right = np.take_along_axis(softmax, y[..., None], -1)[..., 0]
    assert found["loss"] == pytest.approx(-(share * np.log(right)).sum(), rel=1e-12)
    assert found["accuracy"] == pytest.approx((share * (z.argmax(axis=-1) == y)).sum(), rel=1e-12)


@pytest.mark.parametrize("lists", [False, True])
def test_targets_by_name_and_by_place_and_lists_are_one(lists: bool) -> None:
    (x, y), more = ROWS.given()
    trainer = Trainer(built(), losses(), metrics={"tags": "accuracy"})
    wanted = trainer.evaluate(x, y, **more)
    assert trainer.evaluate(x, dict(zip(NAMES, y, strict=True)), **more) == wanted
    if lists:
        cut = [
            [row[:end] for row, end in zip(one, ends, strict=True)]
            for one, ends in ((x[0], ROWS.ends[0]), (x[1], ROWS.ends[1]), (y[0], ROWS.ends[0]), (y[2], ROWS.ends[1]))
        ]
        found = trainer.evaluate((cut[0], cut[1]), (cut[2], y[1], cut[3]))
        assert found == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(
    ("weight", "each"),
    [
        (np.arange(11) % 3, (np.arange(11) % 3,) * 3),
        ({"sizes": np.arange(11) % 2}, (None, np.arange(11) % 2, None)),
        ((None, None, np.arange(44).reshape(11, 4) % 3), (None, None, np.arange(44).reshape(11, 4) % 3)),
    ],
    ids=["one for all", "by name", "by place"],
)
@pytest.mark.parametrize("argument", ["sample_weight", "mask"])
def test_weights_of_several_outputs(backend: Any, weight: Any, each: Any, argument: str) -> None:
    if argument == "mask":
        weight = {key: one > 0 for key, one in weight.items()} if isinstance(weight, dict) else weight
        each = tuple(None if one is None else one > 0 for one in each)
        if isinstance(weight, tuple):
            weight = each
        elif not isinstance(weight, dict):
            weight = weight > 0
    (x, y), more = ROWS.given()
    model = built(backend)
    found = Trainer(model, losses()).evaluate(x, y, **more, **{argument: weight}, batch_size=3)
    total, own, _ = written_out(model.state_dict(), ROWS.weighed(*each))
    np.testing.assert_allclose(list(found.values()), [total, *own], rtol=1e-12)


def test_measuring_changes_nothing() -> None:
    model = built()
    trainer = Trainer(model, losses(), metrics={"tags": "accuracy"})
    (x, y), more = ROWS.given()
    before, facts = model.state_dict(), dict(model.facts)
    first = trainer.evaluate(x, y, **more)
    trainer.predict(x, **more)
    trainer.classify(x, **more)
    assert trainer.evaluate(x, y, **more) == first
    assert model.facts == facts and len(trainer.history) == 0
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_what_a_trainer_says_of_itself() -> None:
    one, several = Trainer(classifier(), metrics="accuracy"), Trainer(built(), losses() | {"sizes": None})
    assert names_of(one.goals) == () and names_of(several.goals) == NAMES
    assert type(one.loss) is lamina.losses.SoftmaxCrossEntropy
    assert several.loss["sizes"] is None and list(several.loss) == list(NAMES)
    assert [metric.name for metric in one.metrics] == ["accuracy"] and several.metrics == []
    assert repr(one).startswith("<Trainer: SoftmaxCrossEntropy(")
    assert "sizes=None" in repr(several)


def test_what_does_not_fit_is_refused_in_one_line() -> None:
    (x, y), more = ROWS.given()
    for ask in ("evaluate", "predict", "classify"):
        given = (x, y) if ask == "evaluate" else (x,)
        with pytest.raises(NotBuiltError):
            getattr(Trainer(Sequential(SimpleRNN(4), Dense(3))), ask)(*((x[0], LABELS) if y is given[-1] else (x[0],)))
        for size in (0, 1.5, -1):
            with pytest.raises(ArgumentError, match="batch_size"):
                getattr(Trainer(built(), losses()), ask)(*given, **more, batch_size=size)
        with pytest.raises(ShapeError, match="expected 2 inputs, got 1") as caught:
            getattr(Trainer(built(), losses()), ask)(*((x[0], y) if ask == "evaluate" else (x[0],)))
        assert "\n" not in str(caught.value)
    with pytest.raises(ArgumentError, match="y: expected targets, got none"):
        Trainer(classifier()).evaluate(x[0])
