"""Arrays of any library, wherever they come in: by DLPack or ``__array__`` alone, of kinds that NumPy has not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import losses, metrics
from lamina.core.host import as_array, as_host, as_lists
from lamina.errors import BackendError, DTypeError, LaminaError
from lamina.layers import GRU, Dense, Embedding


class ByDlpack:
    """What NumPy can be handed, and not ask for anything else; it takes what the protocol's newest version gives."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


class ByOlderDlpack(ByDlpack):
    def __dlpack__(self, stream: Any = None) -> Any:  # type: ignore[override]
        return self.array.__dlpack__()


class ByArray:
    def __init__(self, array: Any) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.array if dtype is None else self.array.astype(dtype)


class ByOlderArray(ByArray):
    def __array__(self, dtype: Any = None) -> Any:  # type: ignore[override]
        return super().__array__(dtype)


def strided(array: Any) -> Any:
    return np.repeat(array, 2, -1)[..., ::2]


def torchs(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def make(array: Any) -> Any:
        torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
        tensor = torch.tensor(array)
        return change(tensor) if array.dtype.kind == "f" else tensor

    return make


def jaxs(dtype: str | None) -> Callable[[Any], Any]:
    def make(array: Any) -> Any:
        jax = pytest.importorskip("jax.numpy", reason="JAX is not installed")
        return jax.asarray(array, dtype if array.dtype.kind == "f" else None)

    return make


def extended(dtype: str) -> Callable[[Any], Any]:
    def make(array: Any) -> Any:
        kinds = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")
        return array.astype(getattr(kinds, dtype)) if array.dtype.kind == "f" else array

    return make


KINDS: dict[str, Callable[[Any], Any]] = {
    "DLPack": ByDlpack,
    "older DLPack": ByOlderDlpack,
    "DLPack, strided": lambda array: ByDlpack(strided(array)),
    "__array__": ByArray,
    "older __array__": ByOlderArray,
    "a list of DLPack": lambda array: [ByDlpack(row) if row.ndim else row for row in array],
    "a list of __array__": lambda array: [ByArray(np.asarray(row)) for row in array],
    "memoryview": lambda array: memoryview(np.ascontiguousarray(array)),
    "float16": lambda array: array.astype("f2") if array.dtype.kind == "f" else array,
    "other bytes": lambda array: array.astype(array.dtype.newbyteorder()),
    "PyTorch": torchs(lambda tensor: tensor),
    "PyTorch, watched": torchs(lambda tensor: tensor.requires_grad_()),
    "PyTorch, a result, strided": torchs(lambda tensor: tensor.requires_grad_().repeat_interleave(2, -1)[..., ::2]),
    "PyTorch, bfloat16": torchs(lambda tensor: tensor.bfloat16().requires_grad_()),
    "PyTorch, by DLPack": torchs(ByDlpack),
    "JAX": jaxs(None),
    "JAX, bfloat16": jaxs("bfloat16"),
    "JAX, float16": jaxs("float16"),
    "ml_dtypes, bfloat16": extended("bfloat16"),
    "ml_dtypes, float8": extended("float8_e4m3fn"),
    "a list of ml_dtypes": lambda array: list(extended("bfloat16")(array)),
}

# Numbers that each kind holds exactly.
NUMBERS = np.random.default_rng(0)
X, Y = ((NUMBERS.integers(-8, 9, (4, 3, 2)) / 8).astype("float32") for _ in range(2))
LENGTHS = np.array([1, 3, 2, 2])
LABELS = np.array([[0, 1, 1], [1, 0, 0], [1, 1, 0], [0, 0, 0]])
MASK = np.array([[1, 1, 0], [1, 1, 1], [1, 0, 1], [1, 1, 1]], "float32")
WEIGHTS = np.array([1, 0.5, 0.25, 1], "float32")
LOGITS = (NUMBERS.integers(-8, 9, (4, 3, 2)) / 8).astype("float32")


def built(*layers: Any, shape: Any = (None, None, 2)) -> lamina.Sequential:
    model = lamina.Sequential(*(layers or (GRU(3, return_sequences=True), Dense(2))))
    model.build(shape, seed=0)
    return model


MODEL = built()
WORDS = built(Embedding(5, 3), GRU(2), shape=(None, None))
TRAINER = lamina.Trainer(MODEL, metrics="accuracy")


def flat(model: Any) -> Any:
    return np.concatenate([array.ravel() for array in model.state_dict().values()])


def rounded(array: Any) -> Any:
    return np.round(np.asarray(array) * 8) / 8


def fitted(of: Callable[[Any], Any]) -> Any:
    trainer = lamina.Trainer(model := built(), losses.MeanSquaredError(), seed=0)
    given = of(X), of(Y), of(LENGTHS)
    trainer.fit(*given[:2], lengths=given[2], epochs=1, verbose=False, validation_data=given)
    return flat(model)


def fitted_to_labels(of: Callable[[Any], Any]) -> Any:
    trainer = lamina.Trainer(model := built(), metrics="accuracy", seed=0)
    trainer.fit(of(X), of(LABELS), sample_weight=of(WEIGHTS), epochs=1, verbose=False)
    return flat(model)


def evaluated(of: Callable[[Any], Any]) -> Any:
    return list(TRAINER.evaluate(of(X), of(LABELS), lengths=of(LENGTHS)).values())


def streamed(of: Callable[[Any], Any]) -> Any:
    stream = lamina.Stream(MODEL)
    return [stream(of(X[:, step])) for step in range(3)]


def resumed(of: Callable[[Any], Any]) -> Any:
    def changed(state: Any) -> Any:
        return tuple(map(changed, state)) if isinstance(state, tuple) else of(rounded(state))

    stream, other = lamina.Stream(MODEL), lamina.Stream(MODEL)
    stream(X[:, 0])
    other.state = changed(stream.state)
    return other(X[:, 1])


def assigned(of: Callable[[Any], Any]) -> Any:
    parameter = built()[1].w
    parameter.data, parameter.grad = of(rounded(parameter.numpy())), of(np.ones((3, 2), "float32"))
    return np.stack([parameter.data, parameter.grad])


def loaded(of: Callable[[Any], Any]) -> Any:
    model = built()
    model.load_state_dict({path: of(rounded(array)) for path, array in model.state_dict().items()})
    return flat(model)


def fitted_from(of: Callable[[Any], Any], *data: Any, **options: Any) -> Any:
    trainer = lamina.Trainer(model := built(), seed=0)
    trainer.fit(*data, epochs=1, verbose=False, **options)
    return flat(model)


def lost(loss: Any, target: Any) -> Callable[..., Any]:
    return lambda of: loss(of(LOGITS), of(target), lengths=of(LENGTHS), mask=of(MASK))


def measured(metric: Any, target: Any) -> Callable[..., Any]:
    return lambda of: metric(of(LOGITS), of(target), lengths=of(LENGTHS))


WAYS: dict[str, Callable[[Callable[[Any], Any]], Any]] = {
    "call": lambda of: MODEL(of(X)),
    "lengths": lambda of: MODEL(of(X), lengths=of(LENGTHS)),
    "lengths, by position": lambda of: MODEL(of(X), of(LENGTHS)),
    "ids": lambda of: WORDS(of(LABELS)),
    "an initial state": lambda of: MODEL[0](of(X), of(np.ones((4, 3), "float32"))),
    "predict": lambda of: TRAINER.predict(of(X), lengths=of(LENGTHS)),
    "evaluate": evaluated,
    "fit": fitted,
    "fit, labels": fitted_to_labels,
    "stream": streamed,
    "stream, state": resumed,
    "parameter": assigned,
    "weights": loaded,
    "pad": lambda of: lamina.pad([of(X[0]), of(X[1, :2])])[0],
    "compact": lambda of: lamina.compact(of(X), of(MASK > 0))[0],
    "MeanSquaredError": lost(losses.MeanSquaredError(), Y),
    "Huber": lost(losses.Huber(), Y),
    "BinaryCrossEntropy": lost(losses.BinaryCrossEntropy(), (Y > 0).astype("float32")),
    "SoftmaxCrossEntropy": lost(losses.SoftmaxCrossEntropy(), LABELS),
    "CTC": lambda of: losses.CTC()(of(LOGITS), of(np.ones((4, 1), int)), lengths=of(LENGTHS)),
    "class weights": lambda of: losses.SoftmaxCrossEntropy(class_weight=of(WEIGHTS[:2]))(of(LOGITS), of(LABELS)),
    "positive weights": lambda of: losses.BinaryCrossEntropy(positive_weight=of(WEIGHTS[:2]))(of(LOGITS), of(Y > 0)),
    "quantiles": lambda of: losses.Quantile(of(WEIGHTS[1:3]))(of(LOGITS), of(Y[..., :1])),
    "alpha": lambda of: losses.SoftmaxFocalCrossEntropy(alpha=of(WEIGHTS[:2]))(of(LOGITS), of(LABELS)),
    "CTC, rows": lambda of: losses.CTC()(of(LOGITS), of(np.ones((4, 1), int)), mask=of(WEIGHTS)),
    "a loss of each row": lambda of: losses.MeanSquaredError(reduction="none")(of(LOGITS), of(Y)),
    "batches of a source": lambda of: fitted_from(of, iter([(of(X[:2]), of(LABELS[:2])), (of(X[2:]), of(LABELS[2:]))])),
    "a class's weight in training": lambda of: fitted_from(of, of(X), of(LABELS), class_weight=of(WEIGHTS[:2])),
    "decoded": lambda of: [
        one.score for row in lamina.decoding.ctc_beam_search(of(LOGITS), of(LENGTHS)) for one in row
    ],
    "tags": lambda of: [one.score for one in lamina.decoding.viterbi(of(LOGITS), of(X[:2, 0]), of(LENGTHS))],
    "accuracy": measured(metrics.Accuracy(), LABELS),
    "mean squared error": measured(metrics.MeanSquaredError(), Y),
    "F1": measured(metrics.F1(), LABELS),
    "weights of rows": lambda of: metrics.Accuracy()(of(LOGITS), of(LABELS), sample_weight=of(WEIGHTS)),
}


# Those of packages that CI's step of comparisons installs.
MARKED = [
    pytest.param(kind, marks=pytest.mark.parity) if kind.startswith("PyTorch") or "ml_dtypes" in kind else kind
    for kind in KINDS
]


@pytest.mark.parametrize("kind", MARKED)
@pytest.mark.parametrize("way", WAYS)
def test_a_kind_of_array_gives_what_numpys_gives(way: str, kind: str) -> None:
    expected = WAYS[way](lambda array: array)
    np.testing.assert_array_equal(np.asarray(WAYS[way](KINDS[kind])), np.asarray(expected))


@pytest.mark.parametrize("way", WAYS)
def test_what_cannot_be_read_is_refused_in_one_line(way: str) -> None:
    class Closed:
        def __dlpack__(self, **options: Any) -> Any:
            raise BufferError("not for export")

        def __dlpack_device__(self) -> Any:
            return (1, 0)

    with pytest.raises(LaminaError) as caught:
        WAYS[way](lambda array: Closed())
    assert "Closed" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bfloat16_by_dlpack_alone_is_refused() -> None:
    """NumPy has no such numbers; of PyTorch's and JAX's own arrays they are asked for as float32."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
    with pytest.raises(DTypeError, match=r"^x: expected an array of numbers, got a ByDlpack, which NumPy cannot read$"):
        as_host(ByDlpack(torch.ones(2).bfloat16()), "x")
    with pytest.raises(DTypeError, match=r"^x: expected an array of numbers, got a ByDlpack, which NumPy cannot read$"):
        as_host(ByDlpack(torch.ones(2).requires_grad_()), "x")


def test_forward_takes_the_backends_own_alone_and_says_what_converts() -> None:
    with pytest.raises(BackendError, match=r"^Sequential: expected an array of backend '\w+', got ByDlpack$"):
        MODEL.forward(ByDlpack(X))
    with pytest.raises(BackendError, match=r"^Huber: expected an array of a loaded backend, got ByDlpack: convert it"):
        losses.Huber().forward(ByDlpack(LOGITS), Y)


def test_a_backends_own_array_stays_where_it_is() -> None:
    assert as_array(X, "x") is X
    assert as_lists([1.0, None], "x") == [1.0, None]
    assert as_lists([ByDlpack(np.ones(2))], "x") == [[1.0, 1.0]]
    assert isinstance(as_array([1.0, 2.0], "x"), np.ndarray)
    held = np.zeros(3, "float32")
    handed = as_host(ByDlpack(held), "x")
    held[0] = 1
    assert handed[0] == 1  # not copied
