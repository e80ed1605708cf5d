"""Weights of classes that a call is given, beside scikit-learn's and a loss that has them from the start."""

from typing import Any

import numpy as np
import pytest

from lamina import Sequential, Trainer
from lamina.errors import ArgumentError, DataError
from lamina.layers import Dense, LogSoftmax, SimpleRNN
from lamina.losses import BinaryCrossEntropy, BinaryFocalCrossEntropy, NegativeLogLikelihood, SoftmaxCrossEntropy
from lamina.optimizers import SGD
from lamina.train.class_weights import with_class_weights
from tests.framework.train.three_heads import NAMES, built, drawn, losses, written_out

sklearn = pytest.importorskip("sklearn.utils.class_weight", reason="needs scikit-learn: pip install scikit-learn")

COUNT, TIME = 14, 5
RNG = np.random.default_rng(1)
X = RNG.normal(size=(COUNT, TIME, 2))
ENDS = RNG.integers(1, TIME + 1, COUNT)
LABELS, STEP_LABELS = np.array([0, 0, 0, 2, 2, 1, 0, 0, 2, 0, 1, 0, 0, 2]), RNG.integers(0, 3, (COUNT, TIME))
WEIGHTS, STEP_WEIGHTS = RNG.integers(0, 3, COUNT), RNG.integers(0, 2, (COUNT, TIME))


def balanced(labels: Any, classes: int = 3) -> list[float]:
    """Return scikit-learn's weights, 1 for a class that does not occur."""
    present = np.unique(labels)
    weights = np.ones(classes)
    weights[present] = sklearn.compute_class_weight("balanced", classes=present, y=labels)
    return [float(one) for one in weights]


def model_of(steps: bool = False, backend: Any = "numpy", *head: Any) -> Sequential:
    model = Sequential(SimpleRNN(4, return_sequences=steps), Dense(3), *head)
    model.build((None, None, 2), dtype="float64", seed=0, backend=backend)
    return model


def given(trainer: Trainer, y: Any, class_weight: Any, *, size: int = 4, **options: Any) -> Any:
    """Train an epoch; return the weights, the figures of it and of the same data evaluated."""
    more = {"class_weight": class_weight, **options}
    data = (X, y, options.get("lengths"), options.get("sample_weight"))
    history = trainer.fit(X, y, **more, epochs=1, batch_size=size, shuffle=False, verbose=False, validation_data=data)
    return trainer.model.state_dict(), history["loss"], history["val_loss"][0]


def expect_alike(first: Any, second: Any) -> None:
    for name, array in first[0].items():
        np.testing.assert_allclose(array, second[0][name], rtol=1e-12, atol=1e-14, err_msg=name)
    np.testing.assert_allclose(first[1], second[1], rtol=1e-12)
    np.testing.assert_allclose(first[2], second[2], rtol=1e-12)


CASES: dict[str, tuple[Any, dict[str, Any], Any]] = {
    "rows": (LABELS, {}, LABELS),
    "rows, ragged": (LABELS, {"lengths": ENDS}, LABELS),
    "rows, weights": (LABELS, {"sample_weight": WEIGHTS}, LABELS[WEIGHTS > 0]),
    "steps": (STEP_LABELS, {}, STEP_LABELS.ravel()),
    "steps, ragged": (STEP_LABELS, {"lengths": ENDS}, STEP_LABELS[np.arange(TIME) < ENDS[:, None]]),
    "steps, weights": (
        STEP_LABELS,
        {"lengths": ENDS, "sample_weight": STEP_WEIGHTS},
        STEP_LABELS[(np.arange(TIME) < ENDS[:, None]) & (STEP_WEIGHTS > 0)],
    ),
    "steps, weights of rows": (
        STEP_LABELS,
        {"lengths": ENDS, "sample_weight": WEIGHTS},
        STEP_LABELS[(np.arange(TIME) < ENDS[:, None]) & (WEIGHTS > 0)[:, None]],
    ),
    "a class that does not occur": (np.where(LABELS == 1, 0, LABELS), {}, np.where(LABELS == 1, 0, LABELS)),
    "one class alone": (np.full(COUNT, 2), {}, np.full(COUNT, 2)),
}


