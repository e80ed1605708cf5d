"""The shape of the repository: what is installed, what may import what, which test proves which file."""

import ast
import doctest
import importlib
import pkgutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import lamina

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS = {folder: name for name, folder in PROJECT["tool"]["setuptools"]["package-dir"].items()}

# Source files whose proof lies in a test file of another name: helpers of one part, and mere lists of names.
ELSEWHERE = {
    "framework/convert/attention.py": "framework/convert/test_to_torch.py",
    "framework/convert/chain.py": "framework/convert/test_from_torch.py",
    "framework/convert/keras_layers.py": "framework/convert/test_from_keras.py",
    "framework/convert/keras_makers.py": "framework/convert/test_to_keras.py",
    "framework/convert/keras_model.py": "framework/convert/test_from_keras.py",
    "framework/convert/plain.py": "framework/convert/test_to_torch.py",
    "framework/convert/recurrent.py": "framework/convert/test_to_torch.py",
    "framework/convert/settings.py": "framework/convert/test_from_torch.py",
    "framework/convert/torch_functions.py": "framework/convert/test_from_torch.py",
    "framework/convert/torch_makers.py": "framework/convert/test_to_torch.py",
    "framework/convert/torch_modules.py": "framework/convert/test_from_torch.py",
    "framework/convert/torch_own.py": "framework/convert/test_to_torch.py",
    "framework/convert/torch_trace.py": "framework/convert/test_from_torch.py",
    "framework/convert/torch_wrappers.py": "framework/convert/test_to_torch.py",
    "framework/convert/translation.py": "framework/convert/test_torch_state.py",
    "framework/convert/unit.py": "framework/convert/test_from_torch.py",
    "backends/bars.py": "framework/train/test_progress.py",
    "framework/checkpoints/fingerprint.py": "framework/train/test_saver.py",
    "framework/train/parts.py": "framework/train/test_trainer.py",
    "framework/train/place.py": "framework/train/test_saver.py",
    "framework/train/preparation.py": "framework/train/test_trainer.py",
    "framework/train/running.py": "framework/train/test_trainer.py",
    "framework/train/batch_feed.py": "framework/train/test_feeds.py",
    "framework/testing/fuzz/__main__.py": "testing/fuzz/test_run.py",
    "framework/testing/kills/__main__.py": "testing/kills/test_run.py",
    "framework/testing/kills/cases.py": "testing/kills/test_run.py",
    "framework/testing/proofs/model_resumes.py": "conformance/test_broken_models.py",
    "framework/plan/lower.py": "framework/plan/test_compiled.py",
    "framework/plan/settings.py": "framework/plan/test_updates.py",
    "framework/plan/planned.py": "framework/train/test_planned.py",
    "backends/numba/engine/alone.py": "backends/numba/test_recurrence.py",
    "backends/numba/engine/block.py": "backends/numba/engine/test_plan.py",
    "backends/numba/engine/replay.py": "backends/numba/engine/test_plan.py",
    "backends/numba/engine/forms/dense.py": "backends/numba/engine/forms/test_recurrent.py",
    "backends/numba/engine/forms/every.py": "framework/inspect/test_explanation.py",
    "backends/numba/engine/forms/form.py": "backends/numba/engine/forms/test_recurrent.py",
    "backends/numba/engine/forms/gru.py": "backends/numba/engine/forms/test_recurrent.py",
    "backends/numba/engine/forms/gru_reset_first.py": "backends/numba/engine/forms/test_recurrent.py",
    "backends/numba/engine/forms/lstm.py": "backends/numba/engine/forms/test_recurrent.py",
    "backends/numba/engine/forms/lru.py": "backends/numba/engine/forms/test_recurrent.py",
    "backends/numba/engine/forms/lru_eigenvalues.py": "backends/numba/engine/forms/test_recurrent.py",
    "backends/numba/engine/forms/merge.py": "backends/numba/engine/test_plan.py",
    "backends/numba/engine/forms/passes.py": "backends/numba/engine/forms/test_recurrent.py",
    "backends/numba/engine/forms/plain_gates.py": "backends/numba/engine/forms/test_recurrent.py",
    "backends/numba/engine/forms/projected_lstm.py": "backends/numba/engine/forms/test_recurrent.py",
    "backends/numba/engine/forms/scan.py": "backends/numba/engine/forms/test_recurrent.py",
    "backends/numba/engine/forms/scan_cells.py": "backends/numba/engine/forms/test_recurrent.py",
    "backends/numba/engine/forms/scan_passes.py": "backends/numba/engine/forms/test_recurrent.py",
    "backends/numba/engine/forms/slstm.py": "backends/numba/engine/forms/test_recurrent.py",
    "backends/numba/engine/forms/slstm_edges.py": "backends/numba/test_slstm.py",
    "backends/numba/engine/forms/states.py": "backends/numba/engine/forms/test_recurrent.py",
    "backends/numba/engine/forms/simple_rnn.py": "backends/numba/engine/forms/test_recurrent.py",
    "backends/reference.py": "backends/generic/test_simple_rnn.py",
    "backends/cupy/compiled.py": "backends/cupy/test_nvrtc.py",
    "backends/cupy/gru.py": "backends/cupy/test_recurrences.py",
    "backends/cupy/lstm.py": "backends/cupy/test_recurrences.py",
    "backends/cupy/products.py": "backends/cupy/test_precision.py",
    "backends/cupy/recurrence.py": "backends/cupy/test_recurrences.py",
    "backends/cupy/simple_rnn.py": "backends/cupy/test_recurrences.py",
    "backends/generic/extended_simple_rnn.py": "backends/generic/test_extended_recurrences.py",
    "backends/numba/gru.py": "backends/numba/test_recurrence.py",
    "backends/numba/ind_rnn.py": "backends/numba/test_recurrence.py",
    "backends/numba/lru.py": "backends/numba/test_recurrence.py",
    "backends/numba/min_rnn.py": "backends/numba/test_recurrence.py",
    "backends/numba/lstm.py": "backends/numba/test_recurrence.py",
    "backends/numba/random.py": "backends/generic/test_random.py",
    "backends/numba/simple_rnn.py": "backends/numba/test_recurrence.py",
    "backends/generic/masked_attention.py": "layers/test_attention.py",
    "framework/kinds/attention.py": "layers/test_attention.py",
    "backends/numpy/dense.py": "backends/numpy/test_backend.py",
    "backends/numpy/losses.py": "backends/numpy/test_backend.py",
    "backends/numpy/slstm_back.py": "backends/numpy/test_slstm.py",
    "backends/numpy/slstm_steps.py": "backends/numpy/test_slstm.py",
    "framework/__main__.py": "framework/cli/test_main.py",
    "framework/errors.py": "backends/test_errors.py",
    "framework/initializers.py": "framework/core/test_initializers.py",
    "framework/cli/ranks.py": "framework/distributed/test_over_mpi.py",
    "framework/distributed/notes.py": "framework/distributed/test_over_mpi.py",
    "framework/metrics/ratio.py": "framework/metrics/test_metric.py",
    "framework/testing/proofs/model_ranks.py": "conformance/test_broken_models.py",
    "framework/train/saved.py": "framework/train/test_shared_saver.py",
    "framework/train/evaluation.py": "framework/train/test_figures.py",
    "framework/compose/building.py": "framework/compose/test_tape.py",
    "framework/compose/recording.py": "framework/compose/test_tape.py",
    "framework/core/inputs.py": "framework/core/test_guards.py",
    "framework/core/version.py": "framework/test_imports.py",
    "framework/data/dataset.py": "framework/test_datasets.py",
    "framework/kinds/gate_weights.py": "framework/kinds/test_weighted_recurrent.py",
    "framework/kinds/weighted_cell.py": "layers/test_simple_rnn_cell.py",
    "framework/kinds/input_gated.py": "layers/test_min_gru.py",
    "framework/onnx/activations.py": "framework/onnx/test_every_layer.py",
    "framework/onnx/attention.py": "framework/onnx/test_every_layer.py",
    "framework/onnx/axes.py": "framework/onnx/test_every_layer.py",
    "framework/onnx/containers.py": "framework/onnx/test_every_layer.py",
    "framework/onnx/convolution.py": "framework/onnx/test_every_layer.py",
    "framework/onnx/normalization.py": "framework/onnx/test_every_layer.py",
    "framework/onnx/pointwise.py": "framework/onnx/test_every_layer.py",
    "framework/onnx/pooling.py": "framework/onnx/test_every_layer.py",
    "framework/onnx/recurrent.py": "framework/onnx/test_every_layer.py",
    "framework/onnx/scan.py": "framework/onnx/test_every_layer.py",
    "framework/onnx/steps.py": "framework/onnx/test_every_layer.py",
    "framework/onnx/windows.py": "framework/onnx/test_every_layer.py",
    "framework/onnx/operators.py": "framework/onnx/test_foreign.py",
    "framework/onnx/packed.py": "framework/onnx/test_foreign.py",
    "framework/onnx/reading.py": "framework/onnx/test_foreign.py",
    "framework/onnx/recurrences.py": "framework/onnx/test_foreign.py",
    "framework/onnx/views.py": "framework/onnx/test_foreign.py",
    "framework/onnx/wiring.py": "framework/onnx/test_foreign.py",
    "framework/onnx/graph.py": "framework/onnx/test_export.py",
    "framework/onnx/description.py": "framework/onnx/test_load.py",
    "framework/optimization/rule.py": "framework/optimization/test_optimizer.py",
    "framework/train/loop.py": "framework/train/test_trainer.py",
    "framework/cli/classifier.py": "framework/cli/test_evaluate.py",
    "framework/recipes/cells.py": "framework/cli/test_recipes.py",
    "framework/recipes/optimizers.py": "framework/cli/test_recipes.py",
    "framework/recipes/schedules.py": "framework/cli/test_recipes.py",
    "framework/sklearn/labels.py": "framework/sklearn/test_classifier.py",
    "framework/cli/options.py": "framework/cli/test_main.py",
    "framework/cli/part.py": "framework/cli/test_data.py",
    "framework/cli/predictions.py": "framework/cli/test_predict.py",
    "framework/cli/task.py": "framework/cli/test_tasks.py",
    "framework/testing/__main__.py": "testing/test_backends.py",
    "framework/testing/cases/arithmetic.py": "testing/cases/test_every.py",
    "framework/testing/cases/case.py": "testing/cases/test_every.py",
    "framework/testing/cases/examples.py": "conformance/test_registry.py",
    "framework/testing/proofs/layer_keeping.py": "conformance/test_broken_layers.py",
    "framework/testing/proofs/layer_values.py": "conformance/test_broken_layers.py",
    "framework/testing/proofs/drawn.py": "testing/test_models.py",
    "framework/testing/proofs/lent.py": "testing/test_models.py",
    "framework/testing/proofs/model_calls.py": "conformance/test_broken_models.py",
    "framework/testing/proofs/model_copies.py": "conformance/test_broken_models.py",
    "framework/testing/proofs/model_fits.py": "conformance/test_broken_models.py",
    "framework/testing/proofs/model_goals.py": "testing/test_models.py",
    "framework/testing/proofs/model_loop.py": "conformance/test_broken_models.py",
    "framework/testing/proofs/model_passes.py": "conformance/test_broken_models.py",
    "framework/testing/proofs/model_streams.py": "conformance/test_broken_models.py",
    "framework/testing/proofs/model_trial.py": "testing/test_models.py",
    "framework/testing/proofs/passes.py": "testing/test_models.py",
    "framework/testing/random_models/operators.py": "testing/random_models/test_grammar.py",
    "framework/testing/random_models/__main__.py": "testing/random_models/test_run.py",
    "framework/testing/random_models/cells.py": "testing/random_models/test_parts.py",
    "framework/testing/random_models/description.py": "testing/random_models/test_grammar.py",
    "framework/testing/random_models/fragment.py": "testing/random_models/test_windows.py",
    "framework/testing/random_models/fragments.py": "testing/random_models/test_grammar.py",
    "framework/testing/random_models/graphs.py": "testing/random_models/test_grammar.py",
    "framework/testing/random_models/subclasses.py": "testing/random_models/test_parts.py",
    "framework/testing/random_models/training.py": "testing/random_models/test_grammar.py",
    "framework/testing/proofs/loss_reductions.py": "framework/losses/test_kernel.py",
    "framework/testing/proofs/loss_trial.py": "conformance/test_broken_losses.py",
    "framework/testing/proofs/optimizer_trial.py": "conformance/test_broken_parts.py",
    "framework/testing/proofs/trial.py": "testing/test_layers.py",
} | {
    # The cases are lists; that they are complete is shown once, for all of them.
    f"framework/testing/cases/{name}.py": "conformance/test_registry.py"
    for name in (
        "embedding",
        "layers",
        "losses",
        "modern",
        "normalization",
        "optimizers",
        "parts",
        "pointwise",
        "recurrent",
        "sequences",
    )
}


