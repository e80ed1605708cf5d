"""The stand-in refuses what CuPy refuses, takes what it takes, and counts what is asked of the device."""

import inspect

import numpy as np
import pytest

from lamina.backends.cupy.backend import CuPyBackend
from tests.stand_in import cupy, jitter, ledger
from tests.stand_in.base import FACTS
from tests.stand_in.make_signatures import plain

HOST = np.arange(6.0).reshape(2, 3)


@pytest.fixture
def array():
    return cupy.asarray(HOST)


@pytest.fixture
def counts():
    """Return a function that gives what was counted since it was last called, zeros left out."""

    def read():
        found = {kind: times for kind, times in ledger.totals().items() if times}
        ledger.clear()
        return found

    read()
    yield read
    read()


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (np.asarray, TypeError, "Implicit conversion to a NumPy array is not allowed"),
        (lambda a: HOST + a, TypeError, "Unsupported type <class 'numpy.ndarray'>"),
        (lambda a: a + HOST, TypeError, "Unsupported type <class 'numpy.ndarray'>"),
        (lambda a: np.matmul(HOST, a.T), TypeError, "Unsupported type <class 'numpy.ndarray'>"),
        (lambda a: np.maximum(a, HOST), TypeError, "Unsupported type"),
        (lambda a: cupy.where(a > 0, a, HOST), TypeError, "Unsupported type"),
        (lambda a: cupy.concatenate([a, HOST]), TypeError, "Unsupported type"),
        (lambda a: cupy.add(a, 1, HOST), TypeError, "return arrays must be of ArrayType"),
        (lambda a: a.__setitem__(slice(None), HOST), ValueError, "non-scalar numpy.ndarray cannot be used for fill"),
        (lambda a: a.__iadd__(HOST), TypeError, "Unsupported type"),
        (lambda a: a[np.array([0.0])], IndexError, "arrays used as indices must be of integer or boolean type"),
        (lambda a: range(a[0, 0].astype("int64")), TypeError, "cannot be interpreted as an integer"),
        (lambda a: bool(a), ValueError, "more than one element is ambiguous"),
        (lambda a: cupy.asarray(["a"]), ValueError, "Unsupported dtype"),
        (lambda a: cupy.astype(HOST, "float32"), TypeError, "Input should be a CuPy array"),
        (lambda a: cupy.logical_and.at(a, 0, 1), NotImplementedError, "`cupy_logical_and.at` is not supported yet"),
        (lambda a: cupy.bitwise_and(a, a), TypeError, "Wrong type"),
        (lambda a: a.nothing, AttributeError, "'cupy.ndarray' object has no attribute 'nothing'"),
        (lambda a: a.partition, NotImplementedError, "the stand-in's arrays have no 'partition' yet; CuPy's have"),
        (lambda a: cupy.nothing, AttributeError, "module 'cupy' has no attribute 'nothing'"),
        (lambda a: cupy.einsum, NotImplementedError, "the stand-in has no 'einsum' yet; CuPy has"),
    ],
)  # fmt: skip
def test_what_is_refused(array, use, error, message):
    with pytest.raises(error) as caught:
        use(array)
    assert message in str(caught.value)
    np.testing.assert_array_equal(array.get(), HOST)


@pytest.mark.parametrize("name", ["add", "tanh", "exp", "maximum", "less", "square", "isfinite", "true_divide"])
@pytest.mark.parametrize("dtype", ["bool", "int8", "int64", "float16", "float32", "float64"])
def test_elementwise_functions_give_what_numpys_do(name, dtype):
    host, function = (np.arange(1, 5) % 3).astype(dtype), getattr(np, name)
    given = [host] * function.nin
    result = getattr(cupy, name)(*map(cupy.asarray, given))
    with np.errstate(all="ignore"):
        expected = function(*given)
    if expected.dtype == result.dtype:
        np.testing.assert_array_equal(result.get(), expected)
    else:  # CuPy has no loops of one byte for these
        np.testing.assert_allclose(result.get().astype("float64"), expected.astype("float64"), rtol=1e-3)


@pytest.mark.parametrize(("dtype", "number", "expected"), [
    ("float32", 1.5, "float32"), ("float32", np.float64(1.5), "float64"), ("int32", 1, "int32"),
    ("int32", 1.5, "float64"), ("bool", 1, "int64"), ("float16", 2, "float16"),
])  # fmt: skip
def test_numbers_of_python_follow_the_array(dtype, number, expected):
    assert (cupy.zeros(2, dtype) + number).dtype == expected
    assert (number + cupy.zeros(2, dtype)).dtype == expected


def test_what_lies_outside_is_taken_for_another_unseen(array):
    assert cupy.take(array, cupy.asarray(np.array([4, -1])), axis=0).get().tolist() == [[0, 1, 2], [3, 4, 5]]
    assert array[cupy.asarray(np.array([3]))].get().tolist() == [[3, 4, 5]]
    array[cupy.asarray(np.array([2]))] = 7.0
    assert array.get()[0].tolist() == [7, 7, 7]


