from typing import Any

import numpy as np
import pytest

import lamina
from lamina.callbacks import CSVLog
from lamina.data.checks import checked_for, read_data
from lamina.errors import ArgumentError, DataError, DTypeError, LaminaError, NotBuiltError, ShapeError
from lamina.layers import Dense, Flatten, SimpleRNN
from lamina.losses.loss import Loss

RNG = np.random.default_rng(0)
X = RNG.normal(size=(9, 5, 3)).astype("float32")
Y = np.arange(9) % 4
LENGTHS = np.array([5, 4, 0, 3, 5, 5, 1, 2, 3])
STEP_LABELS = RNG.integers(0, 4, (9, 5))


def classifier(built: bool = True) -> lamina.Layer:
    model = lamina.Sequential(SimpleRNN(5), Dense(4))
    if built:
        model.build((None, None, 3), seed=0)
    return model


def tagger(built: bool = True) -> lamina.Layer:
    model = lamina.Sequential(SimpleRNN(5, return_sequences=True), Dense(4))
    if built:
        model.build((None, None, 3), seed=0)
    return model


def regressor(built: bool = True) -> lamina.Layer:
    model = lamina.Sequential(SimpleRNN(5, return_sequences=True), Dense(2))
    if built:
        model.build((None, None, 3), seed=0)
    return model


def changed(x: Any, index: Any, value: Any) -> Any:
    x = np.array(x)
    x[index] = value
    return x


def ragged(*lengths: int, features: int = 3) -> list[Any]:
    return [np.zeros((length, features)) for length in lengths]


# What is given, the error and its whole message, for x alone: fit, evaluate, predict and validation data refuse it.
BAD_X: dict[str, tuple[Any, Any, type[LaminaError], str]] = {
    "too few features": (
        RNG.normal(size=(9, 5, 2)), None, ShapeError,
        "Sequential: expected last axis 3, got (9, 5, 2)",
    ),
    "rank too low": (X[:, 0], None, ShapeError, "Sequential: expected (batch, time, 3), got (9, 3)"),
    "rank too high": (X[None], None, ShapeError, "Sequential: expected (batch, time, 3), got (1, 9, 5, 3)"),
    "one axis": (
        X[:, 0, 0], None, ShapeError,
        "x: expected (batch, features) or (batch, time, features), got (9,)",
    ),
    "a number": (3.0, None, ShapeError, "x: expected (batch, features) or (batch, time, features), got ()"),
    "empty": (X[:0], None, DataError, "x: expected at least one row, got (0, 5, 3)"),
    "an empty list": ([], None, DataError, "x: expected at least one row, got (0, 0)"),
    "an empty tuple": ((), None, DataError, "x: expected at least one input, got an empty tuple"),
    "text": (np.array([["a"] * 3] * 9), None, DTypeError, "x: expected numbers, got an array of <U1"),
    "objects": (
        np.array([[1, 2], [3]], dtype=object), None, DTypeError,
        "x: expected numbers, got an array of object: pass sequences of unequal length as a list",
    ),
    "None": (None, None, DTypeError, "x: expected numbers, got an array of object"),
    "complex": (X + 1j, None, DTypeError, "x: expected numbers, got an array of complex64"),
    "nan": (
        changed(X, (3, 4, 1), np.nan), None, DataError,
        "x: expected finite float32, got nan at row 3, step 4, feature 1",
    ),
    "infinity": (
        changed(X, (8, 0, 2), -np.inf), None, DataError,
        "x: expected finite float32, got -inf at row 8, step 0, feature 2",
    ),
    "too large for the dtype": (
        changed(X.astype(float), (0, 1, 2), 1e300), None, DataError,
        "x: expected finite float32, got 1e+300 at row 0, step 1, feature 2",
    ),
    "nan in a valid step": (
        changed(X, (3, 2, 1), np.nan), LENGTHS, DataError,
        "x: expected finite float32, got nan at row 3, step 2, feature 1",
    ),
    "a long length": (
        X, changed(LENGTHS, 4, 6), ShapeError,
        "lengths: expected lengths from 0 to 5, got 6 at row 4",
    ),
    "a negative length": (
        X, changed(LENGTHS, 4, -1), ShapeError,
        "lengths: expected lengths from 0 to 5, got -1 at row 4",
    ),
    "a length missing": (
        X, LENGTHS[1:], ShapeError,
        "lengths: expected 9 lengths, one for each row, got shape (8,)",
    ),
    "fractional lengths": (
        X, LENGTHS / 2, DTypeError,
        "lengths: expected whole numbers as lengths, got float64",
    ),
    "lengths of several inputs": (
        X, (LENGTHS, LENGTHS), ShapeError,
        "lengths: expected lengths for 1 inputs, got 2",
    ),
    "lengths and a list": (
        ragged(1, 2), [1, 2], ArgumentError,
        "lengths follow from x, a list of sequences: pass no others",
    ),
    "a list of unequal features": (
        [np.zeros((2, 3)), np.zeros((2, 4))], None, ShapeError,
        "x: expected sequences (time, 3), got (2, 4) at index 1",
    ),
    "a list of uneven arrays": (
        [np.zeros((2, 3)), [[1], [2, 3]]], None, ShapeError,
        "x: expected rectangular arrays, got an uneven one at index 1",
    ),
    "a list of numbers of unequal count": (
        [[1, 2], [3]], None, ShapeError,
        "x: expected sequences (time, features) in a list, got rows of unequal length",
    ),
    "nan in a list": (
        [np.zeros((2, 3)), np.full((1, 3), np.nan)], None, DataError,
        "x: expected finite float32, got nan at row 1, step 0, feature 0",
    ),
    "several inputs": (
        (X, X), None, ShapeError,
        "Sequential: expected 1 inputs, got 2: a tuple is several inputs, a list is rows",
    ),
    "inputs of unequal count": (
        (X, X[:4]), None, ShapeError,
        "expected as many rows in all inputs, got 9 in x[0], 4 in x[1]",
    ),
}  # fmt: skip

