"""Every case of the registry, written, run by ONNX Runtime on ragged batches, and read again."""

import numpy as np
import pytest

import lamina
from lamina.core.shapes import as_tuple
from lamina.errors import CheckpointError, ExportError, ShapeError
from lamina.kinds.attention import AttentionLayer
from lamina.layers import Lambda
from lamina.onnx.translation import translation_of
from lamina.testing.cases.every import layer_cases
from tests.framework.onnx.needs import NEEDS

pytestmark = NEEDS

# What holds a `Lambda`, or a cell of one's own, and composites that are not registered: they are written, not read.
REFUSED = {"Cell", "Recurrent", "Recurrent-sequences", "Recurrent-everything", "Bidirectional-cell", "Lambda"}
REFUSED |= {"Lambda-rows", "Lambda-inputs", "Lambda-lengths"}
UNREGISTERED = {"Composite", "Composite-arithmetic"}
CASES = {case.name: case for case in layer_cases()}


def built(case, dtype):
    """Return the layer of a case, its steps open where it can be built so, with other weights than it begins with."""
    model, shapes = case.make(), []
    for place, value in enumerate(case.inputs):
        array = value if hasattr(value, "shape") else None
        shape = tuple(value) if array is None else array.shape
        integers = array is not None and array.dtype.kind in "iu"
        if isinstance(model, AttentionLayer) and place >= model._mask_at:
            shape = (*shape[:-1], None)
        shapes.append((None, None, *shape[2:]) if len(shape) > 2 or integers else (None, *shape[1:]))
    try:
        model.build(*shapes, dtype=dtype, seed=1)
    except ShapeError:
        model = case.make()
        fixed = [value.shape if hasattr(value, "shape") else value for value in case.inputs]
        model.build(*((None, *shape[1:]) for shape in fixed), dtype=dtype, seed=1)
    rng = np.random.default_rng(1)
    for parameter in model.parameters():
        noise = 0.1 * rng.standard_normal(parameter.shape)
        parameter.data = parameter.numpy() + (noise if parameter.trainable else np.abs(noise))
    return model


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_onnx_runtime_gives_what_the_layer_gives_and_the_file_gives_the_layer(name, dtype, tmp_path):
    model, path = built(CASES[name], dtype), tmp_path / "model.onnx"
    if name in REFUSED:
        with pytest.raises(ExportError, match="cannot be said in ONNX"):
            lamina.onnx.export(model, path)
        assert not path.exists()
        return
    try:
        exported = lamina.onnx.export(model, path)
    except ExportError as error:
        if "lengths=False" not in str(error):
            raise
        exported = lamina.onnx.export(model, path, lengths=False)
    assert exported.difference is not None and exported.difference < (3e-5 if dtype == "float32" else 1e-13)
    if name in UNREGISTERED:
        with pytest.raises(CheckpointError, match=r"was not described: .* decorate its class with @lamina.register"):
            lamina.onnx.load(path)
        return
    back = lamina.onnx.load(path)
    assert type(back) is type(model) and repr(back) == repr(model) and back.dtype == dtype
    state, found = model.state_dict(), back.state_dict()
    assert list(found) == list(state)
    for key, array in state.items():
        np.testing.assert_array_equal(found[key], array, strict=True)


def test_every_layer_but_a_function_of_ones_own_is_said():
    assert [name for name in lamina.layers.__all__ if name not in said()] == ["Lambda"]


def said():
    import lamina.onnx.translation

    return {cls.__name__ for cls in lamina.onnx.translation._known}


def test_a_lambda_is_not():
    layer = Lambda(lambda x: x, derivative=lambda x: 1)
    assert translation_of(layer) is None and as_tuple(layer.build((None, 2))) == (None, 2)
