"""What a backend has of its own, and which of it was called."""

import lamina
from benchmarks.gpu.own_kernels import calls_counted, own_functions
from lamina.layers import LSTM


def test_overrides_of_kernels_count_and_moves_of_arrays_do_not():
    found = own_functions(lamina.get_backend("numpy"))
    assert {"lstm_forward", "lstm_backward", "adam_update", "take_rows"} <= set(found)
    assert not {"to_numpy", "asarray", "select", "supports", "find_kernel", "batch_norm_forward"} & set(found)
    assert own_functions(lamina.get_backend("reference")) == []


def test_calls_are_counted_within_the_block_alone():
    backend = lamina.get_backend("numpy")
    before = vars(type(backend)).get("lstm_forward")
    layer = LSTM(3)
    layer.build((None, None, 2), seed=0, backend=backend)
    x = backend.asarray([[[1.0, 2.0], [3.0, 4.0]]], "float32")
    layer(x)
    with calls_counted(backend) as calls:
        assert backend.select("lstm").source == "numpy"  # a counted kernel is still its own
        layer(x)
        y, saved = layer.forward(x)
        layer.backward(y, saved)
    layer(x)
    assert calls == {"lstm_forward": 2, "lstm_backward": 1}
    assert vars(type(backend)).get("lstm_forward") is before
