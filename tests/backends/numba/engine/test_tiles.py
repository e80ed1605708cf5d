"""Tiles of every processor's shape: compiled for this one, they give the same products."""

import numpy as np
import pytest

numba = pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import llvmlite.binding as llvm  # noqa: E402

from lamina.backends.numba.engine.memory import OPTIONS  # noqa: E402
from lamina.backends.numba.engine.tiles import Shape, Tiles, processor, shape_for  # noqa: E402

SHAPES = [(name, dtype) for name in ("avx512", "avx2", "neon") for dtype in ("float32", "float64")]


def test_a_vector_has_half_as_many_numbers_of_twice_the_size():
    for name in ("avx512", "avx2", "neon"):
        assert shape_for("float32", name).lanes == 2 * shape_for("float64", name).lanes


def test_few_rows_take_several_panels_so_that_no_sum_waits_for_the_one_before():
    shape = Shape(8, 6)
    assert [shape.panels(rows) for rows in range(1, 7)] == [4, 1, 1, 1, 1, 1]
    assert [Shape(16, 12).panels(rows) for rows in range(1, 5)] == [4, 4, 4, 1]


def test_numbas_own_switch_of_the_processors_features_is_followed(monkeypatch):
    monkeypatch.setattr(numba.config, "CPU_FEATURES", "+avx2,+fma,-avx512f")
    assert processor() == "avx2"
    monkeypatch.setattr(numba.config, "CPU_FEATURES", "+neon")
    assert processor() == "neon"
    monkeypatch.setattr(numba.config, "CPU_FEATURES", "+avx512f")
    assert processor() == "avx512"


@pytest.mark.parametrize(("name", "dtype"), SHAPES)
def test_the_tile_of_each_processor_gives_the_product(name, dtype):
    shape = shape_for(dtype, name)
    tile, size = Tiles(dtype, shape).make(), np.dtype(dtype).itemsize

    @numba.njit(**OPTIONS)
    def run(rows, wide, depth, a, down, right, b, below, panel, c, across, add):
        tile(rows, wide, depth, a, down, right, b, below, panel, c, across, add)

    rng = np.random.default_rng(0)
    for rows in range(1, shape.rows + 1):
        for wide in {0, int(shape.panels(rows) > 1)}:
            for add in (0, 1):
                panels = shape.panels(rows) if wide else 1
                columns, depth = panels * shape.columns, 17
                a, b = rng.normal(size=(rows, depth)).astype(dtype), rng.normal(size=(depth, columns)).astype(dtype)
                packed = np.ascontiguousarray(b.reshape(depth, panels, shape.columns).transpose(1, 0, 2))
                c = rng.normal(size=(rows, columns)).astype(dtype)
                expected = a.astype(np.float64) @ b + (c if add else 0)
                run(
                    rows, wide, depth, a.ctypes.data, size * depth, size, packed.ctypes.data, size * shape.columns,
                    size * depth * shape.columns, c.ctypes.data, size * columns, add,
                )  # fmt: skip
                np.testing.assert_allclose(c, expected, atol=1e-4 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize(("name", "dtype"), SHAPES)
def test_the_tile_of_one_row_adds_the_product_of_panels_side_by_side(name, dtype):
    shape = shape_for(dtype, name)
    tile, size = Tiles(dtype, shape).make_row(), np.dtype(dtype).itemsize

    @numba.njit(**OPTIONS)
    def run(depth, a, right, b, below, c):
        tile(depth, a, right, b, below, c)

    rng, columns = np.random.default_rng(0), shape.columns * shape.panels(1)
    for depth in (1, 17):
        a, b, c = (rng.normal(size=size).astype(dtype) for size in (depth, (depth, columns), columns))
        expected = a.astype(np.float64) @ b + c
        run(depth, a.ctypes.data, size, b.ctypes.data, size * columns, c.ctypes.data)
        np.testing.assert_allclose(c, expected, atol=1e-4 if dtype == "float32" else 1e-12)


def test_the_tile_of_another_processor_is_code_for_it():
    """Its vectors are as wide as they are said to be: what is compiled for NEON has its fused products of 4 numbers."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    shape = shape_for("float32", "neon")
    kind = f"<{shape.lanes} x float>"
    fused = f"@llvm.fma.v{shape.lanes}f32"
    text = f"""
    declare {kind} {fused}({kind}, {kind}, {kind})
    define {kind} @one({kind} %a, {kind} %b, {kind} %c) {{
      %d = call {kind} {fused}({kind} %a, {kind} %b, {kind} %c)
      ret {kind} %d
    }}"""
    try:
        target = llvm.Target.from_triple("aarch64-unknown-linux-gnu")
    except RuntimeError:
        pytest.skip("this build of LLVM makes no code for ARM")
    module = llvm.parse_assembly(text)
    assembly = target.create_target_machine().emit_assembly(module)
    assert "fmla" in assembly and ".4s" in assembly
