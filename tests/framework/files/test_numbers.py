import doctest

from lamina.files import numbers
from lamina.files.numbers import figure


def test_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(numbers).failed == 0


def test_figures_are_short() -> None:
    assert [figure(value) for value in (0, 0.5, 12.34567, 0.00012345, -0.5, 1e6, float("nan"), float("inf"))] == [
        "0.0000", "0.5000", "12.3457", "1.23e-04", "-0.5000", "1.00e+06", "nan", "inf",
    ]  # fmt: skip
    # Where four decimals begin and end to be of use.
    assert [figure(value) for value in (0.001, -0.001, 0.000999, 99999.5, 100000.0, -1e5)] == [
        "0.0010", "-0.0010", "9.99e-04", "99999.5000", "1.00e+05", "-1.00e+05",
    ]  # fmt: skip
