"""The loops of training, evaluation and prediction, over data already checked."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import closing, nullcontext
from operator import attrgetter
from typing import Any

from lamina.core.lengths import lengths_after
from lamina.core.proven import proofs
from lamina.data.checks import named
from lamina.train.accumulation import Accumulation
from lamina.train.adaptation import adapt_layers
from lamina.train.alignment import average_statistics
from lamina.train.attendance import attended
from lamina.train.batches import Batch
from lamina.train.closure import Again
from lamina.train.evaluation import evaluate
from lamina.train.feed_choice import hold_arrays
from lamina.train.history import numbers_of
from lamina.train.meter import Meter
from lamina.train.objective import JointObjective, shared_out
from lamina.train.place import Place
from lamina.train.planned import PlannedFeed
from lamina.train.planned_choice import hint
from lamina.train.running import Running
from lamina.train.truncation import Chunks

__all__ = ["Run"]

_TRAINABLE = attrgetter("trainable")


class Run(Running):
    """One run of `Trainer.fit`: its epochs and steps."""

    def train(self) -> None:
        """Adapt the layers that measure the data, where they are not; run the epochs, and the callbacks around them."""
        training, history, parts, saver = self.training, self.training.history, self.parts, self.saver
        if saver is not None:
            saver.put_model(self)
        if saver is not None and saver.is_finished:
            saver.put(self)
            return
        if self.leads and not all(map(_TRAINABLE, parts.parameters)):  # what is measured is a parameter that is not
            adapt_layers(parts.model, self.plan.feed)
        self._align()
        self._keep_facts()
        if training.epochs > 1:
            hold_arrays(self.plan.feed, self.plan.validation)
        with attended(self.callbacks, training, self.interruption):
            place = Place() if saver is None else self.plan.feed.wind(saver.put(self), training.note)
            for epoch in range(place.epoch, training.epochs + 1):
                if not place.begun and (self.stopped or self.interruption.requested):
                    if saver is not None:
                        saver.write(self, place)
                    break
                if not self._epoch(epoch, place):
                    break
                if saver is not None:
                    place = self._before_epoch(epoch + 1)
                place.epoch = epoch + 1
            else:
                if saver is not None and self.interruption.requested:
                    saver.write(self, place)  # what is left are the callbacks' ends
            history.interrupted = self.interruption.requested
            if history.interrupted:
                training.note(f"interrupted after {len(history)} of {training.epochs} epochs")
        if saver is not None and not history.interrupted:
            saver.write(self, self._before_epoch(len(history) + 1), finished=True)

    def _epoch(self, epoch: int, place: Place) -> bool:
        """Run an epoch, or what is left of it; return whether it was completed."""
        training, parts, saver, validation = self.training, self.parts, self.saver, self.plan.validation
        if not place.begun:
            for callback in self.callbacks:
                callback.on_epoch_begin(training, epoch)
            if saver is not None:
                place.order, place.turn = dict(self.generator.bit_generator.state), self.plan.feed.turn
        else:
            self.generator.bit_generator.state = place.order
        self._began = time.perf_counter() - place.seconds
        started = time.perf_counter()
        if self.plan.planned is not None:
            values = self._planned_steps(epoch, self.plan.planned, place)
        else:
            with closing(self.plan.feed.epoch(self.plan.order, place.batches)) as taken:
                values = self._steps(epoch, taken, place)
        rate = (self._steps_taken - place.steps) / max(time.perf_counter() - started, 1e-9)
        if self.ranks is not None:
            average_statistics(self.ranks, parts.model)
        if values is not None and validation is not None:
            with named("validation data"), closing(validation.epoch()) as taken:
                found = evaluate(parts.model, parts.objective, taken, self.interruption, self.ranks)
            values = values | {f"val_{key}": value for key, value in found.items()} if found else None
        if values is None:  # cut short: its means would be over fewer rows
            if saver is not None:
                saver.write(self, self._here())
            return False
        values = self._agree(values)
        self.progress.end_epoch(epoch, values, rate)
        seconds = time.perf_counter() - self._began
        if epoch == 1 and (told := hint(parts.model, seconds * (training.epochs - 1))):
            training.note(told)
        values |= parts.optimizer.rates() | {"seconds": seconds if self.ranks is None else self.ranks.largest(seconds)}
        training.history.add(values)
        self._keep_facts()
        for callback in self.callbacks:
            callback.on_epoch_end(training, epoch, numbers_of(values))
        self.stopped = self.stopped if self.ranks is None else self.ranks.any(self.stopped)
        if saver is not None:
            saver.epoch_ended(self, self._before_epoch(epoch + 1), numbers_of(values))
        return True

    def _before_epoch(self, epoch: int) -> Place:
        """Return where the run stands before an epoch begins."""
        return Place(epoch, turn=self.plan.feed.turn)

    def _steps(self, epoch: int, taken: Iterable[Batch], place: Place) -> dict[str, float] | None:
        """Take the steps of an epoch that are left; return its means, or None where it was cut short.

        What does not change from step to step is looked up before the loop, and the device is waited for only
        when the progress is due.
        """
        plan, interruption, progress, clock = self.plan, self.interruption, self.progress, time.perf_counter
        model, objective, optimizer = self.parts.model, self.parts.objective, self.parts.optimizer
        backend, told, zero_grad, guard = model.backend, self._told, self._zero_grad, self._guard
        ranks, reduction = self.ranks, self._reduction
        meter, accumulate, goals = Meter(backend, objective.goals, place.meter), self.parts.accumulate, objective.goals
        progress.begin_epoch(epoch, self.steps)
        due = clock() + progress.interval
        chunks, batches, saver = None, place.batches, self.saver
        forward = model.forward
        if plan.truncate is not None:
            taken = chunks = Chunks(model, taken, plan.truncate, place, ranks)
            forward = chunks.forward
        if isinstance(objective, JointObjective) and (ranks is not None or (accumulate > 1 and chunks is None)):
            taken = shared_out(model, objective, taken, accumulate if chunks is None else 1, ranks)
        gradients = Accumulation(accumulate, objective.divides, reduction)
        step, draws, weighs, again = place.steps, self._draws, gradients.weighs, None
        if optimizer.needs_closure:
            again = Again(model, objective, zero_grad, None if reduction is None else gradients)

        def update() -> None:
            value = gradients.finish(optimizer)
            if again is None:
                optimizer.step()
            else:
                optimizer.step(again.closure(batch, value, optimizer))  # type: ignore[call-arg]
            for tell in told:
                tell(self.training, epoch, step, value)
            if saver is not None:
                saver.step_ended(self, self._here)

        def here() -> Place:
            at: tuple[int, int, Any] = (batches, 0, None) if chunks is None else chunks.place
            seconds = time.perf_counter() - self._began
            return Place(epoch, step, *self._of_all(at, meter), place.order, place.turn, seconds, True)

        self._here = here
        for batch in taken:
            begins = not gradients.count
            if interruption.requested and (begins or saver is None):
                return None
            if begins:
                zero_grad()  # first, so that the gradients of a step that failed are gone
                step += 1
            with nullcontext() if draws is None else draws.part(batch.rows, begins, batch.part):
                if guard is not None:
                    guard.keep(begins)
                if again is not None:
                    again.keep()
                with proofs:  # the data were proven before: see `checked_for`
                    batch.note_proven(goals)
                    prediction, saved = forward(*batch.inputs, **batch.options)
                    lengths = lengths_after(model, batch.options["lengths"]) if batch.options else None
                    value, values, loss_saved = objective.forward(backend, prediction, batch, lengths)
                terms = objective.terms(prediction, batch, lengths)
                gradient = gradients.weigh(objective.backward(loss_saved), value, terms[0])
                if reduction is None:
                    model.backward(gradient, saved, input_gradient=False)
                else:
                    reduction.mark += 0 if batch.part is None else batch.part.mark
                    with reduction.during(gradients.count == accumulate and guard is None):
                        model.backward(gradient, saved, input_gradient=False)
                if guard is not None:
                    factor = terms[0] if objective.divides else 1.0
                    guard.check(epoch, step, value, batch, chunks, factor if weighs or accumulate > 1 else None)
            meter.add(values, terms, prediction, batch, lengths)
            batches += 1
            if gradients.count == accumulate:
                update()
            if clock() >= due:
                progress.show(step, meter.results(ended=False))
                due = clock() + progress.interval
        if gradients.count:
            update()  # of the batches that were left
        return self._ended(step, meter)

    def _planned_steps(self, epoch: int, planned: PlannedFeed, place: Place) -> dict[str, float] | None:
        """Take the epoch's steps as `_steps` does, each by the backend's plan."""
        interruption, progress, clock, told = self.interruption, self.progress, time.perf_counter, self._told
        meter, step = Meter(self.parts.model.backend, self.parts.objective.goals, place.meter), place.steps
        saver = self.saver
        progress.begin_epoch(epoch, self.steps)
        due = clock() + progress.interval

        def here() -> Place:
            seconds = time.perf_counter() - self._began
            return Place(epoch, step, *self._of_all(planned.place, meter), place.order, place.turn, seconds, True)

        self._here = here
        for taken in planned.epoch(self.plan.order, place):
            meter.add(taken.values, taken.terms, taken.prediction, taken.batch, taken.lengths)
            if taken.ended is not None:
                step += 1
                for tell in told:
                    tell(self.training, epoch, step, taken.ended)
                if saver is not None:
                    saver.step_ended(self, here)
            if clock() >= due:
                progress.show(step, meter.results(ended=False))
                due = clock() + progress.interval
            if interruption.requested and step != self.steps and (saver is None or taken.ended is not None):
                return None
        return self._ended(step, meter)

    def _of_all(self, at: tuple[int, int, Any], meter: Meter) -> tuple[int, int, Any, Any]:
        """Return a place in the data, with the states and the sums of each rank."""
        if self.ranks is None:
            return *at, meter.state()
        carried, states = (self.ranks.every(one, self.model.backend) for one in (at[2], meter.state()))
        return *at[:2], carried if at[1] else None, states

    def _ended(self, steps: int, meter: Meter) -> dict[str, float]:
        """Return the means of an epoch of so many steps, and show them."""
        meter.join(self.ranks)
        self._steps_taken, figures = steps, meter.results()
        self.progress.show(steps, figures)
        return figures
