from types import SimpleNamespace
from typing import Any

import pytest

from lamina import threads


class Library:
    """Stands in for OpenBLAS."""

    count = 6

    def __init__(self, path: str) -> None:
        self.openblas_get_num_threads = lambda: Library.count
        self.openblas_set_num_threads = lambda count: setattr(Library, "count", count)


@pytest.fixture
def library(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "numpy.libs").mkdir()
    (tmp_path / "numpy.libs" / "libopenblas.so").touch()
    monkeypatch.setattr(threads, "np", SimpleNamespace(__file__=str(tmp_path / "numpy" / "__init__.py")))
    monkeypatch.setattr(threads.ctypes, "CDLL", Library)
    monkeypatch.setattr(Library, "count", 6)


@pytest.mark.usefixtures("library")
def test_one_thread_in_the_block_and_all_of_them_after() -> None:
    with pytest.raises(KeyboardInterrupt), threads.single_threaded() as limited:
        assert limited and Library.count == 1
        raise KeyboardInterrupt
    assert Library.count == 6


@pytest.mark.usefixtures("library")
def test_nothing_changes_where_it_is_not_wanted() -> None:
    with threads.single_threaded(False) as limited:
        assert not limited and Library.count == 6


def test_without_openblas_nothing_changes(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "np", SimpleNamespace(__file__=str(tmp_path / "numpy" / "__init__.py")))
    with threads.single_threaded() as limited:
        assert not limited
    (tmp_path / "numpy.libs").mkdir()
    (tmp_path / "numpy.libs" / "libopenblas.so").write_text("no library")
    with threads.single_threaded() as limited:
        assert not limited


def test_the_library_that_numpy_brings_is_found() -> None:
    found = threads._openblas()
    if found is None:
        pytest.skip("this NumPy came without OpenBLAS")
    get, _ = found
    before = get()
    with threads.single_threaded():
        assert get() == 1
    assert get() == before


def test_small_steps_are_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in threads.THREAD_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    assert threads.one_thread_pays(32, 128) and not threads.one_thread_pays(64, 512)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    assert not threads.one_thread_pays(32, 128)
