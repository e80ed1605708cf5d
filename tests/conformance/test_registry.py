"""The registry of cases is complete, and layers and optimizers know nothing of a particular backend."""

import inspect
import re
from pathlib import Path

import pytest

import lamina
from lamina.backends import Backend
from lamina.testing import cases
from lamina.testing.backends import check_backend
from lamina.testing.report import Runner

# layers, losses, optimizers: the classes that are public, and the folder that holds them.
KINDS = {
    "layers": (lamina.layers, lamina.Layer),
    "losses": (lamina.losses, lamina.Loss),
    "optimizers": (lamina.optimizers, lamina.Optimizer),
}
CONTAINERS = (
    lamina.Bidirectional,
    lamina.Cell,
    lamina.Composite,
    lamina.Concat,
    lamina.Recurrent,
    lamina.Residual,
    lamina.Sequential,
)


def classes_in(package, base):
    found = (getattr(package, name) for name in package.__all__)
    return {cls for cls in found if inspect.isclass(cls) and issubclass(cls, base)}


def classes_tested():
    made = [case.make() for case in (*cases.layer_cases(), *cases.loss_cases())]
    trained = lamina.layers.Dense(1)
    trained.build((None, 1))
    made += [case.make(trained.parameters()) for case in cases.optimizer_cases()]
    return {cls for part in made for cls in type(part).__mro__}


@pytest.mark.parametrize("kind", KINDS)
def test_every_class_has_a_case(kind):
    missing = classes_in(*KINDS[kind]) - classes_tested()
    assert not missing, f"add these to a module of lamina/testing/cases: {missing}"


def test_every_container_has_a_case():
    assert set(CONTAINERS) <= classes_tested()


@pytest.mark.parametrize("kind", KINDS)
def test_every_file_has_a_public_class(kind):
    package, base = KINDS[kind]
    modules = {cls.__module__.rpartition(".")[2] for cls in classes_in(package, base)}
    files = {path.stem for path in Path(package.__file__).parent.glob("*.py")}
    assert files - {"__init__", "clipping", "kernel", "labels", "loss", "reading", "regression"} == modules


def test_case_names_are_unique():
    names = [case.name for case in (*cases.layer_cases(), *cases.loss_cases(), *cases.optimizer_cases())]
    assert len(names) == len(set(names))


def spying(base, used):
    """Return a backend class that notes which of the kernels and updates of ``base`` run."""

    def noted(name):
        def run(self, *arguments, **options):
            used.add(name)
            return getattr(super(Spy, self), name)(*arguments, **options)

        return run

    class Spy(base):
        name, xp, array_type = "spy", lamina.get_backend("numpy").xp, lamina.get_backend("numpy").array_type

        def supports(self, kernel, **options):
            return True

    for name in kernel_functions():
        setattr(Spy, name, noted(name))
    return Spy


def kernel_functions():
    pairs = {f"{kernel}_{way}" for kernel in Backend.kernels for way in ("forward", "backward")}
    return pairs | {name for name in dir(Backend) if name.endswith("_update")}


def test_every_kernel_is_run_by_a_case(monkeypatch):
    # Of each case one forward and one backward pass in either dtype, and the stream: what these run, all of them run.
    whole = Runner.run

    def one(runner):
        if "dtypes" in runner._checks:
            runner._checks = {name: check for name, check in runner._checks.items() if name in ("dtypes", "streaming")}
        return whole(runner)

    monkeypatch.setattr(Runner, "run", one)
    used = set()
    lamina.register_backend("spy", spying(Backend, used))
    check_backend("spy")
    assert len(kernel_functions()) >= 60
    assert kernel_functions() == used


@pytest.mark.parametrize("folder", ["layers", "optimizers"])
def test_no_backend_is_named(folder):
    files = list(Path(KINDS[folder][0].__file__).parent.glob("*.py"))
    assert files
    for path in files:
        # An example in a docstring may feed a layer with NumPy arrays.
        code = re.sub(r'"""(?:.|\n)*?"""', "", path.read_text())
        for word in ("numpy", "cupy", "xp is"):
            assert word not in code, f"{path.name}: {word}"
