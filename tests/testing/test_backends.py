import doctest
import subprocess
import sys
from importlib import import_module

import pytest

from lamina.backends.numpy.backend import NumPyBackend
from lamina.testing import CheckError, check_backend


def test_half_a_pair_is_refused():
    class Half(NumPyBackend):
        def sigmoid_forward(self, x):
            return super().sigmoid_forward(x)

    with pytest.raises(CheckError, match=r"backend 'numpy': pairs: sigmoid: expected forward and backward"):
        check_backend(Half())


def test_command():
    command = [sys.executable, "-W", "error", "-m", "lamina.testing"]
    done = subprocess.run([*command, "numpy"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("backend 'numpy'\n")
    assert "SimpleRNN-everything " in done.stdout
    assert "worst gradient error: " in done.stdout.splitlines()[-1]
    done = subprocess.run([*command, "nunpy"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "unknown backend 'nunpy': did you mean 'numpy'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_test_framework_is_imported():
    code = "import sys, lamina.testing; assert not {'pytest', 'hypothesis', 'array_api_strict'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["", ".gradients", ".layers", ".losses", ".optimizers"])
def test_examples_in_docstrings(name):
    result = doctest.testmod(import_module(f"lamina.testing{name}"))
    assert result.attempted
    assert not result.failed
