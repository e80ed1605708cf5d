"""The suite proves itself: each way of breaking a layer is caught, by the check that is there for it."""

import numpy as np
import pytest

import lamina
from lamina.testing import LayerCheckError, check_layer

SHAPE = (5, 4, 3)


def caught(match, layer, **options):
    with pytest.raises(LayerCheckError) as info:
        check_layer(layer, SHAPE, **options)
    message = str(info.value)
    assert message.startswith(f"{type(layer).__name__}()")
    assert match in message
    assert "\n" not in message


class Sound(lamina.Layer):
    """y = tanh(x w + b), right; what is below breaks one thing each."""

    def build(self, shape):
        self.w, self.b = lamina.Parameter((shape[-1], 6), "glorot_uniform"), lamina.Parameter((6,))
        return (*shape[:-1], 6)

    def forward(self, x):
        return self.run(x)

    def backward(self, dy, saved):
        return self.pull(dy, saved)

    def run(self, x):
        y = np.tanh(x @ self.w.data + self.b.data)
        return y, (x, y)

    def pull(self, dy, saved):
        x, y = saved
        da = dy * (1 - y * y)
        self.add(np.tensordot(x, da, ((0, 1), (0, 1))), da.sum((0, 1)))
        return da @ self.w.data.T

    def add(self, dw, db):
        self.w.grad += dw
        self.b.grad += db


class Overwriting(Sound):
    def add(self, dw, db):
        self.w.grad = dw
        self.b.grad += db


class Forgetful(Sound):
    def add(self, dw, db):
        self.w.grad += dw


class Unused(Sound):
    def build(self, shape):
        self.extra = lamina.Parameter((2,))
        return super().build(shape)


class WritingInput(Sound):
    def run(self, x):
        x += 0.0  # the same bits, but a write
        return super().run(x)


class WritingGradient(Sound):
    def pull(self, dy, saved):
        dy *= 1
        return super().pull(dy, saved)


class WritingOutput(Sound):
    def pull(self, dy, saved):
        dx = super().pull(dy, saved)
        saved[1][...] = 0
        return dx


class WritingWeights(Sound):
    def pull(self, dy, saved):
        dx = super().pull(dy, saved)
        self.w.data *= 0.99
        return dx


class Keeping(Sound):
    def run(self, x):
        self.last = x
        return super().run(x)


class Leaking(Sound):
    kept = []  # noqa: RUF012 - the fault is that it is shared

    def run(self, x):
        self.kept.append(x)
        return super().run(x)


class OnSelf(Sound):
    """Keeps its state as layers of other frameworks do."""

    def run(self, x):
        y, self.saved = super().run(x)
        return y, None

    def pull(self, dy, saved):
        return super().pull(dy, self.saved)


class OneBuffer(Sound):
    """Writes its output into the same memory at every call of a shape."""

    def run(self, x):
        y, (x, _) = super().run(x)
        buffers = self.__dict__.setdefault("buffers", {})
        buffer = buffers.setdefault((y.shape, y.dtype), np.empty_like(y))
        buffer[...] = y
        return buffer, (x, buffer)


class MixesRows(Sound):
    def run(self, x):
        return super().run(x - x[:1])


class OneRowIntoAnother(Sound):
    """Right in its gradients, and still not a function of each row alone."""

    def run(self, x):
        return super().run(x + np.roll(x, 1, axis=0) * np.arange(len(x)).reshape(-1, 1, 1).astype(x.dtype))

    def pull(self, dy, saved):
        dx = super().pull(dy, saved)
        return dx + np.roll(dx * np.arange(len(dx)).reshape(-1, 1, 1).astype(dx.dtype), -1, axis=0)


class OtherShape(Sound):
    def build(self, shape):
        return (*super().build(shape)[:-1], 5)


class OneAxisMore(Sound):
    def build(self, shape):
        return (*super().build(shape), 1)


class Transposed(Sound):
    def pull(self, dy, saved):
        return super().pull(dy, saved).swapaxes(0, 1)


class Double(Sound):
    def run(self, x):
        y, saved = super().run(x)
        return y.astype(np.float64), saved


class DoubleGradient(Sound):
    def pull(self, dy, saved):
        return super().pull(dy, saved) * np.float64(1)


class Random(Sound):
    def run(self, x):
        y, saved = super().run(x)
        return y + 1e-9 * np.random.default_rng().standard_normal(y.shape).astype(y.dtype), saved


class OtherInference(Sound):
    def infer(self, x, lengths=None):
        return super().infer(x) * 2


