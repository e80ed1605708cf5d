"""What a PyTorch module does in turn, as ``torch.fx`` sees it: the modules, and what stands between them."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

from lamina.convert import torch_wrappers
from lamina.convert.unit import one_line
from lamina.errors import ConversionError

__all__ = ["Step", "is_own", "steps_of"]


class Step(NamedTuple):
    """One thing that a chain does.

    Attributes
    ----------
    name : str
        The module's place, or what is called.
    module : object
        A module, or None.
    arguments : tuple
        What it is called with behind the array, for what is no module.
    options : mapping
        The same by name; of a recurrent module ``{"gives": "sequence" or "states"}``.
    """

    name: str
    module: Any
    arguments: tuple[Any, ...]
    options: Mapping[str, Any]


def _is_recurrent(module: Any) -> bool:
    """Tell whether a module gives its outputs and its states."""
    return type(module).__name__ in ("LSTM", "GRU", "RNN") and _is_torchs(module)


def _is_attention(module: Any) -> bool:
    """Tell whether a module takes a query, keys and values."""
    return type(module).__name__ == "MultiheadAttention" and _is_torchs(module)


def is_own(module: Any) -> bool:
    """Tell whether a module is one of those that `to_torch` makes."""
    return type(module).__module__ == torch_wrappers.__name__


def _is_torchs(module: Any) -> bool:
    return type(module).__module__.startswith("torch.nn.")


def _is_leaf(module: Any) -> bool:
    return is_own(module) or (_is_torchs(module) and type(module).__name__ != "Sequential")


def steps_of(module: Any) -> list[Step]:
    """Return what a module does, step by step.

    Raises
    ------
    ConversionError
        If its ``forward`` is no chain, or cannot be followed.
    """
    if _is_leaf(module):
        return [Step("", module, (), {"gives": "sequence"} if _is_recurrent(module) else {})]
    fx = import_module("torch.fx")

    class Tracer(fx.Tracer):  # type: ignore[name-defined, misc]  # imported here, as PyTorch need not be there
        def is_leaf_module(self, module: Any, qualified: str) -> bool:
            return _is_leaf(module)

    name = type(module).__name__
    try:
        graph = Tracer().trace(module)
    except Exception as error:  # forward is anyone's code, run on what is no tensor
        raise ConversionError(
            one_line(f"{name}: its forward cannot be followed ({type(error).__name__}: {error}): give into=model")
        ) from error
    return _Follower(module, name).follow(graph)


class _Follower:
    """Reads a graph; each node must take what the one before gave."""

    def __init__(self, module: Any, name: str) -> None:
        self.module = module
        self.name = name
        self.steps: list[Step] = []
        # By node: how many steps gave its value, and what of these it is.
        self.values: dict[Any, tuple[int, str]] = {}

    def follow(self, graph: Any) -> list[Step]:
        """Return the steps."""
        inputs = [node for node in graph.nodes if node.op == "placeholder" and node.users]
        if len(inputs) != 1:
            raise ConversionError(f"{self.name}: expected a forward with one input, got {len(inputs)}")
        self.values[inputs[0]] = 0, "array"
        for node in graph.nodes:
            if node.op == "output":
                if self._value(node, node.args[0]) != "array":
                    raise ConversionError(f"{self.name}: expected a forward that gives one array")
            elif node.op != "placeholder" and (node.users or node.op != "call_function"):
                self._node(node)
        return self.steps

    def _value(self, node: Any, given: Any) -> str:
        """Return of which kind the value is that a node takes: it must be that of the last step."""
        if type(given).__name__ == "Node" and given in self.values:
            made, kind = self.values[given]
            if made == len(self.steps):
                return kind
        raise ConversionError(
            f"{self.name}: no chain: {node.name!r} takes something else than the step before gives: give into=model"
        )

    def _node(self, node: Any) -> None:
        arguments = node.args
        if node.op == "call_module":
            self._module(node)
            return
        if not arguments:
            raise ConversionError(f"{self.name}: {node.name!r} takes nothing")
        kind = self._value(node, arguments[0])
        if node.target is operator.getitem and kind != "array":
            self._part(node, kind, arguments[1])
            return
        if kind != "array":
            raise ConversionError(f"{self.name}: {node.name!r} takes what is no array")
        called = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
        self.steps.append(Step(called, None, tuple(arguments[1:]), node.kwargs))
        self.values[node] = len(self.steps), "array"

    def _module(self, node: Any) -> None:
        module = self.module.get_submodule(node.target)
        for given in node.args if _is_attention(module) else node.args[:1]:
            if self._value(node, given) != "array":
                raise ConversionError(f"{self.name}: {node.target!r} takes what is no array")
        options = dict(node.kwargs)
        if len(node.args) != (3 if _is_attention(module) else 1) or set(options) - {"need_weights"}:
            raise ConversionError(f"{self.name}: {node.target!r} takes more than one input: give into=model")
        several = _is_recurrent(module) or _is_attention(module)
        self.steps.append(Step(node.target, module, (), {"gives": "sequence"} if _is_recurrent(module) else {}))
        kind = "states" if _is_recurrent(module) else "array"
        self.values[node] = len(self.steps), f"pair of {kind}" if several else kind

    def _part(self, node: Any, kind: str, index: Any) -> None:
        """Take a part of what a recurrent module, or attention, gives: the outputs, the states, the last one's."""
        made = len(self.steps)
        is_lstm = type(self.steps[-1].module).__name__ == "LSTM"
        if kind.startswith("pair") and index == 0:
            self.values[node] = made, "array"
        elif kind == "pair of states" and index == 1:
            self.values[node] = made, "both states" if is_lstm else "state"
        elif kind == "both states" and index == 0:
            self.values[node] = made, "state"
        elif kind in ("both states", "pair of array"):  # c, or scores, which may be there and not used
            self.values[node] = made, "unused"
        elif kind == "state" and index in (-1, (-1,)) and not self.steps[-1].module.bidirectional:
            self.steps[-1] = self.steps[-1]._replace(options={"gives": "states"})
            self.values[node] = made, "array"
        else:
            raise ConversionError(f"{self.name}: {node.name!r} takes {index} of a {kind}: give into=model")