@pytest.mark.parametrize("name", CASES)
def test_balanced_is_what_scikit_learn_says(backend: Any, name: str) -> None:
    y, options, counted = CASES[name]
    steps = y.ndim == 2
    first = given(Trainer(model_of(steps, backend), optimizer="sgd"), y, "balanced", **options)
    loss = SoftmaxCrossEntropy(class_weight=balanced(counted))
    expect_alike(first, given(Trainer(model_of(steps, backend), loss, "sgd"), y, None, **options))


@pytest.mark.parametrize("ignored", [0, 2, -1])
@pytest.mark.parametrize("lengths", [None, ENDS], ids=["full", "ragged"])
def test_what_is_ignored_is_of_no_class(ignored: int, lengths: Any) -> None:
    y = np.where(STEP_LABELS == 0, ignored, STEP_LABELS) if ignored < 0 else STEP_LABELS
    inside = np.ones((COUNT, TIME), bool) if lengths is None else np.arange(TIME) < lengths[:, None]
    weights = balanced(y[inside & (y != ignored)])
    first, second = (
        given(
            Trainer(model_of(True), SoftmaxCrossEntropy(ignore_index=ignored, class_weight=own), "sgd"),
            y,
            "balanced" if own is None else None,
            lengths=lengths,
        )
        for own in (None, weights)
    )
    expect_alike(first, second)


@pytest.mark.parametrize("lengths", [None, ENDS], ids=["full", "ragged"])
def test_the_loss_is_the_mean_written_out_and_its_divisor_without_them(lengths: Any) -> None:
    model, weights = model_of(True), np.array([1.0, 3.0, 0.5])
    trainer = Trainer(model)
    found = trainer.evaluate(X, STEP_LABELS, lengths=lengths, sample_weight=STEP_WEIGHTS, class_weight=list(weights))
    z = trainer.predict(X, lengths=lengths)
    each = np.log(np.exp(z).sum(axis=-1)) - np.take_along_axis(z, STEP_LABELS[..., None], -1)[..., 0]
    counts = STEP_WEIGHTS * (1 if lengths is None else np.arange(TIME) < lengths[:, None])
    wanted = (counts * weights[STEP_LABELS] * each).sum() / counts.sum()
    assert found["loss"] == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(
    ("class_weight", "wanted"),
    [
        ({0: 2.0, 2: 0.5}, [2.0, 1.0, 0.5]),
        ({}, [1.0, 1.0, 1.0]),
        ({np.int64(1): 3}, [1.0, 3.0, 1.0]),
        ([1, 2, 3], [1.0, 2.0, 3.0]),
        ((0, 2, 3), [0.0, 2.0, 3.0]),
        (np.array([0.5, 1, 4]), [0.5, 1.0, 4.0]),
    ],
)
@pytest.mark.parametrize("make", [SoftmaxCrossEntropy, NegativeLogLikelihood])
def test_a_dict_and_a_sequence_are_those_of_the_loss(make: Any, class_weight: Any, wanted: Any) -> None:
    head = [LogSoftmax()] if make is NegativeLogLikelihood else []
    loss = make()
    trainer = Trainer(model_of(False, "numpy", *head), loss, "sgd")
    first = given(trainer, LABELS, class_weight)
    other = Trainer(model_of(False, "numpy", *head), make(class_weight=wanted), "sgd")
    expect_alike(first, given(other, LABELS, None))
    assert loss.class_weight is None and trainer.loss is loss  # the caller's stays as it is
    found = trainer.evaluate(X, LABELS, class_weight=class_weight)["loss"]
    assert found == pytest.approx(other.evaluate(X, LABELS)["loss"], rel=1e-12)
    assert found == pytest.approx(first[2], rel=1e-12)


