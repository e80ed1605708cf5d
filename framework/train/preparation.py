"""What `Trainer.fit` makes ready, and refuses, before anything changes."""

from __future__ import annotations

from typing import Any, NamedTuple

from lamina.checkpoints.fingerprint import model_settings, optimizer_settings, plain, rows_settings
from lamina.core.arguments import flag, whole
from lamina.data.checks import named
from lamina.data.goals import Goal
from lamina.data.naming import Naming
from lamina.data.shapes import build_for, restored_on_error
from lamina.train.adaptation import require_measurable
from lamina.train.callback import Callback, of_other_ranks, require_together
from lamina.train.closure import require_closable
from lamina.train.feeds import ArrayFeed, Feed
from lamina.train.fitting import facts_of, order_for, read_given, require_turns
from lamina.train.history import figures_of
from lamina.train.measuring import weighted_for
from lamina.train.objective import objective_for
from lamina.train.parts import Parts, Plan
from lamina.train.planned_choice import planned_feed
from lamina.train.precision import require_precision
from lamina.train.ranks import Ranks, require_sharable
from lamina.train.saver import Saver
from lamina.train.truncation import require_cuttable

__all__ = ["Ready", "prepare"]


class Ready(NamedTuple):
    """What a run takes.

    Attributes
    ----------
    parts : Parts
    plan : Plan
    callbacks : list of Callback
        Those of this rank.
    names : sequence of names, a dict of them by output, or None
        Of the classes.
    """

    parts: Parts
    plan: Plan
    callbacks: list[Callback]
    names: Any


def prepare(
    trainer: Any,
    x: Any,
    y: Any,
    given: dict[str, Any],
    held_out: dict[str, Any],
    order: dict[str, Any],
    epochs: int,
    class_weight: Any,
    *,
    saver: Saver | None,
    ranks: Ranks | None,
) -> Ready:
    """Return what a run takes; nothing has changed where this raises.

    Parameters
    ----------
    trainer : Trainer
        Its ``epochs`` and ``figures`` are set.
    x, y, epochs, class_weight : as for `Trainer.fit`
    given : dict
        What `feed_of` takes beside the data.
    held_out : dict
        ``validation_data`` and ``split``, as for `read_given`.
    order : dict
        ``shuffle``, ``bucket`` and ``truncate``.
    saver : Saver or None
        Reads what its folder holds.
    ranks : Ranks or None
        That train together: each is to have been given the same.

    Raises
    ------
    LaminaError
        As `Trainer.fit`.
    """
    shuffle, truncate = order["shuffle"], order["truncate"]
    shuffle = None if shuffle is None else flag(trainer, "shuffle", shuffle)
    truncate = None if truncate is None else whole("Trainer", "truncate", truncate)
    bucket = flag(trainer, "bucket", order["bucket"])
    model, goals = trainer.model, trainer.goals
    naming = Naming(goals, model, trainer.class_names)
    feed, validation = read_given(model, goals, x, y, given, **held_out, naming=naming)
    require_turns(feed, epochs, shuffle, bucket)
    require_measurable(model, feed)
    with restored_on_error(model):
        build_for(model, feed.sample(), trainer.seed)
        require_precision(trainer.precision, model)
        goals, checked = weighted_for(model, goals, feed, class_weight, naming)
        if validation is not None:
            with named("validation data"):
                validation.check(goals)
        if ranks is not None:
            require_sharable(model, goals)
            for one in (feed, validation):
                if one is not None:
                    one.share = ranks.share
        if truncate is not None:
            require_cuttable(model, checked)
        taken = order_for(feed, shuffle, bucket, trainer._generator)
        parameters = model.parameters()
        optimizer = trainer._choice.of(model, parameters)
        require_closable(optimizer, trainer.accumulate, truncate)
        planned = planned_feed(trainer, feed, goals, optimizer, truncate, ranks)
        trainer.epochs = epochs
        trainer.figures = figures_of(goals, validation is not None)
        require_together(trainer.callbacks)  # some may have been added
        callbacks = trainer.callbacks if ranks is None or ranks.leads else of_other_ranks(trainer.callbacks)
        for callback in callbacks:
            callback.check(trainer)
        facts = facts_of(trainer, goals, feed, truncate)
        parts = Parts(model, objective_for(goals), optimizer, parameters, trainer.accumulate, trainer.check_finite)
        plan = Plan(feed, validation, taken, truncate, facts, planned, trainer._generator)
        if saver is not None or ranks is not None:
            chosen = {"shuffle": taken is not None, "epochs": epochs, "class_weight": plain(class_weight)}
            chosen |= {"steps_per_epoch": given["steps_per_epoch"]}
            settings = _settings(parts, plan, goals, trainer.callbacks, chosen)
            if ranks is not None:
                ranks.require_same(settings)
            if saver is not None:
                saver.read(model, settings, trainer)
    return Ready(parts, plan, callbacks, naming.keep(model))


def _settings(
    parts: Parts, plan: Plan, goals: tuple[Goal, ...], callbacks: list[Any], chosen: dict[str, Any]
) -> dict[str, Any]:
    """Return what a run is known by, by name: another one is not gone on with."""
    objectives = {goal.name: {"loss": plain(goal.loss), "weight": goal.weight} for goal in goals}
    settings = {name: plan.facts.get(name) for name in ("batch_size", "seed", "precision", "bucket")}
    return {
        "settings": {**settings, **chosen, "truncate": plan.truncate, "accumulate": parts.accumulate},
        "data": _known(plan.feed),
        "validation data": _known(plan.validation),
        "model": model_settings(parts.model),
        "loss": objectives,
        "metrics": [[plain(metric) for metric in goal.metrics] for goal in goals],
        "optimizer": optimizer_settings(parts.optimizer),
        "callbacks": [plain(callback) for callback in callbacks],
    }


def _known(feed: Feed | None) -> str:
    if feed is None:
        return "none"
    return rows_settings(feed.data if isinstance(feed, ArrayFeed) else None, getattr(feed, "source", None))
