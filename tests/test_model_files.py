"""Model files of every past version load, and compute what they did when they were written.

Each file in ``model_files`` holds a proof among its facts: inputs, lengths, and the outputs of who wrote it.
"""

from pathlib import Path

import numpy as np
import pytest

import lamina

FILES = sorted((Path(__file__).parent / "model_files").glob("*.safetensors"))


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_loads_and_computes_what_it_did(path: Path, backend: str) -> None:
    model = lamina.load(path, backend=backend)
    proof = model.facts["proof"]
    x = np.asarray(proof["x"])
    y = model(x.astype(np.int64) if proof.get("integers") else x, lengths=proof["lengths"])
    np.testing.assert_allclose(y, proof["y"], rtol=2e-4, atol=2e-6)
    assert len(np.unique(np.round(y, 4), axis=0)) > 1  # the rows are told apart


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_can_be_trained_further_and_saved_again(path: Path, tmp_path: Path) -> None:
    model = lamina.load(path)
    frozen = [parameter.name for parameter in model.parameters() if not parameter.trainable]
    proof = model.facts["proof"]
    x = np.asarray(proof["x"])
    x = x.astype(np.int64) if proof.get("integers") else x
    trainer = lamina.Trainer(model, "softmax_cross_entropy", "sgd")
    trainer.fit(x, [0] * len(x), lengths=np.asarray(proof["lengths"]), epochs=1, verbose=False)
    model.save(tmp_path / "again.safetensors")
    again = lamina.load(tmp_path / "again.safetensors")
    assert repr(again) == repr(model)
    assert [parameter.name for parameter in again.parameters() if not parameter.trainable] == frozen
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[name], array)


def test_there_are_some_and_they_are_small() -> None:
    assert len(FILES) >= 2
    assert all(path.stat().st_size < 16_000 for path in FILES)