def test_names_of_classes_are_weighed_by_their_names() -> None:
    y = np.array(["a", "b", "c"])[LABELS]
    for class_weight, wanted in (({"a": 2.0, "c": 3.0}, [2.0, 1.0, 3.0]), ("balanced", balanced(LABELS))):
        first = given(Trainer(model_of(), optimizer="sgd"), y, class_weight)
        loss = SoftmaxCrossEntropy(class_weight=wanted)
        expect_alike(first, given(Trainer(model_of(), loss, "sgd"), LABELS, None))


def test_outputs_that_are_a_yes_or_no_each_have_weights_too() -> None:
    y = (RNG.random((COUNT, 3)) > 0.5) * 1.0
    first = given(Trainer(model_of(), "binary_cross_entropy", "sgd"), y, {1: 4.0})
    loss = BinaryCrossEntropy(class_weight=[1, 4, 1])
    expect_alike(first, given(Trainer(model_of(), loss, "sgd"), y, None))


@pytest.mark.parametrize("class_weight", [{"tags": "balanced"}, ("balanced", None, None), ([1, 2, 3], None, None)])
@pytest.mark.parametrize("weighed", [False, True])
def test_of_several_outputs_each_has_its_own(backend: Any, class_weight: Any, weighed: bool) -> None:
    rows = drawn()
    if weighed:
        rows = rows.weighed(np.arange(11) % 3, None, None)
    inside = np.arange(5) < rows.ends[0][:, None]
    inside &= (np.arange(11) % 3 > 0)[:, None] if weighed else True
    classes = [1, 2, 3] if isinstance(class_weight, tuple) and class_weight[0] != "balanced" else None
    classes = classes or balanced(rows.y[0][inside])
    model = built(backend)
    before = model.state_dict()
    (x, y), more = rows.given()
    trainer = Trainer(model, losses(), lambda p: SGD(p, lr=0.5))
    history = trainer.fit(x, y, **more, class_weight=class_weight, epochs=1, verbose=False)
    total, each, slopes = written_out(before, rows, classes=classes)
    assert history["loss"][0] == pytest.approx(total, rel=1e-12)
    assert [history[f"{name}_loss"][0] for name in NAMES] == pytest.approx(each, rel=1e-12)
    for name, array in model.state_dict().items():
        np.testing.assert_allclose(array, before[name] - 0.5 * slopes[name], rtol=1e-12, atol=1e-13)
    if "balanced" not in str(class_weight):
        found = trainer.evaluate(x, y, **more, class_weight=class_weight)
        assert found["loss"] == pytest.approx(written_out(model.state_dict(), rows, classes=classes)[0], rel=1e-12)


def of_two(steps: bool = False, backend: Any = "numpy") -> Sequential:
    model = Sequential(SimpleRNN(4, return_sequences=steps), Dense(1))
    model.build((None, None, 2), dtype="float64", seed=0, backend=backend)
    return model


TWO, STEP_TWO = (LABELS == 0) * 1, (STEP_LABELS == 0) * 1
YES_OR_NO: dict[str, tuple[Any, dict[str, Any], Any]] = {
    "rows": (TWO[:, None], {}, TWO),
    "rows, floats": (TWO[:, None] * 1.0, {}, TWO),
    "rows, bool": (TWO[:, None] > 0, {}, TWO),
    "rows, ragged": (TWO[:, None], {"lengths": ENDS}, TWO),
    "rows, weights": (TWO[:, None], {"sample_weight": WEIGHTS}, TWO[WEIGHTS > 0]),
    "steps, ragged": (STEP_TWO[..., None], {"lengths": ENDS}, STEP_TWO[np.arange(TIME) < ENDS[:, None]]),
    "steps, weights": (
        STEP_TWO[..., None],
        {"lengths": ENDS, "sample_weight": STEP_WEIGHTS},
        STEP_TWO[(np.arange(TIME) < ENDS[:, None]) & (STEP_WEIGHTS > 0)],
    ),
    "one class alone": (np.zeros((COUNT, 1)), {}, np.zeros(COUNT, int)),
}