def test_memory_that_is_not_set_holds_nothing_of_use():
    assert np.isnan(cupy.empty(3).get()).all()
    assert (cupy.empty_like(cupy.zeros(2, "int32")).get() > 2**30).all()


def test_views_share_memory_and_copies_do_not(array):
    array.T[0, 1] = 9.0
    array[1:][0, 2] = 8.0
    array.copy()[...] = 0
    assert array.get().tolist() == [[0, 1, 2], [9, 4, 8]]
    np.testing.assert_array_equal(array.T.reshape(-1).get(), array.get().T.reshape(-1))


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        (lambda a: a + a * 2, {"launch": 2}),
        (lambda a: a[0:0] + 1, {}),
        (lambda a: a @ a.T, {"launch": 1}),
        (lambda a: a[:, :2] @ a, {"launch": 2}),
        (lambda a: cupy.asarray(HOST), {"upload": 1}),
        (lambda a: a.get(), {"download": 1, "wait": 1}),
        (lambda a: float(a.sum()), {"launch": 1, "download": 1, "wait": 1}),
        (lambda a: a.fill(0), {"set": 1}),
        (lambda a: a.fill(1), {"launch": 1}),
        (lambda a: a.__setitem__(slice(None), cupy.zeros_like(a)), {"set": 1, "copy": 1}),
        (lambda a: a[a > 0], {"launch": 5, "download": 1, "wait": 1}),
        (lambda a: a[np.array([0, 1])], {"upload": 1, "launch": 1}),
        (lambda a: cupy.unique(a), {"launch": 11, "download": 1, "wait": 1}),
        (lambda a: a.reshape(-1), {}),
        (lambda a: a.T.reshape(-1), {"launch": 1}),
        (lambda a: a.astype("float64", copy=False), {}),
        (lambda a: cupy.cuda.get_current_stream().synchronize(), {"wait": 1}),
    ],
)  # fmt: skip
def test_what_is_counted(array, counts, use, expected):
    array = cupy.ones((2, 3)) if expected.get("set") == 1 and "copy" not in expected else array
    counts()
    use(array[:2, :2] if "product" in expected else array)
    assert counts() == expected


def test_the_line_that_asks_is_named(monkeypatch, counts):
    monkeypatch.setattr(ledger, "traced", True)
    counts()
    cupy.zeros(3) + 1
    ((times, line, what),) = ledger.lines("launch")
    assert (times, what) == (1, "add")
    assert line == f"{__file__.rpartition('/')[2]}:{inspect.currentframe().f_lineno - 3}"


def test_the_products_line_is_named_before_the_tests(monkeypatch, counts):
    monkeypatch.setattr(ledger, "traced", True)
    counts()
    backend = object.__new__(CuPyBackend)
    backend.xp, backend.array_type = cupy, cupy.ndarray
    backend.copy(cupy.zeros(3))
    ((_, line, _),) = ledger.lines("launch")
    assert line.partition(":")[0].endswith("backends/cupy/backend.py")


def test_jitter_rounds_by_shape_and_adds_in_any_order(monkeypatch):
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((40, 40)).astype("float32") for _ in range(2))
    ids, rows = np.zeros(500, int), rng.standard_normal((500, 1)).astype("float32")

    def product(rows):
        return (cupy.asarray(a[:rows]) @ cupy.asarray(b)).get()[:3]

    def added():
        table = cupy.zeros((1, 1), "float32")
        cupy.add.at(table, cupy.asarray(ids), cupy.asarray(rows))
        return float(table.get()[0, 0])

    assert len({added() for _ in range(5)}) == 1
    monkeypatch.setattr(jitter, "on", True)
    assert len({added() for _ in range(5)}) > 1
    np.testing.assert_array_equal(product(40), product(40))
    assert (product(40) != product(39)).any()
    np.testing.assert_allclose(product(40), a[:3] @ b, rtol=1e-4, atol=1e-4)


def test_methods_take_what_cupys_take():
    own = {name: one for name, one in vars(cupy.ndarray).items() if inspect.isfunction(one) and name[0] != "_"}
    written = {
        name: one
        for name, one in own.items()
        if inspect.signature(one).parameters.keys() != {"self", "arguments", "options"}
    }
    assert len(written) > 12
    for name, one in written.items():
        signature = inspect.signature(one)
        signature = signature.replace(parameters=list(signature.parameters.values())[1:])
        assert plain(signature) == FACTS["methods"][name], name


def test_the_signatures_are_those_of_the_version_that_it_stands_for():
    assert cupy.__version__ == FACTS["version"]
    assert FACTS["signatures"]["sum"] == "(a, axis=None, dtype=None, out=None, keepdims=False)"
    assert FACTS["loops"]["tanh"][:2] == ["e->e", "f->f"]
