"""What `Trainer.evaluate` returns: a dict, and tables in a notebook."""

import json
import pickle
from typing import Any

import numpy as np

import lamina
from lamina.layers import Dense
from lamina.metrics import ConfusionMatrix, Recall


def trained(y: Any, **options: Any) -> tuple[Any, Any]:
    x = np.random.default_rng(0).normal(size=(12, 3))
    trainer = lamina.Trainer(Dense(2), metrics=["accuracy", ConfusionMatrix(), Recall(average=None)], **options)
    trainer.fit(x, y, verbose=False)
    return trainer, trainer.evaluate(x, y)


def test_it_is_a_dict_like_any_other() -> None:
    _, found = trained(np.arange(12) % 2)
    assert isinstance(found, dict)
    assert list(found) == ["loss", "accuracy", "confusion_matrix", "recall"]
    assert repr(found) == repr(dict(found))
    numbers = {name: found[name] for name in ("loss", "accuracy")}
    assert json.loads(json.dumps(type(found)(numbers))) == numbers
    copy = pickle.loads(pickle.dumps(found))
    assert list(copy) == list(found) and copy._repr_html_() == found._repr_html_()


def test_a_notebook_shows_the_names_that_the_model_has_learned(read_page: Any) -> None:
    trainer, found = trained(np.where(np.arange(12) % 2, "a<b", "c&d"))
    names = trainer.model.facts["class_names"]
    assert sorted(names) == ["a<b", "c&d"]
    numbers, recall, matrix = read_page(found._repr_html_()).tables
    assert [row[0] for row in numbers] == ["figure", "loss", "accuracy"]
    assert [row[0] for row in recall] == ["class", *names]
    assert matrix[0] == ["confusion_matrix", *names]
    assert [[int(cell) for cell in row[1:]] for row in matrix[1:]] == found["confusion_matrix"].tolist()


def test_each_output_has_the_names_of_its_own_classes(read_page: Any) -> None:
    class Two(lamina.Composite):
        def __init__(self) -> None:
            self.a, self.b = Dense(2), Dense(3)

        def compose(self, t: Any, x: Any) -> Any:
            return t(self.a, x), t(self.b, x)

    x, rows = np.random.default_rng(0).normal(size=(12, 3)), np.arange(12)
    y = {"size": np.where(rows % 2, "big", "small"), "shape": np.array(["cup", "jar", "pot"])[rows % 3]}
    trainer = lamina.Trainer(
        Two(),
        {"size": "softmax_cross_entropy", "shape": "softmax_cross_entropy"},
        metrics={"size": ConfusionMatrix(), "shape": ConfusionMatrix()},
    )
    trainer.fit(x, y, verbose=False)
    _, size, shape = read_page(trainer.evaluate(x, y)._repr_html_()).tables
    assert set(size[0][1:]) == {"big", "small"} and set(shape[0][1:]) == {"cup", "jar", "pot"}


def test_a_history_has_the_names_too(read_page: Any) -> None:
    trainer, _ = trained(np.where(np.arange(12) % 2, "a<b", "c&d"))
    names = trainer.model.facts["class_names"]
    (matrix,) = [table for table in read_page(trainer.history._repr_html_()).tables if "confusion_matrix" in table[0]]
    assert matrix[0] == ["confusion_matrix", *names]
    numbered, _ = trained(np.arange(12) % 2)
    assert numbered.history.class_names is None
