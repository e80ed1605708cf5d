"""What TensorBoard is given: read back by TensorBoard itself, or from the records where it is not installed."""

import struct
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import lamina
from lamina.callbacks import Callback, TensorBoard
from lamina.errors import ArgumentError, OutputError
from lamina.layers import GRU, Dense, Embedding
from lamina.metrics import ConfusionMatrix, Recall
from lamina.testing.ending import EndAfter, Ended

pytest.importorskip("tensorboardX", reason="needs tensorboardX: pip install -e '.[tensorboard]'")

X = np.random.default_rng(0).integers(0, 9, size=(12, 4))
Y = np.array(["low", "mid", "high"])[np.arange(12) % 3]


class Weights(Callback):
    """Keeps weights, and the gradients of the last step, of each epoch."""

    def __init__(self) -> None:
        self.kept: list[dict[str, np.ndarray]] = []
        self.gradients: dict[str, np.ndarray] = {}

    def on_step_end(self, trainer: Any, epoch: int, step: int, loss: Any) -> None:
        self.gradients = {f"gradients/{name}": one.grad.copy() for name, one in parameters(trainer.model).items()}

    def on_epoch_end(self, trainer: Any, epoch: int, values: dict[str, float]) -> None:
        weights = {f"weights/{name}": one.numpy() for name, one in parameters(trainer.model).items()}
        self.kept.append({**weights, **self.gradients})

    def state_dict(self) -> dict[str, Any]:
        return {}


def parameters(model: lamina.Layer) -> dict[str, lamina.Parameter]:
    return dict(model.named_parameters())


def make(*callbacks: Callback, metrics: Any = ()) -> lamina.Trainer:
    model = lamina.Sequential(Embedding(9, 3), GRU(4), Dense(3))
    return lamina.Trainer(model, optimizer="sgd", metrics=metrics, callbacks=callbacks)


def fit(trainer: lamina.Trainer, **options: Any) -> lamina.History:
    return trainer.fit(X, Y, batch_size=6, verbose=False, **options)


class Seen(NamedTuple):
    """What is shown of a run: by tag, and by step."""

    scalars: dict[str, dict[int, float]]
    histograms: dict[str, dict[int, Any]]
    images: dict[str, dict[int, bytes]]


def seen(folder: Path) -> Seen:
    """Return what a reader shows: where a file begins at a step, nothing from there on of the files before counts."""
    from tensorboardX.proto.event_pb2 import Event, SessionLog

    found = Seen({}, {}, {})
    for path in sorted(folder.glob("events.out.tfevents.*")):
        data = path.read_bytes()
        place = 0
        while place < len(data):
            (length,) = struct.unpack("<Q", data[place : place + 8])
            event = Event.FromString(data[place + 12 : place + 12 + length])
            place += 16 + length
            if event.session_log.status == SessionLog.START:
                for kind in found:
                    for steps in kind.values():
                        for step in [one for one in steps if one >= event.step]:
                            del steps[step]
            for value in event.summary.value:
                kind = {"simple_value": 0, "histo": 1, "image": 2}[value.WhichOneof("value")]
                content: Any = (value.simple_value, value.histo, value.image.encoded_image_string)[kind]
                found[kind].setdefault(value.tag, {})[event.step] = content
    return found


