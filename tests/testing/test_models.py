"""`check_model`: what it takes, what it reports, and what it refuses."""

import numpy as np
import pytest

import lamina
from lamina import Composite, Recurrent, Sequential
from lamina.errors import ArgumentError, UnknownNameError
from lamina.layers import (
    GRU,
    LSTM,
    BatchNorm,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    IndRNN,
    LayerNorm,
    SelfAttention,
    SimpleRNN,
    Tanh,
)
from lamina.losses import MeanSquaredError
from lamina.optimizers import SGD, AdaGrad
from lamina.optimizers.schedules import CosineDecay
from lamina.testing import ModelCheckError, check_model
from lamina.testing.models import MODEL_RELATIONS, relations_of
from lamina.testing.proofs.model_goals import read_losses
from lamina.testing.proofs.model_trial import ModelTrial
from lamina.testing.random_models import parts


class TwoHeads(Composite):
    def __init__(self):
        self.encoder = GRU(3, return_sequences=True, return_state=True)
        self.decoder, self.head = GRU(3, return_sequences=True), Dense(2)

    def compose(self, t, a, b):
        y, state = t(self.encoder, a)
        return t(self.decoder, b, state), t(self.head, y)


def test_all_relations_are_run_in_the_order_of_the_table():
    model = Sequential(GRU(3, return_sequences=True), Dense(2))
    report = check_model(model, (4, 5, 2), loss="mse", optimizer="adam", schedule=lambda: CosineDecay(9))
    assert [check.name for check in report.checks] == list(MODEL_RELATIONS) == list(relations_of(()))
    assert report.skipped.keys() <= {"planned"}  # which needs Numba
    assert 0 < report.worst["gradients"] < 1e-6
    assert set(report.worst_by_backend) >= {"reference"}
    assert all(value < 1e-12 for value in report.worst_by_backend.values())
    assert "rows alone" in str(report)


def test_a_model_stays_as_it_was_built_or_not():
    model = Sequential(BatchNorm(), GRU(3), Dropout(0.5), Dense(2))
    check_model(model, (4, 5, 2), loss="huber")
    assert not model.is_built
    model.build((None, None, 2), seed=1)
    before = model.state_dict()
    report = check_model(model, (4, 5, 2), loss="softmax_cross_entropy", optimizer="adagrad")
    assert "gradients" in report.passed  # in float64, though the model is of float32
    assert model.dtype == "float32"
    for name, array in model.state_dict().items():
        assert (array == before[name]).all()


def test_two_sequences_of_their_own_lengths_and_several_outputs():
    report = check_model(TwoHeads(), (4, 5, 2), (4, 3, 2), lengths=([5, 2, 0, 1], [1, 3, 3, 2]))
    assert report.skipped["evaluate"] == report.skipped["loop"] == "no loss given"
    assert {"stream", "rows alone", "padding", "gradients of rows", "backends"} <= set(report.passed)


TRAINED = {
    "evaluate",
    "accumulate",
    "frozen",
    "two fits",
    "optimizer state",
    "moved in training",
    "parts apart",
    "loop",
}


@pytest.mark.parametrize(
    ("loss", "targets"),
    [
        (("mse", "softmax_cross_entropy"), [(4, 3, 3), (4, 5)]),
        ((None, lamina.losses.Huber(0.5)), [None, (4, 5, 2)]),
        (["ctc", None], [(4, 1), None]),
        (("cosine_similarity", "ctc"), [(4, 3, 3), (4, 1)]),
    ],
)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_each_of_several_outputs_has_its_loss(loss, targets, dtype):
    lengths = ([5, 2, 4, 1], [1, 3, 3, 2])
    report = check_model(TwoHeads(), (4, 5, 2), (4, 3, 2), lengths=lengths, loss=loss, dtype=dtype, optimizer="adam")
    assert set(report.passed) >= TRAINED | {"gradients", "backends", "inference changes nothing"}
    trial = ModelTrial(TwoHeads(), [(4, 5, 2), (4, 3, 2)], lengths=lengths, loss=read_losses(loss))
    assert [None if one is None else one.shape for one in trial.target] == targets


