"""A training step does not wait for the device; where one does, the line is named."""

import numpy as np
import pytest

from lamina import Bidirectional, Sequential, Trainer
from lamina.layers import GRU, LSTM, Dense, Embedding, SimpleRNN
from lamina.optimizers import AdaGrad

RNG = np.random.default_rng(0)
ROWS, TIME, FEATURES, CLASSES = 8, 5, 3, 4
X, IDS, Y = RNG.normal(size=(ROWS, TIME, FEATURES)), RNG.integers(0, 9, (ROWS, TIME)), RNG.integers(0, CLASSES, ROWS)
LENGTHS = np.array([5, 2, 0, 4] * 2)
BODIES = {
    "simple rnn": lambda: [SimpleRNN(4)],
    "lstm": lambda: [LSTM(4)],
    "gru": lambda: [GRU(4)],
    "bidirectional": lambda: [Bidirectional(LSTM(4))],
    "table": lambda: [Embedding(9, 3), GRU(4)],
}


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("clip_norm", [None, 1.0], ids=["plain", "clipped"])
@pytest.mark.parametrize("body", BODIES)
def test_steps_wait_for_nothing(counted, body, lengths, clip_norm):
    backend, ledger = counted
    x = IDS if body == "table" else X
    model = Sequential(*BODIES[body](), Dense(CLASSES))
    model.build((None, None, *x.shape[2:]), seed=0, backend=backend)
    trainer = Trainer(model, optimizer=lambda p: AdaGrad(p, lr=0.01, clip_norm=clip_norm), metrics="accuracy")

    def counts(rows):
        ledger.clear()
        own = None if lengths is None else lengths[:rows]
        trainer.fit(x[:rows], Y[:rows], lengths=own, epochs=1, batch_size=2, verbose=False)
        return ledger.lines("wait"), ledger.lines("download")

    one, four = counts(2), counts(8)
    assert four == one
    assert sum(times for times, _, _ in one[0]) == 2  # for the loss and the accuracy, at the end
