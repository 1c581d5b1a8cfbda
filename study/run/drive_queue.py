"""Drives queues of missing trials through a runner, for a run of the whole study and for a shard of it."""

from dataclasses import dataclass, replace
from functools import partial

from evenkeel.study.plan.adaptive_seeds import AdaptiveSeeds
from evenkeel.study.run.due_trials import follow_ledger
from evenkeel.study.run.host_status import read_host_status
from evenkeel.study.run.interfaces import Display, Runner
from evenkeel.study.run.pack_queue import PackQueue
from evenkeel.study.run.prepare_run import PreparedRun
from evenkeel.study.run.progress_lines import ProgressLines
from evenkeel.study.run.recorder import RunRecorder
from evenkeel.study.run.resume import heal
from evenkeel.study.run.search_judge import EndedCurve
from evenkeel.study.run.searched_trials import make_judge, make_outcomes, make_searches, read_curves
from evenkeel.study.run.signals import Signals
from evenkeel.study.run.worker_context import WorkerContext
from evenkeel.trainables import Trial

MAX_ROUNDS = 3
"""A record that was damaged while trials ran is run again so often."""


@dataclass(frozen=True)
class QueueDriver:
    """Drives queues of missing trials through a runner."""

    prepared: PreparedRun
    recorder: RunRecorder
    runner: Runner
    context: WorkerContext
    display: Display
    signals: Signals

    def run_missing(self) -> PackQueue:
        """Run until nothing is missing, or the run is stopped; returns the last queue."""
        for _ in range(MAX_ROUNDS):
            curves = read_curves(self.prepared.config, self.prepared.ledger, self.recorder.entries)
            queue = self._make_queue(curves)
            if queue.done:
                break
            self._drive(queue, curves)
            if queue.stopping:
                break
            entries = heal(self.prepared.ledger, self.prepared.config.searched, self.display.say)
            self.recorder.reset(self.prepared.keep_own(entries))
        return queue

    def _make_queue(self, curves: list[EndedCurve]) -> PackQueue:
        prepared, config, entries = self.prepared, self.prepared.config, self.recorder.entries
        adaptive, searches = self._make_adaptive(), None
        if self._has_searches:
            searches = make_searches(prepared.planner, prepared.ledger, entries, self.display.say)
        return PackQueue(
            self._find_planned(adaptive),
            searches,
            self.recorder,
            outcomes=make_outcomes(entries, curves),
            pack_size=config.resources.pack_size,
            retries=config.resources.retries,
            keep_going=self.prepared.options.keep_going,
            adaptive=adaptive,
            one_by_one=self.context.one_by_one,
        )

    @property
    def _has_searches(self) -> bool:
        """Whether this run searches; a shard leaves that to a run of the whole study."""
        return self.prepared.config.designs.search is not None and self.prepared.own_ids is None

    def _make_adaptive(self) -> AdaptiveSeeds | None:
        prepared = self.prepared
        if not prepared.config.is_adaptive or prepared.own_ids is not None:
            return None
        return follow_ledger(prepared.config, prepared.possible, prepared.ledger, self._show_look)

    def _show_look(self, due: list[Trial]) -> None:
        """More trials are due: the total is another."""
        more = len(due) - sum(trial.design == "sweep" for trial in self.prepared.planned)
        self.display.begin(self.prepared.total + more, +self.recorder.states)

    def _find_planned(self, adaptive: AdaptiveSeeds | None) -> list[Trial]:
        planned = self.prepared.planned
        if adaptive is None:
            return planned
        return [*(trial for trial in planned if trial.design != "sweep"), *adaptive.find_due(self.recorder.entries)]

    def _drive(self, queue: PackQueue, curves: list[EndedCurve]) -> None:
        def stop() -> None:
            queue.stop()
            self.prepared.ledger.folder.write(self.context.stopping_file, b"")

        judge = make_judge(self.prepared.config, curves) if self._has_searches else None
        ask = partial(self.runner.call_on_every_node, read_host_status, self.context.cache, self.context.storage)
        queue.repack(self.runner.workers)
        with self.signals.stopping(stop), ProgressLines(queue, self.display.say, self.prepared.total, ask):
            self.runner.run(queue, replace(self.context, judge=judge), self.display.say, self.signals.fail)
