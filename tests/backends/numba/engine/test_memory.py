"""What tells compiled functions apart."""

import ast
from pathlib import Path

import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from lamina.backends.numba import engine
from lamina.backends.numba.engine import products
from lamina.backends.numba.engine.forms import gru, lstm, simple_rnn
from lamina.backends.numba.engine.memory import named


def test_a_function_is_given_a_name_of_its_own():
    def made(name):
        @named(name)
        def function():
            return name

        return function

    one, other = made("one"), made("other")
    assert one.__qualname__.endswith("function_one")
    assert one.__qualname__ != other.__qualname__


def test_functions_made_more_than_once_have_names_of_their_own():
    # In one process Numba numbers them; two read from caches that two processes wrote may have the same number.
    several = [
        (products._product32, products._product64),
        (simple_rnn._forward, lstm._forward, gru._forward),
        (simple_rnn._backward, lstm._backward, gru._backward),
        (simple_rnn._infer, lstm._infer, gru._infer),
    ]
    for functions in several:
        assert len({function.py_func.__qualname__ for function in functions}) == len(functions)


def test_every_compiled_function_inside_another_one_is_named():
    found = 0
    for path in Path(engine.__file__).parent.rglob("*.py"):
        for outer in ast.walk(ast.parse(path.read_text())):
            if not isinstance(outer, ast.FunctionDef):
                continue
            for inner in ast.walk(outer):
                if inner is outer or not isinstance(inner, ast.FunctionDef):
                    continue
                decorators = [ast.unparse(one) for one in inner.decorator_list]
                if {"compiled", "summing"} & set(decorators):
                    found += 1
                    assert any(one.startswith("named(") for one in decorators), f"{path.name}: {inner.name}"
    assert found >= 4
