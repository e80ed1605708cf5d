"""Data of every kind are read alike, wherever they come in; what would lose its mask is refused there by name."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import losses, metrics
from lamina.core.host import as_host, is_plain, refuse_masked
from lamina.errors import DataError, DTypeError, LaminaError, ShapeError
from lamina.layers import GRU, Dense, Embedding

X = np.random.default_rng(0).normal(size=(4, 3, 2)).astype("float32")
LENGTHS = np.array([1, 3, 2, 0])
LABELS = np.array([[0, 1, 1], [1, 0, 0], [1, 1, 0], [0, 0, 0]])
MASK = X > 1


def one_forward() -> Any:
    return MODEL.forward(X)


def masked(value: Any, where: Any = False) -> Any:
    return np.ma.masked_array(value, where)


def built(*layers: Any, shape: Any = (None, None, 2)) -> lamina.Sequential:
    model = lamina.Sequential(*(layers or (GRU(3, return_sequences=True), Dense(2))))
    model.build(shape, seed=0)
    return model


MODEL = built()
TRAINER = lamina.Trainer(MODEL, metrics="accuracy")
WORDS = built(Embedding(5, 3), GRU(2), shape=(None, None))
LOGITS = MODEL(X)


def started() -> lamina.Stream:
    stream = lamina.Stream(MODEL)
    stream(X[:, 0])
    return stream


def put_back(change: Callable[[Any], Any]) -> lamina.Stream:
    """A stream's state, each array of it changed, put back into another."""

    def changed(state: Any) -> Any:
        return tuple(map(changed, state)) if isinstance(state, tuple) else change(state)

    stream = lamina.Stream(MODEL)
    stream.state = changed(started().state)
    return stream


# Each way in which data come in: what is called with them, and how the message names them.
WAYS: dict[str, tuple[str, Callable[[], Any]]] = {
    "call": ("Sequential input 0", lambda: MODEL(masked(X, MASK))),
    "call, list": ("Sequential input 0", lambda: MODEL([masked(row) for row in X])),
    "call, lengths": ("Sequential lengths", lambda: MODEL(X, lengths=masked(LENGTHS))),
    "integers": ("Sequential input 0", lambda: WORDS(masked(LABELS))),
    "infer": ("GRU '0' input 0", lambda: MODEL.infer(masked(X, MASK))),
    "forward": ("Sequential input 0", lambda: MODEL.forward(masked(X, MASK))),
    "forward, lengths": ("Sequential lengths", lambda: MODEL.forward(X, lengths=masked(LENGTHS))),
    "a layer": ("Dense '1' input 0", lambda: MODEL[1].forward(masked(np.zeros((4, 3, 3), "float32")))),
    "backward": ("Sequential gradient", lambda: MODEL.backward(masked(*one_forward()[:1]), one_forward()[1])),
    "parameter's gradient": (
        "Parameter '0.w_x'",
        lambda: setattr(MODEL[0].w_x, "grad", masked(MODEL[0].w_x.numpy())),
    ),
    "stream": ("Sequential input 0", lambda: lamina.Stream(MODEL)(masked(X[:, 0]))),
    "stream, lengths": ("Sequential lengths", lambda: lamina.Stream(MODEL)(X, lengths=masked(LENGTHS))),
    "stream, state": ("Stream state", lambda: put_back(masked)),
    "stream, reset": ("Stream rows", lambda: started().reset(masked([True, False, True, False]))),
    "an initial state": ("GRU '0' input 1", lambda: MODEL[0](X, masked(np.zeros((4, 3))))),
    "parameter": ("Parameter '0.w_x'", lambda: setattr(MODEL[0].w_x, "data", masked(MODEL[0].w_x.numpy()))),
    "weights": (
        "array '0.w_x'", lambda: MODEL.load_state_dict(MODEL.state_dict() | {"0.w_x": masked(MODEL[0].w_x.numpy())})
    ),
    "fit, x": ("x", lambda: TRAINER.fit(masked(X, MASK), LABELS, verbose=False)),
    "fit, list": ("x at index 0", lambda: TRAINER.fit([masked(row) for row in X], LABELS, verbose=False)),
    "fit, y": ("y", lambda: TRAINER.fit(X, masked(LABELS), verbose=False)),
    "fit, lengths": ("lengths", lambda: TRAINER.fit(X, LABELS, lengths=masked(LENGTHS), verbose=False)),
    "validation": (
        "validation data: x", lambda: TRAINER.fit(X, LABELS, validation_data=(masked(X), LABELS), verbose=False)
    ),
    "evaluate": ("y", lambda: TRAINER.evaluate(X, masked(LABELS))),
    "predict": ("x", lambda: TRAINER.predict(masked(X))),
    "predict, lengths": ("lengths", lambda: TRAINER.predict(X, lengths=masked(LENGTHS))),
    "pad": ("pad at index 1", lambda: lamina.pad([X[0], masked(X[1])])),
    "pad, all": ("pad", lambda: lamina.pad(masked(X))),
}  # fmt: skip
for _loss, _target in (
    (losses.SoftmaxCrossEntropy(), LABELS), (losses.NegativeLogLikelihood(), LABELS),
    (losses.BinaryCrossEntropy(), LOGITS > 0), (losses.MeanSquaredError(), LOGITS),
    (losses.MeanAbsoluteError(), LOGITS), (losses.Huber(), LOGITS), (losses.CosineSimilarity(), LOGITS),
    (losses.CTC(), np.ones((4, 1), int)),
):  # fmt: skip
    _name = type(_loss).__name__
    WAYS[f"{_name}, prediction"] = f"{_name} prediction", lambda f=_loss, t=_target: f(masked(LOGITS), t)  # type: ignore[misc]
    WAYS[f"{_name}, target"] = f"{_name} target", lambda f=_loss, t=_target: f(LOGITS, masked(t))  # type: ignore[misc]
    WAYS[f"{_name}, lengths"] = (  # type: ignore[assignment]
        f"{_name} lengths", lambda f=_loss, t=_target: f(LOGITS, t, lengths=masked(LENGTHS))
    )  # fmt: skip
    if _name != "CTC":
        WAYS[f"{_name}, mask"] = f"{_name} mask", lambda f=_loss, t=_target: f(LOGITS, t, mask=masked([1, 1, 1, 0]))  # type: ignore[misc]