@pytest.mark.parametrize("loss", ["binary_cross_entropy", "binary_focal_cross_entropy"])
@pytest.mark.parametrize("name", YES_OR_NO)
def test_balanced_yes_and_no_are_what_scikit_learn_says(backend: Any, name: str, loss: str) -> None:
    y, options, counted = YES_OR_NO[name]
    no, yes = balanced(counted, 2)
    model = of_two(y.ndim == 3, backend)
    first = given(Trainer(model, loss, "sgd"), y, "balanced", **options)
    second = given(Trainer(of_two(y.ndim == 3, backend), loss, "sgd"), y, {0: no, 1: yes}, **options)
    expect_alike(first, second)


def test_the_loss_of_balanced_yes_and_no_is_the_mean_written_out() -> None:
    no, yes = balanced(TWO[WEIGHTS > 0], 2)
    model = of_two()
    z = Trainer(model).predict(X)[:, 0]
    each = np.where(TWO > 0, yes * np.logaddexp(0, -z), no * np.logaddexp(0, z))
    history = Trainer(model, "binary_cross_entropy", "sgd").fit(
        X, TWO[:, None], sample_weight=WEIGHTS, class_weight="balanced", batch_size=COUNT, epochs=1, verbose=False
    )
    assert history["loss"] == pytest.approx([(WEIGHTS * each).sum() / WEIGHTS.sum()], rel=1e-12)


def test_names_of_yes_and_no_are_balanced_too() -> None:
    no, yes = balanced(TWO, 2)
    first = given(Trainer(of_two(), "binary_cross_entropy", "sgd"), np.where(TWO, "yes", "no"), "balanced")
    loss = BinaryCrossEntropy(class_weight=[no], positive_weight=yes / no)
    expect_alike(first, given(Trainer(of_two(), loss, "sgd"), TWO[:, None], None))


def test_a_focal_loss_of_yes_and_no_has_a_weight_for_each() -> None:
    """w a for a yes and w (1 - a) for a no, with a = yes / (no + yes) and w = no + yes."""
    for no, yes in ((1.0, 3.0), (0.0, 2.0), (0.5, 0.0), (0.0, 0.0)):
        model = of_two()
        found = Trainer(model, "binary_focal_cross_entropy").evaluate(X, TWO[:, None], class_weight={0: no, 1: yes})
        z = Trainer(model, "binary_cross_entropy").predict(X)[:, 0]
        s = 1 / (1 + np.exp(-z))
        each = np.where(TWO > 0, -yes * (1 - s) ** 2 * np.log(s), -no * s**2 * np.log(1 - s))
        assert found["loss"] == pytest.approx(each.mean(), rel=1e-12)
    trainer = Trainer(of_two(), BinaryFocalCrossEntropy(alpha=0.25))
    with pytest.raises(
        ArgumentError, match=r"^class_weight: expected none beside the alpha of BinaryFocalCrossEntropy"
    ):
        trainer.evaluate(X, TWO[:, None], class_weight={0: 1.0})


def test_balanced_of_targets_between_yes_and_no_is_refused() -> None:
    y = TWO[:, None] * 0.75
    with pytest.raises(ArgumentError) as caught:
        Trainer(of_two(), "binary_cross_entropy").fit(X, y, class_weight="balanced", verbose=False)
    says = "class_weight: 'balanced' needs targets of 0 and 1 for BinaryCrossEntropy, got 0.75"
    assert str(caught.value) == says
    ignored = np.where(y > 0, 0.0, y)  # what does not count may be anything
    weight = (TWO == 0) | (np.arange(COUNT) == 0)
    mixed = np.where(weight[:, None], ignored, y)
    Trainer(of_two(), "binary_cross_entropy").fit(
        X, mixed, sample_weight=weight, class_weight="balanced", epochs=1, verbose=False
    )


class OneByOne:
    """Rows by index."""

    def __init__(self, y: Any, weights: Any = None) -> None:
        self.y, self.weights, self.read = y, weights, 0

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, row: int) -> Any:
        self.read += 1
        return (X[row], self.y[row]) if self.weights is None else (X[row], self.y[row], self.weights[row])