BAD_Y: dict[str, tuple[Any, Any, type[LaminaError], str]] = {
    "another count": (
        classifier, Y[1:], ShapeError,
        "expected as many rows in x and y, got 9 in x, 8 in y",
    ),
    "a label too large": (
        classifier, changed(Y, 5, 4), DataError,
        "SoftmaxCrossEntropy: expected labels from 0 to 3, got 4 at index 5",
    ),
    "a negative label": (
        classifier, changed(Y, 5, -1), DataError,
        "SoftmaxCrossEntropy: expected labels from 0 to 3, got -1 at index 5",
    ),
    "labels of float": (
        classifier, Y / 1, DTypeError,
        "SoftmaxCrossEntropy: expected integer labels, got float64",
    ),
    "labels of another shape": (
        classifier, STEP_LABELS, ShapeError,
        "SoftmaxCrossEntropy: expected labels of shape (9,) or probabilities of shape (9, 4), got (9, 5)",
    ),
    "labels for too few steps": (
        tagger, STEP_LABELS[:, :4], ShapeError,
        "SoftmaxCrossEntropy: expected labels of shape (9, 5) or probabilities of shape (9, 5, 4), got (9, 4)",
    ),
    "a label in a step": (
        tagger, changed(STEP_LABELS, (4, 2), 7), DataError,
        "SoftmaxCrossEntropy: expected labels from 0 to 3, got 7 at index (4, 2)",
    ),
    "sequences of labels": (
        tagger, [row[: 5 - index % 2] for index, row in enumerate(STEP_LABELS)], ShapeError,
        "y: expected 5 steps at row 1, got 4",
    ),
    "None": (
        classifier, None, ArgumentError,
        "y: expected targets, got none: a list is rows, and iter(...) of it gives batches",
    ),
    "a single value": (classifier, 3, ShapeError, "y: expected a target for each row of x, got a single value"),
    "nan": (
        regressor, changed(np.zeros((9, 5, 2)), (2, 3, 1), np.nan), DataError,
        "y: expected finite float32, got nan at row 2, step 3, feature 1",
    ),
    "targets of another shape": (
        regressor, np.zeros((9, 5)), ShapeError,
        "MeanSquaredError: expected targets of shape (9, 5, 2), got (9, 5)",
    ),
}  # fmt: skip


