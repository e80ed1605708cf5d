import doctest
import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import get_backend
from lamina.backends.numpy.backend import NumPyBackend
from lamina.callbacks import Callback
from lamina.errors import ArgumentError, DataError, NotBuiltError, UnknownNameError
from lamina.layers import GRU, Dense, LastStep, SimpleRNN, Tanh
from lamina.losses import MeanSquaredError, SoftmaxCrossEntropy
from lamina.optimizers import SGD, AdaGrad
from lamina.testing import register_strict_backend
from lamina.train import trainer as module

RNG = np.random.default_rng(0)
X = RNG.normal(size=(23, 6, 3))
Y = RNG.integers(0, 4, 23)
LENGTHS = RNG.integers(0, 7, 23)
STEP_LABELS = RNG.integers(0, 4, (23, 6))


def classifier(seed: int | None = 0) -> lamina.Sequential:
    model = lamina.Sequential(SimpleRNN(5), Dense(4))
    if seed is not None:
        model.build((None, None, 3), seed=seed)
    return model


def tagger(seed: int | None = 0) -> lamina.Sequential:
    model = lamina.Sequential(SimpleRNN(5, return_sequences=True), Dense(4))
    if seed is not None:
        model.build((None, None, 3), seed=seed)
    return model


def same(one: lamina.Layer, other: lamina.Layer) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return list(first) == list(second) and all(np.array_equal(first[name], second[name]) for name in first)


def without_seconds(history: lamina.History) -> dict[str, list[float]]:
    return {key: history[key] for key in history if key != "seconds"}


def bare_loop(
    model: lamina.Layer,
    x: Any,
    y: Any,
    lengths: Any = None,
    *,
    epochs: int,
    batch_size: int,
    steps: bool = False,
    shuffle: bool = True,
    seed: int = 0,
) -> tuple[list[float], list[float]]:
    """What a person would write by hand; returns each epoch's loss and accuracy."""
    loss, optimizer = SoftmaxCrossEntropy(), AdaGrad(model.parameters())
    order = np.random.default_rng(seed)
    losses, accuracies = [], []
    for _ in range(epochs):
        rows = order.permutation(len(x)) if shuffle else np.arange(len(x))
        total, hits, counted = 0.0, 0, 0
        for start in range(0, len(x), batch_size):
            pick = rows[start : start + batch_size]
            own = None if lengths is None else lengths[pick]
            optimizer.zero_grad()
            prediction, saved = model.forward(x[pick].astype("float32"), lengths=own)
            value, loss_saved = loss.forward(prediction, y[pick], lengths=own if steps else None)
            model.backward(loss.backward(loss_saved), saved)
            optimizer.step()
            hit = prediction.argmax(axis=-1) == y[pick]
            valid = np.ones(hit.shape, bool)
            if steps and own is not None:
                valid = np.arange(hit.shape[1]) < own[:, None]
            total += float(value) * int(valid.sum())
            hits, counted = hits + int(hit[valid].sum()), counted + int(valid.sum())
        losses.append(total / counted)
        accuracies.append(hits / counted)
    return losses, accuracies


def test_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("ragged", [True, False])
@pytest.mark.parametrize("steps", [True, False])
def test_fit_is_the_loop_one_would_write(steps: bool, ragged: bool, shuffle: bool) -> None:
    make, y = (tagger, STEP_LABELS) if steps else (classifier, Y)
    lengths = LENGTHS if ragged else None
    model, twin = make(), make()
    history = lamina.Trainer(model, metrics=["accuracy"]).fit(
        X, y, lengths=lengths, epochs=3, batch_size=5, shuffle=shuffle, verbose=False
    )
    losses, accuracies = bare_loop(twin, X, y, lengths, epochs=3, batch_size=5, steps=steps, shuffle=shuffle)
    assert same(model, twin)
    assert history["loss"] == losses
    assert history["accuracy"] == accuracies
    assert history["learning_rate"] == [0.01] * 3
    assert all(seconds > 0 for seconds in history["seconds"])


