"""All gradients at once: the norm, clipping, whether they are finite, additions; one or two launches for any number."""

import math

import numpy as np
import pytest

import lamina
from lamina.backends.cupy import clipping
from lamina.errors import NonFiniteError
from lamina.layers import Dense, Embedding
from lamina.optimizers import SGD, clip_global_norm, clip_value
from tests.backends.cupy.against_generic import faulty_source

SIZES = [(3, 4), (0, 5), (1,), (5001,), (), (70, 31)]
SCALES = {"float64": (1.0, 1e-300, 1e-160, 1e200, 1e306), "float32": (1.0, 1e-44, 1e-25, 1e30)}


def drawn(dtype, scale=1.0, seed=0):
    rng = np.random.default_rng(seed)
    with np.errstate(under="ignore"):
        return [np.array(rng.normal(size=size) * scale, dtype) for size in SIZES]


def norm_of(arrays):
    """Return the norm by exact sums of wider numbers."""
    values = np.concatenate([np.ravel(array).astype(np.longdouble) for array in arrays])
    most = np.max(abs(values))
    return most * np.sqrt(np.sum((values / most) ** 2))


@pytest.mark.parametrize(("dtype", "scale"), [(dtype, one) for dtype, several in SCALES.items() for one in several])
def test_the_norm_neither_overflows_nor_vanishes(device, dtype, scale):
    arrays = drawn(dtype, scale)
    norm = device.global_norm([device.asarray(array) for array in arrays])
    assert (norm.shape, norm.dtype) == ((), dtype)
    tolerance = {"rel": 1e-14 if dtype == "float64" else 1e-6, "abs": float(np.finfo(dtype).smallest_subnormal)}
    assert float(norm) == pytest.approx(float(norm_of(arrays)), **tolerance)