def refuse(model: lamina.Layer, error: type[LaminaError], message: str, call: Any, *given: Any, **options: Any) -> None:
    """Prove that a call raises this error, and that nothing changed."""
    built = model.is_built
    before = model.state_dict() if built else {}
    attributes = [{**vars(layer), "_record": vars(layer._record.copy())} for _, layer in model.walk()]
    with pytest.raises(error) as caught:
        call(*given, **options)
    assert type(caught.value) is error
    assert str(caught.value) == message
    assert model.is_built is built
    if built:
        assert all(np.array_equal(before[name], array) for name, array in model.state_dict().items())
    assert [{**vars(layer), "_record": vars(layer._record.copy())} for _, layer in model.walk()] == attributes
    assert "training" not in model.facts


@pytest.mark.parametrize("case", BAD_X)
@pytest.mark.parametrize("way", ["fit", "evaluate", "predict", "validation"])
def test_x_that_does_not_fit(case: str, way: str, tmp_path: Any) -> None:
    x, lengths, error, message = BAD_X[case]
    model = classifier()
    trainer = lamina.Trainer(model, callbacks=[CSVLog(tmp_path / "new" / "log.csv")])
    steps = trainer.optimizer.steps
    # Where x has no rows to speak of, its error comes before that of y.
    count = len(x[0]) if isinstance(x, tuple) and x else len(x) if isinstance(x, (list, np.ndarray)) else 9
    y = np.zeros(count, int)
    if way == "fit":
        refuse(model, error, message, trainer.fit, x, y, lengths=lengths, verbose=False)
    elif way == "evaluate":
        refuse(model, error, message, trainer.evaluate, x, y, lengths=lengths)
    elif way == "predict":
        refuse(model, error, message, trainer.predict, x, lengths=lengths)
    else:
        data = (x, y) if lengths is None else (x, y, lengths)
        refuse(model, error, f"validation data: {message}", trainer.fit, X, Y, validation_data=data, verbose=False)
    assert list(tmp_path.iterdir()) == []
    assert trainer.optimizer.steps == steps
    assert len(trainer.history) == 0


@pytest.mark.parametrize("case", BAD_Y)
@pytest.mark.parametrize("way", ["fit", "unbuilt", "evaluate", "validation"])
def test_y_that_does_not_fit(case: str, way: str) -> None:
    make, y, error, message = BAD_Y[case]
    loss = "mean_squared_error" if make is regressor else "softmax_cross_entropy"
    good = {classifier: Y, tagger: STEP_LABELS, regressor: np.zeros((9, 5, 2))}[make]
    model = make(way != "unbuilt")
    trainer = lamina.Trainer(model, loss)
    if way == "evaluate":
        refuse(model, error, message, trainer.evaluate, X, y)
    elif way == "validation":
        refuse(model, error, f"validation data: {message}", trainer.fit, X, good, validation_data=(X, y), verbose=False)
    else:
        refuse(model, error, message, trainer.fit, X, y, verbose=False)
    # It trains once the data are right: nothing of the failed attempt is left.
    assert len(trainer.fit(X, good, epochs=1, verbose=False)) == 1


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "3", None])
@pytest.mark.parametrize("name", ["epochs", "batch_size"])
def test_counts_are_positive_whole_numbers(name: str, value: Any) -> None:
    if name == "batch_size" and value is None:
        return  # the default
    model = classifier()
    trainer = lamina.Trainer(model)
    message = f"Trainer: expected {name} to be a whole number of 1 or more, got {value!r}"
    refuse(model, ArgumentError, message, trainer.fit, X, Y, **{name: value})
    if name == "batch_size":
        refuse(model, ArgumentError, message, trainer.evaluate, X, Y, batch_size=value)
        refuse(model, ArgumentError, message, trainer.predict, X, batch_size=value)