@pytest.mark.parametrize("two", [False, True])
@pytest.mark.parametrize("weighed", [False, True])
@pytest.mark.parametrize("kind", ["rows", "batches", "function", "part"])
def test_what_can_be_read_twice_is_counted_in_one_pass(two: bool, weighed: bool, kind: str) -> None:
    y, weights = (TWO[:, None] if two else LABELS), WEIGHTS * 1.0 if weighed else None
    loss = "binary_cross_entropy" if two else "softmax_cross_entropy"
    seen = LABELS[:8] if kind == "part" else LABELS
    counts = seen if weights is None else seen[weights[: len(seen)] > 0]
    wanted = balanced((counts == 0) * 1, 2) if two else balanced(counts)
    turns = []

    def batches() -> Any:
        turns.append(1)
        for start in range(0, COUNT, 4):
            part = slice(start, start + 4)
            yield (X[part], y[part], None, *([] if weights is None else [weights[part]]))

    class Again:
        def __iter__(self) -> Any:
            return batches()

    def fit(class_weight: Any) -> Any:
        source: Any = {"rows": OneByOne(y, weights), "batches": Again()}.get(kind, batches)
        more: dict[str, Any] = {"rows": {"batch_size": 4, "shuffle": False}, "part": {"steps_per_epoch": 2}}.get(
            kind, {}
        )
        trainer = Trainer(of_two() if two else model_of(), loss, "sgd")
        trainer.fit(source, class_weight=class_weight, epochs=1, verbose=False, **more)
        return trainer, source

    trainer, source = fit("balanced")
    reads = len(turns), getattr(source, "read", 0)
    turns.clear()
    twin, other = fit(dict(enumerate(wanted)))
    if kind == "rows":
        assert reads[1] == other.read + COUNT
    else:
        assert reads[0] == len(turns) + 1
    assert trainer.history["loss"] == pytest.approx(twin.history["loss"], rel=1e-12)
    for name, array in twin.model.state_dict().items():
        np.testing.assert_allclose(trainer.model.state_dict()[name], array, rtol=1e-12, atol=1e-14)


def test_several_outputs_of_a_source_are_counted_in_one_pass() -> None:
    rows = drawn()
    inside = [np.arange(steps) < own[:, None] for steps, own in zip((5, 4), rows.ends, strict=True)]
    marks = rows.y[2][..., 0][inside[1]].astype(int)
    weights = {"tags": balanced(rows.y[0][inside[0]]), "marks": dict(enumerate(balanced(marks, 2)))}
    turns = []

    def batches() -> Any:
        turns.append(1)
        for part in (slice(0, 6), slice(6, 11)):
            one = rows.take(part)
            yield (one.a, one.b), one.y, one.ends

    both = {"tags": "balanced", "marks": "balanced"}
    found = [Trainer(built(), losses(), "sgd") for _ in range(3)]
    found[0].fit(batches, class_weight=both, epochs=1, verbose=False)
    assert len(turns) == 2
    found[1].fit(batches, class_weight=weights, epochs=1, verbose=False)
    (x, y), more = rows.given()
    found[2].fit(x, y, **more, class_weight=both, batch_size=6, shuffle=False, epochs=1, verbose=False)
    for other in found[1:]:
        for name, array in found[0].model.state_dict().items():
            np.testing.assert_allclose(other.model.state_dict()[name], array, rtol=1e-10, atol=1e-12)


def test_goals_stay_as_they_are_without_weights() -> None:
    goals = Trainer(model_of()).goals
    assert with_class_weights(goals, None, None, (COUNT, 3)) is goals