def test_fit_is_gradient_descent_in_plain_numpy() -> None:
    x, y = RNG.normal(size=(10, 3)), RNG.normal(size=(10, 2))
    model = Dense(2)
    model.build((None, 3), dtype="float64", seed=1)
    w, b = model.w.numpy(), model.b.numpy()
    trainer = lamina.Trainer(model, "mean_squared_error", lambda parameters: SGD(parameters, lr=0.1))
    history = trainer.fit(x, y, epochs=2, batch_size=4, shuffle=False, verbose=False)
    losses = []
    for _ in range(2):
        total = 0.0
        for rows in (slice(0, 4), slice(4, 8), slice(8, 10)):
            error = x[rows] @ w + b - y[rows]
            total += (error**2).sum() / 2
            gradient = 2 * error / error.size
            w, b = w - 0.1 * x[rows].T @ gradient, b - 0.1 * gradient.sum(axis=0)
        losses.append(total / 10)
    np.testing.assert_allclose(model.w.numpy(), w, rtol=1e-13)
    np.testing.assert_allclose(model.b.numpy(), b, rtol=1e-13)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-13)
    assert trainer.evaluate(x, y)["loss"] == pytest.approx(((x @ w + b - y) ** 2).mean(), rel=1e-13)


def test_the_same_seed_is_the_same_run() -> None:
    def run(seed: int, *epochs: int) -> tuple[lamina.Layer, list[dict[str, list[float]]]]:
        model = classifier(None)
        trainer = lamina.Trainer(model, metrics="accuracy", seed=seed)
        return model, [
            without_seconds(
                trainer.fit(X, Y, lengths=LENGTHS, epochs=each, batch_size=5, validation_data=(X, Y), verbose=False)
            )
            for each in epochs
        ]

    (model, figures), (twin, twin_figures) = run(3, 4), run(3, 4)
    assert same(model, twin)
    assert figures == twin_figures
    assert model.facts == twin.facts
    assert not same(model, run(4, 4)[0])
    # A second fit goes on with the generator: two runs of two epochs are one of four.
    halves, (first, second) = run(3, 2, 2)
    assert same(model, halves)
    assert first["loss"] + second["loss"] == figures[0]["loss"]


def test_validation_figures_are_those_of_evaluate() -> None:
    x, y, lengths = RNG.normal(size=(300, 7, 3)), RNG.integers(0, 4, 300), RNG.integers(0, 8, 300)
    trainer = lamina.Trainer(classifier(), metrics=["accuracy"])
    history = trainer.fit(X, Y, epochs=2, validation_data=(x, y, lengths), verbose=False)
    assert list(history) == ["loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"]
    assert trainer.evaluate(x, y, lengths=lengths) == {
        "loss": history["val_loss"][-1],
        "accuracy": history["val_accuracy"][-1],
    }


def test_evaluate_does_not_depend_on_the_batch_size() -> None:
    trainer = lamina.Trainer(classifier(), metrics=["accuracy"])
    whole = trainer.evaluate(X, Y, lengths=LENGTHS)
    prediction = trainer.model(X, lengths=LENGTHS)
    assert whole["accuracy"] == (prediction.argmax(axis=1) == Y).mean()
    shifted = prediction.astype(float) - prediction.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    assert whole["loss"] == pytest.approx(-logs[np.arange(23), Y].mean(), rel=1e-6)
    for batch_size in (1, 5, 23):
        found = trainer.evaluate(X, Y, lengths=LENGTHS, batch_size=batch_size)
        assert found["accuracy"] == whole["accuracy"]
        assert found["loss"] == pytest.approx(whole["loss"], rel=1e-6)


@pytest.mark.parametrize("make", [classifier, tagger])
def test_predict_is_the_model_called(make: Any) -> None:
    trainer = lamina.Trainer(make())
    wanted = trainer.model(X, lengths=LENGTHS)
    for batch_size in (4, 256):
        found = trainer.predict(X, lengths=LENGTHS, batch_size=batch_size)
        assert isinstance(found, np.ndarray)
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    assert trainer.predict(X[:1]).shape == wanted[:1].shape


def test_what_predict_returns_is_the_callers_own() -> None:
    class Same(lamina.Layer):
        def build(self, shape: Any) -> Any:
            return shape

        def forward(self, x: Any) -> Any:
            return x, None

        def backward(self, dy: Any, saved: Any) -> Any:
            return dy

    model, x = Same(), np.ones((2, 3), np.float32)
    model.build((None, 3))
    lamina.Trainer(model).predict(x)[...] = 5
    assert (x == 1).all()


