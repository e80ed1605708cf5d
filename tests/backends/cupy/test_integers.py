"""Ids and labels are looked at once, on the host: on a device one that is none would be taken for another, unseen."""

import numpy as np
import pytest

from lamina import Composite, Concat, Sequential, Stream, Trainer
from lamina.errors import DataError, DTypeError
from lamina.layers import GRU, Dense, Embedding
from lamina.losses import CTC, BinaryCrossEntropy, NegativeLogLikelihood, SoftmaxCrossEntropy
from lamina.metrics import F1, Accuracy, Perplexity, TopKAccuracy
from lamina.optimizers import SGD

IDS = np.array([[1, 4, 1], [0, 9, 2]])
LABELS = np.array([0, 1])
MESSAGE = "Embedding '0': expected ids from 0 to 5, got 9"


def built(backend, *layers):
    model = Sequential(Embedding(6, 3), *layers)
    model.build((None, None), seed=0, dtype="float64", backend=backend)
    return model


@pytest.mark.parametrize(
    "use",
    [
        lambda model: model(IDS),
        lambda model: model(model.backend.asarray(IDS)),
        lambda model: model.forward(model.backend.asarray(IDS)),
        lambda model: model.infer(model.backend.asarray(IDS)),
        lambda model: Stream(model)(IDS),
        lambda model: Stream(model)(IDS[:, 1]),
        lambda model: model.stream(model.backend.asarray(IDS)),
        lambda model: Trainer(model).predict(IDS),
        lambda model: Trainer(model).evaluate(IDS, IDS * 0),
        lambda model: Trainer(model).fit(IDS, IDS * 0, verbose=False),
        lambda model: Trainer(model).fit(IDS, IDS * 0, truncate=2, verbose=False),
        lambda model: Trainer(model).fit(model.backend.asarray(IDS), IDS * 0, verbose=False),
    ],
    ids=["call", "call, there", "forward", "infer", "stream", "step", "stream, there", "predict", "evaluate", "fit",
         "fit in pieces", "fit, there"],
)  # fmt: skip
def test_an_id_that_is_none_is_refused(backend, use):
    model = built(backend)
    before = model.state_dict()
    with pytest.raises(DataError) as caught:
        use(model)
    assert str(caught.value) == MESSAGE
    assert (model.state_dict()["0.w"] == before["0.w"]).all()


def test_of_two_tables_each_is_asked_for_its_own_ids(backend):
    class Two(Composite):
        def __init__(self):
            self.small, self.large, self.join = Embedding(5, 2), Embedding(10, 2), Concat()

        def compose(self, t, a, b):
            return t(self.join, t(self.small, a), t(self.large, b))

    model = Two()
    model.build((None, None), (None, None), seed=0, backend=backend)
    small = np.minimum(IDS, 4)
    assert tuple(model(small, IDS).shape) == (2, 3, 4)
    with pytest.raises(DataError, match=r"^Embedding 'small': expected ids from 0 to 4, got 9$"):
        model(IDS, small)
    with pytest.raises(DataError, match=r"^Embedding 'small': expected ids from 0 to 4, got 9$"):
        model.forward(*map(model.backend.asarray, (IDS, small)))


def test_what_stands_past_an_end_may_be_anything(backend):
    model = built(backend, GRU(4), Dense(2))
    cleaned = np.where(np.arange(3) < [[3], [1]], IDS, 0)
    optimizer = SGD(model.parameters(), lr=1.0)
    for ids in (IDS, cleaned):
        optimizer.zero_grad()
        y, saved = model.forward(backend.asarray(ids), lengths=np.array([3, 1]))
        model.backward(backend.asarray(np.ones(y.shape)), saved)
        used = model.layers[0].w.row_gradient()[0]
        assert sorted(backend.to_numpy(used).tolist()) == [0, 1, 4]
    Trainer(model).fit(IDS, LABELS, lengths=[3, 1], epochs=1, verbose=False)
    with pytest.raises(DataError, match=MESSAGE):
        model(IDS, lengths=[3, 2])


