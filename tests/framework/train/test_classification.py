"""What a model's outputs say of classes, beside softmax and sigmoid written out."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Sequential, Trainer
from lamina.data.classes import Classes
from lamina.errors import ArgumentError, DataError, NotBuiltError
from lamina.layers import Dense, LogSoftmax, SimpleRNN
from lamina.losses import CTC, BinaryCrossEntropy, NegativeLogLikelihood, SoftmaxCrossEntropy
from lamina.train.classification import Classified, classified, is_over_classes
from tests.framework.train.three_heads import built, drawn, losses

COUNT, TIME = 9, 5
RNG = np.random.default_rng(2)
X = RNG.normal(size=(COUNT, TIME, 2))
ENDS = RNG.integers(1, TIME + 1, COUNT)
NAMES = ["cold", "mild", "hot"]  # in an order of their own
LABELS, STEP_LABELS = np.arange(COUNT) % 3, RNG.integers(0, 3, (COUNT, TIME))


def model_of(units: int = 3, steps: bool = False, backend: Any = "numpy", *head: Any) -> Sequential:
    model = Sequential(SimpleRNN(4, return_sequences=steps), Dense(units), *head)
    model.build((None, None, 2), dtype="float64", seed=0, backend=backend)
    return model


def softmax(z: Any) -> Any:
    return np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("steps", [False, True])
@pytest.mark.parametrize("size", [2, None])
def test_numbers_of_classes_and_their_probabilities(backend: Any, steps: bool, size: int | None) -> None:
    trainer = Trainer(model_of(3, steps, backend))
    found = trainer.classify(X, batch_size=size)
    z = trainer.predict(X)
    assert isinstance(found, Classified)
    assert found.probabilities.shape == ((COUNT, TIME, 3) if steps else (COUNT, 3))
    np.testing.assert_allclose(found.probabilities, softmax(z), rtol=1e-13)
    np.testing.assert_array_equal(found.names, z.argmax(axis=-1))
    assert found.names.dtype.kind == "i"


def test_large_logits_do_not_overflow() -> None:
    found = classified(SoftmaxCrossEntropy(), np.array([[1e4, 0.0, -1e4], [-1e308, -1e308, -1e308]]), Classes())
    np.testing.assert_allclose(found.probabilities, [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]], rtol=1e-15)
    both = classified(BinaryCrossEntropy(), np.array([[1e4], [-1e4]]), Classes())
    np.testing.assert_array_equal(both.probabilities, [[0, 1], [1, 0]])


def test_logarithms_of_probabilities_are_no_logits_twice() -> None:
    trainer = Trainer(model_of(3, False, "numpy", LogSoftmax()), NegativeLogLikelihood())
    found = trainer.classify(X)
    np.testing.assert_allclose(found.probabilities, np.exp(trainer.predict(X)), rtol=1e-13)


@pytest.mark.parametrize("steps", [False, True])
def test_one_output_tells_two_classes_apart(backend: Any, steps: bool) -> None:
    trainer = Trainer(model_of(1, steps, backend), "binary_cross_entropy")
    found = trainer.classify(X)
    yes = 1 / (1 + np.exp(-trainer.predict(X)[..., 0]))
    np.testing.assert_allclose(found.probabilities, np.stack([1 - yes, yes], axis=-1), rtol=1e-12)
    np.testing.assert_array_equal(found.names, (yes > 0.5).astype(int))


@pytest.mark.parametrize("y", [np.array(["off", "on"])[LABELS % 2], LABELS % 2 == 1], ids=["text", "truth"])
def test_two_names_are_those_of_one_output(y: Any) -> None:
    model = model_of(1)
    trainer = Trainer(model, "binary_cross_entropy", lambda p: lamina.optimizers.Adam(p, lr=0.05))
    trainer.fit(X, y, epochs=120, verbose=False)
    found = trainer.classify(X)
    np.testing.assert_array_equal(found.names, y)
    np.testing.assert_array_equal(found.probabilities.argmax(axis=-1), LABELS % 2)
    assert model.facts["class_names"] == ([False, True] if y.dtype == bool else ["off", "on"])


def test_names_in_the_order_that_is_given_go_with_the_model(tmp_path: Any) -> None:
    model = model_of()
    trainer = Trainer(model, optimizer=lambda p: lamina.optimizers.Adam(p, lr=0.05), class_names=NAMES)
    y = np.array(NAMES)[LABELS]
    trainer.fit(X, y, epochs=150, verbose=False)
    found = trainer.classify(X)
    np.testing.assert_array_equal(found.names, y)
    np.testing.assert_array_equal(found.probabilities.argmax(axis=-1), LABELS)
    model.save(tmp_path / "model.safetensors")
    again = Trainer(lamina.load(tmp_path / "model.safetensors"))
    np.testing.assert_array_equal(again.classify(X).names, y)
    assert again.evaluate(X, y) == Trainer(model).evaluate(X, LABELS)  # by name, or by number


def test_ragged_rows_are_lists() -> None:
    rows = [row[:end] for row, end in zip(X, ENDS, strict=True)]
    trainer = Trainer(model_of(3, True), class_names=NAMES)
    found = trainer.classify(rows, batch_size=4)
    outputs = trainer.predict(rows)
    assert [len(one) for one in found.names] == [len(one) for one in found.probabilities] == ENDS.tolist()
    for names, probabilities, z in zip(*found, outputs, strict=True):
        np.testing.assert_allclose(probabilities, softmax(z), rtol=1e-13)
        np.testing.assert_array_equal(names, np.array(NAMES)[z.argmax(axis=-1)])
    together = Trainer(model_of(3, True), class_names=NAMES).classify(X, lengths=ENDS)
    for row, end in enumerate(ENDS):
        np.testing.assert_array_equal(together.names[row, :end], found.names[row])


def test_of_several_outputs_those_that_are_over_classes(backend: Any) -> None:
    model = built(backend)
    (x, _), more = drawn().given()
    trainer = Trainer(model, losses(), class_names={"tags": NAMES, "marks": ["no", "yes"]})
    found = trainer.classify(x, **more)
    tags, _, marks = trainer.predict(x, **more)
    assert list(found) == ["tags", "marks"]
    np.testing.assert_allclose(found["tags"].probabilities, softmax(tags), rtol=1e-13)
    np.testing.assert_array_equal(found["tags"].names, np.array(NAMES)[tags.argmax(axis=-1)])
    np.testing.assert_allclose(found["marks"].probabilities[..., 1], 1 / (1 + np.exp(-marks[..., 0])), rtol=1e-12)
    np.testing.assert_array_equal(found["marks"].names, np.where(marks[..., 0] > 0, "yes", "no"))
    assert list(Trainer(model, losses() | {"tags": None}).classify(x, **more)) == ["marks"]


def test_names_of_several_outputs_are_learnt_of_each(tmp_path: Any) -> None:
    model = built()
    (x, y), more = drawn().given()
    named = {"tags": np.array(NAMES)[y[0]], "sizes": y[1], "marks": y[2] > 0}
    trainer = Trainer(model, losses())
    trainer.fit(x, named, **more, epochs=1, verbose=False)
    assert model.facts["class_names"] == {"tags": sorted(NAMES), "marks": [False, True]}
    model.save(tmp_path / "model.safetensors")
    assert set(trainer.classify(x, **more)["tags"].names.ravel()) <= set(NAMES)
    numbered = {"tags": np.searchsorted(sorted(NAMES), named["tags"]), "sizes": y[1], "marks": y[2]}
    assert trainer.evaluate(x, named, **more) == Trainer(model, losses()).evaluate(x, numbered, **more)


@pytest.mark.parametrize("loss", ["mse", CTC(), "huber", {"a": "mse", "b": None}])
def test_a_loss_over_no_classes_has_none_to_name(loss: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^classify: expected a loss over classes, got .*: see predict, and"):
        Trainer(model_of(), loss).classify(X)


def test_outputs_that_are_a_yes_or_no_each_are_not_one_class() -> None:
    with pytest.raises(ArgumentError, match="expected one output for two classes, got 3, each a yes or no of its own"):
        Trainer(model_of(3), "binary_cross_entropy").classify(X)


def test_names_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"^classify: expected names for 3 classes, got 2$"):
        Trainer(model_of(), class_names=["a", "b"]).classify(X)
    with pytest.raises(ArgumentError, match=r"^class_names: expected a dict by the outputs' names, got list$"):
        Trainer(built(), losses(), class_names=NAMES)
    with pytest.raises(ArgumentError, match=r"^class_names: expected a sequence of names, got dict$"):
        Trainer(model_of(), class_names={"tags": NAMES})
    model = model_of()
    Trainer(model, class_names=NAMES).fit(X, LABELS, epochs=1, verbose=False)
    assert model.facts["class_names"] == NAMES
    with pytest.raises(ArgumentError, match=r"class_names: expected .*cold.*, as the model has, got .*'a'"):
        Trainer(model, class_names=["a", "b", "c"])
    before = model.state_dict()
    with pytest.raises(DataError, match="'warm'"):
        Trainer(model).fit(X, np.array(["warm", "mild", "hot"])[LABELS], verbose=False)
    with pytest.raises(NotBuiltError):
        Trainer(Sequential(SimpleRNN(4), Dense(3))).classify(X)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_which_losses_are_over_classes() -> None:
    over = {SoftmaxCrossEntropy: True, NegativeLogLikelihood: True, BinaryCrossEntropy: True, CTC: False}
    assert {loss: is_over_classes(loss()) for loss in over} == over
    assert not is_over_classes(None)