def test_sequences_of_unequal_length_are_taken_as_they_are() -> None:
    rows = [row[:length] for row, length in zip(X, LENGTHS, strict=True)]
    model, twin = classifier(None), classifier(None)
    padded, lengths = lamina.pad(rows)
    listed, given = lamina.Trainer(model), lamina.Trainer(twin)
    history = listed.fit(rows, list(Y), epochs=2, validation_data=(rows, list(Y)), verbose=False)
    wanted = given.fit(padded, Y, lengths=lengths, epochs=2, validation_data=(padded, Y, lengths), verbose=False)
    assert without_seconds(history) == without_seconds(wanted)
    assert same(model, twin)
    assert np.array_equal(listed.predict(rows), given.predict(padded, lengths=lengths))
    assert listed.evaluate(rows, Y) == given.evaluate(padded, Y, lengths=lengths)
    assert model.input_shapes == ((None, None, 3),)


def test_targets_may_be_sequences_too() -> None:
    rows = [row[:length] for row, length in zip(X, LENGTHS, strict=True)]
    labels = [row[:length] for row, length in zip(STEP_LABELS, LENGTHS, strict=True)]
    model, twin = tagger(), tagger()
    found = lamina.Trainer(model).fit(rows, labels, epochs=2, verbose=False)
    wanted = lamina.Trainer(twin).fit(X, STEP_LABELS, lengths=LENGTHS, epochs=2, verbose=False)
    assert found["loss"] == pytest.approx(wanted["loss"], rel=1e-6)
    # The time axis of x may be longer than its longest row.
    lengths = np.minimum(LENGTHS, 4)
    short = [row[:length] for row, length in zip(STEP_LABELS, lengths, strict=True)]
    one = lamina.Trainer(tagger()).evaluate(X, short, lengths=lengths)
    assert one == lamina.Trainer(tagger()).evaluate(X, STEP_LABELS, lengths=lengths)
    full = lamina.Trainer(tagger()).evaluate(X, [row[:4] for row in STEP_LABELS], lengths=np.full(23, 4))
    assert full == lamina.Trainer(tagger()).evaluate(X, STEP_LABELS, lengths=np.full(23, 4))


class Compare(lamina.Composite):
    def __init__(self, several: bool = False) -> None:
        self.several = several
        self.encoder, self.join, self.head = SimpleRNN(4), lamina.Concat(), Dense(2)

    def compose(self, t: Any, a: Any, b: Any) -> Any:
        left, right = t(self.encoder, a), t(self.encoder, b)
        joined = t(self.head, t(self.join, left, right))
        return (joined, left) if self.several else joined


def test_several_inputs_are_a_tuple() -> None:
    a, b, y = RNG.normal(size=(9, 4, 3)), RNG.normal(size=(9, 5, 3)), np.arange(9) % 2
    lengths = (np.arange(9) % 5, None)
    model, twin = Compare(), Compare()
    trainer = lamina.Trainer(model)
    history = trainer.fit((a, b), y, lengths=lengths, epochs=1, batch_size=9, shuffle=False, verbose=False)
    twin.build((None, None, 3), (None, None, 3), seed=0)
    prediction, saved = twin.forward(a.astype("float32"), b.astype("float32"), lengths=lengths)
    loss, optimizer = SoftmaxCrossEntropy(), AdaGrad(twin.parameters())
    value, loss_saved = loss.forward(prediction, y)
    twin.backward(loss.backward(loss_saved), saved)
    optimizer.step()
    assert same(model, twin)
    assert history["loss"] == [float(value)]
    rows = [row[:length] for row, length in zip(a, lengths[0], strict=True)]
    assert np.array_equal(trainer.predict((rows, b)), twin(a, b, lengths=lengths))
    both = np.full(9, 4)
    assert np.array_equal(trainer.predict((a, b), lengths=both), twin(a, b, lengths=both))