def test_targets_of_several_outputs_are_given_or_drawn():
    given = np.arange(20).reshape(4, 5) % 2, None
    trial = ModelTrial(TwoHeads(), [(4, 3, 2), (4, 5, 2)], loss=read_losses((None, "mse")), target=given[::-1])
    np.testing.assert_array_equal(trial.target[1], given[0])
    assert trial.target[0] is None
    drawn = ModelTrial(TwoHeads(), [(4, 3, 2), (4, 5, 2)], loss=read_losses(("mse", "mse")), target=(None, None))
    assert [one.shape for one in drawn.target] == [(4, 5, 3), (4, 3, 2)]
    report = check_model(TwoHeads(), (4, 5, 2), (4, 3, 2), loss=(None, "softmax_cross_entropy"), target=given[::-1])
    assert set(report.passed) >= TRAINED


def test_several_steps_at_once_are_cut_along_time():
    class Both(Composite):
        def __init__(self):
            self.body, self.head = GRU(3, return_sequences=True), Dense(2)

        def compose(self, t, x):
            h = t(self.body, x)
            return h, t(self.head, h)

    report = check_model(Both(), (4, 5, 2), loss=("mse", "softmax_cross_entropy"))
    assert {"truncate", "stream"} <= set(report.passed)


class OtherTerms(MeanSquaredError):
    """Counts its terms without the mask that it takes."""

    def terms(self, prediction, target, lengths=None, mask=None):
        return super().terms(prediction, target, lengths)


class OtherMask(MeanSquaredError):
    """Is another loss where rows have weights: it weighs them by their squares."""

    def forward(self, prediction, target, lengths=None, mask=None):
        return super().forward(prediction, target, lengths, None if mask is None else np.square(mask))


@pytest.mark.parametrize(
    ("loss", "relation"),
    [(OtherTerms(), "evaluate"), (OtherTerms(), "accumulate"), (OtherMask(), "evaluate"), (OtherMask(), "accumulate")],
)
@pytest.mark.parametrize("several", [False, True])
def test_what_is_wrong_with_weights_of_rows_alone_is_found(loss, relation, several):
    model, inputs = (TwoHeads(), [(5, 5, 2), (5, 3, 2)]) if several else (SimpleRNN(3), [(5, 4, 2)])
    skip = set(MODEL_RELATIONS) - {relation}
    with pytest.raises(ModelCheckError, match=", with weights of rows") as caught:
        check_model(model, *inputs, loss=("mse", loss) if several else loss, skip=skip, optimizer="sgd")
    assert caught.value.check == relation


@pytest.mark.parametrize(
    ("inputs", "options", "says"),
    [
        (2, {"loss": ("mse",)}, "expected a loss, or None, for each of 2 outputs, got a tuple of 1"),
        (2, {"loss": (None, None)}, "expected a loss for one output at least, got None for all"),
        (
            2,
            {"loss": ("mse", "mse"), "target": np.ones((4, 5, 3))},
            "expected a target, or None, for each of 2 outputs",
        ),
        (2, {"loss": ("mse", "mse"), "target": (None,)}, "expected a target for each of 2 outputs, got 1"),
        (1, {"loss": ("mse",)}, "expected one loss, got a tuple of 1"),
        (1, {"loss": "mse", "target": (None, None)}, "expected one target, got tuple"),
    ],
)
def test_losses_and_targets_are_one_for_each_output(inputs, options, says):
    model, given = (TwoHeads(), [(4, 5, 2), (4, 3, 2)]) if inputs == 2 else (Dense(2), [(4, 3)])
    with pytest.raises(ArgumentError) as caught:
        check_model(model, *given, **options)
    assert str(caught.value).startswith(f"check_model: {says}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "inputs", "options", "relation", "reason"),
    [
        (Dense(2), [(4, 3)], {}, "padding", "no lengths"),
        (Dense(2), [(4, 3)], {}, "stream", "an input has no time axis"),
        (Dense(2), [(4, 3)], {}, "evaluate", "no loss given"),
        (Flatten(), [(4, 3, 2)], {}, "stream", "built for a fixed time"),
        (Flatten(), [(4, 3, 2)], {"loss": "mse"}, "frozen", "nothing is trained"),
        (BatchNorm(), [(4, 3, 2)], {"loss": "mse"}, "accumulate", "rows depend on one another in training"),
        (GRU(2), [(4, 3, 2)], {"backends": []}, "backends", "no other backend here"),
        (LSTM(2), [(4, 3, 2)], {"loss": "mse"}, "truncate", "cannot be cut: fit: truncate needs a target"),
        (Dense(2), [(4, 3)], {"loss": "mse", "optimizer": lambda p: SGD(p, lr=1e4)}, "loop", "training diverges"),
        (
            Embedding(5, 2),
            [np.ones((4, 3), int)],
            {"loss": lamina.losses.SoftmaxCrossEntropy(ignore_index=-1), "target": np.full((4, 3), -1)},
            "evaluate",
            "nothing counts in these targets",
        ),
    ],
)
def test_each_skip_says_why(model, inputs, options, relation, reason):
    report = check_model(model, *inputs, skip=set(MODEL_RELATIONS) - {relation}, **options)
    assert report.skipped[relation].startswith(reason)


