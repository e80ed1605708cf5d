import doctest
import json
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.data.classes import Classes
from lamina.errors import ArgumentError, DataError, DTypeError, LaminaError, ShapeError

TEXT = ["wren", "owl", "wren", "tit"]


def test_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(import_module("lamina.data.classes")).failed == 0


def given() -> dict[str, Any]:
    return {
        "list": TEXT,
        "tuple": tuple(TEXT),
        "text array": np.array(TEXT),
        "objects": np.array(TEXT, object),
        "string dtype": np.array(TEXT, np.dtypes.StringDType()),
        "bytes": np.array(TEXT, "S"),
        "list of bytes": [one.encode() for one in TEXT],
        "NumPy's texts": list(np.array(TEXT)),
        "column": np.array(TEXT)[:, None],
        "column of objects": np.array(TEXT, object)[:, None],
    }


@pytest.mark.parametrize("y", given().values(), ids=list(given()))
def test_text_of_every_kind_is_encoded_and_decoded_alike(y: Any) -> None:
    classes = Classes.read(y)
    assert classes.names == ("owl", "tit", "wren")
    assert set(map(type, classes.names)) == {str}
    labels = classes.encode(y)
    assert (labels.dtype, labels.tolist()) == (np.int64, [2, 0, 2, 1])
    assert classes.decode(labels).tolist() == TEXT


def test_the_order_is_scikit_learns() -> None:
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    rng = np.random.default_rng(0)
    letters = list("abzABZ019 é_ß")
    y = ["".join(rng.choice(letters, rng.integers(1, 4))) for _ in range(200)]
    encoder = preprocessing.LabelEncoder().fit(y)
    classes = Classes.read(y)
    assert list(classes.names) == encoder.classes_.tolist()
    np.testing.assert_array_equal(classes.encode(y), encoder.transform(y))
    np.testing.assert_array_equal(
        classes.decode(np.arange(len(classes))), encoder.inverse_transform(range(len(classes)))
    )


@pytest.mark.parametrize("y", [[True, False, True], np.array([True, False, True]), np.array([1, 0, 1], object) == 1])
def test_truth_values_are_zero_and_one(y: Any) -> None:
    classes = Classes.read(y)
    assert classes.names == (False, True)
    assert classes.encode(y).tolist() == [1, 0, 1]
    assert classes.encode(y).dtype == np.int64
    assert classes.decode([1, 0]).tolist() == [True, False]


def test_true_is_one_whichever_occur() -> None:
    for y in ([True, True], np.array([True, True]), np.zeros(0, bool), [np.True_]):
        assert Classes.read(y).names == (False, True)
        assert Classes.read(y).encode(y).tolist() == [1] * len(y)


def test_sequences_of_text_have_a_label_for_each_step() -> None:
    y = [["O", "B", "I"], ["B"], [], ["O", "O"]]
    classes = Classes.read(y)
    assert classes.names == ("B", "I", "O")
    labels = classes.encode(y)
    assert [row.tolist() for row in labels] == [[2, 0, 1], [0], [], [2, 2]]
    assert {row.dtype for row in labels} == {np.dtype(np.int64)}
    assert [row.tolist() for row in classes.decode(labels)] == y
    objects = np.empty(4, object)
    objects[:] = y
    arrays = [np.array(row, "U1") for row in y]
    for same in (objects, arrays, tuple(y), [tuple(row) for row in y]):
        assert Classes.read(same) == classes
        assert [row.tolist() for row in classes.encode(same)] == [row.tolist() for row in labels]


def test_an_array_of_steps_keeps_its_shape() -> None:
    y = np.array([["a", "b", "a"], ["b", "b", "c"]])
    labels = Classes.read(y).encode(y)
    assert labels.tolist() == [[0, 1, 0], [1, 1, 2]]
    assert Classes.read(y).decode(labels).tolist() == y.tolist()
    truth = np.array([[True, False], [True, True]])
    assert Classes.read(truth).encode(truth).tolist() == [[1, 0], [1, 1]]