def test_several_outputs_can_be_predicted() -> None:
    model = Compare(several=True)
    model.build((None, None, 3), (None, None, 3), seed=0)
    a, b = RNG.normal(size=(9, 4, 3)), RNG.normal(size=(9, 5, 3))
    found = lamina.Trainer(model).predict((a, b), batch_size=4)
    assert [array.shape for array in found] == [(9, 2), (9, 4)]
    for array, wanted in zip(found, model(a, b), strict=True):
        np.testing.assert_allclose(array, wanted, rtol=1e-5, atol=1e-6)


def test_a_loss_that_leaves_out_labels_tells_the_accuracy() -> None:
    y = np.where(np.arange(23) < 9, -1, Y)
    trainer = lamina.Trainer(classifier(), SoftmaxCrossEntropy(ignore_index=-1), metrics="accuracy")
    found = trainer.evaluate(X, y)
    assert found == {
        "loss": pytest.approx(trainer.evaluate(X[9:], y[9:])["loss"]),
        "accuracy": trainer.evaluate(X[9:], y[9:])["accuracy"],
    }


def test_functions_are_metrics() -> None:
    def spread(prediction: Any, target: Any) -> float:
        assert type(prediction) is np.ndarray is type(target)
        return float(prediction.max())

    trainer = lamina.Trainer(classifier(), metrics=[spread, "accuracy"])
    history = trainer.fit(X, Y, epochs=1, validation_data=(X, Y), verbose=False)
    assert list(history)[:6] == ["loss", "spread", "accuracy", "val_loss", "val_spread", "val_accuracy"]
    assert history["val_spread"] == [float(trainer.predict(X).max())]


def test_a_callback_may_evaluate_while_an_epoch_is_being_counted() -> None:
    class Evaluate(Callback):
        def on_step_end(self, trainer: lamina.Trainer, epoch: int, step: int, loss: Any) -> None:
            trainer.evaluate(X, Y)

    plain = lamina.Trainer(classifier(), metrics="accuracy").fit(X, Y, epochs=2, batch_size=5, verbose=False)
    nosy = lamina.Trainer(classifier(), metrics="accuracy", callbacks=Evaluate())
    assert without_seconds(nosy.fit(X, Y, epochs=2, batch_size=5, verbose=False)) == without_seconds(plain)


def test_one_hot_targets_and_lists_of_numbers_train_alike() -> None:
    histories = [
        lamina.Trainer(classifier(), metrics="accuracy").fit(x, y, epochs=2, verbose=False)
        for x, y in ((X, Y), (X.tolist(), Y.tolist()), (X.astype("float32"), np.eye(4)[Y]))
    ]
    for history in histories[1:]:
        assert history["loss"] == pytest.approx(histories[0]["loss"], rel=1e-6)
        assert history["accuracy"] == histories[0]["accuracy"]


def test_the_facts_say_how_the_model_was_trained() -> None:
    model = classifier()
    trainer = lamina.Trainer(model, optimizer=SGD(model.parameters(), lr=0.5), metrics="accuracy", seed=7)
    history = trainer.fit(X, Y, epochs=2, batch_size=8, verbose=False)
    assert model.facts["training"] == {
        "epochs": 2,
        "steps": 6,
        "batch_size": 8,
        "seed": 7,
        "loss": "SoftmaxCrossEntropy()",
        "optimizer": "SGD(lr=0.5)",
        "history": {"loss": history["loss"][1], "accuracy": history["accuracy"][1], "learning_rate": 0.5},
        "lamina": lamina.__version__,
    }
    assert json.loads(json.dumps(model.facts)) == model.facts


