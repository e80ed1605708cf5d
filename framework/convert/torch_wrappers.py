"""PyTorch's modules with Lamina's axes: (batch, time, features) in, and one array out.

Their classes are made when one is first asked for, as attributes of this module, so that importing it needs no PyTorch
and an instance can be pickled. Each is a subclass of the module that it is named after, and has its ``state_dict``:
``StepsConv1d`` is a ``Conv1d`` over steps, ``OutputsLSTM`` an ``LSTM`` that gives its outputs, ``LastLSTM`` one that
gives its last state.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["wrapper"]


def wrapper(name: str) -> Any:
    """Return the class of a name."""
    if name not in globals():
        globals()[name] = _made(name)
    return globals()[name]


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return wrapper(name)
    except ImportError as error:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}: {error}") from error


def _made(name: str) -> Any:
    torch = import_module("torch")
    nn = torch.nn
    for prefix, forward in (("Steps", _steps), ("Outputs", _outputs), ("Last", _last)):
        base = getattr(nn, name.removeprefix(prefix), None)
        if name.startswith(prefix) and base is not None:
            # What a layer sets on its own: which way it reads, and what is padded by other sizes on two sides.
            own = {"go_backwards": False, "pads": (), "__module__": __name__}
            return type(name, (base,), {"forward": forward(base), **own})
    if name in _FORWARDS:
        base, forward_of = (nn.MultiheadAttention if name == "Attention" else nn.Module), _FORWARDS[name]
        own = {"forward": forward_of(torch), "__init__": _init(base), "__module__": __name__}
        return type(name, (base,), own)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _init(base: Any) -> Any:
    """Return a constructor that keeps what it takes by name beyond the base's arguments, in ``kept``."""

    def __init__(self: Any, *arguments: Any, kept: dict[str, Any], **options: Any) -> None:
        base.__init__(self, *arguments, **options)
        for name, value in kept.items():
            setattr(self, name, value)

    return __init__


def _steps(base: Any) -> Any:
    def forward(self: Any, x: Any) -> Any:
        x = x.transpose(1, 2)
        if self.pads:
            x = import_module("torch").nn.functional.pad(x, self.pads)
        return base.forward(self, x).transpose(1, 2)

    return forward


def _outputs(base: Any) -> Any:
    def forward(self: Any, x: Any) -> Any:
        if self.go_backwards:
            return base.forward(self, x.flip(1))[0].flip(1)
        return base.forward(self, x)[0]

    return forward


def _last(base: Any) -> Any:
    def forward(self: Any, x: Any) -> Any:
        states = base.forward(self, x.flip(1) if self.go_backwards else x)[1]
        h = states[0] if isinstance(states, tuple) else states
        return h.transpose(0, 1).flatten(1)

    return forward


def _attention(torch: Any) -> Any:
    def forward(self: Any, x: Any) -> Any:
        mask = torch.nn.Transformer.generate_square_subsequent_mask(x.shape[1], x.device, x.dtype)
        options = {"attn_mask": mask if self.causal else None, "is_causal": self.causal, "need_weights": False}
        return torch.nn.MultiheadAttention.forward(self, x, x, x, **options)[0]

    return forward


_FORWARDS: dict[str, Any] = {
    "Attention": _attention,
    "Select": lambda torch: lambda self, x: x.select(self.axis, self.index),
    "Mean": lambda torch: lambda self, x: x.mean(1),
    "Maximum": lambda torch: lambda self, x: x.amax(1),
    "Permute": lambda torch: lambda self, x: x.permute(0, *self.axes),
    "Repeat": lambda torch: lambda self, x: x.unsqueeze(1).expand(-1, self.count, -1),
    "Residual": lambda torch: lambda self, x: x + self.inner(x),
    "Affine": lambda torch: lambda self, x: x * self.scale + self.offset,
}