@pytest.mark.parametrize(
    ("y", "output", "shape"),
    [
        (["a", "b"], None, (2,)),
        (["a", "b"], (None, 3), (2,)),
        (["a", "b"], (None, 1), (2, 1)),
        (np.array([["a"], ["b"]]), None, (2,)),
        (np.array([["a"], ["b"]]), (None, 3), (2,)),
        (np.array([["a"], ["b"]]), (None, 1), (2, 1)),
        (np.array([["a"], ["b"]]), (None, 1, 3), (2, 1)),
        (np.array([[["a"]], [["b"]]]), (None, 1, 3), (2, 1)),
        ([["a"], ["b"]], (None, 3), (2,)),
        ([["a"], ["b"]], (None, 1), (2, 1)),
        (np.array([["a", "b"]] * 3), (None, 2, 4), (3, 2)),
        (np.array([["a", "b"]] * 3), (None, 2, 1), (3, 2, 1)),
        (np.array([True, False]), (None, 1), (2, 1)),
        (np.array([[True], [False]]), (None, 2), (2,)),
        (np.array([[True, False]]), (None, 2), (1, 2)),
    ],
)
def test_labels_get_the_axes_that_the_predictions_ask_for(y: Any, output: Any, shape: tuple[int, ...]) -> None:
    assert Classes.read(y).encode(y, output=output).shape == shape


@pytest.mark.parametrize(("last", "shapes"), [(3, [(2,), (1,)]), (1, [(2, 1), (1, 1)])])
def test_sequences_get_them_too(last: int, shapes: list[tuple[int, ...]]) -> None:
    y = [["a", "b"], ["a"]]
    classes = Classes.read(y)
    assert [row.shape for row in classes.encode(y, output=(None, None, last))] == shapes
    assert [row.shape for row in classes.encode(y)] == [(2,), (1,)]
    assert [row.shape for row in classes.encode([["a"], ["b"]], output=(None, None, 3))] == [(1,), (1,)]


NUMBERS: list[Any] = [
    [0, 1, 2],
    [1, 2, 9],
    [-1, 1],
    [0.5, float("nan")],
    [[1, 2], [3]],
    [[], []],
    [],
    np.array([3, 1]),
    np.array([[0.5], [1.5]]),
    [np.array([1.0]), np.array([2.0, 3.0])],
    np.array(["2020-01-01"], "datetime64[D]"),
    np.array([np.zeros(2), np.zeros(3)], object),
    None,
    {"a": [1]},
]


@pytest.mark.parametrize("y", NUMBERS, ids=repr)
def test_what_is_no_text_stays_the_very_object_that_it_is(y: Any) -> None:
    classes = Classes.read(y)
    assert classes.names == ()
    assert not classes
    assert classes.encode(y) is y
    assert Classes(("a", "b")).encode(y) is y  # integers are labels already


def test_objects_that_are_numbers_become_numbers() -> None:
    y = np.array([2, 0, 1], object)
    assert Classes.read(y).names == ()
    assert Classes.read(y).encode(y).dtype == np.int64
    assert Classes().encode(np.array([0.5, 1], object)).dtype == np.float64


def test_truth_values_stay_where_no_classes_are_known() -> None:
    for y in (np.array([True, False]), [True, False], [[True], [False, True]]):
        assert Classes().encode(y) is y


@pytest.mark.parametrize(
    ("y", "names", "labels"),
    [
        ([1, 3, 9, 3], (1, 3, 9), [0, 1, 2, 1]),
        ([-1, 1, 1], (-1, 1), [0, 1, 1]),
        (np.array([5, 5], "uint8"), (5,), [0, 0]),
        (np.array([2**64 - 1, 3], "uint64"), (3, 2**64 - 1), [1, 0]),
        (np.array([7, 5], object), (5, 7), [1, 0]),
        (np.array([[7], [5]]), (5, 7), [1, 0]),
    ],
)
def test_whole_numbers_are_classes_where_that_is_asked(y: Any, names: tuple[int, ...], labels: list[int]) -> None:
    assert Classes.read(y).names == ()
    classes = Classes.read(y, integers=True)
    assert classes.names == names
    assert classes.encode(y).tolist() == labels
    assert classes.decode(labels).tolist() == [names[label] for label in labels]
    assert json.loads(json.dumps(classes.names)) == list(names)