def module_name(path: Path) -> str:
    folder, *rest = path.relative_to(ROOT).with_suffix("").parts
    return ".".join([FOLDERS[folder], *rest]).removesuffix(".__init__")


SOURCES = {module_name(path): path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))}


@cache
def imports(path: Path) -> tuple[tuple[str, int], ...]:
    """Return the modules that a file imports, and the lines."""

    def visit(node: ast.AST) -> Iterator[tuple[str, int]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from ((alias.name, child.lineno) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                module = child.module or ""
                for alias in child.names:
                    inner = f"{module}.{alias.name}"
                    yield (inner if inner in SOURCES else module), child.lineno
            else:
                yield from visit(child)

    return tuple(visit(ast.parse(path.read_text())))


def where(path: Path, line: int, module: str) -> str:
    return f"{path.relative_to(ROOT)}:{line} imports {module}"


def below(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def test_every_package_is_listed() -> None:
    found = {name for name, path in SOURCES.items() if path.name == "__init__.py"}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == found
    folders = {path.parent for path in SOURCES.values()}
    assert {folder for folder in folders if not (folder / "__init__.py").exists()} == set()


def test_the_four_folders_are_the_only_ones_and_none_lies_in_another() -> None:
    assert FOLDERS == {
        "framework": "lamina",
        "layers": "lamina.layers",
        "optimizers": "lamina.optimizers",
        "backends": "lamina.backends",
    }
    inside = {path.name for path in (ROOT / "framework").iterdir()}
    assert {name for name in inside if name.startswith(("layers", "optimizers", "backends"))} == set()


def test_data_files_are_listed() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]
    for folder, package in FOLDERS.items():
        listed = {path for pattern in patterns.get(package, []) for path in (ROOT / folder).glob(pattern)}
        present = {
            path
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts
        }
        assert present == {path for path in listed if path.is_file()}


@pytest.mark.parametrize("folder", ["framework", "layers", "optimizers", "backends"])
def test_a_folder_imported_as_it_lies_says_how_to_import_it(folder: str) -> None:
    result = subprocess.run([sys.executable, "-c", f"import {folder}"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 1
    name = "lamina" if folder == "framework" else f"lamina.{folder}"
    assert result.stderr.splitlines()[-1] == f"ImportError: import {name}, not {folder}"


def test_backends_import_nothing_of_ours() -> None:
    wrong = [
        where(path, line, module)
        for name, path in SOURCES.items()
        if below(name, "lamina.backends")
        for module, line in imports(path)
        if below(module, "lamina") and not below(module, "lamina.backends")
    ]
    assert wrong == []


@pytest.mark.parametrize("package", ["lamina.layers", "lamina.optimizers"])
def test_layers_and_optimizers_know_interfaces_and_no_array_module(package: str) -> None:
    above = ("numpy", "cupy", "lamina.cli", "lamina.testing", "lamina.train.trainer")
    other = "lamina.optimizers" if package == "lamina.layers" else "lamina.layers"
    files = {path for name, path in SOURCES.items() if below(name, package)}
    assert files
    wrong = [
        where(path, line, module)
        for path in files
        for module, line in imports(path)
        if below(module, *above, other) or module == "lamina"
    ]
    wrong += [f"{path.name}: xp" for path in files if ".xp" in path.read_text()]
    assert wrong == []


def test_whatever_is_imported_is_declared() -> None:
    project = PROJECT["project"]
    declared = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    names = {line.split("=")[0].split("[")[0].rstrip("<>~! ").replace("-", "_") for line in declared}
    names |= {"sklearn"} if "scikit_learn" in names else set()
    names |= {"cupy", "cupyx"} if any(name.startswith("cupy_cuda") for name in names) else set()
    allowed = names | set(sys.stdlib_module_names) | {"lamina"}
    wrong = [
        where(path, line, module)
        for path in SOURCES.values()
        for module, line in imports(path)
        if module.partition(".")[0] not in allowed
    ]
    assert wrong == []


def has_own_test(source: Path) -> bool:
    """Tell whether there is a test file of the same name; framework/testing has its tests in tests/testing."""
    homes = (source.parent, Path(*source.parts[1:-1]) if "testing" in source.parts else source.parent)
    return any((ROOT / "tests" / home / f"test_{source.name}").exists() for home in homes)


def test_every_source_file_has_a_test_file_of_its_name() -> None:
    sources = [path.relative_to(ROOT) for path in SOURCES.values() if path.name != "__init__.py"]
    assert [str(source) for source in sources if not has_own_test(source) and str(source) not in ELSEWHERE] == []


def test_every_exception_to_that_is_still_one() -> None:
    for source, proof in ELSEWHERE.items():
        assert (ROOT / source).exists(), source
        assert (ROOT / "tests" / proof).exists(), proof
        assert not has_own_test(Path(source)), source


def modules() -> list[str]:
    names = set()
    for package in FOLDERS.values():
        path = importlib.import_module(package).__path__
        names |= {package, *(info.name for info in pkgutil.walk_packages(path, f"{package}."))}
    return sorted(name for name in names if not name.endswith("__main__"))


@pytest.mark.parametrize("name", modules())
def test_the_examples_in_the_docstrings_are_true(name: str) -> None:
    if name.startswith(("lamina.backends.numba.hashing", "lamina.backends.numba.engine")):
        pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")
    if name.startswith("lamina.sklearn."):
        pytest.importorskip("sklearn", reason="needs scikit-learn: pip install -e '.[sklearn]'")
    with lamina.use_backend("numpy"):
        assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_examples_are_found() -> None:
    examples = doctest.DocTestFinder().find(lamina.layers.Dense, "Dense")
    assert any(test.examples for test in examples)
    assert {"lamina.layers.dense", "lamina.backends.backend", "lamina.losses.mean_squared_error"} <= set(modules())
