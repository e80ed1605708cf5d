"""An ONNX graph in the making: nodes are added one after another, and what they give is known by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from lamina.core.parameter import Parameter
from lamina.core.shapes import Shape
from lamina.onnx.packages import onnx_package

__all__ = ["Body", "Graph", "Tensor"]

NumpyArray = np.ndarray[Any, Any]

#: The version of the operators, and that of the file.
OPSET, IR_VERSION = 22, 10


class Tensor(NamedTuple):
    """What a layer is given, and what it gives.

    Attributes
    ----------
    name : str
        In the graph.
    shape : tuple of int or None
        As a layer is built for it: None is an open size.
    lengths : str or None
        The name of the number of valid steps of each row, (batch,) 64-bit integers; None where all are valid.
    integers : bool
        Whether it holds whole numbers, as an embedding takes.
    """

    name: str
    shape: Shape
    lengths: str | None = None
    integers: bool = False

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)


class Graph:
    """Nodes, and the constants and weights that they take.

    Wherever a node takes something, that may be a name, a `Tensor`, None for what is left out, or a number or an array:
    whole numbers become 64-bit integers, other ones numbers of the model's dtype.

    Parameters
    ----------
    dtype : str
        The model's: ``"float32"`` or ``"float64"``.
    outer : Graph, optional
        The one around it, of a loop's body.

    Attributes
    ----------
    path : str
        Of the layer that is being translated: node names begin with it.
    nodes : list
    """

    def __init__(self, dtype: str, outer: Graph | None = None) -> None:
        self.dtype = dtype
        self.nodes: list[Any] = []
        self.path: str = "" if outer is None else outer.path
        self.outer = outer
        self.root: Graph = self if outer is None else outer.root
        #: Weights by name, and the constants.
        self.weights: dict[str, NumpyArray] = {}
        self.constants: dict[str, NumpyArray] = {}
        #: The parameters that the weights are made of.
        self.taken: set[int] = set()
        #: The states of a stream, where the graph is that of one.
        self.states: Any = None
        self._known: dict[Any, str] = {}
        self._count = 0

    # What nodes take and give.

    def add(self, operator: str, *inputs: Any, **attributes: Any) -> str:
        """Add a node and return the name of its output.

        Parameters
        ----------
        operator : str
            Such as ``"MatMul"``: of ONNX's own operators.
        *inputs : str, Tensor, number, array or None
        **attributes : any
        """
        return self.add_several(operator, 1, *inputs, **attributes)[0]

    def add_several(self, operator: str, count: int, *inputs: Any, **attributes: Any) -> tuple[str, ...]:
        """Add a node and return the names of its outputs, of which there are so many."""
        taken = [self.name_of(one) for one in inputs]
        while taken and not taken[-1]:  # what is left out at the end is not named either
            taken.pop()
        given = tuple(self.new_name(operator) for _ in range(count))
        name = f"{self.path}/{given[0]}" if self.path else given[0]
        self.nodes.append(onnx_package().helper.make_node(operator, taken, given, name=name, **attributes))
        return given

    def chain(self, x: Any, *nodes: tuple[Any, ...]) -> str:
        """Add nodes one after another: each takes what the one before gives, and more, as in ``("Mul", 2.0)``."""
        for operator, *others in nodes:
            x = self.add(operator, x, *others)
        return self.name_of(x)

    def name_of(self, value: Any) -> str:
        """Return the name of what a node takes."""
        if value is None:
            return ""
        if isinstance(value, Tensor):
            return value.name
        return value if isinstance(value, str) else self.constant(value)

    def rename(self, name: str, new: str) -> None:
        """Give what has a name another one, that of an output of the graph."""
        self.nodes.append(onnx_package().helper.make_node("Identity", [name], [new], name=new))

    def new_name(self, what: str) -> str:
        """Return a name that nothing has yet."""
        root = self.root
        root._count += 1
        return f"{what.lower()}_{root._count}"

    def constant(self, value: Any) -> str:
        """Return the name of a number or an array, which is written once however often it is asked for."""
        array = np.asarray(value)
        kind = "int64" if array.dtype.kind in "iu" else self.dtype if array.dtype.kind == "f" else array.dtype
        array = array.astype(kind)
        key = (array.tobytes(), array.shape, array.dtype.str)
        root = self.root
        if key not in root._known:
            root._known[key] = name = f"constant_{len(root.constants)}"
            root.constants[name] = array
        return root._known[key]

    def exact(self, value: Any) -> str:
        """Return the name of an array of 64-bit numbers, whatever the model's dtype."""
        name = f"constant_{len(self.root.constants)}"
        self.root.constants[name] = np.asarray(value, np.float64)
        return name

    def weight(self, parameter: Parameter) -> str:
        """Return the name of a parameter's values: its own."""
        return self.arranged(parameter.name, lambda values: values, parameter)

    def arranged(self, name: str, arrange: Callable[..., NumpyArray], *parameters: Parameter | None) -> str:
        """Return the name of an array made of parameters that are put in another order, side by side, or beside zeros.

        Anything else, such as a product, is to be said by nodes: `lamina.onnx.load` finds by the order which number of
        which parameter each of the array's is.
        """
        self.root.taken.update(id(one) for one in parameters if one is not None)
        if name not in self.root.weights:
            self.root.weights[name] = arrange(*[None if one is None else one.numpy() for one in parameters])
        return name

    # What translations need again and again.

    def once(self, key: Any, make: Callable[[], str]) -> str:
        """Return what was made under a key before, here or around; otherwise make it."""
        known: Graph | None = self
        while known is not None:
            if key in known._known:
                return known._known[key]
            known = known.outer
        self._known[key] = name = make()
        return name

    def size(self, x: Any, axis: int) -> str:
        """Return the size of an axis, as one whole number in a vector."""
        x = self.name_of(x)
        return self.once(("size", x, axis), lambda: self.add("Shape", x, start=axis, end=axis + 1))

    def cast(self, x: Any, dtype: str | None = None) -> str:
        """Return x as numbers of a dtype: by default, the model's."""
        kind = onnx_package().helper.np_dtype_to_tensor_dtype(np.dtype(dtype or self.dtype))
        return self.add("Cast", x, to=kind)

    def steps(self, time: str) -> str:
        """Return the whole numbers from 0 to below a size, which is one number in a vector."""
        count = self.once(("scalar", time), lambda: self.add("Squeeze", time, [0]))
        return self.once(("steps", time), lambda: self.add("Range", 0, count, 1))

    def full_lengths(self, x: Any) -> str:
        """Return lengths (batch,) that are all of x's steps."""
        batch, time = self.size(x, 0), self.size(x, 1)
        return self.once(("full", batch, time), lambda: self.add("Expand", time, batch))

    def valid(self, lengths: str, time: str) -> str:
        """Return (batch, time) truth values: whether a step is one of its row's."""

        def make() -> str:
            return self.add("Less", self.add("Unsqueeze", self.steps(time), [0]), self.column(lengths))

        return self.once(("valid", lengths, time), make)

    def column(self, lengths: str) -> str:
        """Return (batch,) numbers as (batch, 1)."""
        return self.once(("column", lengths), lambda: self.add("Unsqueeze", lengths, [1]))

    def valid_like(self, x: Any, rank: int, lengths: str) -> str:
        """Return what `valid` does, with as many axes as x."""
        valid = self.valid(lengths, self.size(x, 1))
        if rank == 2:
            return valid
        return self.once(("valid", valid, rank), lambda: self.add("Unsqueeze", valid, list(range(2, rank))))

    def fill_past(self, x: Any, rank: int, lengths: str | None, value: Any = 0.0) -> str:
        """Return x (batch, time, ...) with a number in place of what lies past each row's end; 0 by default."""
        name = self.name_of(x)
        if lengths is None:
            return name

        def make() -> str:
            return self.add("Where", self.valid_like(name, rank, lengths), name, value)

        return self.once(("fill", name, lengths, repr(value)), make)

    def zeros(self, *sizes: Any) -> str:
        """Return zeros: each size is a whole number, or the name of one in a vector."""
        shape = self.add("Concat", *[one if isinstance(one, str) else [one] for one in sizes], axis=0)
        package = onnx_package()
        kind = package.helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype))
        zero = package.helper.make_tensor("zero", kind, [1], [0])
        return self.add("ConstantOfShape", shape, value=zero)

    def dense(self, x: Any, w: Parameter, b: Parameter | None) -> str:
        """Return x w + b."""
        y = self.add("MatMul", x, self.weight(w))
        return y if b is None else self.add("Add", y, self.weight(b))

    def halves(self, x: Any, *sizes: int) -> tuple[str, ...]:
        """Return x's features in parts of sizes."""
        return self.add_several("Split", len(sizes), x, list(sizes), axis=-1)


class Body(Graph):
    """What a node does again and again: a graph in it, that may take what was made around it."""

    def __init__(self, outer: Graph) -> None:
        super().__init__(outer.dtype, outer)
        self.inputs: list[tuple[str, str]] = []

    def input(self, what: str, dtype: str | None = None) -> str:
        """Return a new name that the node fills at each turn."""
        name = self.new_name(what)
        self.inputs.append((name, dtype or self.dtype))
        return name

    def proto(self, outputs: Sequence[tuple[str, str]]) -> Any:
        """Return the graph, as an attribute of its node takes it: numbers are (batch, size), truth values (batch,)."""
        helper = onnx_package().helper

        def info(name: str, dtype: str) -> Any:
            sizes = [None] if dtype == "bool" else [None, None]
            return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), sizes)

        inputs = [info(*one) for one in self.inputs]
        return helper.make_graph(self.nodes, self.new_name("body"), inputs, [info(*one) for one in outputs])
