"""Where a test needs what this machine does not have, it is skipped with a reason that says so."""

import gc
import inspect
from functools import cache
from html.parser import HTMLParser
from importlib.util import find_spec

import pytest


@cache
def _no_gpu():
    from lamina.backends import get_backend
    from lamina.errors import BackendError

    try:
        get_backend("cupy")
    except BackendError as error:
        return str(error)
    return ""


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="also run the tests that run other tests, which take a minute")


def pytest_collection():
    gc.disable()


def pytest_collection_finish():
    """What is collected stays to the end: the garbage collector need not go through it again and again."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("gpu") and (reason := _no_gpu()):
            item.add_marker(pytest.mark.skip(reason=reason))
        if item.get_closest_marker("parity") and find_spec("torch") is None:
            item.add_marker(pytest.mark.skip(reason="PyTorch is not installed: pip install -e '.[parity]'"))


@pytest.fixture
def defaults():
    """Return a function that gives what a constructor, or a function, takes where it is not told; a part as printed."""

    def found(function):
        plain = (str, int, float, tuple, type(None))
        given = {one.name: one.default for one in inspect.signature(function).parameters.values()}
        taken = {name: value for name, value in given.items() if value is not inspect.Parameter.empty}
        return {name: value if isinstance(value, plain) else repr(value) for name, value in taken.items()}

    return found


class Tables(HTMLParser):
    """Reads the tables of a page, a list of rows each, the texts around them and the images; tags must be closed."""

    def __init__(self, page):
        super().__init__()
        self.tables, self.texts, self.images, self._open = [], [], [], []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.images.append(dict(attributes))
            return
        assert tag in {"table", "thead", "tbody", "tr", "th", "td", "p"}, tag
        self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag == "p":
            self.texts.append("")
        elif tag in ("th", "td"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        place = self._open[-1] if self._open else ""
        if place in ("th", "td"):
            self.tables[-1][-1][-1] += data
        elif place == "p":
            self.texts[-1] += data
        else:
            assert not data.strip(), data


@pytest.fixture
def read_page():
    """Return what reads HTML as a notebook gets it."""
    return Tables