@pytest.mark.parametrize(("given", "got"), [(X, "ndarray"), ((X,), "1 values"), (3, "int")])
def test_validation_data_are_two_or_three_values(given: Any, got: str) -> None:
    model = classifier()
    message = f"validation data: expected (x, y), (x, y, lengths) or (x, y, lengths, sample_weight), got {got}"
    refuse(model, ArgumentError, message, lamina.Trainer(model).fit, X, Y, validation_data=given)


def test_validation_data_must_have_the_features_of_the_training_data() -> None:
    model = classifier(built=False)
    message = "validation data: Sequential: expected last axis 3, got (9, 5, 2)"
    refuse(model, ShapeError, message, lamina.Trainer(model).fit, X, Y, validation_data=(X[..., :2], Y))


def test_lengths_need_a_time_axis() -> None:
    model = Dense(4)
    model.build((None, 3), seed=0)
    message = "lengths: expected an x with a time axis, got (9, 3)"
    refuse(model, ShapeError, message, lamina.Trainer(model).fit, X[:, 0], Y, lengths=np.ones(9, int))


def test_a_model_that_is_not_built_says_so() -> None:
    for call in (
        lambda trainer: trainer.evaluate(X, Y),
        lambda trainer: trainer.predict(X),
    ):
        with pytest.raises(NotBuiltError, match="Sequential is not built"):
            call(lamina.Trainer(classifier(built=False)))


def test_a_loss_that_cannot_leave_out_steps_is_found_before_training() -> None:
    class Total(Loss):
        def forward(self, prediction: Any, target: Any) -> Any:
            return prediction.sum(), None

        def backward(self, saved: Any) -> Any:
            raise NotImplementedError

    model = tagger()
    message = "Total takes no lengths: it cannot leave out steps"
    refuse(model, ArgumentError, message, lamina.Trainer(model, Total()).fit, X, STEP_LABELS, lengths=LENGTHS)
    assert lamina.Trainer(model, Total()).evaluate(X, STEP_LABELS)["loss"] != 0


@pytest.mark.parametrize("built", [True, False])
def test_a_model_of_several_outputs_is_not_trained(built: bool) -> None:
    model = SimpleRNN(4, return_state=True)
    if built:
        model.build((None, None, 3), seed=0)
    message = "Trainer: expected a model with one output, got 2: (9, 4), (9, 4): give a loss, or None, for each"
    refuse(model, ShapeError, message, lamina.Trainer(model).fit, X, Y)
    if built:
        refuse(model, ShapeError, message, lamina.Trainer(model).evaluate, X, Y)
        assert [array.shape for array in lamina.Trainer(model).predict(X)] == [(9, 4), (9, 4)]


def dense_first(built: bool = True) -> lamina.Layer:
    """A model whose first layer looks at padding too, and multiplies it by a gradient of 0."""
    model = lamina.Sequential(Dense(4), *regressor(built=False).layers)
    if built:
        model.build((None, None, 3), seed=0)
    return model


