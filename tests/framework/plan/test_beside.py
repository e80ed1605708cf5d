"""Tables by rows and random numbers beside a planned step."""

import numpy as np
import pytest

import lamina
from lamina import layers
from lamina.backends.step import Step
from lamina.plan.beside import Beside


class Noted(Step):
    """Gives two pairs of rows, and notes what it is told."""

    def __init__(self):
        self.told = []

    def table(self, index):
        pairs = [([1, 4], [[1.0, 2.0], [3.0, 4.0]]), ([4], [[0.5, 0.5]])]
        return [(np.array(ids), np.array(rows, "float32")) for ids, rows in pairs]

    def draw(self, index, rows, call):
        self.told.append((index, rows.copy(), call.copy()))

    def give(self, given): ...

    def run(self, rows, count, **options): ...

    def set(self, update, values): ...

    def infer(self, count): ...

    def output(self, index, computed=False): ...


def table():
    layer = layers.Embedding(6, 2)
    layer.build((None,), seed=0)
    return layer.w


def test_gradients_by_rows_add_up_and_are_forgotten():
    beside, w = Beside(), table()
    beside.tables = [w]
    beside.begin(Noted(), 3)
    beside.finish(Noted())
    ids, rows, _ = w.row_gradient()
    assert ids.tolist() == [1, 4]
    assert rows.tolist() == [[1.0, 2.0], [3.5, 4.5]]
    beside.begin(Noted(), 3, clear=False)
    beside.finish(Noted())
    assert w.read_grad()[[1, 4]].tolist() == [[2.0, 4.0], [7.0, 9.0]]
    beside.begin(Noted(), 3)
    assert not w.read_grad().any()


def test_a_table_used_twice_gets_both():
    beside, w = Beside(), table()
    beside.tables = [w, w]
    beside.finish(Noted())
    assert w.read_grad()[[1, 4]].tolist() == [[2.0, 4.0], [7.0, 9.0]]


def test_an_optimizer_finds_the_rows():
    beside, w = Beside(), table()
    beside.tables = [w]
    before = w.numpy()
    beside.finish(Noted())
    lamina.optimizers.SGD([w], lr=1.0).step()
    moved = before - w.numpy()
    np.testing.assert_allclose(moved[[1, 4]], [[1.0, 2.0], [3.5, 4.5]], rtol=1e-6)
    assert not moved[[0, 2, 3, 5]].any()


def test_numbers_of_a_mask_are_the_layers_next_and_calls_are_counted():
    layer, step, beside = layers.Dropout(0.5), Noted(), Beside()
    layer.build((None, 8), seed=3)
    beside.drawing = [layer, layer]
    assert beside
    assert not Beside()
    beside.begin(step, 5)
    assert layer.draws == {"seed": 3, "calls": 2}
    layer.reseed(3)
    for index, rows, call in step.told:
        backend = layer.backend
        mask = backend.keep_mask(backend.row_keys(rows, call), (5, 8), 0.5)
        y = layer.forward(np.ones((5, 8), "float32"))[0]
        assert (mask == (y != 0)).all()
        assert index in (0, 1)


def test_a_run_that_did_not_come_to_it_is_not_counted():
    layer, beside = layers.Dropout(0.5), Beside()
    layer.build((None, 8), seed=3)
    layer.reseed(3, calls=4)
    beside.drawing = [layer, layer]
    beside.begin(Noted(), 5)
    beside.take_back()
    assert layer.draws == {"seed": 3, "calls": 4}


class Read(lamina.Composite):
    def __init__(self, row_wise=True):
        self.table, self.drop = layers.Embedding(20, 6, row_wise=row_wise), layers.Dropout(0.3)
        self.both = lamina.Bidirectional(layers.GRU(5, return_sequences=True))
        self.norm, self.pool, self.batch_norm = layers.LayerNorm(), layers.GlobalMaxPool1D(), layers.BatchNorm()
        self.head = layers.Dense(3)

    def compose(self, t, ids):
        h = t(self.norm, t(self.both, t(self.drop, t(self.table, ids))))
        return t(self.head, t(self.drop, t(self.batch_norm, t(self.pool, h))))


def read(backend, row_wise, optimizer):
    """Return a model that was trained on some ragged rows, and what its dropout counts."""
    rng = np.random.default_rng(0)
    x, lengths, y = rng.integers(0, 20, (37, 9)), rng.integers(0, 10, 37), rng.integers(0, 3, 37)
    x[np.arange(9) >= lengths[:, None]] = -5
    model = Read(row_wise)
    model.build((None, None), seed=0, dtype="float64", backend=backend)
    trainer = lamina.Trainer(model, "softmax_cross_entropy", optimizer(model.parameters()), compile=backend == "numba")
    trainer.fit(x, y, lengths=lengths, epochs=3, batch_size=8)
    return [parameter.numpy() for parameter in model.parameters()], model.drop.draws


@pytest.mark.parametrize("row_wise", [True, False])
@pytest.mark.parametrize("clip", [None, 0.1])
def test_training_is_the_same_planned_and_not(row_wise, clip):
    pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

    def sgd(parameters):
        return lamina.optimizers.SGD(parameters, lr=0.1, momentum=0.5, clip_norm=clip)

    (planned, draws), (by_kernels, same) = (read(backend, row_wise, sgd) for backend in ("numba", "numpy"))
    assert draws == same
    for one, other in zip(planned, by_kernels, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-10)


def test_an_id_that_is_none_leaves_all_as_it_was():
    pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")
    model = Read()
    model.build((None, None), seed=0, backend="numba")
    step = lamina.compile(model, "softmax_cross_entropy", lamina.optimizers.SGD(model.parameters(), lr=0.1))
    y = np.zeros(4, np.int64)
    step(np.zeros((4, 3), np.int64), y)
    before, draws = [parameter.numpy() for parameter in model.parameters()], model.drop.draws
    with pytest.raises(lamina.errors.DataError, match="expected ids from 0 to 19, got 20"):
        step(np.full((4, 3), 20), y)
    assert model.drop.draws == draws
    for one, other in zip(before, model.parameters(), strict=True):
        assert (one == other.numpy()).all()
