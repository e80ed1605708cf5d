"""Planned runs that were broken off go on to the same bits: of several outputs, in parts, in chunks, and guarded."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina.errors import NonFiniteError
from tests.framework.train.test_planned_outputs import LOSSES, data, measured, model_of

MODES = {
    "whole": {},
    "in parts": {"accumulate": 2},
    "in chunks": {"truncate": 4},
    "in chunks, guarded": {"truncate": 2, "check_finite": True},
    "in parts, guarded": {"accumulate": 3, "check_finite": True},
}


class Break(lamina.callbacks.Callback):
    """Ends the process's run after so many steps, as a kill would."""

    after = 0

    def on_train_begin(self, trainer):
        self.steps = 0

    def on_step_end(self, trainer, *_):
        self.steps += 1
        if self.steps == Break.after:
            raise KeyboardInterrupt


def run(folder, after=0, truncate=None, spoil=False, **settings):
    """Return the weights and figures that a run came to; None where it was broken off."""
    Break.after = after
    (x, y, lengths), model = data(sequences=True), model_of(sequences=True)
    if spoil:
        y[1][:, -1] = 1e300
    trainer = lamina.Trainer(
        model, LOSSES["means"], lambda p: lamina.optimizers.Adam(p, lr=0.01), metrics=measured(LOSSES["means"]),
        loss_weights=(1, 2, 0.5), callbacks=[Break()], compile=True, **settings,
    )  # fmt: skip
    try:
        history = trainer.fit(
            x, y, lengths=None if spoil else lengths, epochs=2, batch_size=8, truncate=truncate, checkpoint=folder,
            every=1, verbose=False,
        )  # fmt: skip
    except KeyboardInterrupt:
        return None
    return model.state_dict(), {key: list(history[key]) for key in history.keys() if key != "seconds"}  # noqa: SIM118


@pytest.mark.parametrize("mode", MODES.values(), ids=list(MODES))
@pytest.mark.parametrize("after", [1, 3])
def test_a_run_goes_on_to_the_same_bits(mode, after, tmp_path):
    weights, figures = run(tmp_path / "whole", **mode)
    assert run(tmp_path / "broken", after, **mode) is None
    others, again = run(tmp_path / "broken", **mode)
    assert again == figures
    for name, values in weights.items():
        np.testing.assert_array_equal(others[name], values)


def test_what_goes_wrong_in_the_first_chunk_after_is_told_as_without_a_break(tmp_path):
    mode = {"truncate": 4, "check_finite": True, "spoil": True}
    with pytest.raises(NonFiniteError) as caught:
        run(tmp_path / "whole", **mode)
    assert "epoch 1, step 2: loss MeanSquaredError of 'output_1' gave infinity" in str(caught.value)
    assert run(tmp_path / "broken", 1, **mode) is None
    with pytest.raises(NonFiniteError) as again:
        run(tmp_path / "broken", **mode)
    assert str(again.value) == str(caught.value)