@pytest.mark.parametrize("make", [regressor, dense_first])
@pytest.mark.parametrize("filler", [np.nan, np.inf, 7.0])
def test_padding_may_hold_anything(filler: float, make: Any) -> None:
    """NaN in padding is neither refused nor trained on: weights and figures are those of zeros."""
    valid = np.arange(5) < LENGTHS[:, None]
    x, y = X * valid[..., None], RNG.normal(size=(9, 5, 2)) * valid[..., None]
    dirty_x, dirty_y = np.where(valid[..., None], x, filler), np.where(valid[..., None], y, filler)
    model, twin = make(), make()
    found = lamina.Trainer(model, "mean_squared_error", metrics="mean_absolute_error").fit(
        dirty_x, dirty_y, lengths=LENGTHS, epochs=2, validation_data=(dirty_x, dirty_y, LENGTHS), verbose=False
    )
    wanted = lamina.Trainer(twin, "mean_squared_error", metrics="mean_absolute_error").fit(
        x, y, lengths=LENGTHS, epochs=2, validation_data=(x, y, LENGTHS), verbose=False
    )
    for key in ("loss", "mean_absolute_error", "val_loss", "val_mean_absolute_error"):
        assert found[key] == wanted[key]
    assert all(np.array_equal(array, twin.state_dict()[name]) for name, array in model.state_dict().items())
    assert (np.isnan(dirty_x).any(), np.isinf(dirty_x).any()) == (np.isnan(filler), np.isinf(filler))


def test_labels_in_padding_may_be_anything() -> None:
    labels = np.where(np.arange(5) < LENGTHS[:, None], STEP_LABELS, -99)
    history = lamina.Trainer(tagger(), metrics="accuracy").fit(X, labels, lengths=LENGTHS, epochs=1, verbose=False)
    wanted = lamina.Trainer(tagger(), metrics="accuracy").fit(X, STEP_LABELS, lengths=LENGTHS, epochs=1, verbose=False)
    assert history["loss"] == wanted["loss"]
    assert history["accuracy"] == wanted["accuracy"]


def test_nothing_is_copied_that_need_not_be() -> None:
    data = checked_for(classifier(), read_data(classifier(), X, Y))
    assert np.shares_memory(data.inputs[0], X)
    assert np.shares_memory(data.target, Y)


def test_a_large_array_is_looked_at_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamina.data.arrays._CHUNK", 30)  # two rows of 5 x 3
    model = classifier()
    for row in range(9):
        with pytest.raises(DataError, match=rf"got nan at row {row}, step 2, feature 1$"):
            lamina.Trainer(model).predict(changed(X, (row, 2, 1), np.nan))
        if LENGTHS[row] > 2:
            with pytest.raises(DataError, match=rf"got nan at row {row}, step 2, feature 1$"):
                lamina.Trainer(model).predict(changed(X, (row, 2, 1), np.nan), lengths=LENGTHS)
        else:
            lamina.Trainer(model).predict(changed(X, (row, 2, 1), np.nan), lengths=LENGTHS)


class Embedding(lamina.Layer):
    """The smallest layer that takes integers."""

    takes_integers = True

    def build(self, shape: Any) -> Any:
        self.table = lamina.Parameter((10, 3), "glorot_uniform")
        return (*shape, 3)

    def check_input(self, index: int, array: Any, shape: Any) -> None:
        pass

    def forward(self, x: Any) -> Any:
        return self.table.data[x], x

    def backward(self, dy: Any, saved: Any) -> Any:
        np.add.at(self.table.grad, saved, dy)


def test_integers_stay_integers_where_they_are_meant() -> None:
    tokens = RNG.integers(0, 10, (9, 5))
    model = lamina.Sequential(Embedding(), SimpleRNN(4), Dense(4))
    trainer = lamina.Trainer(model)
    trainer.fit(tokens, Y, lengths=LENGTHS, epochs=1, verbose=False)
    assert model.input_shapes == ((None, None),)
    rows = [row[:length].tolist() for row, length in zip(tokens, LENGTHS, strict=True)]
    assert np.array_equal(trainer.predict(rows), trainer.predict(tokens, lengths=LENGTHS))
    with pytest.raises(ShapeError, match=r"^x: expected \(batch, time\), got \(\)$"):
        trainer.predict(np.array(3))
    # Elsewhere integers are numbers like others.
    assert lamina.Trainer(classifier()).predict(np.ones((2, 5, 3), int)).dtype == np.float32


