"""Truncated backpropagation through time equals PyTorch's with detached states: chunk by chunk, every gradient."""

import numpy as np
import pytest

from lamina import Sequential
from lamina.layers import LSTM, Dense, SimpleRNN
from lamina.losses import SoftmaxCrossEntropy
from lamina.train.batches import Batch
from lamina.train.truncation import Chunks

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity

BATCH, TIME, FEATURES, CLASSES = 5, 11, 3, 4
LENGTHS = np.array([11, 2, 7, 4, 9])
RNG = np.random.default_rng(0)
X = RNG.standard_normal((BATCH, TIME, FEATURES))
Y = RNG.integers(0, CLASSES, (BATCH, TIME))


class Torch(torch.nn.Module):
    """An LSTM, a tanh RNN and a linear layer with the model's weights; states go in and come out."""

    def __init__(self, model):
        super().__init__()
        kind = {"batch_first": True, "dtype": torch.float64}
        self.lstm, self.rnn = torch.nn.LSTM(FEATURES, 6, **kind), torch.nn.RNN(6, 5, **kind)
        self.head = torch.nn.Linear(5, CLASSES, dtype=torch.float64)
        with torch.no_grad():
            for ours, theirs in zip(model.layers[:2], (self.lstm, self.rnn), strict=True):
                theirs.weight_ih_l0.copy_(torch.tensor(ours.w_x.data.T.copy()))
                theirs.weight_hh_l0.copy_(torch.tensor(ours.w_h.data.T.copy()))
                theirs.bias_ih_l0.copy_(torch.tensor(ours.b.data.copy()))
                theirs.bias_hh_l0.zero_()
            self.head.weight.copy_(torch.tensor(model[2].w.data.T.copy()))
            self.head.bias.copy_(torch.tensor(model[2].b.data.copy()))

    def forward(self, x, states):
        lstm, rnn = states
        h, lstm = self.lstm(x, lstm)
        h, rnn = self.rnn(h, rnn)
        return self.head(h), (lstm, rnn)

    def gradients(self):
        found = []
        for layer in (self.lstm, self.rnn):
            found += [layer.weight_ih_l0.grad.T, layer.weight_hh_l0.grad.T, layer.bias_ih_l0.grad]
        return [*found, self.head.weight.grad.T, self.head.bias.grad]


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("size", [1, 3, 4, 11])
def test_chunks_equal_detached_states(equal, size, lengths, backend):
    model = Sequential(LSTM(6, return_sequences=True), SimpleRNN(5, return_sequences=True), Dense(CLASSES))
    model.build((None, None, FEATURES), seed=1, dtype="float64", backend=backend)
    peer, loss, states = Torch(model), SoftmaxCrossEntropy(), (None, None)
    options = {} if lengths is None else {"lengths": lengths}
    chunks = Chunks(model, [Batch(BATCH, (X,), options, Y)], size)
    for number, chunk in enumerate(chunks):
        model.zero_grad()
        prediction, saved = chunks.forward(*chunk.inputs, **chunk.options)
        value, kept = loss.forward(prediction, chunk.target, lengths=chunk.options.get("lengths"))
        model.backward(loss.backward(kept), saved)

        start = number * size
        peer.zero_grad()
        logits, states = peer(torch.tensor(X[:, start : start + size]), states)
        # A row that has ended goes on here, but counts no more: nothing of it reaches the loss.
        count = torch.arange(start, min(start + size, TIME))[None] < torch.tensor(
            np.full(BATCH, TIME) if lengths is None else lengths
        ).reshape(-1, 1)
        theirs = torch.nn.functional.cross_entropy(logits[count], torch.tensor(Y[:, start : start + size])[count])
        theirs.backward()
        states = ((states[0][0].detach(), states[0][1].detach()), states[1].detach())
        equal("truncated: loss", value, theirs)
        for parameter, gradient in zip(model.parameters(), peer.gradients(), strict=True):
            equal("truncated: gradients", parameter.grad, gradient)