@pytest.mark.parametrize("way", ["fit", "evaluate"])
def test_the_loss_runs_the_models_kernels_and_keeps_nothing_of_it(way: str) -> None:
    """Three backends have NumPy's arrays: the prediction alone does not tell whose kernels are to run."""
    ran: list[str] = []

    class Other(Device):
        def softmax_cross_entropy_forward(self, *arguments: Any, **options: Any) -> Any:
            ran.append(self.name)
            return super().softmax_cross_entropy_forward(*arguments, **options)

        def softmax_cross_entropy_backward(self, saved: Any) -> Any:
            return super().softmax_cross_entropy_backward(saved)

    loss, model = SoftmaxCrossEntropy(), lamina.Sequential(SimpleRNN(5), Dense(4))
    model.build((None, None, 3), seed=0, backend=Other())
    trainer, before = lamina.Trainer(model, loss), vars(loss).copy()
    if way == "fit":
        trainer.fit(X, Y, epochs=1, batch_size=len(X), verbose=False)
    else:
        trainer.evaluate(X, Y)
    assert ran == ["test-device"]
    assert vars(loss) == before and loss.backend is None
    logits = np.random.default_rng(0).normal(size=(6, 4))
    odds = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert loss(logits, [0, 1, 2, 3, 0, 1]) == pytest.approx(-np.log(odds[range(6), [0, 1, 2, 3, 0, 1]]).mean())
    assert ran == ["test-device"]
    loss.backend = get_backend("reference")  # a setting of a user's is heeded, and stays
    trainer.evaluate(X, Y)
    assert ran == ["test-device"]
    assert loss.backend is get_backend("reference")


def test_trainers_on_several_backends_share_a_loss_in_threads() -> None:
    register_strict_backend()
    loss, alone = SoftmaxCrossEntropy(), {}
    names = ["numpy", "reference", "array-api-strict", "numpy", "reference", "array-api-strict"]

    def fit(name: str) -> list[float]:
        model = lamina.Sequential(SimpleRNN(5), Dense(4))
        model.build((None, None, 3), seed=0, backend=name, dtype="float64")
        return lamina.Trainer(model, loss).fit(X, Y, epochs=3, batch_size=5, verbose=False)["loss"]

    for name in names[:3]:
        alone[name] = fit(name)
    with ThreadPoolExecutor(len(names)) as pool:
        ran = list(pool.map(fit, names))
    assert ran == [alone[name] for name in names]
    np.testing.assert_allclose(ran, [ran[0]] * len(names), rtol=1e-12)


class Device(NumPyBackend):
    """A backend that counts how often it is waited for."""

    name = "test-device"
    on_host = False
    waits = 0

    def item(self, scalar: Any) -> float:
        type(self).waits += 1
        return super().item(scalar)

    def to_numpy(self, array: Any) -> Any:
        type(self).waits += 1
        return super().to_numpy(array)


def test_a_device_is_waited_for_once_an_epoch_and_figure() -> None:
    device = Device()
    model = lamina.Sequential(SimpleRNN(5, return_sequences=True), Dense(4))
    model.build((None, None, 3), seed=0, backend=device)
    trainer = lamina.Trainer(model, metrics=["accuracy"])
    Device.waits = 0
    history = trainer.fit(X, STEP_LABELS, lengths=LENGTHS, epochs=2, batch_size=1, verbose=False)
    assert Device.waits <= 2 * 3  # loss, hits and count of each epoch; not one of the 46 steps
    losses, accuracies = bare_loop(tagger(), X, STEP_LABELS, LENGTHS, epochs=2, batch_size=1, steps=True)
    assert history["loss"] == pytest.approx(losses, rel=1e-12)
    assert history["accuracy"] == accuracies


def test_data_are_converted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    class Look(Callback):
        def on_step_end(self, trainer: lamina.Trainer, epoch: int, step: int, loss: Any) -> None:
            seen.append(np.shares_memory(last[-1], x))

    last: list[Any] = []
    real = NumPyBackend.asarray

    def asarray(self: Any, value: Any, dtype: Any = None) -> Any:
        if getattr(value, "ndim", 0) == 3:
            last.append(value)
        return real(self, value, dtype)

    monkeypatch.setattr(NumPyBackend, "asarray", asarray)
    x = X.astype("float32")
    x.flags.writeable = False
    lamina.Trainer(classifier(), callbacks=[Look()]).fit(x, Y, shuffle=False, epochs=2, batch_size=5, verbose=False)
    assert seen == [True] * 10


def test_gradients_of_frozen_parameters_do_not_grow() -> None:
    model = classifier()
    head = SGD(model.layers[1].parameters(), lr=0.1)
    before = model.layers[0].state_dict()
    lamina.Trainer(model, optimizer=head).fit(X, Y, epochs=3, batch_size=23, shuffle=False, verbose=False)
    after = model.layers[0].state_dict()
    assert all(np.array_equal(before[name], after[name]) for name in before)
    grown = model.layers[0].w_x.grad.copy()
    lamina.Trainer(model, optimizer=SGD(model.layers[1].parameters(), lr=1e-30)).fit(
        X, Y, epochs=9, batch_size=23, shuffle=False, verbose=False
    )
    assert np.abs(model.layers[0].w_x.grad).max() < 2 * np.abs(grown).max()


