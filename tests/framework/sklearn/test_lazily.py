"""What is told, and what is loaded, where scikit-learn is not installed, or is not asked for."""

import subprocess
import sys
from typing import Any

import pytest

import lamina
from lamina.errors import MissingPackageError


@pytest.mark.parametrize("name", lamina.sklearn.__all__)
@pytest.mark.parametrize("module", ["sklearn", "sklearn.utils.validation"])
def test_a_missing_package_is_told_in_one_line(name: str, module: str, monkeypatch: Any) -> None:
    for loaded in [one for one in sys.modules if one.startswith(("sklearn", "lamina.sklearn."))]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingPackageError) as caught:
        getattr(lamina.sklearn, name)
    told = str(caught.value)
    assert told.startswith("lamina.sklearn: needs scikit-learn 1.6 or later: pip install -e '.[sklearn]' (")
    assert "\n" not in told


def test_scikit_learn_is_loaded_when_an_estimator_is_asked_for() -> None:
    pytest.importorskip("sklearn", reason="needs scikit-learn: pip install -e '.[sklearn]'")
    program = (
        "import sys, lamina; before = 'sklearn' in sys.modules, lamina.sklearn.__all__\n"
        "lamina.sklearn.SequenceTagger; print(before[0], 'sklearn' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "True"]


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'lamina.sklearn' has no attribute 'SequenceClasifier'$"):
        _ = lamina.sklearn.SequenceClasifier