@pytest.mark.parametrize("name", ["ctc", "negative_log_likelihood", "binary_cross_entropy", "cosine_similarity"])
def test_targets_are_drawn_for_any_loss(name):
    head = [lamina.layers.LogSoftmax()] if name == "negative_log_likelihood" else []
    model = Sequential(GRU(3, return_sequences=True), *head)
    report = check_model(model, (4, 7, 2), loss=name, lengths=[7, 6, 4, 3])
    assert {"evaluate", "gradients", "accumulate", "loop"} <= set(report.passed)


def test_what_cannot_be_checked_is_refused():
    with pytest.raises(ArgumentError, match=r"^check_model: expected a model, got 3$"):
        check_model(3, (4, 5, 2))
    with pytest.raises(ArgumentError, match=r"^check_model: expected the shape of an input"):
        check_model(Dense(2))
    with pytest.raises(ArgumentError, match="one batch of at least 2 rows"):
        check_model(Dense(2), (1, 3))
    with pytest.raises(ArgumentError, match="expected a shape such as"):
        check_model(Dense(2), "x")
    with pytest.raises(ArgumentError, match=r"the model has several: leave out loss= or give a tuple of 2$"):
        check_model(TwoHeads(), (4, 5, 2), (4, 3, 2), loss="mse")
    with pytest.raises(UnknownNameError, match="padding"):
        check_model(Dense(2), (4, 3), skip=["paddings"])


def test_an_error_in_a_relation_is_no_skip():
    class Raises(lamina.Layer):
        def build(self, shape):
            return shape

        def forward(self, x):
            return x, None

        def backward(self, dy, saved):
            raise RuntimeError("nothing here")

    with pytest.raises((ModelCheckError, RuntimeError), match="nothing here"):
        check_model(Raises(), (4, 3))


SEEN: set = set()


class Seen(lamina.Layer):
    """Notes what it runs on, and with what."""

    def build(self, shape):
        self.w = lamina.Parameter(shape[-1:], "ones")
        return shape

    def forward(self, x):
        SEEN.add((self.dtype, self.backend.name, x.shape[0]))
        return x * self.w.data + self.error(x), x

    def error(self, x):
        return 1e-6 * (x.shape[0] == 1)

    def backward(self, dy, saved):
        self.w.grad += self.backend.sum_to(dy * saved, self.w.shape)
        return dy * self.w.data


@pytest.mark.parametrize(("dtype", "backend"), [("float32", "reference"), ("float64", "numpy"), (None, "reference")])
def test_dtype_and_backend_are_those_asked_for(dtype, backend):
    SEEN.clear()
    check_model(Seen(), (5, 3), dtype=dtype, backend=backend, backends=[], tolerance=1e-5)
    wanted = {dtype or "float64", "float64"}  # gradients are proven in float64 always
    assert {one[0] for one in SEEN} == wanted
    assert {one[1] for one in SEEN} == {backend}


def test_the_tolerance_is_the_dtypes_or_the_one_asked_for():
    relation = {"skip": set(MODEL_RELATIONS) - {"rows alone"}}
    with pytest.raises(ModelCheckError, match="at most 1e-09"):
        check_model(Seen(), (5, 3), **relation)
    assert check_model(Seen(), (5, 3), tolerance=1e-5, **relation).worst["rows alone"] > 1e-8
    check_model(Seen(), (5, 3), dtype="float32", **relation)
    with pytest.raises(ModelCheckError, match="at most 1e-12"):
        check_model(Seen(), (5, 3), dtype="float32", tolerance=1e-12, **relation)


def test_the_seed_draws_weights_inputs_and_lengths():
    drawn = []

    class Keeps(Seen):
        def infer(self, x, lengths=None):
            drawn.append((x.copy(), None if lengths is None else lengths.copy(), self.w.numpy()))
            return x * self.w.data

    for seed in (1, 1, 2):
        check_model(Keeps(), (5, 6, 3), seed=seed, skip=set(MODEL_RELATIONS) - {"call"})
    each = len(drawn) // 3
    first, again, other = drawn[0], drawn[each], drawn[2 * each]
    for one in range(3):
        assert (first[one] == again[one]).all()
        assert (first[one] != other[one]).any()


