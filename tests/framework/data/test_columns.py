"""Columns and tables of pandas and polars: read as arrays, by what they are, without an import of ours."""

import decimal
import subprocess
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.data.classes import Classes
from lamina.data.columns import as_entries, as_numbers, category_order, is_column
from lamina.errors import DataError, DTypeError


@pytest.fixture
def pandas() -> ModuleType:
    return pytest.importorskip("pandas", reason="needs pandas: pip install -e '.[data]'")


@pytest.fixture
def polars() -> ModuleType:
    return pytest.importorskip("polars", reason="needs polars: pip install -e '.[data]'")


@pytest.fixture(params=["pandas", "polars"])
def either(request: Any) -> ModuleType:
    return pytest.importorskip(request.param, reason=f"needs {request.param}: pip install -e '.[data]'")


# What is nobody's.


@pytest.mark.parametrize(
    "value", [np.zeros(3), [1, 2], [[1.0], [2.0, 3.0]], (np.zeros(2), [1]), "text", None, 3], ids=repr
)
def test_what_is_no_column_stays_as_it_is(value: Any) -> None:
    assert as_numbers(value, "x") is value
    assert category_order(value) is None
    assert not is_column(value)


def test_a_class_that_looks_like_a_table_is_none() -> None:
    class Table:
        shape, columns, dtype = (1, 1), ["a"], None

        def to_numpy(self) -> Any:
            raise AssertionError

    table = Table()
    assert as_numbers(table, "x") is table


def test_neither_is_imported() -> None:
    code = "import sys, lamina.data.classes as own; own.Classes.read(['a']).encode(['a'])"
    code += "; print({'pandas', 'polars'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"


# Numbers.


