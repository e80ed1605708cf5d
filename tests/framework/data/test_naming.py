"""The names of classes: found in the targets, kept with the model, saved and loaded, and used as the numbers are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.data.goals import read_goals
from lamina.data.naming import Naming
from lamina.errors import ArgumentError, DataError, DTypeError, LaminaError
from lamina.layers import GRU, Dense

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 4, 2))
LABELS = RNG.permutation(np.arange(24) % 3)
NAMES = np.array(["cat", "dog", "owl"])
TEXT = NAMES[LABELS]
TWO = LABELS > 0


def classifier(classes: int = 3, loss: str = "softmax_cross_entropy", **options: Any) -> lamina.Trainer:
    model = lamina.Sequential(GRU(3), Dense(classes))
    model.build((None, None, 2), seed=0, dtype="float64")
    return lamina.Trainer(model, loss, "sgd", **options)


def columns(library: str, values: Any) -> Any:
    module = pytest.importorskip(library, reason=f"{library} is not installed: pip install -e '.[data]'")
    return module.Series(values)


def categories() -> Any:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed: pip install -e '.[data]'")
    return pandas.Categorical(TEXT, categories=["owl", "cat", "dog"])


FORMS: dict[str, Any] = {
    "text": lambda: TEXT,
    "a list": lambda: TEXT.tolist(),
    "objects": lambda: TEXT.astype(object),
    "bytes": lambda: TEXT.astype(bytes),
    "a column": lambda: TEXT[:, None],
    "pandas": lambda: columns("pandas", TEXT),
    "polars": lambda: columns("polars", TEXT.tolist()),
}


def same_weights(one: lamina.Trainer, other: lamina.Trainer) -> None:
    for name, array in one.model.state_dict().items():
        np.testing.assert_array_equal(other.model.state_dict()[name], array)


@pytest.mark.parametrize("form", FORMS)
def test_names_of_every_form_train_as_their_numbers_do(form: str) -> None:
    y = FORMS[form]()
    plain, named = classifier(metrics="accuracy"), classifier(metrics="accuracy")
    plain.fit(X, LABELS, epochs=2, verbose=False)
    named.fit(X, y, epochs=2, verbose=False)
    same_weights(plain, named)
    assert named.model.facts["class_names"] == ["cat", "dog", "owl"]
    assert "class_names" not in plain.model.facts
    assert named.evaluate(X, y) == plain.evaluate(X, LABELS) == named.evaluate(X, LABELS)
    assert named.classify(X).names.tolist() == NAMES[plain.classify(X).names].tolist()


def test_categories_keep_their_own_order() -> None:
    y = categories()
    plain, named = classifier(), classifier()
    plain.fit(X, np.array([1, 2, 0])[LABELS], epochs=2, verbose=False)
    named.fit(X, y, epochs=2, verbose=False)
    same_weights(plain, named)
    assert named.model.facts["class_names"] == ["owl", "cat", "dog"]


@pytest.mark.parametrize("kind", ["rows", "batches", "a function", "memmap", "text on a disk"])
def test_sources_name_classes_too(kind: str, tmp_path: Path) -> None:
    class Rows:
        def __len__(self) -> int:
            return 24

        def __getitem__(self, row: int) -> Any:
            return X[row], str(TEXT[row])

    class Batches:
        def __iter__(self) -> Iterator[Any]:
            return ((X[start : start + 8], TEXT[start : start + 8]) for start in (0, 8, 16))

    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", TEXT)
    mapped = {name: np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "xy"}
    rows = {"batch_size": 8, "shuffle": False}
    given: dict[str, Any] = {
        "rows": {"x": Rows(), **rows},
        "batches": {"x": Batches()},
        "a function": {"x": lambda: iter(Batches())},
        "memmap": {"x": mapped["x"], "y": TEXT, **rows},
        "text on a disk": {**mapped, **rows},
    }[kind]
    plain, named = classifier(), classifier()
    plain.fit(X, LABELS, epochs=2, **rows, verbose=False)
    named.fit(**given, epochs=2, verbose=False)
    same_weights(plain, named)
    assert named.model.facts["class_names"] == ["cat", "dog", "owl"]
    measured = {key: value for key, value in given.items() if key in "xy"}
    assert named.evaluate(**measured) == pytest.approx(plain.evaluate(X, LABELS), rel=1e-12)


def test_the_first_batch_of_a_source_tells_the_names_or_they_are_given() -> None:
    order = np.argsort(LABELS)

    def batches() -> Iterator[Any]:
        return ((X[part], TEXT[part]) for part in np.split(order, 3))

    trainer = classifier()
    with pytest.raises(DataError, match="pass class_names where some do not occur"):
        trainer.fit(batches, verbose=False)
    assert "class_names" not in trainer.model.facts
    given, plain = classifier(class_names=["cat", "dog", "owl"]), classifier()
    given.fit(batches, epochs=2, verbose=False)
    plain.fit(lambda: ((X[part], LABELS[part]) for part in np.split(order, 3)), epochs=2, verbose=False)
    same_weights(plain, given)


def test_an_unknown_name_in_a_later_batch_is_named() -> None:
    strange = TEXT.astype("<U8")
    strange[20] = "elephant"
    trainer = classifier()
    with pytest.raises(DataError) as caught:
        trainer.fit(lambda: ((X[s : s + 8], strange[s : s + 8]) for s in (0, 8, 16)), verbose=False)
    assert (
        str(caught.value) == "batch 3: y: expected one of the 3 classes 'cat', 'dog', 'owl', got 'elephant' at index 4"
    )


def test_names_are_saved_and_loaded(tmp_path: Path) -> None:
    trainer = classifier()
    trainer.fit(X, TEXT, epochs=1, verbose=False)
    trainer.model.save(tmp_path / "model.safetensors")
    again = lamina.Trainer(lamina.load(tmp_path / "model.safetensors"))
    assert again.model.facts["class_names"] == ["cat", "dog", "owl"]
    assert again.classify(X).names.tolist() == trainer.classify(X).names.tolist()
    assert again.evaluate(X, TEXT)["loss"] == trainer.evaluate(X, TEXT)["loss"]
    few = [index for index, name in enumerate(TEXT) if name != "cat"]
    assert again.evaluate(X[few], TEXT[few]) == trainer.evaluate(X[few], LABELS[few])  # not numbered anew


def test_a_second_fit_keeps_the_numbers_of_the_first() -> None:
    few = TEXT != "cat"
    named, plain = classifier(), classifier()
    for trainer, y in ((named, TEXT), (plain, LABELS)):
        trainer.fit(X, y, epochs=1, verbose=False)
        trainer.fit(X[few], y[few], epochs=1, verbose=False)
    same_weights(plain, named)


UNKNOWN = np.where(LABELS == 2, "elephant", TEXT)
MESSAGE = "expected one of the 3 classes 'cat', 'dog', 'owl', got 'elephant' at index"


@pytest.mark.parametrize("way", ["fit", "evaluate", "train_on_batch", "validation"])
def test_unknown_labels_are_named(way: str) -> None:
    trainer = classifier()
    trainer.fit(X, TEXT, epochs=1, verbose=False)
    before = trainer.model.state_dict()
    with pytest.raises(DataError, match=MESSAGE):
        if way == "validation":
            trainer.fit(X, TEXT, validation_data=(X, UNKNOWN), verbose=False)
        else:
            getattr(trainer, way)(X, UNKNOWN, **({"verbose": False} if way == "fit" else {}))
    for name, array in trainer.model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert trainer.model.facts["class_names"] == ["cat", "dog", "owl"]


def test_given_names_say_the_order_and_those_that_do_not_occur() -> None:
    named, plain = classifier(4, class_names=["owl", "cow", "dog", "cat"]), classifier(4)
    named.fit(X, TEXT, epochs=2, verbose=False)
    plain.fit(X, np.array([3, 2, 0])[LABELS], epochs=2, verbose=False)
    same_weights(plain, named)
    with pytest.raises(
        DataError, match=r"^y: expected names of 4 classes, as the model tells apart, got 3: \['cat', '"
    ):
        classifier(4).fit(X, TEXT, verbose=False)
    numbers, plain = classifier(class_names=[10, 20, 30]), classifier()
    numbers.fit(X, (LABELS + 1) * 10, epochs=2, verbose=False)
    plain.fit(X, LABELS, epochs=2, verbose=False)
    same_weights(plain, numbers)
    assert set(numbers.classify(X).names.tolist()) <= {10, 20, 30}


def test_truth_values_are_two_classes() -> None:
    plain, named = classifier(2), classifier(2)
    plain.fit(X, TWO.astype(int), epochs=2, verbose=False)
    named.fit(X, TWO, epochs=2, verbose=False)
    same_weights(plain, named)
    assert named.model.facts["class_names"] == [False, True]
    assert named.classify(X).names.dtype == bool


def test_sequences_of_names_are_targets_of_steps() -> None:
    lengths = RNG.integers(1, 5, 24)
    labels = RNG.integers(0, 3, (24, 4))
    x = [row[:end] for row, end in zip(X, lengths, strict=True)]
    found = []
    for each in (labels, NAMES[labels]):
        model = lamina.Sequential(GRU(3, return_sequences=True), Dense(3))
        model.build((None, None, 2), seed=0, dtype="float64")
        trainer = lamina.Trainer(model, optimizer="sgd")
        trainer.fit(x, [row[:end].tolist() for row, end in zip(each, lengths, strict=True)], epochs=2, verbose=False)
        found.append(trainer)
    same_weights(*found)


# --- binary cross-entropy --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["text", "booleans", "a list", "a column"])
def test_binary_cross_entropy_takes_two_names(form: str) -> None:
    text = np.where(TWO, "yes", "no")
    y = {"text": text, "booleans": TWO, "a list": text.tolist(), "a column": text[:, None]}[form]
    plain, named = (classifier(1, "binary_cross_entropy", metrics="accuracy") for _ in range(2))
    plain.fit(X, TWO[:, None].astype(float), epochs=2, verbose=False)
    named.fit(X, y, epochs=2, verbose=False)
    same_weights(plain, named)
    assert named.model.facts["class_names"] == ([False, True] if form == "booleans" else ["no", "yes"])
    assert named.evaluate(X, y) == plain.evaluate(X, TWO[:, None].astype(float))
    with pytest.raises(DataError, match=r"^y: expected the names of two classes, got 3: \['cat', 'dog', 'owl'\]$"):
        classifier(1, "binary_cross_entropy").fit(X, TEXT, verbose=False)


@pytest.mark.parametrize("y", ["text", "booleans", "numbers"])
def test_the_two_classes_of_binary_cross_entropy_have_weights(y: str) -> None:
    no, yes = 0.5, 3.0
    given, keys = {
        "text": (np.where(TWO, "yes", "no"), ("no", "yes")),
        "booleans": (TWO, (False, True)),
        "numbers": (TWO[:, None].astype(int), (0, 1)),
    }[y]
    trainer = classifier(1, "binary_cross_entropy")
    trainer.fit(X, given, epochs=1, verbose=False)
    z = trainer.predict(X)[:, 0]
    each = np.where(TWO, yes * np.logaddexp(0, -z), no * np.logaddexp(0, z))
    found = trainer.evaluate(X, given, class_weight=dict(zip(keys, (no, yes), strict=True)))
    assert found["loss"] == pytest.approx(each.mean(), rel=1e-12)
    each = np.where(TWO, yes * np.logaddexp(0, -z), np.logaddexp(0, z))
    assert trainer.evaluate(X, given, class_weight={keys[1]: yes})["loss"] == pytest.approx(each.mean(), rel=1e-12)
    with pytest.raises(ArgumentError, match=f"^class_weight: expected a weight above 0 for {keys[0]!r}, of which the"):
        trainer.evaluate(X, given, class_weight={keys[0]: 0.0})
    with pytest.raises(ArgumentError, match=r"^class_weight: expected classes by their "):
        trainer.evaluate(X, given, class_weight={"maybe": 2.0})
    own = lamina.Trainer(trainer.model, lamina.losses.BinaryCrossEntropy(positive_weight=2.0))
    with pytest.raises(ArgumentError, match="expected none beside the positive_weight of BinaryCrossEntropy itself"):
        own.evaluate(X, given, class_weight={keys[1]: 2.0})


def test_the_weights_of_several_yes_or_no_outputs_are_by_output() -> None:
    y = RNG.integers(0, 2, (24, 3))
    trainer = classifier(3, "binary_cross_entropy")
    z = trainer.predict(X)
    each = np.where(y == 1, np.logaddexp(0, -z), np.logaddexp(0, z)) * [1, 4, 1]
    for target in (y, y == 1):
        assert trainer.evaluate(X, target, class_weight={1: 4.0})["loss"] == pytest.approx(each.mean(), rel=1e-12)


# --- weights of classes by name, and several outputs -----------------------------------------------------------------


@pytest.mark.parametrize("form", ["names", "numbers", "sequence", "loss"])
def test_weights_by_name_are_those_by_number(form: str) -> None:
    weights: Any = {
        "names": {"dog": 3.0, "owl": 0.5},
        "numbers": {1: 3.0, 2: 0.5},
        "sequence": [1.0, 3.0, 0.5],
        "loss": None,
    }[form]
    trainer = classifier()
    if form == "loss":
        loss = lamina.losses.SoftmaxCrossEntropy(class_weight=[1.0, 3.0, 0.5])
        trainer = lamina.Trainer(trainer.model, loss, "sgd")
    history = trainer.fit(X, TEXT, class_weight=weights, batch_size=24, epochs=1, verbose=False)
    twin = classifier()
    z = twin.predict(X)
    each = np.log(np.exp(z).sum(axis=1)) - z[np.arange(24), LABELS]
    assert history["loss"] == pytest.approx([(each * np.array([1.0, 3.0, 0.5])[LABELS]).mean()], rel=1e-12)


def test_a_weight_of_no_class_is_named() -> None:
    with pytest.raises(
        ArgumentError, match=r"^class_weight: expected classes by their names \['cat', 'dog', 'owl'\], go"
    ):
        classifier().fit(X, TEXT, class_weight={"cow": 1.0}, verbose=False)


class Two(lamina.Composite):
    def __init__(self) -> None:
        super().__init__()
        self.reader, self.animals, self.answers = GRU(3), Dense(3), Dense(1)

    def compose(self, t: Any, x: Any) -> Any:
        h = t(self.reader, x)
        return t(self.animals, h), t(self.answers, h)


def two(named: bool = True, **options: Any) -> lamina.Trainer:
    model = Two()
    model.build((None, None, 2), seed=0, dtype="float64")
    losses = ("softmax_cross_entropy", "binary_cross_entropy")
    return lamina.Trainer(
        model, dict(zip(("animal", "answer"), losses, strict=True)) if named else losses, "sgd", **options
    )


@pytest.mark.parametrize("named", [True, False])
def test_each_output_has_names_of_its_own(named: bool, tmp_path: Path) -> None:
    keys = ("animal", "answer") if named else ("output_0", "output_1")

    def both(one: Any, other: Any) -> Any:
        return dict(zip(keys, (one, other), strict=True)) if named else (one, other)

    answers = np.where(TWO, "yes", "no")
    plain, found = two(named), two(named)
    plain.fit(X, both(LABELS, TWO[:, None] * 1.0), epochs=2, verbose=False)
    found.fit(X, both(TEXT, answers), epochs=2, verbose=False)
    same_weights(plain, found)
    assert found.model.facts["class_names"] == {keys[0]: ["cat", "dog", "owl"], keys[1]: ["no", "yes"]}
    with pytest.raises(DataError) as caught:
        found.evaluate(X, both(UNKNOWN, answers))
    assert str(caught.value).startswith(f"y['animal']: {MESSAGE}" if named else f"y[0]: {MESSAGE}")
    with pytest.raises(DataError) as caught:
        two(named).fit(X, both(TEXT[TEXT != "owl"].repeat(9)[: len(X)], answers), verbose=False)
    label = "y['animal']" if named else "y[0]"
    assert str(caught.value).startswith(f"{label}: expected names of 3 classes, as the model tells apart, got 2: ")
    classified = found.classify(X)
    assert set(classified) == set(keys)
    assert set(classified[keys[0]].names.tolist()) <= set(NAMES.tolist())

    weights = {keys[0]: {"dog": 4.0}, keys[1]: {"yes": 2.0}}
    by_number = {keys[0]: {1: 4.0}, keys[1]: {1: 2.0}}
    wanted = plain.evaluate(X, both(LABELS, TWO[:, None] * 1.0), class_weight=by_number)
    assert found.evaluate(X, both(TEXT, answers), class_weight=weights) == wanted


def test_names_that_are_none_or_of_another_model_are_refused() -> None:
    trainer = classifier()
    trainer.fit(X, TEXT, epochs=1, verbose=False)
    refused: list[tuple[Any, Any, type[LaminaError], str]] = [
        (
            trainer.model,
            ["a", "b", "c"],
            ArgumentError,
            "class_names: expected ['cat', 'dog', 'owl'], as the model has",
        ),
        (trainer.model, {"a": ["b"]}, ArgumentError, "class_names: expected a sequence of names, got dict"),
        (trainer.model, "abc", DTypeError, "classes: expected a sequence of names, got 'abc'"),
        (classifier().model, ["a", "a"], DataError, "classes: expected names that are all different, got 'a' twice"),
        (classifier().model, ["a", 1], DTypeError, "classes: expected names of one kind, got int and str"),
    ]
    for model, names, error, message in refused:
        with pytest.raises(error) as caught:
            lamina.Trainer(model, class_names=names)
        assert str(caught.value).startswith(message)
    with pytest.raises(ArgumentError, match=r"^class_names: expected a dict by the outputs' names, got list$"):
        two(class_names=["a"])
    lamina.Trainer(trainer.model, class_names=["cat", "dog", "owl"])


# --- the class by itself ---------------------------------------------------------------------------------------------


def test_losses_that_are_not_over_classes_read_numbers() -> None:
    model = classifier().model
    naming = Naming(read_goals("mse"), model)
    assert naming.learn(TEXT) is TEXT  # for whoever reads it to refuse
    assert not naming.is_known
    with pytest.raises(DTypeError, match="y: expected numbers, got an array of <U3"):
        classifier(1, "mse").fit(X, TEXT, verbose=False)


def test_what_is_learnt_is_encoded_alike_ever_after() -> None:
    naming = Naming(read_goals("softmax_cross_entropy"), classifier().model)
    assert (naming.is_known, naming.names()) == (False, None)
    np.testing.assert_array_equal(naming.learn(TEXT), LABELS)
    assert (naming.is_known, naming.names()) == (True, ("cat", "dog", "owl"))
    np.testing.assert_array_equal(naming.encode(["owl", "cat"]), [2, 0])
    np.testing.assert_array_equal(naming.learn(["owl"]), [2])
    assert naming.classes().decode([1]).tolist() == ["dog"]
    naming.require_as_many((None, 3))
    with pytest.raises(DataError, match="expected names of 5 classes"):
        naming.require_as_many((None, 5))


def test_numbers_have_no_names() -> None:
    model = classifier().model
    naming = Naming(read_goals("softmax_cross_entropy"), model)
    np.testing.assert_array_equal(naming.learn(LABELS), LABELS)
    naming.keep(model)
    assert (naming.is_known, naming.names(), model.facts) == (False, None, {})
    assert naming.classes().names == ()


def test_names_of_another_way_to_train_a_model_are_left_alone() -> None:
    model = two().model
    model.facts["class_names"] = ["cat", "dog"]
    naming = Naming(read_goals({"a": "softmax_cross_entropy", "b": "mse"}), model)
    assert not naming.is_known


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(Naming) == {"given": None}
