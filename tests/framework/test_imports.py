"""What ``import lamina`` loads, and what it offers."""

import subprocess
import sys

import pytest

import lamina

# What few programs that import Lamina go on to use.
SELDOM = [
    "IPython", "argparse", "cupy", "difflib", "importlib.metadata", "ipywidgets", "json",
    "lamina.backends.cupy.backend", "lamina.backends.numpy.backend", "lamina.callbacks", "lamina.cli", "lamina.convert",
    "lamina.core.load", "lamina.core.model_file", "lamina.core.summary", "lamina.core.transfer",
    "lamina.data.padding", "lamina.datasets", "lamina.decoding", "lamina.files.drawing", "lamina.files.html",
    "lamina.metrics", "lamina.onnx", "lamina.testing", "lamina.train.history", "lamina.train.progress",
    "lamina.train.trainer", "matplotlib", "onnx", "onnxruntime", "safetensors", "tempfile", "tqdm", "urllib.request",
]  # fmt: skip


def loaded_by(code: str) -> set[str]:
    """Return what a fresh interpreter has loaded after some code, NumPy's own modules left out."""
    program = f"import sys, numpy; before = set(sys.modules)\n{code}\nprint(*set(sys.modules) - before)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_importing_lamina_loads_numpy_and_nothing_that_is_seldom_used() -> None:
    loaded = loaded_by("import lamina")
    assert loaded & set(SELDOM) == set()
    foreign = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names)
    assert foreign == {"lamina"}


def test_building_and_calling_a_model_loads_nothing_else_either() -> None:
    loaded = loaded_by(
        "import lamina\n"
        "model = lamina.Sequential(lamina.layers.SimpleRNN(2), lamina.layers.Dense(1))\n"
        "model.build((None, None, 2), seed=0)\n"
        "model(numpy.ones((1, 3, 2)))"
    )
    wanted = {"lamina.backends.numpy.backend"}
    assert loaded & (set(SELDOM) - wanted) == set()


@pytest.mark.parametrize("name", lamina.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(lamina, name) is not None
    assert name in dir(lamina)


@pytest.mark.parametrize(
    "module",
    [
        "backends",
        "callbacks",
        "convert",
        "datasets",
        "decoding",
        "errors",
        "initializers",
        "layers",
        "losses",
        "metrics",
        "onnx",
        "optimizers",
        "testing",
    ],
)
def test_every_public_name_of_a_public_module_is_there(module: str) -> None:
    namespace = getattr(lamina, module)
    assert namespace.__doc__
    for name in namespace.__all__:
        assert getattr(namespace, name).__doc__, name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'lamina' has no attribute 'Squential'$"):
        _ = lamina.Squential


def test_the_version_is_the_distributions() -> None:
    from importlib.metadata import version

    assert lamina.__version__ == version("lamina")
