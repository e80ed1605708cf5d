import abc
import inspect
import sys
import textwrap
import typing

import pytest

import lamina
from lamina.testing import CheckError, check_layer, check_loss, register_strict_backend
from lamina.testing.cases import LossCase, layer_cases, loss_cases

BACKENDS = ["numpy", "reference", "array-api-strict", pytest.param("cupy", marks=pytest.mark.gpu)]


@pytest.fixture(scope="session", params=BACKENDS)
def backend(request):
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "array-api-strict":
            register_strict_backend()
            quicken(patch)
        yield request.param


class Index(metaclass=abc.ABCMeta):  # noqa: B024
    """What `typing.SupportsIndex` tells, remembered for each class."""

    @classmethod
    def __subclasshook__(cls, other):
        return getattr(other, "__index__", None) is not None


def quicken(patch):
    """Let array-api-strict ask the same questions faster: it spends most of its time on two of them.

    Whether a dtype is one of several it asks of tuples, for every array, and whether an index is a whole number of a
    protocol, which looks through the class each time.
    """
    from array_api_strict._dtypes import DType

    def is_dtypes(value):
        return isinstance(value, tuple) and value and all(isinstance(item, DType) for item in value)

    for name in [name for name in sys.modules if name.partition(".")[0] == "array_api_strict"]:
        module = sys.modules[name]
        for attribute, value in list(vars(module).items()):
            if is_dtypes(value):
                patch.setattr(module, attribute, frozenset(value))
            elif isinstance(value, dict):
                for key in [key for key, dtypes in value.items() if is_dtypes(dtypes)]:
                    patch.setitem(value, key, frozenset(value[key]))
            elif value is typing.SupportsIndex:
                patch.setattr(module, attribute, Index)


@pytest.fixture
def quicken_strict():
    return quicken


@pytest.fixture
def mutate(monkeypatch):
    """Return a function that breaks a method of a class: one piece of its source becomes another."""

    def change(owner, method, old, new):
        source = textwrap.dedent(inspect.getsource(owner.__dict__[method]))
        assert source.count(old) == 1, f"{owner.__name__}.{method}: expected {old!r} once; has the kernel changed?"
        scope = {}
        exec(source.replace(old, new), dict(vars(inspect.getmodule(owner))), scope)
        monkeypatch.setattr(owner, method, scope[method])
        for name in ("numpy", "reference"):  # a backend keeps the kernels that it has selected
            monkeypatch.setattr(lamina.get_backend(name), "_selected", {}, raising=False)

    return change


def check(case, backend, skip):
    """Run a case as it does itself, without some checks."""
    if isinstance(case, LossCase):
        return check_loss(case.make(), case.shape, case.target, backend=backend, skip=skip)
    skip = {*case.options.get("skip", ()), *skip}
    return check_layer(case.make(), *case.inputs, backend=backend, **{**case.options, "skip": skip})


@pytest.fixture(scope="session")
def sound():
    """Return a function that runs a case as it is on a backend, once for all tests that ask, and returns the report."""
    reports = {}

    def run(case, backend):
        if (case.name, backend) not in reports:
            reports[case.name, backend] = case.check(backend)
        return reports[case.name, backend]

    return run


def cases_of(cls):
    return [case for case in (*layer_cases(), *loss_cases()) if case.name.partition("-")[0] == cls]


@pytest.fixture(scope="session")
def unbroken(sound, failure):
    """Return a function that returns what fails in a class that is as it should be: nothing."""

    def run(cls, backend):
        for case in cases_of(cls):
            sound(case, backend)
        return failure(cls, backend, most=1)

    return run


@pytest.fixture(scope="session")
def failure():
    """Return a function that runs the registry's cases of a class, and returns what failed first.

    Without the comparison with the generic kernel, which would catch anything, unless ``compared`` asks for it alone.
    """

    def run(cls, backend, compared=False, most=None):
        cases = cases_of(cls)
        # From both ends in turn: what the plain cases pass, those with the rarer options at the end fail.
        for number in range(len(cases))[:most]:
            case = cases[-(number + 1) // 2 if number % 2 else number // 2]
            skip = {"generic kernel"}
            if compared:
                skip = set(check(case, "reference", skip).passed)
            try:
                check(case, backend, skip)
            except CheckError as error:
                assert "\n" not in str(error)
                return str(error)
        return "nothing failed"

    return run
