"""Finding backends: by name, by default, by array, and from other packages."""

import pickle
import threading
from pathlib import Path

import numpy as np
import pytest

import lamina
from lamina.backends import (
    Backend,
    available_backends,
    backend_of,
    get_backend,
    register_backend,
    registry,
    use_backend,
)
from lamina.backends.numpy.backend import NumPyBackend
from lamina.errors import BackendError, UnknownNameError


class Tagged(np.ndarray):
    """An array type of its own."""


class TaggedBackend(Backend):
    name = "tagged"
    xp = np
    array_type = Tagged


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no trace in the process's registry."""
    monkeypatch.setattr(registry, "_factories", {})
    monkeypatch.setattr(registry, "_instances", {})
    monkeypatch.setattr(registry, "_default", [None])
    monkeypatch.delenv("LAMINA_BACKEND", raising=False)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a package that offers backends through entry points."""
    (tmp_path / "other_package.py").write_text(
        "from lamina.backends.reference import ReferenceBackend\n"
        "class Other(ReferenceBackend):\n    name = 'other'\n"
        "nothing = dict\n"
    )
    folder = tmp_path / "other_package-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: other-package\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[lamina.backends]\nother = other_package:Other\nodd = other_package:nothing\ngone = no_such_package:It\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_name_gives_one_shared_backend_and_a_backend_gives_itself() -> None:
    backend = get_backend("numpy")
    assert isinstance(backend, NumPyBackend)
    assert get_backend("numpy") is backend
    assert get_backend(backend) is backend
    other = TaggedBackend()
    assert get_backend(other) is other


def test_built_in_backends_are_listed_whether_or_not_they_can_run() -> None:
    assert {"cupy", "numpy", "reference"} <= set(available_backends())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cupi", "unknown backend 'cupi': did you mean 'cupy'? Known: cupy, numba, numpy, reference"),
        ("NumPy", "unknown backend 'NumPy': did you mean 'numpy'? Known: cupy, numba, numpy, reference"),
        ("torch", "unknown backend 'torch': Known: cupy, numba, numpy, reference"),
        (3, "unknown backend 3: Known: cupy, numba, numpy, reference"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(name: str, message: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        get_backend(name)
    assert str(caught.value) == message


def test_something_unhashable_is_no_name() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown backend \['numpy'\]"):
        get_backend(["numpy"])  # type: ignore[arg-type]


def test_the_default_is_numpy_then_the_environment_then_what_was_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert get_backend().name == "numpy"
    monkeypatch.setenv("LAMINA_BACKEND", "reference")
    assert get_backend().name == "reference"
    use_backend("numpy")
    assert get_backend().name == "numpy"


def test_an_unknown_name_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_BACKEND", "nmpy")
    with pytest.raises(UnknownNameError, match=r"^unknown backend 'nmpy': did you mean 'numpy'\?"):
        get_backend()


def test_use_backend_as_a_context_restores_what_was_before_even_after_an_error() -> None:
    with use_backend("reference") as outer:
        assert outer is get_backend() is get_backend("reference")
        with pytest.raises(KeyError), use_backend("numpy"):
            assert get_backend().name == "numpy"
            raise KeyError
        assert get_backend().name == "reference"
    assert get_backend().name == "numpy"


def test_choosing_an_unknown_backend_changes_nothing() -> None:
    use_backend("reference")
    with pytest.raises(UnknownNameError):
        use_backend("refrence")
    assert get_backend().name == "reference"


def test_built_models_stay_where_they_are() -> None:
    layer = lamina.layers.Dense(2)
    with use_backend("reference"):
        layer.build((None, 3))
    assert (layer.backend.name, get_backend().name) == ("reference", "numpy")


def test_a_registered_factory_runs_once_when_first_asked_for() -> None:
    made: list[Backend] = []

    def factory() -> Backend:
        made.append(TaggedBackend())
        return made[-1]

    register_backend("tagged", factory)
    assert "tagged" in available_backends()
    assert made == []
    assert get_backend("tagged") is get_backend("tagged") is made[0]
    assert len(made) == 1
    register_backend("tagged", TaggedBackend)
    assert get_backend("tagged") is not made[0]


def test_a_factory_runs_once_however_many_threads_ask() -> None:
    made: list[Backend] = []
    together = threading.Barrier(4)

    def factory() -> Backend:
        made.append(TaggedBackend())
        return made[-1]

    def ask() -> None:
        together.wait()
        get_backend("tagged")

    register_backend("tagged", factory)
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_what_a_factory_makes_must_be_a_backend() -> None:
    register_backend("number", lambda: 3)  # type: ignore[arg-type, return-value]
    with pytest.raises(BackendError, match=r"^backend 'number': expected a lamina.backends.Backend, got int$"):
        get_backend("number")


def test_a_backend_that_cannot_run_is_asked_again_the_next_time() -> None:
    class Sometimes(TaggedBackend):
        available = False

        def require_available(self) -> None:
            if not self.available:
                raise BackendError("not now")

    register_backend("sometimes", Sometimes)
    with pytest.raises(BackendError, match="not now"):
        get_backend("sometimes")
    Sometimes.available = True
    assert isinstance(get_backend("sometimes"), Sometimes)


@pytest.mark.usefixtures("package")
def test_another_package_adds_a_backend_through_an_entry_point() -> None:
    assert {"other", "odd"} <= set(available_backends())
    other = get_backend("other")
    assert (other.name, repr(other)) == ("other", "<Backend 'other'>")
    layer = lamina.layers.Dense(2)
    layer.build((None, 3), backend="other", seed=0)
    assert layer(np.ones((1, 3))).shape == (1, 2)
    assert pickle.loads(pickle.dumps(layer)).backend is other


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("odd", "backend 'odd': expected a lamina.backends.Backend, got dict"),
        ("gone", "backend 'gone': its package cannot be imported (No module named 'no_such_package')"),
    ],
)
def test_an_entry_point_that_gives_no_backend_is_refused(name: str, message: str) -> None:
    with pytest.raises(BackendError) as caught:
        get_backend(name)
    assert str(caught.value) == message


def test_backend_of_an_array_is_the_default_where_that_makes_such_arrays() -> None:
    get_backend("numpy")
    with use_backend("reference"):
        assert backend_of(np.zeros(2)).name == "reference"
    assert backend_of(np.zeros(2)).name == "numpy"


def test_backend_of_an_array_is_else_a_loaded_one_that_does() -> None:
    register_backend("tagged", TaggedBackend)
    with use_backend("tagged"):
        assert backend_of(np.zeros(2).view(Tagged)).name == "tagged"
        assert backend_of(np.zeros(2)).name == "numpy"


def test_backend_of_something_else_is_refused() -> None:
    with pytest.raises(BackendError, match=r"^expected an array of a loaded backend, got list$"):
        backend_of([1.0])