@pytest.mark.parametrize("exponents", [(-200, 0), (0, 200), (-200, 200), (-200, 0, 200), (-155, -153), (145, 147)])
def test_numbers_of_all_sizes_together(device, exponents):
    """What is large, what is not and what is small are summed apart."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=50) * 10.0**exponent for exponent in exponents]
    norm = device.global_norm([device.asarray(array) for array in arrays])
    assert float(norm) == pytest.approx(float(norm_of(arrays)), rel=1e-14, abs=0)


@pytest.mark.parametrize("dtype", SCALES)
@pytest.mark.parametrize(
    ("wrong", "expected"),
    [(["inf"], math.inf), (["-inf", "inf"], math.inf), (["nan"], math.nan), (["inf", "nan"], math.nan)],
)
def test_the_norm_of_what_is_not_finite(device, dtype, wrong, expected):
    arrays = drawn(dtype)
    for place, value in enumerate(wrong):
        arrays[3][17 + place] = float(value)
    on_device = [device.asarray(array) for array in arrays]
    norm = float(device.clip_global_norm(on_device, 1.0))
    assert norm == expected or (math.isnan(norm) and math.isnan(expected))
    for before, after in zip(arrays, on_device, strict=True):
        # Where the norm is infinite, what is finite becomes 0 and what is infinite NaN; where it is NaN, all does.
        lost = np.isnan(device.to_numpy(after))
        assert (lost == (math.isnan(expected) | np.isinf(before))).all()
        assert (device.to_numpy(after)[~lost] == 0).all()


@pytest.mark.parametrize("dtype", SCALES)
@pytest.mark.parametrize("limit", [0.5, 50.0, 1e9])
def test_clipping_by_norm_as_the_generic_kernel(device, dtype, limit):
    host = lamina.get_backend("numpy")
    own, expected = ([backend.asarray(one) for one in drawn(dtype)] for backend in (device, host))
    norms = device.clip_global_norm(own, limit), host.clip_global_norm(expected, limit)
    tolerance = 1e-14 if dtype == "float64" else 1e-6
    for one, other in [*zip(own, expected, strict=True), norms]:
        np.testing.assert_allclose(device.to_numpy(one), other, rtol=tolerance)
    assert norms[0].dtype == dtype
    if limit == 1e9:  # no bit is changed within it
        assert all((device.to_numpy(one) == other).all() for one, other in zip(own, drawn(dtype), strict=True))


@pytest.mark.parametrize("shapes", [[(4, 3)], [(0,), (2, 0)]])
def test_the_norm_of_nothing_is_zero(device, shapes):
    arrays = [device.zeros(shape, "float64") for shape in shapes]
    assert float(device.clip_global_norm(arrays, 1.0)) == 0
    assert not any(device.to_numpy(array).any() for array in arrays)


def test_sums_come_in_an_order_that_does_not_depend_on_where_arrays_lie(device):
    """The same arrays side by side in memory, and apart."""
    arrays = [array.ravel() for array in drawn("float32")]
    flat = device.asarray(np.concatenate(arrays))
    ends = np.cumsum([array.size for array in arrays])
    beside = [flat[end - array.size : end] for array, end in zip(arrays, ends, strict=True)]
    bits = {
        device.to_numpy(device.global_norm(several)).tobytes()
        for several in (beside, [device.asarray(array) for array in arrays])
    }
    assert len(bits) == 1


@pytest.mark.parametrize("dtype", SCALES)
def test_clipping_by_value(device, dtype):
    arrays = drawn(dtype)
    arrays[3][:3] = math.nan, math.inf, -math.inf
    on_device = [device.asarray(array) for array in arrays]
    device.clip_values(on_device, 0.3)
    for before, after in zip(arrays, on_device, strict=True):
        np.testing.assert_array_equal(device.to_numpy(after), np.clip(before, -0.3, 0.3).astype(dtype))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", SCALES)
def test_one_number_that_is_not_finite_is_found(device, dtype, value):
    arrays = drawn(dtype, 1e30)
    assert device.every_finite([device.asarray(array) for array in arrays])
    for place, array in enumerate(arrays):
        if array.size:
            broken = [one.copy() for one in arrays]
            broken[place][(-1,) * array.ndim] = value
            assert not device.every_finite([device.asarray(one) for one in broken])
            assert not device.all_finite(device.asarray(broken[place]))


@pytest.mark.parametrize("dtype", SCALES)
def test_additions(device, dtype):
    arrays, others = drawn(dtype), drawn(dtype, seed=1)
    on_device = [device.asarray(array) for array in arrays]
    device.add_each(on_device, [device.asarray(array) for array in others])
    for before, other, after in zip(arrays, others, on_device, strict=True):
        np.testing.assert_array_equal(device.to_numpy(after), before + other)


def turned(device):
    return device.asarray(np.arange(6.0).reshape(2, 3)).T


OTHERS = {
    "norm": (
        lambda device, a: device.clip_global_norm([a, device.zeros((2,), "float64")], 1.0),
        np.arange(6.0) / 55**0.5,
    ),
    "value": (lambda device, a: device.clip_values([a, a], 2.5), np.minimum(np.arange(6.0), 2.5)),
    "finite": (lambda device, a: device.every_finite([a, device.zeros((2,), "float32")]), np.arange(6.0)),
    "addition": (lambda device, a: device.add_each([a], [a]), 2 * np.arange(6.0)),
    "half": (lambda device, a: device.all_finite(device.astype(a, "float16")), np.arange(6.0)),
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_the_kernels_do_not_take_runs_through_the_generic_ones(device, what):
    array = turned(device)
    run, expected = OTHERS[what]
    assert run(device, array) is not False
    np.testing.assert_allclose(device.to_numpy(array.T).ravel(), expected, rtol=1e-14)


def test_what_shares_memory_is_scaled_as_often_as_it_is_given(device):
    array = device.asarray(np.array([3.0, 4.0]))
    assert float(device.clip_global_norm([array, array], 1.0)) == pytest.approx(50**0.5, rel=1e-14)
    np.testing.assert_allclose(device.to_numpy(array), np.array([3, 4]) / 50, rtol=1e-14)


def test_a_limit_that_float32_cannot_hold_clips_nothing(device):
    array = device.asarray(np.array([3.0, 4.0], "float32"))
    device.clip_values([array], 1e300)
    assert device.to_numpy(array).tolist() == [3, 4]


@pytest.mark.parametrize("count", [1, 5, 300])
def test_launches_do_not_grow_with_the_number_of_arrays(counted, count):
    """More than go by value are uploaded, once."""
    device, ledger = counted
    arrays = [device.asarray(np.full(3, float(place))) for place in range(count)]
    others = [device.asarray(np.ones(3)) for _ in range(count)]
    uploads = int(count > 128)
    for run, launches in (
        (lambda: device.add_each(arrays, others), 1),
        (lambda: device.clip_values(arrays, 200.0), 1),
        (lambda: device.clip_global_norm(arrays, 1.0), 2),
        (lambda: device.global_norm(arrays), 2),
    ):
        ledger.clear()
        run()
        totals = ledger.totals()
        assert (totals["launch"], totals["upload"], totals["wait"]) == (launches, uploads, 0)
    ledger.clear()
    assert device.every_finite(arrays)
    totals = ledger.totals()
    assert (totals["launch"], totals["set"], totals["upload"], totals["wait"]) == (1, 1, uploads, 1)
    expected = np.minimum(np.arange(count) + 1, 200.0)
    expected = expected / max(1, (3 * np.sum(expected**2)) ** 0.5)
    np.testing.assert_allclose(
        [device.to_numpy(array) for array in arrays], np.repeat(expected, 3).reshape(-1, 3), rtol=1e-14
    )


def test_gradients_of_a_model_by_hand(counted):
    device, ledger = counted
    model = lamina.Sequential(Embedding(5, 3), Dense(4), Dense(2))
    model.build((None, None), seed=0, backend=device)
    for parameter in model.parameters():
        parameter.grad[...] = 2
    size = sum(parameter.size for parameter in model.parameters())
    ledger.clear()
    clip_value(model.parameters(), 1.0)
    norm = clip_global_norm(model.parameters(), 0.5)
    totals = ledger.totals()
    assert (totals["launch"], totals["wait"]) == (3, 0)
    assert float(norm) == pytest.approx(size**0.5, rel=1e-6)


def test_the_look_at_a_steps_gradients(counted):
    device, ledger = counted
    model = lamina.Sequential(Dense(4), Dense(3))
    model.build((None, 5), seed=0, backend=device)
    x, y = np.ones((8, 5)), np.zeros(8, int)

    def work(rows, check):
        trainer = lamina.Trainer(model, optimizer=lambda p: SGD(p, lr=1e-3), check_finite=check)
        ledger.clear()
        trainer.fit(x[:rows], y[:rows], epochs=1, batch_size=2, verbose=False)
        return np.array([ledger.totals()[kind] for kind in ("launch", "set", "wait")])

    two, four = (work(rows, True) - work(rows, False) for rows in (4, 8))
    assert ((four - two) // 2).tolist() == [1, 1, 1]
    model.parameters()[0].data[0, 0] = np.nan
    with pytest.raises(NonFiniteError, match="forward of Dense '0' gave NaN"):
        work(2, True)


# A fault in a kernel: what stands in the source, and what takes its place.
FAULTS = {
    "squares that vanish": ("size < 0x1p-511", "false"),
    "squares that overflow": ("size > 0x1p486", "false"),
    "what is not large beside what is": ("sums.large + sums.medium * 0x1p-538 * 0x1p-538", "sums.large"),
    "what is small beside what is not": ("if (medium == 0) return small;", "return medium == 0 ? small : medium;"),
    "half of a block": ("half = kThreads / 2", "half = kThreads / 4"),
    "parts beyond the first": ("part += gridDim.x", "part += parts"),
    "the blocks' sums": ("place < count", "place < 1"),
    "what is within the limit": ("before < limit ? limit : before", "before"),
    "the negative limit": ("if (value < -limit)", "if (false)"),
    "only the first is looked at": ("isfinite(segment.array[index])", "isfinite(segment.array[0])"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_kernel_is_seen(monkeypatch, counted, fault):
    device, _ = counted
    monkeypatch.setattr(clipping, "_BLOCKS", 3)
    faulty_source(monkeypatch, "clipping.cu", *FAULTS[fault])
    checks = [
        *[lambda by=by: test_the_norm_neither_overflows_nor_vanishes(device, "float64", by) for by in (1, 1e200)],
        *[lambda pair=pair: test_numbers_of_all_sizes_together(device, pair) for pair in ((-155, -153), (145, 147))],
        lambda: test_the_norm_neither_overflows_nor_vanishes(device, "float64", 1e-300),
        lambda: test_clipping_by_norm_as_the_generic_kernel(device, "float64", 1e9),
        lambda: test_clipping_by_value(device, "float64"),
        lambda: test_one_number_that_is_not_finite_is_found(device, "float64", math.nan),
    ]  # fmt: skip
    seen = 0
    for check in checks:
        try:
            check()
        except AssertionError:
            seen += 1
    assert seen


@pytest.mark.parametrize("blocks", [1, 3])
def test_fewer_blocks_than_parts(monkeypatch, device, blocks):
    monkeypatch.setattr(clipping, "_BLOCKS", blocks)
    test_clipping_by_norm_as_the_generic_kernel(device, "float64", 0.5)
    test_the_norm_neither_overflows_nor_vanishes(device, "float64", 1e200)
