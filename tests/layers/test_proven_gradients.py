"""The tests of each layer prove the gradient of each of its parameters: by themselves, without those of any other part.

Two ways to see it: each file calls `prove_gradients` on the layer, at every run; and with ``--slow`` each gradient is
left out in turn, and the layer's own tests must fail.
"""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import lamina
from lamina import layers
from lamina.testing import cases

FOLDER = Path(__file__).resolve().parent


def with_parameters() -> dict[str, list[str]]:
    """Return the layers that train something, with the names of what they train, from the registry of cases."""
    found: dict[str, set[str]] = {}
    for case in cases.layer_cases():
        model = case.make()
        model.build(*[(None, *getattr(one, "shape", one)[1:]) for one in case.inputs], dtype="float64")
        for _, layer in model.walk():
            if type(layer).__module__.startswith("lamina.layers."):
                names = [name for name, one in layer.own_parameters().items() if one.trainable]
                found.setdefault(type(layer).__name__, set()).update(names)
    return {name: sorted(names) for name, names in found.items() if names}


TRAINED = with_parameters()
each_layer = pytest.mark.parametrize("name", TRAINED)


def own_tests(name: str) -> Path:
    module = getattr(layers, name).__module__.rpartition(".")[2]
    return FOLDER / f"test_{module}.py"


def proofs(text: str) -> Iterator[ast.Call]:
    """Yield the calls of ``prove_gradients`` in a file of tests."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "prove_gradients":
            yield node


def test_the_layers_that_train_something_are_known() -> None:
    assert {"Dense", "Embedding", "SimpleRNN", "LSTM", "GRU", "Conv1D", "SelfAttention"} <= set(TRAINED)
    assert TRAINED["GRU"] == ["b", "b_h", "w_h", "w_x"]
    assert TRAINED["BatchNorm"] == ["scale", "shift"]
    assert TRAINED["SelfAttention"] == ["b_k", "b_o", "b_q", "b_v", "w_k", "w_o", "w_q", "w_v"]


@each_layer
def test_each_layers_own_tests_prove_its_gradients(name: str) -> None:
    assert list(proofs(own_tests(name).read_text())), f"call prove_gradients in {own_tests(name)}"


def test_a_proof_that_is_left_out_is_missed() -> None:
    assert list(proofs("def test(prove_gradients):\n    'prove_gradients(layer)'")) == []
    assert len(list(proofs("def test(prove_gradients):\n    prove_gradients(layer)"))) == 1


class Straight(lamina.Layer):
    """y = a x + b, of which one gradient may be wrong."""

    def __init__(self, wrong: str = "", by: float = 0.0) -> None:
        self.wrong, self.by = wrong, by

    def build(self, shape: Any) -> Any:
        self.a, self.b = (lamina.Parameter(shape[-1:], "ones") for _ in range(2))
        return shape

    def forward(self, x: Any) -> Any:
        return self.a.data * x + self.b.data, x

    def backward(self, dy: Any, saved: Any, *, input_gradient: bool = True) -> Any:
        gradients = {"a": (dy * saved).sum(0), "b": dy.sum(0)}
        for name, gradient in gradients.items():
            parameter = self.own_parameters()[name]
            if self.wrong == f"{name} is set":
                parameter.grad = gradient
            elif self.wrong == f"{name} without dx" and not input_gradient:
                parameter.grad += 0 * gradient
            else:
                parameter.grad += gradient * (1 + self.by if self.wrong == name else 1)
        return dy * self.a.data


@pytest.mark.parametrize(
    ("wrong", "by"),
    [("a", -1.0), ("b", -1.0), ("a", -2.0), ("b", 1e-4), ("a is set", 0), ("b is set", 0), ("b without dx", 0)],
)
def test_a_gradient_that_is_wrong_is_found(prove_gradients: Any, wrong: str, by: float) -> None:
    x = [[1.0, 2.0], [3.0, 5.0]]
    right, layer = Straight(), Straight(wrong, by)
    for one in (right, layer):
        one.build((None, 2), dtype="float64")
    x = right.as_input(x)
    prove_gradients(right, x)
    with pytest.raises(AssertionError, match=f"gradient of {wrong[0]}"):
        prove_gradients(layer, x)
    with pytest.raises(AssertionError):
        prove_gradients(right, x, flat=["a"])


# Runs a file of tests once as it is and once for each parameter whose gradient a layer's backward leaves out.
RUN = dedent("""
    import json, sys
    import pytest
    from lamina import layers

    path, name, *parameters = sys.argv[1:]
    cls = getattr(layers, name)
    backward = cls.backward

    def without(parameter):
        def broken(self, *arguments, **options):
            own = self.own_parameters().get(parameter)
            before = None if own is None else own.grad.copy()
            dx = backward(self, *arguments, **options)
            if own is not None:
                own.grad = before
            return dx
        return broken

    found = {}
    for parameter in ["", *parameters]:
        cls.backward = without(parameter) if parameter else backward
        found[parameter] = int(pytest.main(["-q", "-x", "-p", "no:cacheprovider", path]))
    print("\\n" + json.dumps(found))
""")


@each_layer
def test_a_gradient_that_is_left_out_fails_the_layers_own_tests(name: str, request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--slow"):
        pytest.skip("runs the tests of the layer again and again: pass --slow")
    # The gradient of the keys' bias is 0, but in a stream.
    command = [sys.executable, "-c", RUN, str(own_tests(name)), name, *TRAINED[name]]
    done = subprocess.run(command, cwd=FOLDER.parent.parent, env=os.environ, capture_output=True, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == {"": 0, **dict.fromkeys(TRAINED[name], 1)}
