import pytest

from lamina.testing.report import CheckError, LayerCheckError, Runner, Skip


def fail(error):
    def check():
        raise error

    return check


def test_report():
    runner = Runner("it", LayerCheckError, {"one": lambda: "1e-9", "second": lambda: None, "third": fail(Skip("no"))})
    report = runner.run()
    assert report.passed == ["one", "second"]
    assert report.skipped == {"third": "no"}
    assert str(report) == "it\n  one     passed  1e-9\n  second  passed\n  third   skipped  no"
    assert repr(report) == "<Report of it: 2 passed, 1 skipped>"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (CheckError("expected 1, got 2"), "it: one: expected 1, got 2"),
        (TypeError("first\nsecond"), "it: one: raised TypeError: first"),
        (RuntimeError(), "it: one: raised RuntimeError: "),
        (
            ValueError("output array is read-only"),
            "it: one: expected arguments to be left alone, got a write into one (ValueError: output array is "
            "read-only)",
        ),
    ],
)
def test_failures(error, message):
    with pytest.raises(LayerCheckError) as info:
        Runner("it", LayerCheckError, {"one": fail(error)}).run()
    assert str(info.value) == message
    assert isinstance(info.value, AssertionError)


def test_a_notebook_shows_a_table(read_page):
    checks = {"one <": lambda: "a & b", "two": fail(Skip("no"))}
    page = read_page(Runner("My<Layer>", LayerCheckError, checks).run()._repr_html_())
    rows = [["check", "result", "detail"], ["one <", "passed", "a & b"], ["two", "skipped", "no"]]
    assert (page.tables, page.texts) == ([rows], ["My<Layer>", "1 passed, 1 skipped"])


def test_interrupts_pass():
    with pytest.raises(KeyboardInterrupt):
        Runner("it", LayerCheckError, {"one": fail(KeyboardInterrupt())}).run()