class SharedCopy(Sound):
    def __deepcopy__(self, memo):
        return self if self.is_built else type(self)()


class Lenient(Sound):
    def check_input(self, index, array, shape):
        pass


class NaNGradient(Sound):
    def pull(self, dy, saved):
        return super().pull(dy, saved) * np.asarray(np.nan, dy.dtype)


class CFlatOnly(Sound):
    """Takes for granted that its input lies in C order."""

    def run(self, x):
        return super().run(np.ravel(x, order="K").reshape(x.shape))


class LeavesOutMore(Sound):
    """Leaves out a parameter's gradient with the input's."""

    def backward(self, dy, saved, *, input_gradient=True):
        return super().backward(dy, saved) if input_gradient else None


class GivesItAnyway(Sound):
    def backward(self, dy, saved, *, input_gradient=True):
        return super().backward(dy, saved)


class Nameless(Sound):
    def __repr__(self):
        return "?"


BROKEN = {
    Overwriting: "accumulation: gradient of w",
    Forgetful: "gradients: gradient of b",
    Unused: "every parameter: extra: expected a gradient, got all zeros",
    WritingInput: "expected arguments to be left alone",
    WritingGradient: "expected arguments to be left alone",
    WritingOutput: "read-only: output 0",
    WritingWeights: "read-only: w, after the call",
    Keeping: "nothing kept: inference: expected nothing kept on the layer",
    Leaking: "saved state: after backward: expected what was saved to be freed",
    OnSelf: "interleaving",
    OneBuffer: "read-only: output 0",
    MixesRows: "gradients: gradient of input",
    OtherShape: "shapes: output 0: expected (None, 4, 5), as built, got (5, 4, 6)",
    OneAxisMore: "shapes: output 0: expected (None, 4, 6, 1), as built, got (5, 4, 6)",
    Transposed: "shapes: dx 0: expected (5, 4, 3), got (4, 5, 3)",
    Double: "dtypes: output 0: expected float32, got float64",
    DoubleGradient: "dtypes: dx 0: expected float32, got float64",
    Random: "gradients",
    OtherInference: "inference: output 0",
    SharedCopy: "copies: ",
    Lenient: "errors: input 0 with one axis more: expected ShapeError",
    NaNGradient: "gradients: gradient of input: expected finite numbers",
    CFlatOnly: "memory layout",
    LeavesOutMore: "input gradient: gradient of w, without the inputs'",
    GivesItAnyway: "input gradient: dx 0: expected None where no input's gradient is wanted, got an array",
    Nameless: "repr: expected Nameless in repr, got ?",
}


def test_the_sound_one_passes():
    assert check_layer(Sound(), SHAPE).skipped.keys() == {"row alone", "configuration", "saving"}


@pytest.mark.parametrize("cls", BROKEN, ids=lambda cls: cls.__name__)
def test_broken_layer(cls):
    if cls is Nameless:
        with pytest.raises(LayerCheckError, match=r"\?: repr: expected Nameless in repr, got \?"):
            check_layer(cls(), SHAPE)
        return
    caught(BROKEN[cls], cls())
    Leaking.kept.clear()


@pytest.mark.parametrize(
    ("cls", "only", "match"),
    [
        (Leaking, "nothing kept", "expected its arrays to be freed with its result"),
        (OnSelf, "nothing kept", "expected nothing kept on the layer"),
        (OneBuffer, "interleaving", "interleaved"),
        (Random, "deterministic", "expected the same bits"),
        (Random, "generic kernel", "against the generic kernel"),
        (Overwriting, "interleaving", "gradient of w"),
    ],
)
def test_what_an_earlier_check_sees_a_later_one_sees_too(cls, only, match):
    everything = set(check_layer(Sound(), SHAPE).passed)
    caught(match, cls(), skip=everything - {only})
    Leaking.kept.clear()


def test_a_row_that_reaches_another():
    caught("batch order", OneRowIntoAnother(), lengths=False)


class Forgets(Sound):
    def __init__(self, size=6):
        self.size = size + 1


def test_constructor_that_keeps_another_value(monkeypatch):
    for name in ("_classes", "_names"):
        monkeypatch.setattr(lamina.Layer.registry, name, dict(getattr(lamina.Layer.registry, name)))
    lamina.register(Forgets)
    with pytest.raises(LayerCheckError, match=r"configuration: expected .*7.*, got .*8"):
        check_layer(Forgets(), SHAPE)
