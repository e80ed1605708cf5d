"""PyTorch's transformers in Lamina's parts, and their weights."""

import numpy as np

import lamina
from lamina import Residual, Sequential, layers
from tests.parity.onnx_said import Say

__all__ = ["Decoder", "decoder_weights", "encoder", "encoder_weights", "several", "transformer", "transformer_weights"]


def _attention(state, name):
    w = np.split(state[f"{name}.in_proj_weight"], 3)
    b = np.split(state[f"{name}.in_proj_bias"], 3)
    found = {f"w_{one}": part.T for one, part in zip("qkv", w, strict=True)}
    found |= {f"b_{one}": part for one, part in zip("qkv", b, strict=True)}
    return found | {"w_o": state[f"{name}.out_proj.weight"].T, "b_o": state[f"{name}.out_proj.bias"]}


def _dense(state, name):
    return {"w": state[f"{name}.weight"].T, "b": state[f"{name}.bias"]}


def _norm(state, name):
    return {"scale": state[f"{name}.weight"], "shift": state[f"{name}.bias"]}


def _under(path, parameters):
    return {f"{path}.{name}": value for name, value in parameters.items()}


def _forward():
    return Sequential(layers.Dense(8), layers.ReLU(), layers.Dense(4))


def encoder():
    return Sequential(Residual(layers.SelfAttention(2)), layers.LayerNorm(), Residual(_forward()), layers.LayerNorm())


def encoder_weights(state, prefix=""):
    return {
        **_under("0.inner", _attention(state, f"{prefix}self_attn")),
        **_under("1", _norm(state, f"{prefix}norm1")),
        **_under("2.inner.0", _dense(state, f"{prefix}linear1")),
        **_under("2.inner.2", _dense(state, f"{prefix}linear2")),
        **_under("3", _norm(state, f"{prefix}norm2")),
    }


class Decoder(lamina.Composite):
    """A layer of the transformer's decoder: x and a memory in, x out."""

    def __init__(self):
        self.self_attention, self.cross = layers.SelfAttention(2), layers.Attention(2)
        self.forward_part = _forward()
        self.norms = [layers.LayerNorm() for _ in range(3)]

    def compose(self, t, x, memory):
        x = t(self.norms[0], x + t(self.self_attention, x))
        x = t(self.norms[1], x + t(self.cross, x, memory))
        return t(self.norms[2], x + t(self.forward_part, x))


def decoder_weights(state, prefix=""):
    return {
        **_under("self_attention", _attention(state, f"{prefix}self_attn")),
        **_under("cross", _attention(state, f"{prefix}multihead_attn")),
        **_under("forward_part.0", _dense(state, f"{prefix}linear1")),
        **_under("forward_part.2", _dense(state, f"{prefix}linear2")),
        **{
            key: value
            for one in range(3)
            for key, value in _under(f"norms.{one}", _norm(state, f"{prefix}norm{one + 1}")).items()
        },
    }


def several(state, make, path, count=2):
    return {key: value for one in range(count) for key, value in _under(path(one), make(state, one)).items()}


def transformer():
    """Return what a transformer is in Lamina, and how its weights are called."""

    def through(t, own, source, x):
        memory = source
        for place in range(2):
            memory = t(getattr(own, f"encoder_{place}"), memory)
        memory = t(own.after_encoder, memory)
        for place in range(2):
            x = t(getattr(own, f"decoder_{place}"), x, memory)
        return t(own.after_decoder, x)

    parts = {f"encoder_{place}": encoder() for place in range(2)} | {
        f"decoder_{place}": Decoder() for place in range(2)
    }
    parts |= {"after_encoder": layers.LayerNorm(), "after_decoder": layers.LayerNorm()}
    return Say(through, parts)


def transformer_weights(state):
    return {
        **several(state, lambda s, one: encoder_weights(s, f"encoder.layers.{one}."), "encoder_{}".format),
        **several(state, lambda s, one: decoder_weights(s, f"decoder.layers.{one}."), "decoder_{}".format),
        **_under("after_encoder", _norm(state, "encoder.norm")),
        **_under("after_decoder", _norm(state, "decoder.norm")),
    }