def test_a_fixed_size_that_matters_is_checked() -> None:
    model = lamina.Sequential(Flatten(), Dense(4))
    model.build((None, 5, 3), seed=0)
    trainer = lamina.Trainer(model)
    message = "Dense '1': already built for input (None, 15); input (None, 12) would change 'w' from (15, 4) to (12, 4)"
    refuse(model, ShapeError, message, trainer.fit, X[:, :4], Y)
    refuse(model, ShapeError, message, trainer.predict, X[:, :4])
    # One that does not matter is none.
    model = lamina.Sequential(SimpleRNN(5, return_sequences=True), Dense(4))
    model.build((None, 5, 3), seed=0)
    assert lamina.Trainer(model).evaluate(X[:, :4], STEP_LABELS[:, :4])["loss"] > 0


def test_label_sequences_of_their_own_lengths_train_with_ctc():
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((steps, 3)) for steps in (9, 6, 8, 7)]
    y = [[1, 2], [2], [], [1, 1, 2]]
    padded = np.array([[1, 2, -1], [2, -1, -1], [-1, -1, -1], [1, 1, 2]])
    losses = []
    for target in (y, padded):
        model = lamina.Sequential(lamina.layers.SimpleRNN(4, return_sequences=True), lamina.layers.Dense(3))
        trainer = lamina.Trainer(model, "ctc", "sgd")
        losses.append(trainer.fit(x, target, epochs=3, verbose=False)["loss"])
    assert losses[0] == losses[1] and losses[0][2] < losses[0][0]


class Beside(lamina.Composite):
    """A sequence, and what has no time axis."""

    def __init__(self) -> None:
        self.encoder, self.head = SimpleRNN(4), Dense(3)

    def compose(self, t: Any, a: Any, b: Any) -> Any:
        return t(self.head, t.concatenate(t(self.encoder, a), b))


def test_a_sequence_and_what_has_no_time_axis() -> None:
    """Beside each row by itself, cut to its steps."""
    rng = np.random.default_rng(1)
    steps, beside, y = rng.standard_normal((7, 5, 2)), rng.standard_normal((7, 3)), np.arange(7) % 3
    lengths = np.array([5, 1, 4, 3, 2, 5, 1])
    dirty = steps.copy()
    dirty[np.arange(5) >= lengths[:, None]] = np.nan
    model = Beside()
    model.build((None, None, 2), (None, 3), seed=0, dtype="float64")
    trainer = lamina.Trainer(model, optimizer=lambda parameters: lamina.optimizers.SGD(parameters, lr=0.1))
    logits = np.concatenate([model(steps[i : i + 1, :n], beside[i : i + 1]) for i, n in enumerate(lengths)])
    shifted = logits - logits.max(axis=1, keepdims=True)
    wanted = (np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(7), y]).mean()
    listed = [row[:n] for row, n in zip(steps, lengths, strict=True)]
    ways: list[Any] = [((dirty, beside), (lengths, None)), ((dirty, beside), lengths), ((listed, beside), None)]
    for x, given in ways:
        np.testing.assert_allclose(trainer.predict(x, lengths=given, batch_size=3), logits, rtol=1e-12)
        assert trainer.evaluate(x, y, lengths=given, batch_size=3)["loss"] == pytest.approx(wanted, rel=1e-12)
    np.testing.assert_allclose(model(steps, beside, lengths=(lengths, None)), logits, rtol=1e-12)
    weights, found = model.state_dict(), []
    for x, given in ways:
        model.load_state_dict(weights)
        history = trainer.fit(
            x, y, lengths=given, epochs=1, batch_size=7, shuffle=False, verbose=False, validation_data=(x, y, given)
        )
        assert history["loss"] == pytest.approx([wanted], rel=1e-12)
        assert history["val_loss"][0] < wanted
        found.append(history["val_loss"][0])
    assert found == pytest.approx([found[0]] * 3, rel=1e-12)
    wrong: list[Any] = [(lengths, lengths), (lengths,), (lengths, None, None)]
    for given in wrong:
        with pytest.raises(ShapeError, match=r"^lengths: expected "):
            trainer.predict((steps, beside), lengths=given)
