"""What the tests of ONNX files need: they run in the step of parity, which installs it."""

from importlib.util import find_spec

import pytest

MISSING = [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]
NEEDS = [
    pytest.mark.parity,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}: pip install -e '.[parity]'"),
]