def test_optimizers_by_name_object_and_function() -> None:
    model = classifier(None)
    trainer = lamina.Trainer(model, optimizer="ada-grad")
    with pytest.raises(NotBuiltError):
        _ = trainer.optimizer
    trainer.fit(X, Y, epochs=1, verbose=False)
    optimizer = trainer.optimizer
    assert isinstance(optimizer, AdaGrad)
    trainer.fit(X, Y, epochs=1, verbose=False)
    assert trainer.optimizer is optimizer
    assert optimizer.steps == 2  # its state goes on
    own = SGD(model.parameters(), lr=0.2)
    assert lamina.Trainer(model, optimizer=own).optimizer is own
    assert isinstance(lamina.Trainer(model, optimizer=SGD).optimizer, SGD)
    assert repr(lamina.Trainer(model, optimizer=own, metrics="accuracy")) == (
        "<Trainer: SoftmaxCrossEntropy(), SGD(lr=0.2), metrics ['accuracy']>"
    )


def test_parts_that_do_not_fit_are_refused() -> None:
    model = classifier()
    with pytest.raises(UnknownNameError, match=r"^unknown loss 'softmax_crossentropie': did you mean"):
        lamina.Trainer(model, "softmax_crossentropie")
    with pytest.raises(UnknownNameError, match=r"^unknown optimizer 'adagradd': did you mean 'AdaGrad'"):
        lamina.Trainer(model, optimizer="adagradd")
    with pytest.raises(ArgumentError, match=r"^Trainer: the SGD is over parameters of another model: "):
        lamina.Trainer(model, optimizer=SGD(classifier().parameters()))
    with pytest.raises(ArgumentError, match=r"^Trainer: the SGD is over parameters of another model: "):
        lamina.Trainer(classifier(None), optimizer=SGD(model.parameters()))
    changed = lamina.Trainer(model, optimizer=SGD(model.parameters()))
    changed.model = classifier()
    with pytest.raises(ArgumentError, match=r"^Trainer: the SGD is over parameters of another model: "):
        changed.fit(X, Y, verbose=False)
    wrong = lamina.Trainer(model, optimizer=lambda parameters: SGD(classifier().parameters()))
    with pytest.raises(ArgumentError, match=r"^Trainer: the SGD is over parameters of another model: "):
        wrong.fit(X, Y, verbose=False)
    with pytest.raises(ArgumentError, match=r"^Trainer: expected optimizer to be an Optimizer, got 3$"):
        lamina.Trainer(model, optimizer=lambda parameters: 3).fit(X, Y, verbose=False)
    for wanted, arguments in {
        "expected model to be a Layer, got 3": {"model": 3},
        "expected model to be a Layer, got <class '.*Dense'>: write Dense(...)": {"model": Dense},
        "expected loss to be a Loss, got 3": {"loss": 3},
        "expected loss to be a Loss, got <class '.*MeanSquaredError'>: write MeanSquaredError(...)": {
            "loss": MeanSquaredError
        },
        "expected an optimizer, its name or a function, got 3": {"optimizer": 3},
        "expected each callback to be a Callback, got 3": {"callbacks": [3]},
        "expected seed to be a whole number of 0 or more, got -1": {"seed": -1},
        "expected seed to be a whole number of 0 or more, got 1.5": {"seed": 1.5},
    }.items():
        with pytest.raises(ArgumentError) as caught:
            lamina.Trainer(**({"model": model} | arguments))  # type: ignore[arg-type]
        assert re.fullmatch("Trainer: " + wanted.replace("(...)", r"\(...\)"), str(caught.value))


def test_a_model_without_parameters_evaluates_but_does_not_train() -> None:
    model = Tanh()
    model.build((None, 4))
    trainer = lamina.Trainer(model)
    assert set(trainer.evaluate(X[:, 0, [0, 1, 2, 0]], Y)) == {"loss"}
    with pytest.raises(NotBuiltError, match="the model has no parameters"):
        trainer.fit(X[:, 0, [0, 1, 2, 0]], Y, verbose=False)


