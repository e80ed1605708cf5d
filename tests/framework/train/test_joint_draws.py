"""Random masks under gradient accumulation: several small batches draw what one large batch draws."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Cell, Composite, Layer, Recurrent, Sequential, Trainer
from lamina.callbacks import Callback
from lamina.errors import NonFiniteError
from lamina.kinds.random import rows_of_batch
from lamina.layers import Dense, Dropout, RecurrentDropout
from lamina.optimizers import SGD
from lamina.train.accumulation import JointDraws

ROWS, TIME = 17, 6  # of 12 rows a step the last one has 5: a batch of 4 and one of 1
RNG = np.random.default_rng(0)
X = RNG.standard_normal((ROWS, TIME, 3))
Y = RNG.integers(0, 3, (ROWS, TIME))
LENGTHS = RNG.integers(1, TIME + 1, ROWS)


class Forgetful(Cell):
    """h' = (Dropout(h) + x) / 2."""

    def __init__(self, units: int) -> None:
        self.units = units
        self.dropout = Dropout(0.4)

    def build(self, x: Any, h: Any) -> Any:
        return self.dropout.build(h)

    def forward(self, x: Any, h: Any) -> Any:
        kept, saved = self.dropout.forward(h)
        return (kept + x) / 2, saved

    def backward(self, dh: Any, saved: Any) -> Any:
        return dh / 2, self.dropout.backward(dh / 2, saved)


class Twice(Composite):
    """One Dropout in two places."""

    def __init__(self) -> None:
        self.dropout, self.dense = Dropout(0.3), Dense(4)

    def compose(self, t: Any, x: Any) -> Any:
        return t(self.dropout, t(self.dense, t(self.dropout, x)))


def model(backend: str = "numpy", backwards: bool = True) -> Sequential:
    made = Sequential(
        RecurrentDropout(0.3),
        Twice(),
        Recurrent(Forgetful(4), return_sequences=True),
        Recurrent(Forgetful(4), return_sequences=True, go_backwards=backwards),
        Dropout(0.4),
        Dense(3),
    )
    made.build((None, None, 3), dtype="float64", seed=5, backend=backend)
    return made


def calls(of: Layer) -> dict[str, Any]:
    return {path: layer.draws["calls"] for path, layer in of.walk() if isinstance(layer, lamina.RandomLayer)}


class Losses(Callback):
    """Keeps the loss of every step."""

    def __init__(self) -> None:
        self.kept: list[float] = []

    def on_step_end(self, trainer: Any, epoch: int, step: int, loss: Any) -> None:
        self.kept.append(float(loss))


def train(batch_size: int, accumulate: int, lengths: Any, **options: Any) -> tuple[Trainer, list[float]]:
    losses = Losses()
    trainer = Trainer(
        model(options.pop("backend", "numpy"), options.pop("backwards", True)),
        "softmax_cross_entropy",
        lambda p: SGD(p, 0.5, momentum=0.9),
        callbacks=losses,
        accumulate=accumulate,
        check_finite=options.pop("check_finite", False),
    )
    trainer.fit(X, Y, lengths=lengths, epochs=3, batch_size=batch_size, verbose=False, **options)
    return trainer, losses.kept


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize(("batch_size", "accumulate"), [(4, 3), (1, 12), (6, 2)])
def test_training_is_that_with_one_large_batch(batch_size: int, accumulate: int, lengths: Any, backend: str) -> None:
    trainer, losses = train(batch_size, accumulate, lengths, backend=backend, check_finite=True)
    one, expected = train(12, 1, lengths, backend=backend)
    np.testing.assert_allclose(losses, expected, rtol=1e-10)
    for path, array in one.model.state_dict().items():
        np.testing.assert_allclose(trainer.model.state_dict()[path], array, rtol=1e-10, atol=1e-13, err_msg=path)
    steps = 2 * 3
    assert calls(trainer.model) == calls(one.model)
    assert calls(one.model) == {
        "0": steps,
        "1.dropout": 2 * steps,
        "2.cell.dropout": steps,
        "3.cell.dropout": steps,
        "4": steps,
    }


def test_masks_of_the_steps_of_a_run_differ() -> None:
    """What would also make the two runs alike: to draw nothing, or always the same."""
    layer = model()[4]
    masks = [layer.keep_mask((12, TIME, 4), 0.4).tolist() for _ in range(3)]
    assert masks[0] != masks[1] != masks[2] != masks[0]


