"""The guard over planned steps: the same errors as without a plan, and nothing of the step is left."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina.errors import NonFiniteError
from lamina.layers import GRU, LSTM, BatchNorm, Dense, Dropout, Embedding, SimpleRNN
from tests.framework.train.planned_runs import taken

__all__ = ["taken"]

ROWS, TIME, BATCH = 8, 12, 4
ROW, STEP = 6, 9
LENGTHS = np.array([3, 4, 2, 1, 5, 0, 11, 12])
MODES = {
    "plain": {},
    "ragged": {"lengths": LENGTHS},
    "accumulated": {"accumulate": 4, "batch_size": 2},
    "truncated": {"truncate": 4},
    "truncated, ragged": {"truncate": 5, "lengths": LENGTHS},
    "truncated, accumulated": {"truncate": 4, "accumulate": 2},
}
each_mode = pytest.mark.parametrize("mode", MODES.values(), ids=list(MODES))


class Spoil(lamina.callbacks.Callback):
    """Puts a number into a weight after some steps, and keeps all that is there before each step."""

    def __init__(self, number=None, after=1, path=(2, "w")):
        self.number, self.after, self.path, self.steps = number, after, path, 0

    def kept(self, trainer):
        draws = [layer.draws for _, layer in trainer.model.walk() if isinstance(layer, lamina.layers.Dropout)]
        self.state, self.draws = trainer.model.state_dict(), draws
        optimizer = trainer.optimizer
        self.taken, self.moments = optimizer.steps, {key: np.array(own) for key, own in arrays_of(optimizer)}

    def on_train_begin(self, trainer):
        self.kept(trainer)

    def on_step_end(self, trainer, *_):
        self.steps += 1
        if self.number is not None and self.steps == self.after:
            index, name = self.path
            getattr(trainer.model[index], name).data.flat[0] = self.number
        self.kept(trainer)


def arrays_of(optimizer):
    return [(key, value) for key, value in optimizer.state_dict().items() if isinstance(value, np.ndarray)]


def model_of(*layers, dtype="float32"):
    model = lamina.Sequential(*layers)
    model.build((None, None, 2), seed=0, backend="numba", dtype=dtype)
    return model


def plain():
    return model_of(BatchNorm(), GRU(3, return_sequences=True), Dense(3), Dropout(0.2), LSTM(3, projection=2,
                    return_sequences=True), Dense(1))  # fmt: skip


def data():
    rng = np.random.default_rng(0)
    return rng.uniform(0.1, 1, size=(ROWS, TIME, 2)), rng.normal(size=(ROWS, TIME, 1))


def told(make, mode, compiled, x, y, spoil=None, loss="mean_squared_error", optimizer=None):
    """Return the message of the error, and what the trainer's model and optimizer were and are."""
    model = make()
    kept = Spoil(*spoil or ())
    options = {"batch_size": BATCH, "epochs": 2, "shuffle": False, "verbose": False, **mode}
    own = optimizer or (lambda parameters: lamina.optimizers.Adam(parameters, lr=1e-3, clip_norm=1.0))
    trainer = lamina.Trainer(
        model, loss, own, callbacks=kept, check_finite=True, compile=compiled, accumulate=options.pop("accumulate", 1)
    )
    with pytest.raises(NonFiniteError) as caught, np.errstate(all="ignore"):
        trainer.fit(x, y, **options)
    after = model.state_dict()
    for name, values in kept.state.items():
        np.testing.assert_array_equal(after[name], values, err_msg=name)
    assert trainer.optimizer.steps == kept.taken
    for key, values in arrays_of(trainer.optimizer):
        np.testing.assert_array_equal(values, kept.moments[key], err_msg=key)
    return str(caught.value)


def slow(parameters):
    return lamina.optimizers.SGD(parameters, lr=1e-30)


