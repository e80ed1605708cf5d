"""Files of ours come back as they were, and with other weights where others were put in; damaged ones are refused."""

import numpy as np
import pytest

import lamina
from lamina.errors import CheckpointError, LaminaError, NonFiniteWarning
from lamina.layers import GRU, LSTM, Dense, Dropout, Embedding, Standardize, Tanh
from tests.framework.onnx.needs import NEEDS

pytestmark = NEEDS


def written(path, model, shape=(None, None, 3), **options):
    model.build(shape, seed=0, **options)
    lamina.onnx.export(model, path)
    return model


def assert_alike(back, model):
    assert repr(back) == repr(model) and back.dtype == model.dtype
    state, found = model.state_dict(), back.state_dict()
    assert list(state) == list(found)
    for name, array in state.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_classes_weights_facts_ties_and_what_is_frozen_come_back(dtype, tmp_path):
    path, model = tmp_path / "model.onnx", lamina.Sequential(Embedding(5, 3), LSTM(4), Dropout(0.5), Dense(2), Dense(2))
    model[3].trainable = False
    model.build((None, None), seed=0, dtype=dtype)
    model[4].w = model[3].w if model[3].w.shape == model[4].w.shape else model[4].w
    model.facts["classes"] = ["a", "b"]
    lamina.onnx.export(model, path)
    back = lamina.onnx.load(path)
    assert_alike(back, model)
    assert back.facts == model.facts
    assert [one.trainable for one in back.parameters()] == [one.trainable for one in model.parameters()]


def test_tied_weights_are_tied_again(tmp_path):
    path, model = tmp_path / "model.onnx", lamina.Sequential(GRU(3, return_sequences=True), GRU(3))
    model.build((None, None, 3), seed=0)
    model[1].w_h = model[0].w_h
    lamina.onnx.export(model, path)
    back = lamina.onnx.load(path)
    assert back[1].w_h is back[0].w_h
    np.testing.assert_array_equal(back[0].w_h.numpy(), model[0].w_h.numpy())


def test_it_is_loaded_in_another_dtype_where_that_is_asked(tmp_path):
    path = tmp_path / "model.onnx"
    model = written(path, lamina.Sequential(GRU(4), Dense(2)))
    back = lamina.onnx.load(path, dtype="float64")
    assert back.dtype == "float64"
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(back.state_dict()[name], array.astype("float64"), strict=True)


def test_what_a_layer_measured_comes_back(tmp_path):
    path, layer = tmp_path / "model.onnx", Standardize().adapt([[[1.0], [3.0]], [[5.0], [7.0]]])
    model = written(path, lamina.Sequential(layer), (None, None, 1))
    assert_alike(lamina.onnx.load(path), model)
    assert lamina.onnx.load(path)[0].is_adapted


def test_a_layer_that_is_never_called_is_kept(tmp_path):
    @lamina.register
    class Spare(lamina.Composite):
        def __init__(self):
            self.used, self.spare = Dense(2), Dense(3)

        def build(self, *shapes, **options):
            self.spare.build((None, 5))
            return super().build(*shapes, **options)

        def compose(self, t, x):
            return t(self.used, x)

    path = tmp_path / "model.onnx"
    model = written(path, Spare(), (None, 4))
    assert_alike(lamina.onnx.load(path), model)


def test_weights_that_another_program_changed_in_the_graph_are_the_model_s(tmp_path):
    import onnx

    path = tmp_path / "model.onnx"
    model = written(path, lamina.Sequential(LSTM(2), Dense(1)))
    file = onnx.load(path)
    (recurrent,) = [one for one in file.graph.initializer if one.name == "0.W"]
    changed = onnx.numpy_helper.to_array(recurrent).copy()
    changed[0, 2:4] += 10  # the output gate, which is the second of ONNX's and the last one of ours
    recurrent.CopyFrom(onnx.numpy_helper.from_array(changed, "0.W"))
    onnx.save(file, path)
    expected = model.state_dict()["0.w_x"]
    expected[:, 6:8] += 10
    np.testing.assert_allclose(lamina.onnx.load(path).state_dict()["0.w_x"], expected, rtol=1e-6)