def test_a_later_fit_goes_on_after_the_steps_before() -> None:
    trainer, _ = train(4, 3, LENGTHS)
    one, _ = train(12, 1, LENGTHS)
    for own, size in ((trainer, 4), (one, 12)):
        own.fit(X, Y, lengths=LENGTHS, epochs=1, batch_size=size, verbose=False)
    for path, array in one.model.state_dict().items():
        np.testing.assert_allclose(trainer.model.state_dict()[path], array, rtol=1e-10, atol=1e-13, err_msg=path)


def test_chunks_of_sequences_are_calls_of_their_own() -> None:
    trainer, _ = train(ROWS, 2, None, truncate=2, backwards=False)
    assert calls(trainer.model)["4"] == 3 * 3  # three chunks an epoch, whichever steps they make


def test_a_machine_with_a_share_of_the_rows_draws_their_masks() -> None:
    """Each of two machines accumulates over its half of a batch; together they have the gradients of the whole."""

    def gradients(rows: slice, before: int, parts: int) -> Any:
        own, loss = model(), lamina.losses.SoftmaxCrossEntropy()
        draws, size = JointDraws(own), 12 // parts
        own.zero_grad()
        with rows_of_batch(before):
            for start in range(rows.start, rows.stop, size):
                part = slice(start, start + size)
                with draws.part(size, start == rows.start):
                    y, saved = own.forward(X[part], lengths=LENGTHS[part])
                    _, loss_saved = loss.forward(y, Y[part], lengths=LENGTHS[part])
                    terms = LENGTHS[part].sum() / LENGTHS[:12].sum()
                    own.backward(loss.backward(loss_saved) * terms, saved)
        return np.concatenate([one.grad.ravel() for one in own.parameters()])

    whole = gradients(slice(0, 12), 0, 1)
    halves = gradients(slice(0, 6), 0, 4) + gradients(slice(6, 12), 6, 6)
    np.testing.assert_allclose(halves, whole, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("backwards", [False, True])
def test_a_cells_mask_of_a_step_depends_on_no_other_row_and_no_padding(backwards: bool) -> None:
    x, outputs = np.ones((3, TIME + 2, 40)), []
    for time, lengths in ((TIME + 2, [4, 2, 3]), (4, [4, 2, 3]), (TIME, [4, 2, 6]), (TIME, [4, 2, 0])):
        layer = Recurrent(Forgetful(40), return_sequences=True, go_backwards=backwards)
        layer.build((None, None, 40), dtype="float64", seed=5)
        outputs.append(layer.forward(x[:, :time], lengths=np.array(lengths))[0][:2, :4].tolist())
    assert outputs[0] == outputs[1] == outputs[2] == outputs[3]
    steps = np.array(outputs[0])[0]
    assert len({tuple(step) for step in steps}) == 4


def test_after_an_error_the_calls_made_still_count() -> None:
    own = model()
    draws = JointDraws(own)
    with pytest.raises(KeyError), draws.part(4, True):
        own.forward(X[:4])
        raise KeyError
    assert calls(own)["4"] == 1
    with draws.part(4, True):
        own.forward(X[:4])
    assert calls(own)["4"] == 2


class Reciprocal(Layer):
    """y = 1 / x: infinite where a Dropout before it gave 0."""

    def build(self, shape: Any) -> Any:
        return shape

    def forward(self, x: Any) -> Any:
        return 1 / x, x

    def backward(self, dy: Any, saved: Any) -> Any:
        return -dy / saved**2


def test_the_guard_runs_a_batch_of_a_step_again_with_its_own_masks() -> None:
    rate, place = 0.01, None
    for seed in range(200):  # until the first step's mask drops one element, and that after row 3
        made = Sequential(Dropout(rate), Reciprocal(), Dense(2))
        made.build((None, None, 3), seed=seed, dtype="float64")
        dropped = np.argwhere(~made[0].keep_mask((8, TIME, 3), rate))
        if len(dropped) == 1 and dropped[0, 0] >= 4:
            place = dropped[0]
            break
    assert place is not None
    made[0].reseed(seed)
    trainer = Trainer(made, "mean_squared_error", "sgd", accumulate=2, check_finite=True)
    where = f"row {place[0] - 4}, time step {place[1]}"
    told = f"epoch 1, step 1, batch 2 of it: forward of Reciprocal '1' gave infinity at {where}"
    with pytest.raises(NonFiniteError, match=f"^{told}"), np.errstate(all="ignore"):
        trainer.fit(np.ones((8, TIME, 3)), np.ones((8, TIME, 2)), batch_size=4, shuffle=False, verbose=False)
