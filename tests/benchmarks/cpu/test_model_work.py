import numpy as np
import pytest

from benchmarks.cpu.contestants import ours
from benchmarks.cpu.model_work import Attending, Language


@pytest.mark.parametrize("work", [Language(3, 4, 8), Attending(3, 5, 8)], ids=str)
def test_weights_have_the_names_and_shapes_of_the_model(work):
    model = ours.model_for(work)
    expected = {name: (array.shape, array.dtype) for name, array in model.state_dict().items()}
    assert {name: (array.shape, array.dtype) for name, array in work.weights().items()} == expected


@pytest.mark.parametrize("work", [Language(3, 4, 8), Attending(3, 5, 8)], ids=str)
def test_there_is_a_label_for_each_step(work):
    x, y = work.data()
    assert x.shape[:2] == y.shape == work.shape[:2]
    prediction = ours.model_for(work)(x)
    assert prediction.shape[:2] == y.shape and y.max() < prediction.shape[-1]


def test_the_gradient_that_is_left_out_is_rounding():
    work = Attending(3, 5, 8)
    model = ours.model_for(work)
    prepared = ours.attending(work)
    gradients = prepared.results()
    assert work.idle not in gradients and set(gradients) == {"loss", *model.state_dict()} - {work.idle}
    x, _ = work.data()
    moved = {**work.weights(), work.idle: work.weights()[work.idle] + np.float32(1)}
    before = model(x)
    model.load_state_dict(moved)
    np.testing.assert_allclose(model(x), before, atol=1e-5)
