"""The registry of cases is complete, and layers and optimizers know nothing of a particular backend."""

import inspect
import re
from pathlib import Path

import pytest

import lamina
from lamina.backends import Backend
from lamina.testing import cases
from lamina.testing.backends import check_backend

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
    assert not missing, f"add these to lamina/testing/cases.py: {missing}"


def test_every_container_has_a_case():
    assert set(CONTAINERS) <= classes_tested()


@pytest.mark.parametrize("kind", KINDS)
def test_every_file_has_a_public_class(kind):
    package, base = KINDS[kind]
    modules = {cls.__module__.rpartition(".")[2] for cls in classes_in(package, base)}
    files = {path.stem for path in Path(package.__file__).parent.glob("*.py")}
    assert files - {"__init__", "clipping", "plateau", "schedule", "schedules"} == modules


def test_case_names_are_unique():
    names = [case.name for case in (*cases.layer_cases(), *cases.loss_cases(), *cases.optimizer_cases())]
    assert len(names) == len(set(names))


def test_every_kernel_is_run_by_a_case():
    used = set()

    class Spy(Backend):
        name, xp, array_type = "spy", lamina.get_backend("numpy").xp, lamina.get_backend("numpy").array_type

        def __getattribute__(self, name):
            used.add(name)
            return super().__getattribute__(name)

        def select(self, kernel, **options):
            used.update((f"{kernel}_forward", f"{kernel}_backward"))
            return super().select(kernel, **options)

    lamina.register_backend("spy", Spy)
    check_backend("spy")
    kernels = {name for name in dir(Backend) if re.search("_(forward|backward|update)$", name)}
    # Kernels that wait for their layer; once there is one, it needs a case.
    layers = {lamina.Layer.registry.find(name).kernel_name for name in lamina.Layer.registry.names()}
    for kernel in {"lstm", "gru"} - layers:
        kernels -= {f"{kernel}_forward", f"{kernel}_backward"}
    assert len(kernels) >= 15
    assert kernels <= used


@pytest.mark.parametrize("folder", ["layers", "optimizers"])
def test_no_backend_is_named(folder):
    files = list(Path(KINDS[folder][0].__file__).parent.glob("*.py"))
    assert files
    for path in files:
        # An example in a docstring may feed a layer with NumPy arrays.
        code = re.sub(r'"""(?:.|\n)*?"""', "", path.read_text())
        for word in ("numpy", "cupy", "xp is"):
            assert word not in code, f"{path.name}: {word}"