def test_a_weight_that_is_no_number_is_warned_of_by_name(tmp_path):
    path, model = tmp_path / "model.onnx", Dense(2)
    model.build((None, 3), seed=0)
    model.w.data[0, 0] = np.nan
    lamina.onnx.export(model, path)
    with pytest.warns(NonFiniteWarning, match="'w'") as caught:
        lamina.onnx.load(path)
    assert caught[0].filename == __file__


def test_what_is_no_such_file_is_refused_in_one_line(tmp_path):
    path = tmp_path / "model.onnx"
    with pytest.raises(CheckpointError, match=r"cannot read .*No such file"):
        lamina.onnx.load(path)
    for content in (b"no ONNX", b"", b"\x08\n", bytes(1000)):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"^'.*model.onnx': [^\n]*$"):
            lamina.onnx.load(path)


def edited(path, **entries):
    """Change the entries of a file; None takes one away."""
    import onnx

    file = onnx.load(path)
    known = {one.key: one.value for one in file.metadata_props}
    for name, value in entries.items():
        known[f"lamina.{name}"] = value
    onnx.helper.set_model_props(file, {name: value for name, value in known.items() if value is not None})
    onnx.save(file, path)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"architecture": "{}"}, "expected the description of a part"),
        ({"architecture": '{"layer": "Dense", "config": {"units": 1000000000}}'}, "damaged|fit|most"),
        ({"shapes": '{"w": [100000, 100000]}'}, "more weights than the graph holds"),
        ({"shapes": "[]"}, "no 'shapes'"),
        ({"shapes": None}, "no 'shapes'"),
        ({"options": '{"length": true}'}, "damaged"),
        ({"dtype": "float16"}, "dtype"),
        ({"shapes": '{"w": [3, 2]}'}, "missing"),
    ],
)
def test_entries_that_do_not_fit_are_refused(entries, message, tmp_path):
    path = tmp_path / "model.onnx"
    written(path, Dense(2), (None, 3))
    edited(path, **entries)
    with pytest.raises(CheckpointError, match=message):
        lamina.onnx.load(path)


def test_weights_that_are_missing_or_misshapen_are_named(tmp_path):
    import onnx

    path = tmp_path / "model.onnx"
    written(path, Dense(2), (None, 3))
    file = onnx.load(path)
    for one in file.graph.initializer:
        if one.name == "w":
            one.CopyFrom(onnx.numpy_helper.from_array(np.zeros((2, 3), "float32"), "w"))
    onnx.save(file, path)
    with pytest.raises(CheckpointError, match=r"expected weights 'w' of shape \(3, 2\), got \(2, 3\)"):
        lamina.onnx.load(path)
    kept = [one for one in file.graph.initializer if one.name != "w"]
    del file.graph.initializer[:]
    file.graph.initializer.extend([*kept, onnx.numpy_helper.from_array(np.zeros(9, "float32"), "other")])
    onnx.save(file, path)
    with pytest.raises(CheckpointError, match=r"expected weights 'w' of shape \(3, 2\), got none"):
        lamina.onnx.load(path)


def test_weights_in_other_files_are_not_read(tmp_path):
    import onnx

    path = tmp_path / "model.onnx"
    written(path, Dense(40), (None, 30))
    (tmp_path / "secret").write_bytes(bytes(10000))
    file = onnx.load(path)
    onnx.external_data_helper.convert_model_to_external_data(file, location="secret", size_threshold=0)
    (tmp_path / "secret").unlink()
    onnx.save(file, path)
    with pytest.raises(CheckpointError, match="weights in other files are not read"):
        lamina.onnx.load(path)


def test_damage_anywhere_is_refused_or_read(tmp_path):
    path = tmp_path / "model.onnx"
    written(path, lamina.Sequential(GRU(2), Tanh(), Dense(2)))
    content, rng, refused = path.read_bytes(), np.random.default_rng(0), 0
    for _ in range(120):
        broken = bytearray(content)
        for place in rng.integers(0, len(content), rng.integers(1, 6)):
            broken[place] = rng.integers(0, 256)
        path.write_bytes(bytes(broken[: rng.integers(1, len(content))] if rng.integers(4) == 0 else broken))
        try:
            lamina.onnx.load(path)
        except LaminaError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 40