@pytest.mark.filterwarnings("ignore")  # TensorBoard's own
def test_tensorboard_itself_reads_the_same(tmp_path: Path) -> None:
    name = "tensorboard.backend.event_processing.event_accumulator"
    reader: Any = pytest.importorskip(name, reason="needs TensorBoard: pip install tensorboard")
    pytest.importorskip("matplotlib", reason="needs matplotlib: pip install -e '.[plot]'")
    trainer = make(TensorBoard(tmp_path), metrics=ConfusionMatrix())
    fit(trainer, epochs=2)
    fit(trainer, epochs=1)
    other = make(TensorBoard(tmp_path), metrics=ConfusionMatrix())  # another run of the program, which counts alone
    for epochs in (1, 1):
        history = fit(other, epochs=epochs)
    found = reader.EventAccumulator(str(tmp_path / "train"), size_guidance={"images": 0, "histograms": 0})
    found.Reload()
    own = seen(tmp_path / "train")
    assert [one.step for one in found.Scalars("loss")] == [1, 2] == sorted(own.scalars["loss"])
    assert found.Scalars("loss")[-1].value == np.float32(history["loss"][-1])
    for tag in found.Tags()["scalars"]:
        assert {one.step: one.value for one in found.Scalars(tag)} == own.scalars[tag]
    assert set(found.Tags()["scalars"]) == set(own.scalars) == set(history)
    assert set(found.Tags()["histograms"]) == set(own.histograms)
    for tag, steps in own.histograms.items():
        for one in found.Histograms(tag):
            assert one.histogram_value.bucket == list(steps[one.step].bucket)
    (image,) = found.Tags()["images"]
    assert {one.step: one.encoded_image_string for one in found.Images(image)} == own.images[image]


def test_figures_stand_by_name_those_of_the_validation_apart(tmp_path: Path) -> None:
    trainer = make(TensorBoard(tmp_path), metrics=["accuracy", Recall(average=None)])
    history = fit(trainer, epochs=2, validation_data=(X, Y))
    parts = {run: seen(tmp_path / run).scalars for run in ("train", "validation")}
    names = ["high", "low", "mid"]
    assert set(parts["train"]) == {"loss", "accuracy", "learning_rate", "seconds", *(f"recall/{one}" for one in names)}
    assert set(parts["validation"]) == {"loss", "accuracy", *(f"recall/{one}" for one in names)}
    for run, before in (("train", ""), ("validation", "val_")):
        for epoch in (1, 2):
            for name in ("loss", "accuracy"):
                assert parts[run][name][epoch] == np.float32(history[before + name][epoch - 1])
            of_each = [parts[run][f"recall/{one}"][epoch] for one in names]
            np.testing.assert_array_equal(of_each, np.float32(history.arrays[f"{before}recall"][epoch - 1]))


def test_histograms_are_of_the_weights_and_of_the_last_steps_gradients(tmp_path: Path) -> None:
    weights = Weights()
    fit(make(weights, TensorBoard(tmp_path, histograms=2)), epochs=4)
    found = seen(tmp_path / "train").histograms
    assert set(found) == set(weights.kept[0])
    for tag, steps in found.items():
        assert sorted(steps) == [2, 4]
        for epoch, one in steps.items():
            expected = weights.kept[epoch - 1][tag].astype(np.float64)
            assert (one.num, one.min, one.max) == (expected.size, expected.min(), expected.max())
            assert one.sum == pytest.approx(expected.sum()) and sum(one.bucket) == expected.size
            assert one.sum_squares == pytest.approx(np.square(expected).sum())
    assert all(np.ptp(one[tag]) > 0 for one in weights.kept for tag in one)


def test_weights_that_are_no_numbers_are_left_out(tmp_path: Path) -> None:
    trainer = make(TensorBoard(tmp_path))
    fit(trainer, epochs=1)
    weight = parameters(trainer.model)["2.w"]
    broken = weight.numpy().copy()
    broken[0] = np.nan
    weight.data = broken
    parameters(trainer.model)["2.b"].data = np.full(3, np.inf, np.float32)
    trainer.callbacks[0].on_epoch_end(trainer, 2, {"loss": float("nan")})
    trainer.callbacks[0].on_train_end(trainer)
    found = seen(tmp_path / "train")
    assert found.histograms["weights/2.w"][2].num == 9
    assert 2 not in found.histograms["weights/2.b"]
    assert np.isnan(found.scalars["loss"][2])


