"""The faults that can be put back are in step with the product, and each is really there when it is.

The second needs copies of the product: ``pytest tests/faults --faults``.
"""

import importlib.util
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def load(name):
    """Return a module beside this file, which stands in no package."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


catalogue = load("catalogue")
hunt = load("hunt")
FAULTS = catalogue.read_faults()

each = pytest.mark.parametrize("key", FAULTS)


@pytest.fixture
def wanted(request):
    if not request.config.getoption("--faults", default=False):
        pytest.skip("puts a fault back into a copy of the product: pytest tests/faults --faults")


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    return catalogue.make_copy(tmp_path_factory.mktemp("product"))


def test_there_are_fifteen_named_faults_and_the_others():
    named = [fault.number for fault in FAULTS.values() if fault.number is not None]
    assert sorted(named) == [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 14, 17, 18, 19]
    assert len(FAULTS) == len(named) + 26
    assert all(fault.key == f"named-{fault.number:02d}" for fault in FAULTS.values() if fault.number is not None)


@each
def test_its_lines_stand_in_the_product_once_and_what_takes_their_place_compiles(key):
    texts = catalogue.edited(FAULTS[key].edits)
    for file, text in texts.items():
        assert text != (catalogue.ROOT / file).read_text()
        compile(text, file, "exec")


def test_lines_that_are_gone_are_told(tmp_path):
    (tmp_path / "here.py").write_text("one\n")
    with pytest.raises(AssertionError, match=r"here\.py: expected once, found 0 times: 'two"):
        catalogue.edited([catalogue.Edit("here.py", "two\n", "")], tmp_path)


@pytest.mark.usefixtures("wanted")
@each
def test_with_the_fault_a_user_gets_something_else(key, product, tmp_path):
    fault = FAULTS[key]
    assert catalogue.reproduce(fault, product).startswith("right")
    assert catalogue.reproduce(fault, catalogue.make_copy(tmp_path, fault.edits)).startswith("wrong")


@pytest.mark.parametrize(
    ("code", "output", "status", "models", "told"),
    [
        (0, "3000 models hold\n", "missed", None, "3000 models hold"),
        (1, "code\nfailed after 12 models: accumulate: 0.3 for 0.1\n", "found", 12, "accumulate: 0.3 for 0.1"),
        (1, "rows alone: 0.3 for 0.1\nfailed after 1 model\n", "found", 1, "rows alone: 0.3 for 0.1"),
        (1, "rows alone, failed after 1 models\n", "found", 1, "rows alone"),
        (1, "Traceback\nImportError: no such name\n", "broken", None, "exit code 1: ImportError: no such name"),
        (-9, "", "broken", None, "exit code -9: "),
    ],
)
def test_what_the_random_models_say_is_read(code, output, status, models, told):
    assert hunt.read_outcome("some", code, output)[:4] == ("some", status, models, told)


def test_what_was_found_is_counted():
    found = hunt.Outcome("named-02", "found", 31), hunt.Outcome("own-tape-1", "missed")
    assert hunt.table(found, FAULTS) == [
        "named: 1 of 15 found, 1 tried, after 31 models at most",
        "own: 0 of 26 found, 1 tried, after 0 models at most",
        "  not found: own-tape-1 (missed)",
    ]
