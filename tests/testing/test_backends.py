import doctest
import subprocess
import sys
import textwrap
from importlib import import_module

import numpy as np
import pytest

from lamina.backends import get_backend
from lamina.backends.numpy.backend import NumPyBackend
from lamina.testing import Check, CheckError, Report, cases, check_backend
from lamina.testing import __main__ as command
from lamina.testing.cases import loss_cases


def test_half_a_pair_is_refused():
    class Half(NumPyBackend):
        def sigmoid_forward(self, x):
            return super().sigmoid_forward(x)

    with pytest.raises(CheckError, match=r"backend 'numpy': pairs: sigmoid: expected forward and backward"):
        check_backend(Half())


def test_every_case_is_checked(monkeypatch):
    """That each passes is proven case by case, in tests/conformance."""
    checked = []

    def check(case, backend):
        report = Report(case.name)
        report.checks, report.worst_error = [Check("gradients", True, "")], 1e-9 * len(checked)
        checked.append((case.name, backend))
        return report

    for kind in (cases.LayerCase, cases.LossCase, cases.OptimizerCase):
        monkeypatch.setattr(kind, "check", check)
    report = check_backend("numpy")
    names = [case.name for case in (*cases.layer_cases(), *cases.loss_cases(), *cases.optimizer_cases())]
    assert checked == [(name, get_backend("numpy")) for name in names]
    assert report.passed[-len(names) :] == names
    assert not report.skipped
    assert report.worst_error == 1e-9 * (len(names) - 1)


def test_a_case_that_fails_is_named(monkeypatch):
    def check(case, backend):
        raise CheckError("Huber(): gradients: wrong")

    monkeypatch.setattr(cases.LossCase, "check", check)
    monkeypatch.setattr(cases, "layer_cases", tuple)
    monkeypatch.setattr(cases, "loss_cases", lambda: [case for case in loss_cases() if case.name == "Huber"])
    with pytest.raises(CheckError, match=r"^backend 'numpy': Huber: Huber\(\): gradients: wrong$"):
        check_backend("numpy")


def test_command():
    # All cases run in one command in tests/test_plug_in.py; here, every fifteenth.
    fewer = """
        import runpy
        from lamina.testing import cases
        every = [*cases.layer_cases(), *cases.loss_cases(), *cases.optimizer_cases()]
        cases.layer_cases = lambda: every[:1] + every[20::15]
        cases.loss_cases = cases.optimizer_cases = tuple
        runpy.run_module("lamina.testing", run_name="__main__", alter_sys=True)
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(fewer)]
    done = subprocess.run([*command, "numpy"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("backend 'numpy'\n")
    names = [line.split()[0] for line in done.stdout.splitlines() if " passed " in line and "checks" in line]
    assert names[0] == "Dense" and len(names) > 12
    assert "worst gradient error: " in done.stdout.splitlines()[-1]
    command = [sys.executable, "-W", "error", "-m", "lamina.testing"]
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


def test_an_array_of_another_dtype_is_refused():
    class Double(NumPyBackend):
        def full(self, shape, value, dtype):
            return super().full(shape, value, np.dtype("float64"))

    with pytest.raises(CheckError, match=r"creation: full: expected a float32 array \(2, 3\), got array"):
        check_backend(Double())


def test_the_command_tells_by_its_exit_code(monkeypatch, capsys):
    def check(name):
        if name == "wrong":
            raise CheckError("wrong")
        return Report(f"backend {name}")

    monkeypatch.setattr(command, "check_backend", check)
    for name, code in (("numpy", 0), ("wrong", 1)):
        monkeypatch.setattr(sys, "argv", ["lamina.testing", name])
        assert command.main() == code
    assert capsys.readouterr().err == "wrong\n"