def test_a_table_of_numbers_is_an_array_of_rows(either: ModuleType) -> None:
    table = either.DataFrame({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
    found = as_numbers(table, "x")
    assert (found.dtype, found.tolist()) == (np.float64, [[1, 0.5], [2, 1.5], [3, 2.5]])
    whole = as_numbers(either.DataFrame({"a": [1, 2], "b": [3, 4]}), "x")
    assert (whole.dtype, whole.tolist()) == (np.int64, [[1, 3], [2, 4]])
    mixed = as_numbers(either.DataFrame({"a": [1, 2], "b": [True, False]}), "x")
    assert mixed.tolist() == [[1, 1], [2, 0]]
    assert mixed.dtype.kind == "i"
    assert as_numbers(either.DataFrame({"a": [1, 2]}), "x").shape == (2, 1)


@pytest.mark.parametrize("dtype", ["float32", "int16", "uint64", "bool"])
def test_a_column_keeps_its_dtype(either: ModuleType, dtype: str) -> None:
    values = np.array([1, 0, 1], dtype)
    found = as_numbers(either.Series(values), "x")
    assert (found.dtype, found.tolist()) == (dtype, values.tolist())


def test_missing_numbers_are_nan(either: ModuleType) -> None:
    for values in ([1, None, 3], [0.5, None, 2.0], [True, None, False]):
        found = as_numbers(either.Series(values), "x")
        assert found.dtype.kind == "f"
        np.testing.assert_array_equal(found, [values[0], np.nan, values[2]])
    table = as_numbers(either.DataFrame({"a": [1, None], "b": [True, None]}), "x")
    np.testing.assert_array_equal(table, [[1, 1], [np.nan, np.nan]])


@pytest.mark.parametrize("dtype", ["Int64", "UInt8", "Float32", "boolean", "int64[pyarrow]", "Sparse[float64]"])
def test_pandas_own_dtypes_are_numbers(pandas: ModuleType, dtype: str) -> None:
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    column = pandas.Series([1, 0, 1], dtype=dtype)
    for given in (column, column.array, pandas.Index(column), pandas.DataFrame({"a": column})["a"]):
        found = as_numbers(given, "x")
        assert found.dtype.kind in "fiub"
        assert found.tolist() == [1, 0, 1]
    if "Sparse" not in dtype:
        missing = as_numbers(pandas.Series([1, None], dtype=dtype), "x")
        np.testing.assert_array_equal(missing, [1, np.nan])


def test_objects_that_are_numbers_are_read_as_such(pandas: ModuleType) -> None:
    assert as_numbers(pandas.Series([1, 2], dtype=object), "x").tolist() == [1, 2]
    amounts = pandas.Series([decimal.Decimal("1.5"), 2], dtype=object)
    assert as_numbers(amounts, "x").tolist() == [1.5, 2]
    np.testing.assert_array_equal(as_numbers(pandas.Series([1, None], dtype=object), "x"), [1, np.nan])


def test_decimals_of_polars_are_numbers(polars: ModuleType) -> None:
    assert as_numbers(polars.Series([decimal.Decimal("1.5"), decimal.Decimal("2.0")]), "x").tolist() == [1.5, 2]


def test_rows_go_by_place_not_by_index(pandas: ModuleType) -> None:
    table = pandas.DataFrame({"a": [1, 2, 3]}, index=[7, 0, 5]).sort_values("a", ascending=False)
    assert as_numbers(table, "x").tolist() == [[3], [2], [1]]
    assert as_numbers(table["a"], "x").tolist() == [3, 2, 1]


def test_columns_may_have_any_names_and_two_the_same(pandas: ModuleType) -> None:
    # Names of methods that arrays and tensors are asked for, and of attributes looked for here.
    names = ["cpu", "detach", "shape", "columns", "dtype", "to_numpy", "a", "a"]
    table = pandas.DataFrame([[*range(7), True], [*range(8, 15), False]], columns=names)
    assert as_numbers(table, "x").tolist() == [[0, 1, 2, 3, 4, 5, 6, 1], [8, 9, 10, 11, 12, 13, 14, 0]]
    named = pandas.Series([1, 2], index=["columns", "cpu"])
    assert as_numbers(named, "x").tolist() == [1, 2]


def test_each_of_a_list_or_tuple_is_read(either: ModuleType) -> None:
    one, two = either.DataFrame({"a": [1.0, 2.0]}), either.DataFrame({"a": [3.0]})
    assert [found.tolist() for found in as_numbers([one, two], "x")] == [[[1], [2]], [[3]]]
    both = as_numbers((one, np.zeros(2)), "x")
    assert isinstance(both, tuple)
    assert both[0].tolist() == [[1], [2]]


def test_a_column_of_lists_is_a_list_of_sequences(either: ModuleType) -> None:
    found = as_numbers(either.Series([[1, 2], [3]]), "x")
    assert [np.asarray(row).tolist() for row in found] == [[1, 2], [3]]
    assert isinstance(found, list)


@pytest.mark.parametrize("values", [["a", "b"], [1, "b"]])
def test_what_is_no_number_is_named_with_its_column(pandas: ModuleType, values: list[Any]) -> None:
    row = next(index for index, one in enumerate(values) if isinstance(one, str))
    with pytest.raises(DTypeError) as caught:
        as_numbers(pandas.DataFrame({"height": [1, 2], "city": values}), "x")
    assert str(caught.value) == f"x: expected numbers in column 'city', got {values[row]!r} at row {row}"
    with pytest.raises(DTypeError) as caught:
        as_numbers(pandas.Series(values, dtype=object), "x")
    assert str(caught.value) == f"x: expected numbers, got {values[row]!r} at row {row}"


def test_text_and_dates_are_no_numbers(either: ModuleType) -> None:
    import datetime

    for values in (["a", "b"], [datetime.datetime(2020, 1, 1)] * 2):
        with pytest.raises(DTypeError, match=r"^x: expected numbers in column 'b', got "):
            as_numbers(either.DataFrame({"a": [1, 2], "b": values}), "x")


def test_a_lazy_table_is_to_be_collected(polars: ModuleType) -> None:
    lazy = polars.LazyFrame({"a": [1]})
    with pytest.raises(DTypeError, match=r"^x: expected a table or column, got a LazyFrame: collect it first$"):
        as_numbers(lazy, "x")


def test_a_single_value_of_pandas_is_no_column(pandas: ModuleType) -> None:
    for value in (pandas.Timestamp(0), pandas.NA, pandas.NaT):
        assert not is_column(value)
        assert as_numbers(value, "x") is value


def test_a_table_without_columns_has_rows(pandas: ModuleType) -> None:
    assert as_numbers(pandas.DataFrame(index=range(3)), "x").shape == (3, 0)


def test_a_model_sees_a_table_as_the_array(either: ModuleType) -> None:
    x = np.random.default_rng(0).normal(size=(6, 2))
    table = either.DataFrame({"a": x[:, 0], "b": x[:, 1]})
    model = lamina.layers.Dense(2)
    model.build((None, 2), seed=0, dtype="float64")
    np.testing.assert_array_equal(model(as_numbers(table, "x")), model(x))


# Labels.


def test_columns_of_text_are_classes(either: ModuleType) -> None:
    y = ["wren", "owl", "wren"]
    column = either.Series("y", y) if either.__name__ == "polars" else either.Series(y, index=[5, 3, 9])
    for given in (column, column.to_frame(), either.DataFrame({"y": y})):
        classes = Classes.read(given)
        assert classes.names == ("owl", "wren")
        assert classes.encode(given).tolist() == [1, 0, 1]
        assert classes.encode(given, output=(None, 1)).tolist() == [[1], [0], [1]]
    truth = either.Series([True, True])
    assert Classes.read(truth).names == (False, True)
    assert Classes.read(truth).encode(truth).tolist() == [1, 1]


@pytest.mark.parametrize("dtype", ["object", "string", "string[pyarrow]", "str", "category"])
def test_text_in_every_dtype_of_pandas_is_classes(pandas: ModuleType, dtype: str) -> None:
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    column = pandas.Series(["b", "a", "b"], dtype=dtype)
    for given in (column, column.array, pandas.Index(column)):
        assert Classes.read(given).names == ("a", "b")
        assert Classes.read(given).encode(given).tolist() == [1, 0, 1]


def test_several_columns_of_text_keep_their_axes(either: ModuleType) -> None:
    table = either.DataFrame({"first": ["a", "b"], "second": ["c", "a"]})
    classes = Classes.read(table)
    assert classes.names == ("a", "b", "c")
    assert classes.encode(table).tolist() == [[0, 2], [1, 0]]


def test_a_column_of_lists_of_text_has_a_label_for_each_step(either: ModuleType) -> None:
    column = either.Series([["O", "B"], ["B"]])
    classes = Classes.read(column)
    assert classes.names == ("B", "O")
    assert [row.tolist() for row in classes.encode(column)] == [[1, 0], [0]]


def test_columns_one_a_row_are_sequences(either: ModuleType) -> None:
    rows = [either.Series(["O", "B"]), either.Series(["B"])]
    assert Classes.read(rows).names == ("B", "O")
    assert [row.tolist() for row in Classes.read(rows).encode(rows)] == [[1, 0], [0]]


def test_a_categorical_keeps_its_order_and_what_does_not_occur(pandas: ModuleType) -> None:
    sizes = pandas.Categorical(["small", "large", "small"], categories=["small", "medium", "large"], ordered=True)
    for given in (sizes, pandas.Series(sizes), pandas.DataFrame({"size": sizes}), pandas.CategoricalIndex(sizes)):
        classes = Classes.read(given)
        assert classes.names == ("small", "medium", "large")
        assert classes.encode(given).tolist() == [0, 2, 0]
    assert Classes.read(sizes).encode(["medium"]).tolist() == [1]


def test_a_categorical_of_numbers_is_classes(pandas: ModuleType) -> None:
    column = pandas.Series([9, 1, 9], dtype="category")
    classes = Classes.read(column)
    assert classes.names == (1, 9)
    assert {type(name) for name in classes.names} == {int}
    assert classes.encode(column).tolist() == [1, 0, 1]
    assert classes.encode([1, 9]).tolist() == [0, 1]


def test_categories_that_no_file_can_hold_are_refused(pandas: ModuleType) -> None:
    binned = pandas.cut(pandas.Series([0.1, 0.9]), 2)
    with pytest.raises(DTypeError, match=r"^classes: expected names that are text, .*, got Interval\(.*, of Interval$"):
        Classes.read(binned)


def test_an_enum_of_polars_keeps_its_order_and_a_categorical_is_sorted(polars: ModuleType) -> None:
    enum = polars.Series(["small", "large"], dtype=polars.Enum(["small", "medium", "large"]))
    assert category_order(enum) == ["small", "medium", "large"]
    assert Classes.read(enum).encode(enum).tolist() == [0, 2]
    categorical = polars.Series(["small", "large"], dtype=polars.Categorical)
    assert Classes.read(categorical).names == ("large", "small")
    assert Classes.read(categorical).encode(categorical).tolist() == [1, 0]


@pytest.mark.parametrize("values", [["a", None], [1, None], [0.5, None], [True, None]])
def test_a_missing_label_is_named(either: ModuleType, values: list[Any]) -> None:
    for given in (either.Series(values), either.DataFrame({"y": values})):
        with pytest.raises(DataError, match=r"^y: expected a value, got none at index 1$"):
            Classes.read(given)
        with pytest.raises(DataError, match=r"^y: expected a value, got none at index 1$"):
            as_entries(given, "y")


@pytest.mark.parametrize("dtype", ["category", "Int64", "string", "object"])
def test_what_pandas_calls_missing_is_missing(pandas: ModuleType, dtype: str) -> None:
    values = ["a", None] if dtype == "string" else [1, None]
    with pytest.raises(DataError, match=r"^y: expected a value, got none at index 1$"):
        Classes.read(pandas.Series(values, dtype=dtype))
    with pytest.raises(DataError, match=r"^y: expected a value, got <NA> at index 1$"):
        Classes.read(["a", pandas.NA])


def test_numbers_in_columns_stay_numbers(either: ModuleType) -> None:
    for values in ([3, 1, 2], [0.5, 1.5, 2.5]):
        column = either.Series(values)
        assert Classes.read(column).names == ()
        found = Classes().encode(column)
        assert isinstance(found, np.ndarray)
        assert found.tolist() == values
        assert Classes().encode(either.DataFrame({"y": values})).tolist() == [[one] for one in values]