def require_same(make, mode, taken, *arguments, **options):
    found = told(make, mode, True, *arguments, **options)
    assert taken.count or "step 1" in found
    before = taken.count
    assert found == told(make, mode, False, *arguments, **options)
    assert taken.count == before
    return found


@each_mode
def test_a_weight_that_is_not_finite(mode, taken):
    found = require_same(plain, mode, taken, *data(), spoil=(np.nan, 1, (2, "w")))
    assert ": forward of Dense '2' gave NaN, as its parameter 'w' holds NaN" in found


@each_mode
def test_a_table_that_is_not_finite(mode, taken):
    def make():
        model = lamina.Sequential(
            Embedding(5, 3, row_wise=True), LSTM(4, projection=2, return_sequences=True), Dense(1)
        )
        model.build((None, None), seed=0, backend="numba")
        return model

    ids = np.random.default_rng(0).integers(0, 4, (ROWS, TIME))
    ids[:, ::2] = 0
    found = require_same(make, mode, taken, ids, data()[1], spoil=(np.inf, 1, (0, "w")))
    assert "forward of Embedding '0' gave infinity" in found


@each_mode
def test_a_loss_that_overflows(mode, taken):
    x, y = data()
    y[ROW, STEP] = 1e30
    assert ": loss MeanSquaredError gave infinity" in require_same(plain, mode, taken, x, y)


@each_mode
def test_a_gradient_that_overflows(mode, taken):
    x, y = data()
    x[ROW, STEP] = 2e38
    found = require_same(
        lambda: model_of(Dense(3, use_bias=False, w_initializer=lamina.initializers.Constant(1e-38)), Dense(1)),
        mode, taken, x, np.where(y > 0, 1e3, -1e3) * (x[..., :1] > 1e3), optimizer=slow,
    )  # fmt: skip
    assert ": backward of Dense '0' gave infinity in the gradient of 'w'" in found


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("truncate", [None, 1, 3, 5])
@pytest.mark.parametrize("lengths", [None, [2, 4, 1, 12, 6, 7, 3, 0]])
def test_from_a_carried_state(truncate, lengths, threads, taken, monkeypatch):
    """The chunk with the fifth step is run again from the states that the plan had before it."""
    monkeypatch.setattr("lamina.plan.planned.blocks_for", lambda program, most: threads)

    def make():
        model = model_of(
            LSTM(3, return_sequences=True), Dense(2), SimpleRNN(2, activation="relu", return_sequences=True), Dense(1)
        )
        model[1].w.data[...], model[1].b.data[...] = 0, 1
        model[2].w_x.data[...], model[2].w_h.data[...] = np.eye(2), np.eye(2) * 1e10
        return model

    mode = {"truncate": truncate, "lengths": None if lengths is None else np.array(lengths)}
    found = require_same(make, mode, taken, *data(), loss="mean_absolute_error", optimizer=slow)
    assert f"forward of SimpleRNN '2' gave infinity at row {0 if lengths is None else 3}, time step 4" in found


def test_a_run_that_stays_finite_is_the_same_with_the_guard():
    x, y = data()
    for mode in MODES.values():
        found = []
        for check in (False, True):
            options = {"batch_size": BATCH, "epochs": 2, "verbose": False, **mode}
            trainer = lamina.Trainer(
                plain(), "mean_squared_error", check_finite=check, compile=True, accumulate=options.pop("accumulate", 1)
            )
            trainer.fit(x, y, **options)
            found.append(trainer.model.state_dict())
        for name, values in found[0].items():
            np.testing.assert_array_equal(values, found[1][name], err_msg=name)


def test_what_kernels_do_not_find_is_said_so(monkeypatch):
    monkeypatch.setattr("lamina.train.finite_guard.FiniteGuard.is_finite", lambda guard, value: False)
    trainer = lamina.Trainer(plain(), "mean_squared_error", check_finite=True, compile=True)
    with pytest.raises(NonFiniteError, match="NaN or infinity, but not when the step was run again by kernels; the"):
        trainer.fit(*data(), epochs=1, verbose=False)