@pytest.mark.parametrize("way", WAYS)
def test_a_masked_array_is_refused_by_name_wherever_it_comes_in(way: str) -> None:
    name, call = WAYS[way]
    before = MODEL.state_dict()
    with pytest.raises(DataError, match=f"^{re.escape(name)}: expected a plain array, got a masked one, whose mask"):
        call()
    assert all((before[path] == array).all() for path, array in MODEL.state_dict().items())


def test_what_is_no_masked_array_is_not_refused() -> None:
    for value in (X, [1.0], 3, None, X.view(np.recarray)):
        refuse_masked("x", value)
    assert type(as_host([[1, 2], [3, 4]], "x")) is np.ndarray
    with pytest.raises(ShapeError, match=r"^x: expected a rectangular array$"):
        as_host([[1, 2], [3]], "x")
    with pytest.raises(ShapeError, match=r"^uneven$"):
        as_host([[1, 2], [3]], "x", "uneven")
    kept = as_host(X, "x")
    assert kept is X


def tensors(torch: Any) -> dict[str, Any]:
    """X as tensors of every kind that NumPy cannot read as it is, or could."""
    x = torch.tensor(X)
    return {
        "plain": x,
        "watched": x.clone().requires_grad_(),
        "a result": x.clone().requires_grad_() * 1,
        "bfloat16": x.bfloat16(),
        "watched bfloat16": x.bfloat16().requires_grad_(),
        "float16": x.half(),
        "negated lazily": torch.complex(x * 0, -x).conj().imag,
    }