def test_a_confusion_matrix_is_a_picture(tmp_path: Path) -> None:
    image = pytest.importorskip("matplotlib.image", reason="needs matplotlib: pip install -e '.[plot]'")
    board = TensorBoard(tmp_path, histograms=0)
    trainer = make(board, metrics=ConfusionMatrix())
    fit(trainer, epochs=1, validation_data=(X, Y))
    assert list(seen(tmp_path / "train").images) == list(seen(tmp_path / "validation").images) == ["confusion_matrix"]
    assert not seen(tmp_path / "train").histograms
    # What is never taken for what it is is light on the diagonal, and dark beside it.
    pictures = []
    for matrix in (np.eye(3), np.roll(np.eye(3), 1, axis=1), np.column_stack([np.eye(3), [0, 0, 5]])):
        trainer.history.arrays["confusion_matrix"] = [9 * matrix]
        board.on_epoch_end(trainer, 1, {"loss": 0.0})
        pictures.append(seen(tmp_path / "train").images["confusion_matrix"][len(pictures) + 2])
    board.on_train_end(trainer)
    right, wrong = (image.imread(BytesIO(one), format="png")[..., :3].mean(axis=2) for one in pictures[:2])
    assert right.shape == wrong.shape and min(right.shape) > 300
    assert np.abs(right - wrong).max() > 0.5


@pytest.mark.parametrize("left", range(1, 7))
@pytest.mark.parametrize("every", [1, "2 epochs"])
def test_a_run_that_is_resumed_shows_the_same(left: int, every: Any, tmp_path: Path) -> None:
    whole, folder, checkpoint = (tmp_path / name for name in ("whole", "log", "run"))
    fit(make(TensorBoard(whole), EndAfter()), epochs=3, validation_data=(X, Y))
    ending = EndAfter()
    ending.left = left
    with suppress(Ended):
        trainer = make(TensorBoard(folder), ending)
        fit(trainer, epochs=3, validation_data=(X, Y), checkpoint=checkpoint, every=every)
    fit(make(TensorBoard(folder), EndAfter()), epochs=3, validation_data=(X, Y), checkpoint=checkpoint, every=every)
    for run in ("train", "validation"):
        expected, found = seen(whole / run), seen(folder / run)
        assert expected.scalars.pop("seconds", {}).keys() == found.scalars.pop("seconds", {}).keys()
        if every == 1 and left in (3, 5):  # resumed behind the last step of an epoch, whose gradient is gone
            for tag in (one for one in expected.histograms if one.startswith("gradients")):
                del expected.histograms[tag][left // 2]
        assert expected == found


def test_it_changes_nothing_in_training(tmp_path: Path) -> None:
    with_it, without = make(TensorBoard(tmp_path)), make()
    fit(with_it, epochs=3)
    fit(without, epochs=3)
    for name, one in parameters(with_it.model).items():
        np.testing.assert_array_equal(one.numpy(), parameters(without.model)[name].numpy())


def test_each_epoch_is_on_the_disk_when_it_has_ended(tmp_path: Path) -> None:
    lengths: list[int] = []

    class Read(Callback):
        def on_epoch_begin(self, trainer: Any, epoch: int) -> None:
            lengths.append(len(seen(tmp_path / "train").scalars.get("loss", {})))

    fit(make(TensorBoard(tmp_path), Read()), epochs=3)
    assert lengths == [0, 1, 2]


def test_what_cannot_be_done_is_found_before_training(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        fit(make(TensorBoard(tmp_path / "file")), epochs=1)
    with pytest.raises(ArgumentError, match=r"^TensorBoard: expected histograms to be a whole number of 0 or more"):
        TensorBoard(tmp_path, histograms=-1)
    monkeypatch.setitem(__import__("sys").modules, "tensorboardX.event_file_writer", None)
    with pytest.raises(lamina.errors.MissingPackageError, match=r"^TensorBoard: needs tensorboardX: pip install"):
        fit(make(TensorBoard(tmp_path)), epochs=1)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(TensorBoard) == {"histograms": 1}
