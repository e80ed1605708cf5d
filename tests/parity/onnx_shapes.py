"""ONNX's operators on shapes, and its products, said with Lamina."""

import numpy as np

import lamina
from lamina import layers
from tests.parity.onnx_said import Unsaid, compose, run, says


def _reshaped(x, shape):
    if 0 in x.shape:
        raise Unsaid("an axis of no elements")
    return [run(layers.Reshape(tuple(int(size) for size in shape)), x[None])[0]]


@says("Reshape")
def _reshape(x, shape, *, case):
    return _reshaped(x, [x.shape[place] if size == 0 else size for place, size in enumerate(shape)])


@says("Flatten")
def _flatten(x, *, case):
    axis = case.get("axis", 1)
    if axis == 1:
        return [run(layers.Flatten(), x)]
    return _reshaped(x, (int(np.prod(x.shape[:axis])), -1))


@says("Squeeze")
def _squeeze(x, axes, *, case):
    gone = {int(axis) % x.ndim for axis in axes}
    return _reshaped(x, [size for place, size in enumerate(x.shape) if place not in gone])


@says("Unsqueeze")
def _unsqueeze(x, axes, *, case):
    return _reshaped(x, np.expand_dims(x, tuple(int(axis) for axis in axes)).shape)


@says("Transpose")
def _transpose(x, *, case):
    axes = case.get("perm", range(x.ndim)[::-1])
    return [run(layers.Permute(tuple(axis + 1 for axis in axes)), x[None])[0]]


@says("Concat")
def _concat(*inputs, case):
    axis = case["axis"]
    return [run(lamina.Concat(axis=axis + 1 if axis >= 0 else axis), *(x[None] for x in inputs))[0]]


@says("Slice")
def _slice(x, starts, ends, axes=None, steps=None, *, case):
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    parts = []
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        end = None if step < 0 and end < -x.shape[axis] else int(end)
        parts.append(layers.Slice(int(start), end, int(step), axis=int(axis) % x.ndim + 1))
    if any(not len(range(*slice(part.start, part.stop, part.step).indices(x.shape[part.axis - 1]))) for part in parts):
        raise Unsaid("an axis of no elements")
    return [run(lamina.Sequential(*parts), x[None])[0]]


@says("Split")
def _split(x, sizes=None, *, case):
    axis = case.get("axis", 0)
    count = len(sizes) if sizes is not None else case.get("num_outputs", len(case.outputs))
    if sizes is None and x.shape[axis] % count:
        whole = -(-x.shape[axis] // count)
        sizes = [whole] * (count - 1) + [x.shape[axis] - whole * (count - 1)]
    if 0 in x.shape:
        raise Unsaid("an axis of no elements")
    parts = count if sizes is None else tuple(int(size) for size in sizes)
    return [part[0] for part in run(layers.Split(parts, axis % x.ndim + 1), x[None])]


@says("Gather")
def _gather(x, ids, *, case):
    axis = case.get("axis", 0)
    if (ids < 0).any():
        raise Unsaid("ids that count from the end, or past it")
    table = np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1)
    y = run(layers.Embedding(*table.shape), ids[None], weights={"w": table})[0]
    rest = (*x.shape[:axis], *x.shape[axis + 1 :])
    y = y.reshape(*ids.shape, *rest)
    return [np.moveaxis(y, range(ids.ndim), range(axis, axis + ids.ndim))]


@says("OneHot")
def _one_hot(ids, depth, values, *, case):
    depth, axis = int(np.ravel(depth)[0]), case.get("axis", -1)
    ids = ids.astype(np.int64)
    if (ids < 0).any() or (ids >= depth).any():
        raise Unsaid("ids that count from the end, or past it")
    table = np.where(np.eye(depth, dtype=bool), values[1], values[0]).astype(values.dtype)
    return [np.moveaxis(run(layers.Embedding(depth, depth), ids[None], weights={"w": table})[0], -1, axis)]


def _tiled(x, repeats):
    def tiled(t, own, v):
        for place, times in enumerate(repeats):
            v = t.concatenate(*[v] * int(times), axis=place + 1) if times > 1 else v
        return v * 1

    return [compose(tiled, x[None])[0]]


@says("Tile")
def _tile(x, repeats, *, case):
    return _tiled(x, repeats)


@says("Expand")
def _expand(x, shape, *, case):
    wide = x.reshape(*(1,) * (len(shape) - x.ndim), *x.shape)
    return _tiled(wide, [size if own == 1 else 1 for own, size in zip(wide.shape, shape, strict=True)])


@says("Pad")
def _pad(x, pads, value=None, axes=None, *, case):
    if case.get("mode", "constant") != "constant":
        raise Unsaid("padding by what stands at the edges")
    axes = range(x.ndim) if axes is None else axes
    y = x[None]
    for place, axis in enumerate(int(axis) % x.ndim for axis in axes):
        ends = []
        for size in (pads[place], pads[place + len(axes)]):
            shape = (*y.shape[: axis + 1], int(size), *y.shape[axis + 2 :])
            ends.append(np.full(shape, 0 if value is None else value, x.dtype))
        joined = [one for one in (ends[0], y, ends[1]) if one.size]
        y = run(lamina.Concat(axis=axis + 1), *joined) if len(joined) > 1 else y
    return [y[0]]


def _product(a, b):
    """Return a b for a matrix b."""
    return run(layers.Dense(b.shape[1], use_bias=False), a, weights={"w": b})


@says("MatMul")
def _matmul(a, b, *, case):
    if b.ndim == 1:
        return [_product(a.reshape(-1, a.shape[-1]), b[:, None]).reshape(a.shape[:-1])]
    if a.ndim == 1:
        return [_product(np.moveaxis(b, -2, -1).reshape(-1, len(a)), a[:, None]).reshape(*b.shape[:-2], b.shape[-1])]
    if b.ndim > 2:
        raise Unsaid("a product of matrices that are both data, row by row")
    return [_product(a, b)]


@says("Gemm")
def _gemm(a, b, c=None, *, case):
    a, b = (x.T if case.get(name) else x for x, name in ((a, "transA"), (b, "transB")))
    alpha, beta = case.get("alpha", 1.0), case.get("beta", 1.0)
    dense = layers.Dense(b.shape[1], use_bias=False)
    if c is None:
        return [compose(lambda t, own, x: t(own.dense, x) * alpha, a, dense=dense, weights={"dense.w": b})]
    c = np.broadcast_to(c, (len(a), b.shape[1])).astype(a.dtype)
    added = compose(lambda t, own, x, y: t(own.dense, x) * alpha + y * beta, a, c, dense=dense, weights={"dense.w": b})
    return [added]


@says("Einsum")
def _einsum(x, y=None, *, case):
    equation = case["equation"].decode().replace(" ", "")
    if equation == "ij->ji":
        return [run(layers.Permute((2, 1)), x[None])[0]]
    if equation == "ij->i":
        return [_product(x, np.ones((x.shape[1], 1), x.dtype))[:, 0]]
    if equation == "i,i":
        return [_product(x[None], y[:, None])[0, 0]]
    if equation == "->":
        return [run(layers.Rescaling(), x.reshape(1, 1))[0, 0]]
    raise Unsaid("a diagonal" if "ii" in equation else "a product of matrices that are both data, row by row")
