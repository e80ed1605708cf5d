"""A backend of another package: installed with pip, found by its name, and as good as ours."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

EXAMPLE = Path(__file__).parent.parent / "examples" / "backend"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the example, from a copy and without a network; return the folder that it is installed in."""
    for name in ("pip", "setuptools"):
        if find_spec(name) is None:
            pytest.skip(f"{name} is not installed, and the example backend is installed with it")
    folder = tmp_path_factory.mktemp("plug_in")
    # Building leaves files beside the source.
    source = shutil.copytree(
        EXAMPLE, folder / "source", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    )
    target = folder / "target"
    pip = ["-m", "pip", "--isolated", "--disable-pip-version-check", "install", "--target", str(target)]
    pip += ["--no-deps", "--no-build-isolation", "--no-index", "--no-compile", str(source)]
    by_hand = ["-c", "import setuptools; setuptools.setup()", "build_py", "--build-lib", str(target)]
    by_hand += ["egg_info", "--egg-base", str(target)]
    # The setuptools of a new environment of Python 3.11 makes no wheels: it puts the files there itself.
    with_wheels = find_spec("wheel") is not None or int(version("setuptools").split(".")[0]) > 70
    command = [sys.executable, *(pip if with_wheels else by_hand)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


@pytest.fixture
def python(installed: Path, tmp_path: Path) -> Callable[..., str]:
    """Run Python in a process that finds the installed example, in an empty folder; return what it prints."""
    paths = [str(installed), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    environment.pop("LAMINA_BACKEND", None)

    def run(*words: str) -> str:
        command = [sys.executable, "-W", "error", *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def results(python: Callable[..., str]) -> Callable[[str], Any]:
    """Run code in such a process; return the JSON that it prints."""

    def run(code: str) -> Any:
        header = "import json, pickle, sys\nimport numpy as np\nimport lamina\nfrom lamina.layers import *\n"
        return json.loads(python("-c", header + dedent(code)))

    return run


def test_it_is_found_by_its_name_and_only_then_imported(results: Callable[[str], Any], installed: Path) -> None:
    found = results("""
        listed, early = lamina.available_backends(), "lamina_counting" in sys.modules
        backend = lamina.get_backend("counting")
        print(json.dumps([listed, early, sys.modules[type(backend).__module__].__file__, backend.name]))
    """)
    listed, early, file, name = found
    assert {"counting", "numpy"} <= set(listed) and not early
    assert Path(file).resolve() == (installed / "lamina_counting.py").resolve()
    assert name == "counting"


def test_it_counts_the_multiplications_of_its_own_kernels(results: Callable[[str], Any]) -> None:
    counts = results("""
        backend = lamina.get_backend("counting")
        counts = {}

        def count(name, call, *inputs, **options):
            backend.multiplications = 0
            result = call(*inputs, **options)
            counts[name] = backend.multiplications
            return result

        dense = Dense(7)
        dense.build((None, 5, 3), backend="counting")
        y, saved = count("forward", dense.forward, np.ones((2, 5, 3), "float32"))
        count("backward", dense.backward, np.ones_like(y), saved)
        y, saved = dense.forward(np.ones((2, 5, 3), "float32"))
        count("first layer", dense.backward, np.ones_like(y), saved, input_gradient=False)
        for slope in (1, 0.5, 0, -0.5, 2):
            layer = LeakyReLU(slope)
            layer.build((None, 3), backend="counting")
            y, saved = count(f"{slope} forward", layer.forward, np.ones((2, 3), "float32"))
            count(f"{slope} backward", layer.backward, np.ones_like(y), saved)
            counts[f"{slope} source"] = layer.kernel.source
        print(json.dumps(counts))
    """)
    rows, inputs, units = 2 * 5, 3, 7
    product = rows * inputs * units
    assert [counts.pop(name) for name in ("forward", "backward", "first layer")] == [product, 2 * product, product]
    elements = 2 * 3
    assert counts == {
        f"{slope} {name}": value
        for slope, own in ((1, True), (0.5, True), (0, False), (-0.5, False), (2, False))
        for name, value in (
            ("forward", elements * own),
            ("backward", elements * own),
            ("source", "counting" if own else "generic"),
        )
    }


def test_training_on_it_gives_the_losses_of_numpy(results: Callable[[str], Any]) -> None:
    found = results("""
        rng = np.random.default_rng(0)
        x = rng.standard_normal((24, 5, 3))
        y = (x.sum(axis=(1, 2)) > 0).astype("int64")
        found = {}
        for name in ("counting", "numpy"):
            model = lamina.Sequential(LSTM(4), Dense(6), LeakyReLU(0.1), Dense(2))
            model.build((None, None, 3), backend=name, dtype="float64", seed=1)
            trainer = lamina.Trainer(model, "softmax_cross_entropy", "adagrad", seed=2)
            losses = trainer.fit(x, y, epochs=4, batch_size=8, verbose=False)["loss"]
            found[name] = losses, model.backend.name, lamina.get_backend("counting").multiplications
        print(json.dumps(found))
    """)
    (losses, name, count), (expected, numpy_name, later_count) = found["counting"], found["numpy"]
    assert (name, numpy_name) == ("counting", "numpy")
    assert count > 0 and later_count == count  # each model ran on its own backend
    assert len(losses) == 4 and losses[-1] < losses[0]
    assert losses == pytest.approx(expected, rel=0, abs=1e-6)


def test_a_saved_and_a_pickled_model_are_the_same_in_another_process(results: Callable[[str], Any]) -> None:
    x = "np.linspace(-1, 1, 24).reshape(2, 4, 3)"
    expected = results(f"""
        model = lamina.Sequential(LSTM(4), LeakyReLU(0.1), Dense(2))
        model.build((None, None, 3), backend="counting", dtype="float64", seed=3)
        model.save("model.safetensors")
        with open("model.pickle", "wb") as file:
            pickle.dump(model, file)
        print(json.dumps(model({x}).ravel().tolist()))
    """)
    # The pickled one comes first: it alone brings the backend in.
    found = results(f"""
        with open("model.pickle", "rb") as file:
            models = [pickle.load(file)]
        models.append(lamina.load("model.safetensors", backend="counting"))
        backend = lamina.get_backend("counting")
        found = []
        for model in models:
            before = backend.multiplications
            output = model({x}).ravel().tolist()
            found.append([output, model.backend is backend, backend.multiplications - before])
        print(json.dumps(found))
    """)
    # LSTM's projection of 8 steps to 4 gates, LeakyReLU on its last state, and Dense.
    count = 8 * 3 * 4 * 4 + 2 * 4 + 2 * 4 * 2
    assert len(set(expected)) == 4
    for output, is_shared, multiplications in found:
        assert output == pytest.approx(expected, rel=1e-12)
        assert is_shared and multiplications == count
    assert len(found) == 2


def test_it_is_proven_by_the_command_that_its_readme_names(python: Callable[..., str]) -> None:
    command = "python -m lamina.testing counting"
    assert command in (EXAMPLE / "README.md").read_text()
    lines = python(*command.split()[1:]).splitlines()
    assert lines[0] == "backend 'counting'"
    assert {"pairs", "Dense", "LeakyReLU", "LeakyReLU-slope", "LSTM"} <= {
        line.split()[0] for line in lines if " passed" in line
    }