@pytest.mark.parametrize(
    "kind", ["plain", "watched", "a result", "bfloat16", "watched bfloat16", "float16", "negated lazily"]
)
def test_tensors_are_data(kind: str) -> None:
    torch = pytest.importorskip("torch")
    tensor = tensors(torch)[kind]
    values = tensor.detach().float().resolve_neg().numpy()
    assert np.array_equal(as_host(tensor, "x").astype("float32"), values)
    assert np.array_equal(as_host([tensor, tensor], "x")[1].astype("float32"), values)
    assert np.array_equal(MODEL(tensor), MODEL(values))
    assert np.array_equal(MODEL(list(tensor)), MODEL(values))
    assert np.array_equal(TRAINER.predict(tensor), TRAINER.predict(values))
    assert np.array_equal(TRAINER.predict(list(tensor)), TRAINER.predict(values))
    assert TRAINER.evaluate(tensor, torch.tensor(LABELS), lengths=torch.tensor(LENGTHS)) == TRAINER.evaluate(
        values, LABELS, lengths=LENGTHS
    )
    assert np.array_equal(lamina.Stream(MODEL)(tensor), lamina.Stream(MODEL)(values))
    assert np.array_equal(lamina.pad([tensor[0], tensor[1, :2]])[0], lamina.pad([values[0], values[1, :2]])[0])
    state = put_back(lambda array: torch.tensor(array).to(tensor.dtype).requires_grad_(tensor.requires_grad))
    assert np.allclose(state(X[:, 1]), started()(X[:, 1]), atol=1e-2)
    weights = {path: torch.tensor(array).requires_grad_() for path, array in MODEL.state_dict().items()}
    built().load_state_dict(weights)
    loss = losses.MeanSquaredError()
    assert loss(LOGITS[..., :2], tensor) == loss(LOGITS[..., :2], values)
    mask = torch.tensor([1.0, 1.0, 0.0, 1.0]).to(tensor.dtype).requires_grad_(tensor.requires_grad)
    assert loss(LOGITS, X, mask=mask) == loss(LOGITS, X, mask=[1, 1, 0, 1])


def test_a_tensor_that_no_array_can_hold_is_refused() -> None:
    torch = pytest.importorskip("torch")
    sparse = torch.tensor(X).to_sparse()
    for call in (lambda: MODEL(sparse), lambda: TRAINER.predict(sparse), lambda: losses.MeanSquaredError()(X, sparse)):
        with pytest.raises(DTypeError, match=r"expected an array of numbers, got a Tensor of torch\.float32, which"):
            call()
    with pytest.raises(LaminaError, match="whole numbers"):
        MODEL(X, lengths=torch.tensor([1, 2, 3, 0]).bfloat16())


def test_an_extension_of_numpys_floats_is_widened() -> None:
    """As ml_dtypes has them: of kind V, with float in the name."""

    class Dtype:
        kind, names, name = "V", None, "bfloat16"

    class Extended(np.ndarray):
        @property
        def dtype(self) -> Any:  # type: ignore[override]
            return Dtype

    from lamina.core import host

    found = host._widened(X.view(Extended))
    assert np.ndarray.dtype.__get__(found) == np.float32


def test_what_is_plain_needs_no_reading() -> None:
    """All that `as_host` gives back as it is, and nothing else: floats that it widens are of kind V."""
    plain = (X, LABELS, np.zeros((2, 0)), np.array(["a"]), np.array([None]))
    assert all(is_plain(one) and as_host(one, "x") is one for one in plain)
    assert not any(map(is_plain, (X.tolist(), 1.0, None, masked(X), np.zeros(2, "V2"))))


def test_metrics_refuse_masks_too() -> None:
    for metric, target in (
        (metrics.Accuracy(), LABELS), (metrics.MeanSquaredError(), LOGITS), (metrics.RSquared(), LOGITS),
        (metrics.ConfusionMatrix(), LABELS), (metrics.F1(), LABELS),
    ):  # fmt: skip
        for prediction, given in ((masked(LOGITS), target), (LOGITS, masked(target))):
            with pytest.raises(DataError, match="expected a plain array, got a masked one"):
                metric.update(prediction, given, None, MODEL.backend)
            with pytest.raises(DataError, match="expected a plain array, got a masked one"):
                metric(prediction, given)