@pytest.mark.parametrize(
    ("loss", "y", "class_weight", "says"),
    [
        ("mse", np.zeros((COUNT, 3)), {0: 1.0}, "expected a loss with weights for classes, got MeanSquaredError"),
        (SoftmaxCrossEntropy(class_weight=[1, 1, 2]), LABELS, [1, 1, 1], "expected none beside those of Softmax"),
        ("softmax_cross_entropy", LABELS, "even", "expected 'balanced' or weights, got 'even'"),
        ("softmax_cross_entropy", LABELS, [1, 2], "expected a weight for each of 3 classes, got [1, 2]"),
        ("softmax_cross_entropy", LABELS, {3: 1.0}, "expected classes by their numbers from 0 to 2, got 3"),
        ("softmax_cross_entropy", LABELS, {True: 1.0}, "expected classes by their numbers from 0 to 2, got True"),
        ("softmax_cross_entropy", np.array(["a", "b", "c"])[LABELS], {"d": 1.0}, "expected classes by their names"),
        ("softmax_cross_entropy", LABELS, [1, -2, 1], "every class_weight"),
        ("softmax_cross_entropy", LABELS, {0: np.nan}, "every class_weight"),
        ("softmax_cross_entropy", LABELS, 3.0, "expected one class_weight for each class, got 3.0"),
        ("softmax_cross_entropy", np.eye(3)[LABELS], "balanced", "'balanced' needs the labels of all rows"),
        ("binary_cross_entropy", np.eye(3)[LABELS], "balanced", "'balanced' needs the labels of all rows"),
    ],
)
def test_weights_that_are_none_are_refused_before_anything_changes(
    loss: Any, y: Any, class_weight: Any, says: str
) -> None:
    model = Sequential(SimpleRNN(4), Dense(3))
    trainer = Trainer(model, loss)
    with pytest.raises((ArgumentError, DataError)) as caught:
        trainer.fit(X, y, class_weight=class_weight, verbose=False)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not model.is_built and not model.facts


@pytest.mark.parametrize(
    ("class_weight", "says"),
    [
        ("balanced", "class_weight: expected a tuple of 3, one for each output, or a dict, got str"),
        ({"sizes": [1, 2]}, "expected a loss with weights for classes, got MeanSquaredError"),
        ({"size": [1, 2]}, "class_weight: expected some of the outputs tags, sizes, marks, got 'size'"),
    ],
)
def test_for_several_outputs_they_are_said_of_each(class_weight: Any, says: str) -> None:
    (x, y), more = drawn().given()
    with pytest.raises(ArgumentError) as caught:
        Trainer(built(), losses()).fit(x, y, **more, class_weight=class_weight, verbose=False)
    assert says in str(caught.value)


def test_an_output_without_a_loss_has_none() -> None:
    (x, y), more = drawn().given()
    trainer = Trainer(built(), losses() | {"tags": None})
    with pytest.raises(ArgumentError, match="expected a loss with weights for classes, got an output without a loss"):
        trainer.fit(x, y, **more, class_weight={"tags": [1, 2, 3]}, verbose=False)


def test_what_is_evaluated_is_not_balanced_anew() -> None:
    says = r"^class_weight: expected weights, got 'balanced', which is found in what is trained on$"
    (x, y), more = drawn().given()
    with pytest.raises(ArgumentError, match=says):
        Trainer(model_of()).evaluate(X, LABELS, class_weight="balanced")
    for class_weight in ({"tags": "balanced"}, ("balanced", None, None)):
        with pytest.raises(ArgumentError, match=says):
            Trainer(built(), losses()).evaluate(x, y, **more, class_weight=class_weight)


def test_one_batch_at_a_time_has_them_too() -> None:
    model, other = model_of(), model_of()
    weights = balanced(LABELS)
    Trainer(model, optimizer="sgd").train_on_batch(X, LABELS, class_weight="balanced")
    Trainer(other, SoftmaxCrossEntropy(class_weight=weights), "sgd").train_on_batch(X, LABELS)
    for name, array in model.state_dict().items():
        np.testing.assert_allclose(array, other.state_dict()[name], rtol=1e-13, atol=1e-15)
    with pytest.raises(ArgumentError, match="'balanced' needs the labels of all rows"):  # of what can be read twice
        Trainer(model).fit(iter([(X, LABELS)]), class_weight="balanced", epochs=1, verbose=False)