def test_training_learns() -> None:
    data = lamina.datasets.digits()
    model = lamina.Sequential(SimpleRNN(32, return_sequences=True), LastStep(), Dense(10))
    trainer = lamina.Trainer(model, optimizer=lambda parameters: AdaGrad(parameters, lr=0.05), metrics="accuracy")
    history = trainer.fit(data.x_train, data.y_train, epochs=6, verbose=False)
    assert history["loss"][-1] < history["loss"][0] / 3
    assert trainer.evaluate(data.x_test, data.y_test)["accuracy"] > 0.8


@pytest.mark.parametrize("truncate", [None, 2])
def test_training_asks_for_no_gradient_of_the_inputs(truncate: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = set()
    real = NumPyBackend.simple_rnn_backward

    def spy(self: Any, *arguments: Any, input_gradient: bool = True) -> Any:
        asked.add(input_gradient)
        return real(self, *arguments, input_gradient=input_gradient)

    monkeypatch.setattr(NumPyBackend, "simple_rnn_backward", spy)
    model = lamina.Sequential(SimpleRNN(5, return_sequences=True), Dense(4))
    model.build((None, None, 3), seed=0, backend=NumPyBackend())
    lamina.Trainer(model).fit(X, STEP_LABELS, epochs=1, truncate=truncate, verbose=False)
    assert asked == {False}


def test_metrics_refuse_targets_before_anything_changes() -> None:
    """Those to train on, those to validate with, and those of an evaluation; each is told the rows' lengths."""
    seen: list[Any] = []

    class Picky(lamina.metrics.Metric):
        def check_target(self, target: Any, shape: Any, lengths: Any = None) -> None:
            seen.append((target.tolist(), shape, None if lengths is None else lengths.tolist()))
            if (target == 1).all():
                raise DataError("Picky: expected several classes")

        def reset(self) -> None: ...

        def update(self, *arguments: Any) -> None: ...

        def result(self) -> float:
            return 1.0

    x, good, bad = np.ones((2, 3, 2)), np.array([[0, 1, 2], [2, 1, 0]]), np.ones((2, 3), int)
    trainer = lamina.Trainer(lamina.Sequential(GRU(3, return_sequences=True), Dense(3)), metrics=Picky())
    for data, validation, message in (
        ((x, bad), None, r"^Picky: expected several classes$"),
        ((x, bad), (x, good), r"^Picky: expected several classes$"),
        ((x, good), (x, bad), r"^validation data: Picky: expected several classes$"),
    ):
        with pytest.raises(DataError, match=message):
            trainer.fit(*data, validation_data=validation, verbose=False)
        assert not trainer.model.is_built
    seen.clear()
    trainer.fit(x, good, lengths=[2, 3], epochs=1, validation_data=(x[:1], good[:1]), verbose=False)
    assert seen == [([[0, 1, 2], [2, 1, 0]], (2, 3, 3), [2, 3]), ([[0, 1, 2]], (1, 3, 3), None)]
    with pytest.raises(DataError, match=r"^Picky: expected several classes$"):
        trainer.evaluate(x, bad)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(lamina.Trainer) == {
        "loss": "softmax_cross_entropy",
        "optimizer": "adagrad",
        "loss_weights": None,
        "metrics": (),
        "callbacks": (),
        "seed": 0,
        "accumulate": 1,
        "check_finite": False,
        "precision": "fp32",
        "class_names": None,
        "compile": None,
        "communicator": None,
    }
    assert defaults(lamina.Trainer.fit) == {
        "y": None,
        "lengths": None,
        "sample_weight": None,
        "mask": None,
        "class_weight": None,
        "epochs": 10,
        "batch_size": None,
        "steps_per_epoch": None,
        "validation_data": None,
        "validation_split": 0.0,
        "stratify": False,
        "shuffle": None,
        "bucket": False,
        "truncate": None,
        "prefetch": 1,
        "checkpoint": None,
        "every": "1 epoch",
        "keep": 2,
        "verbose": True,
    }
