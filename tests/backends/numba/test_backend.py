"""The Numba backend, proven by the same suite as every other backend."""

import sys

import numpy as np
import pytest

import lamina
from lamina.backends import registry
from lamina.backends.backend import Backend
from lamina.errors import BackendError


def test_it_is_known_whether_or_not_numba_is_installed() -> None:
    assert "numba" in lamina.backends.available_backends()
    assert "numba" not in registry._plug_ins()


def test_without_numba_the_message_says_which_command_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "lamina.backends.numba.steps", raising=False)
    monkeypatch.setattr(registry, "_instances", {})
    with pytest.raises(BackendError) as caught:
        lamina.get_backend("numba")
    message = str(caught.value)
    assert message.startswith("backend 'numba': Numba is not installed (")
    assert message.endswith("; pip install -e '.[numba]'")


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Backend:
    """The backend, with the steps of float64 compiled too, so that gradients can be checked by differences."""
    pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")
    own = lamina.get_backend("numba")
    monkeypatch.setattr(own, "compiled_dtypes", (np.dtype("float32"), np.dtype("float64")))
    return own


def test_every_layer_is_proven_on_it(backend: Backend) -> None:
    report = lamina.testing.check_backend(backend)
    assert any("LSTM" in line for line in report.passed)


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_gradients_of_compiled_steps_broken_on_purpose_are_caught(
    kind: str, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = backend.compiled  # type: ignore[attr-defined]
    name = {"SimpleRNN": "simple_rnn", "LSTM": "lstm", "GRU": "gru"}[kind] + "_step_backward"
    right = getattr(compiled, name)

    def wrong(*arrays: object) -> None:
        right(*arrays)
        changed = arrays[-2]  # the gradients
        assert isinstance(changed, np.ndarray)
        changed *= 1.01

    monkeypatch.setattr(compiled, name, wrong)
    with pytest.raises(lamina.testing.CheckError):
        lamina.testing.check_layer(getattr(lamina.layers, kind)(4), (3, 5, 2), backend=backend)


def test_float64_runs_numpys_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")
    backend = lamina.get_backend("numba")
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape) for shape in ((3, 4, 2), (2, 12), (4, 12), (12,))]
    results = [
        other.lstm_forward(*arrays[:1], *(a.repeat(4, -1)[..., :16] for a in arrays[1:]), None, None, None)[0]
        for other in (backend, lamina.get_backend("numpy"))
    ]
    np.testing.assert_array_equal(*results)


def test_nan_is_not_lost() -> None:
    pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")
    for kind in ("SimpleRNN", "LSTM", "GRU"):
        layer = getattr(lamina.layers, kind)(16, return_sequences=True)
        layer.build((None, None, 2), backend="numba", seed=0)
        x = np.ones((1, 3, 2), np.float32)
        x[0, 1, 0] = np.nan
        assert np.isnan(layer(x)).any(axis=-1).tolist() == [[False, True, True]]
