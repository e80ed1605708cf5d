"""Without the packages behind the format it is said which extra brings them, and nothing is written."""

import sys

import pytest

import lamina
from lamina.errors import MissingPackageError
from lamina.layers import Dense
from tests.framework.onnx.needs import MISSING


def built():
    model = Dense(2)
    model.build((None, 3))
    return model


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    message = r"^onnx: onnx is not installed; pip install -e '.\[onnx\]'"
    with pytest.raises(MissingPackageError, match=message):
        lamina.onnx.export(built(), tmp_path / "model.onnx")
    with pytest.raises(MissingPackageError, match=message):
        lamina.onnx.load(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif("onnx" in MISSING, reason="ONNX is not installed: pip install -e '.[parity]'")
def test_onnx_runtime_is_wanted_where_it_is_to_check(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingPackageError, match=r"^onnx: onnxruntime is not installed; pip install -e '.\[onnx\]'"):
        lamina.onnx.export(built(), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
    assert lamina.onnx.export(built(), tmp_path / "model.onnx", verify=False).inputs == ("x",)
