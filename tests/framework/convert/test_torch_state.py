"""State dictionaries without PyTorch: their names, the order of gates, and the arrays of which layer go together."""

import subprocess
import sys

import numpy as np
import pytest

import lamina
from lamina import Bidirectional, Sequential, convert
from lamina.convert.torch_state import modules_of, read_state
from lamina.errors import CheckpointError
from lamina.layers import GRU, LSTM, Attention, BatchNorm, Dense, SelfAttention


def built(*layers, shape=(None, None, 4)):
    model = Sequential(*layers)
    model.build(shape, seed=0)
    return model


def test_names_are_pytorchs():
    model = built(
        Bidirectional(LSTM(3, projection=2, return_sequences=True)), SelfAttention(2), BatchNorm(), GRU(3), Dense(2)
    )
    assert list(convert.torch_state(model)) == [
        *(f"0.{name}_l0{back}" for back in ("", "_reverse") for name in
          ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")),
        "1.in_proj_weight", "1.in_proj_bias", "1.out_proj.weight", "1.out_proj.bias",
        "2.weight", "2.bias", "2.running_mean", "2.running_var", "2.num_batches_tracked",
        "3.weight_ih_l0", "3.weight_hh_l0", "3.bias_ih_l0", "3.bias_hh_l0", "4.weight", "4.bias",
    ]  # fmt: skip


def test_a_grus_second_bias_is_of_the_candidate_alone():
    model = built(GRU(2))
    model.load_state_dict(model.state_dict() | {"0.b": np.arange(6), "0.b_h": [7, 8]})
    state = convert.torch_state(model)
    assert state["0.bias_ih_l0"].tolist() == [0, 1, 2, 3, 4, 5]
    assert state["0.bias_hh_l0"].tolist() == [0, 0, 0, 0, 7, 8]
    given = {**state, "0.bias_hh_l0": np.array([1, 1, 1, 1, 5, 5], "float32")}
    convert.from_torch(given, model)
    assert model[0].b.data.tolist() == [1, 2, 3, 4, 4, 5]
    assert model[0].b_h.data.tolist() == [5, 5]


def test_keys_of_other_features_are_projected_apart():
    layer = Attention(2)
    layer.build((None, None, 4), (None, None, 3), (None, None, 5), seed=0)
    state = convert.torch_state(layer)
    assert {name: array.shape for name, array in state.items()} == {
        "q_proj_weight": (4, 4), "k_proj_weight": (4, 3), "v_proj_weight": (4, 5), "in_proj_bias": (12,),
        "out_proj.weight": (4, 4), "out_proj.bias": (4,),
    }  # fmt: skip
    before = layer.state_dict()
    layer.load_state_dict({name: array * 0 for name, array in before.items()})
    convert.from_torch(state, layer)
    assert all((before[name] == array).all() for name, array in layer.state_dict().items())


def test_arrays_are_grouped_by_module_and_by_layer_in_it():
    names = [
        "a.rnn.weight_ih_l0", "a.rnn.weight_ih_l1_reverse", "a.rnn.weight_ih_l1", "b.num_batches_tracked", "b.weight",
        "c.in_proj_weight", "c.out_proj.weight", "d.out_proj.weight", "weight",
    ]  # fmt: skip
    found = {(one.name, one.number): list(one.arrays) for one in modules_of(dict.fromkeys(names))}
    assert found == {
        ("a.rnn", 0): ["weight_ih"], ("a.rnn", 1): ["weight_ih_reverse", "weight_ih"], ("b", None): ["weight"],
        ("c", None): ["in_proj_weight", "out_proj.weight"], ("d.out_proj", None): ["weight"], ("", None): ["weight"],
    }  # fmt: skip


def test_a_file_is_written_and_read_without_pytorch(tmp_path):
    path = tmp_path / "a.safetensors"
    program = f"""
import sys, lamina
made = [lamina.Sequential(lamina.layers.LSTM(3), lamina.layers.Dense(2)) for _ in range(2)]
for seed, model in enumerate(made):
    model.build((None, None, 4), seed=seed)
lamina.convert.to_torch(made[0], {str(path)!r})
lamina.convert.from_torch({str(path)!r}, made[1])
assert all((made[1].state_dict()[name] == array).all() for name, array in made[0].state_dict().items())
print(sorted({{"torch", "keras", "h5py", "jax", "tensorflow"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_file_of_other_kinds_says_which(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"a.safetensors': no readable safetensors file \("):
        read_state(path)
    with pytest.raises(
        lamina.errors.ConversionError, match=r"^Dense '0' from '': expected numbers as weight, got comp"
    ):
        convert.from_torch({"weight": np.ones((3, 4), "complex64"), "bias": np.ones(3)}, built(Dense(3)))