def test_whole_numbers_of_steps_are_classes_too() -> None:
    y = [[10, 20], [], [30]]
    classes = Classes.read(y, integers=True)
    assert classes.names == (10, 20, 30)
    assert [row.tolist() for row in classes.encode(y)] == [[0, 1], [], [2]]


@pytest.mark.parametrize("y", [[0, 1, 2, 1], [2, 1, 0], [0], [0.5, 1.5], [1.0, 2.0], []])
def test_labels_from_zero_and_what_is_not_whole_stay_even_then(y: Any) -> None:
    assert Classes.read(y, integers=True).names == ()


def test_names_are_kept_with_a_model_and_found_again(tmp_path: Any) -> None:
    model = lamina.layers.Dense(3)
    model.build((None, 2), seed=0)
    for classes in (Classes.read(TEXT), Classes.read([True]), Classes.read([1, 5], integers=True), Classes()):
        model.facts["classes"] = list(classes.names)
        model.save(tmp_path / "model.safetensors")
        again = Classes(lamina.load(tmp_path / "model.safetensors").facts["classes"])
        assert again == classes
        assert [type(name) for name in again.names] == [type(name) for name in classes.names]


def test_a_model_learns_from_text_as_from_the_labels() -> None:
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(30, 4)), rng.integers(0, 3, 30)
    y = np.array(["c", "a", "b"])[labels]
    classes = Classes.read(y)
    losses = []
    for target in (classes.encode(y), np.array([2, 0, 1])[labels]):
        model = lamina.layers.Dense(3)
        trainer = lamina.Trainer(model, loss="softmax_cross_entropy", optimizer="sgd", seed=0)
        losses.append(trainer.fit(x, target, epochs=2, verbose=False)["loss"])
    assert losses[0] == losses[1]


READING: list[tuple[Any, type[LaminaError], str]] = [
    (["a", None], DataError, "y: expected a value, got None at index 1"),
    (["a", float("nan")], DataError, "y: expected a value, got nan at index 1"),
    (np.array(["a", np.nan], object), DataError, "y: expected a value, got nan at index 1"),
    (np.array([[True], [None]], object), DataError, "y: expected a value, got None at index (1, 0)"),
    ([None, None], DataError, "y: expected a value, got None at index 0"),
    ([0, None], DataError, "y: expected a value, got None at index 1"),
    ([["a"], ["b", None]], DataError, "y: expected a value, got None at index (1, 1)"),
    ([["a"], None], DataError, "y: expected a value, got None at index 1"),
    (["a", 1], DTypeError, "y: expected labels of one kind, got text first and 1 at index 1"),
    ([True, "a"], DTypeError, "y: expected labels of one kind, got True and False first and 'a' at index 1"),
    ([1, True], DTypeError, "y: expected labels of one kind, got numbers first and True at index 1"),
    ([["a"], [1]], DTypeError, "y: expected labels of one kind, got text first and numbers at index 1"),
    (["a", ["b"]], ShapeError, "y: expected a sequence of labels in every row, got 'a' at index 0"),
    ([[["a"], ["b", "c"]]], ShapeError, "y: expected rectangular arrays, got an uneven one at index 0"),
    ([b"a", b"\xff"], DataError, r"y: expected text in UTF-8, got b'\xff' at index 1"),
]


@pytest.mark.parametrize(("y", "error", "message"), READING, ids=[message for *_, message in READING])
def test_labels_that_are_missing_or_mixed_are_named(y: Any, error: type[LaminaError], message: str) -> None:
    for read in (Classes.read, Classes(("a", "b")).encode):
        with pytest.raises(error) as caught:
            read(y)
        assert str(caught.value) == message