@pytest.mark.parametrize("ids", [[1, 6], [-1, 2]])
@pytest.mark.parametrize("row_wise", [True, False])
def test_a_gradient_for_a_row_that_is_none_is_refused(backend, row_wise, ids):
    model = Sequential(Embedding(6, 3, row_wise=row_wise))
    model.build((None, None), seed=0, backend=backend)
    w = model.layers[0].w
    for given in (np.array(ids), backend.asarray(np.array(ids))):
        with pytest.raises(
            DataError, match=rf"^Parameter '0.w': expected ids from 0 to 5, got {ids[0] if ids[0] < 0 else 6}$"
        ):
            w.add_rows(given, backend.asarray(np.ones((2, 3), "float32")))
    assert not backend.to_numpy(w.read_grad()).any()


@pytest.mark.parametrize("there", [False, True], ids=["on the host", "there"])
@pytest.mark.parametrize(
    ("loss", "shape", "target", "error", "message"),
    [
        (SoftmaxCrossEntropy(), (2, 3), [0, 3], DataError, "expected labels from 0 to 2, got 3 at index 1"),
        (SoftmaxCrossEntropy(), (2, 3), [-1, 2], DataError, "expected labels from 0 to 2, got -1 at index 0"),
        (SoftmaxCrossEntropy(), (2, 2), [[0.5, 0.5], [0.9, 0.9]], DataError, "expected probabilities"),
        (SoftmaxCrossEntropy(), (2, 3), [0.0, 1.0], DTypeError, "expected integer labels"),
        (NegativeLogLikelihood(), (2, 3), [0, 3], DataError, "expected labels from 0 to 2, got 3 at index 1"),
        (BinaryCrossEntropy(), (2, 1), [[0.0], [2.0]], DataError, "expected targets from 0 to 1, got 2.0"),
        (CTC(), (2, 3, 4), [[1, 9], [1, -1]], DataError, r"got 9 at index \(0, 1\)"),
    ],
)  # fmt: skip
def test_a_target_that_is_none_is_refused_wherever_it_lies(backend, loss, shape, target, error, message, there):
    prediction = backend.asarray(np.full(shape, -1.0))
    given = backend.asarray(np.array(target)) if there else np.array(target)
    with pytest.raises(error, match=message):
        loss.forward_on(backend, prediction, given)


@pytest.mark.parametrize("mask", [[1.0, -1.0], [1.0, np.nan]])
def test_a_mask_below_zero_is_refused_wherever_it_lies(backend, mask):
    loss, prediction, target = SoftmaxCrossEntropy(), backend.asarray(np.ones((2, 3))), np.array([0, 1])
    for given in (np.array(mask), backend.asarray(np.array(mask))):
        for labels in (target, backend.asarray(target)):
            with pytest.raises(DataError, match="expected a mask of 0 or more"):
                loss.forward_on(backend, prediction, labels, mask=given)
    value = loss.forward_on(backend, prediction, np.array([0, 7]), mask=backend.asarray(np.array([1.0, 0.0])))[0]
    assert backend.item(value) == pytest.approx(np.log(3))


@pytest.mark.parametrize("metric", [Accuracy(), TopKAccuracy(2), Perplexity(), F1("macro")], ids=repr)
@pytest.mark.parametrize("there", [False, True], ids=["on the host", "there"])
def test_metrics_refuse_labels_that_are_none(backend, metric, there):
    labels = np.array([0, 3])
    with pytest.raises(DataError, match="expected labels from 0 to 2, got"):
        metric(backend.asarray(np.ones((2, 3))), backend.asarray(labels) if there else labels)


def test_the_gradient_of_a_table_is_the_same_bit_for_bit(device):
    rng = np.random.default_rng(0)
    ids, dy = rng.integers(0, 6, (40, 25)), rng.standard_normal((40, 25, 3)).astype("float32")
    found = []
    for _ in range(3):
        model = Sequential(Embedding(6, 3))
        model.build((None, None), seed=0, backend=device)
        _, saved = model.forward(device.asarray(ids))
        model.backward(device.asarray(dy), saved)
        found.append(device.to_numpy(model.layers[0].w.read_grad()))
    for gradient in found[1:]:
        np.testing.assert_array_equal(gradient, found[0])
    exact = np.zeros((6, 3))
    np.add.at(exact, ids, dy.astype("float64"))
    np.testing.assert_allclose(found[0], exact, rtol=1e-5, atol=1e-5)