def test_a_target_of_ones_own_is_taken_and_the_optimizer_by_name():
    names = []

    class Noted(lamina.losses.MeanSquaredError):
        def forward(self, prediction, target, lengths=None, mask=None):
            names.append(np.asarray(target).max())
            return super().forward(prediction, target, lengths=lengths, mask=mask)

    report = check_model(Dense(2), (4, 3), loss=Noted(), target=np.full((4, 2), 7.0), optimizer="adadelta")
    assert set(names) == {7.0}
    assert "optimizer state" in report.passed
    with pytest.raises(UnknownNameError, match="adadelt"):
        check_model(Dense(2), (4, 3), loss="mse", optimizer="adadelt")


def test_a_stream_that_no_choice_of_whole_inputs_allows_says_what_forbids_it():
    class Backwards(TwoHeads):
        def __init__(self):
            super().__init__()
            self.decoder = GRU(3, return_sequences=True, go_backwards=True)

    report = check_model(Backwards(), (4, 5, 2), (4, 3, 2), skip=set(MODEL_RELATIONS) - {"stream"})
    assert report.skipped["stream"].startswith("cannot stream: GRU 'decoder': cannot stream with go_backwards=True")


def test_one_array_of_lengths_is_that_of_all_inputs_and_handed_on_as_it_is():
    seen = []

    class Notes(TwoHeads):
        def infer(self, a, b, lengths=None):
            seen.append(lengths)
            return super().infer(a, b, lengths=lengths)

    report = check_model(TwoHeads(), (4, 5, 2), (4, 5, 2), lengths=[5, 2, 0, 1])
    assert {"rows alone", "padding", "gradients of rows", "predict"} <= set(report.passed)
    check_model(Notes(), (4, 5, 2), (4, 5, 2), lengths=[5, 2, 0, 1], skip=set(MODEL_RELATIONS) - {"call"})
    assert all([own.tolist() for own in one] == [[5, 2, 0, 1]] * 2 for one in seen if isinstance(one, tuple))
    assert seen


@pytest.mark.parametrize(("seed", "rows"), [(2, 3), (6, 4), (8, 3)])
def test_rounding_that_a_model_enlarges_is_no_wrong_gradient(seed, rows):
    # Of two features LayerNorm gives nearly 1 and -1, whose variance over the rows is nearly 0.
    model = Sequential(LayerNorm(), BatchNorm())
    check_model(model, (rows, 2), seed=seed, skip=set(MODEL_RELATIONS) - {"gradients"})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_that_diverges_in_one_way_is_not_held_in_another(dtype):
    # A random run found it: in another order, and with other weights of rows, an exponential of a sequence's end grows.
    reading = [IndRNN(1, return_sequences=True, return_state=True), IndRNN(1, return_sequences=True)]
    steps = [(0, 0), (1, 1), ("a / (2 + b * b)", 1, 1), (1, 3), ("2 * a", 2)]
    model = parts.Graph([Embedding(5, 3, row_wise=False), Sequential(*reading)], steps, [5])
    x = np.random.default_rng(0).integers(0, 5, (4, 6))
    loss = lamina.losses.PoissonNegativeLogLikelihood(full=True)
    options = {"lengths": [1, 3, 1, 5], "loss": loss, "optimizer": lambda p: SGD(p, lr=0.05), "dtype": dtype}
    report = check_model(model, x, skip=set(MODEL_RELATIONS) - {"two fits", "loop"}, **options)
    assert {report.skipped[name] for name in ("two fits", "loop")} == {"training diverges"}


def test_steps_of_rounding_before_statistics_are_no_difference():
    # What is added to all rows alike before BatchNorm has a gradient of 0 but for rounding, which AdaGrad enlarges.
    cell = parts.Averaging(BatchNorm(), 2)
    recurrent = [SimpleRNN(2, return_sequences=True) for _ in range(2)]
    model = Sequential(*recurrent, Tanh(), SelfAttention(1, 2, causal=True), Recurrent(cell))
    x = np.random.default_rng(2).normal(size=(4, 5, 2))
    report = check_model(model, x, lengths=None, loss="mse", optimizer=lambda p: AdaGrad(p, lr=0.05), seed=2)
    assert "moved in training" in report.passed