UNKNOWN: list[tuple[Any, Any, str]] = [
    (("a", "b"), ["a", "z"], "y: expected one of the 2 classes 'a', 'b', got 'z' at index 1"),
    (("a", "b"), np.array([["a"], ["z"]]), "y: expected one of the 2 classes 'a', 'b', got 'z' at index (1, 0)"),
    (("a", "b"), [["a"], ["b", "z"]], "y: expected one of the 2 classes 'a', 'b', got 'z' at index (1, 1)"),
    (("a", "b"), [True], "y: expected one of the 2 classes 'a', 'b', got True at index 0"),
    ((False, True), ["yes"], "y: expected one of the 2 classes False, True, got 'yes' at index 0"),
    ((1, 9), [9, 2], "y: expected one of the 2 classes 1, 9, got 2 at index 1"),
    ((1, 9), [[1], [9, 2]], "y: expected one of the 2 classes 1, 9, got 2 at index (1, 1)"),
    ((1, 9), ["1"], "y: expected one of the 2 classes 1, 9, got '1' at index 0"),
    (
        tuple("abcdefghij"),
        ["z"],
        "y: expected one of the 10 classes " + ", ".join(map(repr, "abcdefgh")) + ", ..., got 'z' at index 0",
    ),
    ((), ["a"], "y: expected numbers as labels, got 'a' at index 0"),
]


@pytest.mark.parametrize(("names", "y", "message"), UNKNOWN, ids=[message for *_, message in UNKNOWN])
def test_a_label_that_is_none_of_the_classes_is_named(names: Any, y: Any, message: str) -> None:
    with pytest.raises(DataError) as caught:
        Classes(names).encode(y)
    assert str(caught.value) == message
    with pytest.raises(DataError, match=r"^validation: expected"):
        Classes(names).encode(y, label="validation")


WRONG_NAMES: list[tuple[Any, type[LaminaError], str]] = [
    (["a", "a"], DataError, "classes: expected names that are all different, got 'a' twice"),
    (["a", 1], DTypeError, "classes: expected names of one kind, got int and str"),
    ([True, 1], DTypeError, "classes: expected names of one kind, got bool and int"),
    ([None], DTypeError, "classes: expected names that are text, True and False, or numbers, got None, of NoneType"),
    ([0.5, float("inf")], DataError, "classes: expected finite numbers as names, got one that is not"),
    ("ab", DTypeError, "classes: expected a sequence of names, got 'ab'"),
    (3, DTypeError, "classes: expected a sequence of names, got 3"),
]


@pytest.mark.parametrize(("names", "error", "message"), WRONG_NAMES, ids=[message for *_, message in WRONG_NAMES])
def test_names_that_are_none_are_refused(names: Any, error: type[LaminaError], message: str) -> None:
    with pytest.raises(error) as caught:
        Classes(names)
    assert str(caught.value) == message


def test_names_may_be_any_sequence_of_one_kind() -> None:
    assert Classes(np.array(["a", "b"])).names == ("a", "b")
    assert Classes([np.int64(3), 5]).names == (3, 5)
    assert Classes([1, 2.5]).names == (1.0, 2.5)
    assert len(Classes(["a", "b", "c"])) == 3
    assert bool(Classes()) is False


def test_what_cannot_be_decoded_is_named() -> None:
    classes = Classes(("a", "b"))
    with pytest.raises(DataError, match=r"^decode: expected labels from 0 to 1, got 2$"):
        classes.decode([0, 2])
    with pytest.raises(DataError, match=r"^decode: expected labels from 0 to 1, got -1$"):
        classes.decode([0, -1])
    with pytest.raises(DTypeError, match=r"^decode: expected integer labels, got an array of float64$"):
        classes.decode([0.5])
    assert Classes().decode([4, 5]).tolist() == [4, 5]
    assert classes.decode([]).tolist() == []
    assert classes.decode(np.array([[0, 1]])).tolist() == [["a", "b"]]
    assert classes.decode(1).tolist() == "b"


def test_whether_integers_are_names_is_yes_or_no() -> None:
    with pytest.raises(ArgumentError, match=r"^Classes: expected integers to be True or False, got 'yes'$"):
        Classes.read([1, 2], integers="yes")  # type: ignore[arg-type]


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(Classes) == {"names": ()}
    assert defaults(Classes.read) == {"label": "y", "integers": False}
    assert defaults(Classes.encode) == {"label": "y", "output": None}
