"""The count of settings that were assigned."""

import lamina
from lamina.core.changes import changes


def test_what_is_assigned_to_a_layer_or_a_loss_is_counted_and_what_is_private_is_not():
    layer, loss = lamina.layers.LeakyReLU(0.1), lamina.losses.SoftmaxCrossEntropy()
    before = changes.count
    layer.slope = 0.2
    loss.label_smoothing = 0.1
    assert changes.count == before + 2
    layer._anything = 1
    assert changes.count == before + 2


def test_a_step_assigns_nothing():
    model = lamina.Sequential(lamina.layers.GRU(3), lamina.layers.Dropout(0.5), lamina.layers.Dense(2))
    model.build((None, None, 2), seed=0)
    loss, optimizer = lamina.losses.SoftmaxCrossEntropy(), lamina.optimizers.SGD(model.parameters())
    x, y = model.as_input([[[1.0, 2.0]]]), [1]
    for turn in range(3):
        before = changes.count
        prediction, saved = model.forward(x)
        _, kept = loss.forward(prediction, y)
        model.backward(loss.backward(kept), saved)
        optimizer.step()
        model(x)
        assert turn == 0 or changes.count == before
