"""The register tile of a matrix product, emitted for this processor's vectors.

It is the one piece that plain loops cannot say: a block of sums that stays in registers. Python writes it down, in
LLVM's terms, for numbers of rows known beforehand.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.extending import intrinsic

__all__ = ["Shape", "Tiles", "processor", "shape_for"]

_WORD = ir.IntType(64)


class Shape(NamedTuple):
    """How large a tile is.

    Attributes
    ----------
    lanes : int
        Elements of a vector.
    rows : int
        At most.
    """

    lanes: int
    rows: int

    @property
    def columns(self) -> int:
        """Of a panel: two vectors."""
        return 2 * self.lanes

    def panels(self, rows: int) -> int:
        """Return how many panels few rows take at once: sums enough that none waits for the one before."""
        return max(1, min(4, self.rows // rows)) if 4 * rows <= self.rows else 1


def processor() -> str:
    """Return for which vectors code is made: ``"avx512"``, ``"avx2"`` or ``"neon"``, others being like the last.

    Numba's own switch, ``NUMBA_CPU_FEATURES``, is followed.
    """
    named = numba.config.CPU_FEATURES
    if named is None:
        features = {name for name, has in llvm.get_host_cpu_features().items() if has}
    else:
        features = {name.removeprefix("+") for name in named.split(",") if name.startswith("+")}
    return "avx512" if "avx512f" in features else "avx2" if {"avx2", "fma"} <= features else "neon"


_SHAPES = {"avx512": Shape(16, 12), "avx2": Shape(8, 6), "neon": Shape(4, 8)}


def shape_for(dtype: Any, name: str | None = None) -> Shape:
    """Return the tile's shape for a dtype, on this processor or one of another name."""
    lanes, rows = _SHAPES[name or processor()]
    return Shape(lanes * 4 // np.dtype(dtype).itemsize, rows)


class Tiles:
    """What compiled code calls to compute tiles of one dtype.

    Parameters
    ----------
    dtype : numpy dtype
    shape : Shape
    """

    def __init__(self, dtype: Any, shape: Shape) -> None:
        self.shape = shape
        self.size = np.dtype(dtype).itemsize
        self._element = ir.FloatType() if self.size == 4 else ir.DoubleType()
        self._vector = ir.VectorType(self._element, shape.lanes)
        self._intrinsic = f"llvm.fma.v{shape.lanes}f{8 * self.size}"

    def make(self) -> Any:
        """Return the function tile(rows, wide, depth, a, down, right, b, below, panel, c, across, add).

        It writes, or adds, C[rows, columns] = A[rows, depth] B[depth, columns], of as many panels as ``rows`` allows
        where ``wide``, else of one. All are addresses and bytes: A has strides of ``down`` and ``right``, C one of
        ``across``; ``below`` is from one row of a panel of B to the next, ``panel`` from one panel to the next.
        """

        @intrinsic
        def tile(
            typing: Any, rows: Any, wide: Any, depth: Any, a: Any, down: Any, right: Any, b: Any, below: Any,
            panel: Any, c: Any, across: Any, add: Any,
        ) -> Any:  # fmt: skip
            def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
                rows, wide, *others = arguments
                end = builder.append_basic_block("tiles_end")
                switch = builder.switch(builder.add(builder.mul(rows, _WORD(2)), wide), end)
                for count in range(1, self.shape.rows + 1):
                    for panels in {1, self.shape.panels(count)}:
                        block = builder.append_basic_block(f"tile_{count}_{panels}")
                        if panels == self.shape.panels(count):
                            switch.add_case(_WORD(2 * count + 1), block)
                        if panels == 1:
                            switch.add_case(_WORD(2 * count), block)
                        builder.position_at_end(block)
                        builder.call(self._function(builder.module, count, panels), others)
                        builder.branch(end)
                builder.position_at_end(end)
                return context.get_dummy_value()

            return types.void(*[types.intp] * 12), emit

        return tile

    def make_row(self) -> Any:
        """Return the function row(depth, a, right, b, below, c): the tile of one row and several panels, side by side.

        It adds to C.
        """

        @intrinsic
        def row(typing: Any, depth: Any, a: Any, right: Any, b: Any, below: Any, c: Any) -> Any:
            def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
                depth, a, right, b, below, c = arguments
                zero, panel = _WORD(0), _WORD(self.size * self.shape.columns)
                tile = self._function(builder.module, 1, self.shape.panels(1))
                builder.call(tile, [depth, a, zero, right, b, below, panel, c, zero, _WORD(1)])
                return context.get_dummy_value()

            return types.void(*[types.intp] * 6), emit

        return row

    def _function(self, module: Any, rows: int, panels: int) -> Any:
        """Return the function of one tile: many small ones are compiled in less time than one that holds them all."""
        name = f"lamina_tile_{self.size}_{rows}_{panels}"
        if name in module.globals:
            return module.globals[name]
        function = ir.Function(module, ir.FunctionType(ir.VoidType(), [_WORD] * 10), name)
        function.linkage = "internal"
        function.attributes.add("noinline")
        builder = ir.IRBuilder(function.append_basic_block("entry"))
        self._emit(builder, rows, panels, *function.args)
        builder.ret_void()
        return function

    def _emit(
        self, builder: Any, rows: int, panels: int, depth: Any, a: Any, down: Any, right: Any, b: Any, below: Any,
        panel: Any, c: Any, across: Any, add: Any,
    ) -> None:  # fmt: skip
        vector, bytes_of = self._vector, self.size * self.shape.lanes
        fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), self._intrinsic)
        halves = range(2 * panels)
        zero = ir.Constant(vector, [0.0] * self.shape.lanes)
        downs = [builder.mul(down, _WORD(i)) for i in range(rows)]
        across_panels = [builder.mul(panel, _WORD(p)) for p in range(panels)]
        for i in range(rows):
            for p in range(panels):
                self._fetch(
                    builder, builder.add(c, builder.add(builder.mul(across, _WORD(i)), _WORD(2 * bytes_of * p)))
                )
        before, loop, after = builder.block, builder.append_basic_block("depth"), builder.append_basic_block("store")
        builder.branch(loop)
        builder.position_at_end(loop)
        k, left, top = (builder.phi(_WORD) for _ in range(3))
        sums = [[builder.phi(vector) for _ in halves] for _ in range(rows)]
        weights = [
            self._load(builder, builder.add(builder.add(top, across_panels[j // 2]), _WORD(bytes_of * (j % 2))))
            for j in halves
        ]
        updated = []
        for i in range(rows):
            one = self._spread(builder, builder.add(left, downs[i]))
            updated.append([builder.call(fma, [one, weights[j], sums[i][j]]) for j in halves])
        following = [
            builder.add(k, _WORD(1)),
            builder.add(left, right),
            builder.add(top, below),
        ]
        builder.cbranch(builder.icmp_signed("<", following[0], depth), loop, after)
        for phi, first, later in zip((k, left, top), (_WORD(0), a, b), following, strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(later, loop)
        for i in range(rows):
            for j in halves:
                sums[i][j].add_incoming(zero, before)
                sums[i][j].add_incoming(updated[i][j], loop)
        builder.position_at_end(after)
        plain, adding, done = (builder.append_basic_block(name) for name in ("plain", "adding", "done"))
        # What is only written is not read first: C may lie far away, and a read would be waited for.
        builder.cbranch(builder.icmp_signed("!=", add, _WORD(0)), adding, plain)
        for block in (plain, adding):
            builder.position_at_end(block)
            for i in range(rows):
                out = builder.add(c, builder.mul(across, _WORD(i)))
                for j in halves:
                    place, total = builder.add(out, _WORD(bytes_of * j)), updated[i][j]
                    if block is adding:
                        total = builder.fadd(total, self._load(builder, place))
                    builder.store(total, self._pointer(builder, place), align=self.size)
            builder.branch(done)
        builder.position_at_end(done)

    def _pointer(self, builder: Any, address: Any) -> Any:
        return builder.inttoptr(address, self._vector.as_pointer())

    def _load(self, builder: Any, address: Any) -> Any:
        return builder.load(self._pointer(builder, address), align=self.size)

    def _fetch(self, builder: Any, address: Any) -> None:
        """Ask for the line of the cache at an address, to be written later."""
        word, byte = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        builder.call(fetch, [builder.inttoptr(address, byte), word(1), word(3), word(1)])

    def _spread(self, builder: Any, address: Any) -> Any:
        """Return the number at an address in every lane."""
        one = builder.load(builder.inttoptr(address, self._element.as_pointer()), align=self.size)
        first = builder.insert_element(ir.Constant(self._vector, ir.Undefined), one, ir.IntType(32)(0))
        lanes = ir.VectorType(ir.IntType(32), self.shape.lanes)
        return builder.shuffle_vector(first, first, ir.Constant(lanes, [0] * self.shape.lanes))
