"""A study from file to complete ledger: check, plan, run what is missing, fill MLflow."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from evenkeel.reports.facts import StudyFacts
from evenkeel.study.errors import ClusterError, StorageError, UserError
from evenkeel.study.file.losses import Loss
from evenkeel.study.file.study import StudyConfig
from evenkeel.study.plan.outcome import Known
from evenkeel.study.plan.planner import Planner
from evenkeel.study.records.facts import facts_of_study, read_facts
from evenkeel.study.records.folder import storage_error
from evenkeel.study.records.index_entry import Entry
from evenkeel.study.records.ledger import CLOSED, Ledger
from evenkeel.study.records.parquet import NUM_RECORDS
from evenkeel.study.records.record import StudyRecord
from evenkeel.study.run.failure_reasons import reasons
from evenkeel.study.run.host_status import this_host
from evenkeel.study.run.interfaces import Display, Ended, Options, Runner
from evenkeel.study.run.lease import Lease
from evenkeel.study.run.locations import VARIABLE, Storage, TrackingUri
from evenkeel.study.run.pack_queue import Feed
from evenkeel.study.run.progress_lines import Heartbeat
from evenkeel.study.run.resume import healed, nothing_missing, usable
from evenkeel.study.run.signals import Signals
from evenkeel.study.run.worker import STOPPING, Context, check_data
from evenkeel.study.tracking.description import about
from evenkeel.study.tracking.periodic_summary import Renewal
from evenkeel.study.tracking.publish import show, summarize, tracker_of
from evenkeel.study.tracking.receipt import Tracked
from evenkeel.study.tracking.tracker import Start, Tracker
from evenkeel.trainables import TrainableError, Trial
from evenkeel.trainables.cache import default_cache
from evenkeel.trainables.data.summary import Oddity
from evenkeel.trainables.progress import telling
from evenkeel.trainables.trial import versioned

if TYPE_CHECKING:  # Optuna is imported only by a study that searches
    from evenkeel.study.plan.search import Searches


ROUNDS = 3


def planner_of(config: StudyConfig) -> Planner:
    """The planner, with data and trainable identified by their contents. Raises UserError for missing files."""
    try:
        return Planner(config, config.data.identity(), versioned(config.trainable.identity(config.data)))
    except TrainableError as error:
        raise UserError(str(error)) from error


def context_of(config: StudyConfig, storage: Storage, python_path: tuple[str, ...] = ()) -> Context:
    """What workers need to know."""
    settings = config.model_dump(mode="json", include={"data", "trainable"})
    return Context(
        study=config.name,
        storage=str(storage),
        cache=default_cache(),
        **settings,
        device=config.resources.device or ("cuda" if config.resources.gpus else "cpu"),
        gpus=config.resources.gpus,
        memory_gib=config.resources.memory_gib,
        python_path=list(python_path),
        measures=config.all_measures,
        scores=config.searched,
    )


def run_study(config: StudyConfig, options: Options, make_runner: Callable[[str], Runner], display: Display) -> Ended:
    """Run what is missing of a study. Raises UserError before anything starts when something is wrong."""
    storage = Storage.of(config, options.storage)
    planner = planner_of(config)
    ledger = Ledger(str(storage), config.name)
    ledger.create()
    with Signals(display.say) as signals, Lease(ledger.folder, lambda: signals.fail(_taken_over(storage))).held():
        ledger.folder.remove(STOPPING)
        run = Run(config, options, storage, planner, ledger, display, signals, planner.planned())
        try:
            return run.ended(make_runner)
        finally:
            ledger.folder.remove(STOPPING)


def _taken_over(storage: Storage) -> ClusterError:
    return ClusterError(f"{storage}: another run of this study took over, since this one had fallen silent")


@dataclass
class Run:
    """One run of a study, under the lease of its folder."""

    config: StudyConfig
    options: Options
    storage: Storage
    planner: Planner
    ledger: Ledger
    display: Display
    signals: Signals
    planned: list[Trial]
    num_new: int = 0
    unpacked: list[str] = field(default_factory=list)

    def ended(self, make_runner: Callable[[str], Runner]) -> Ended:
        """Run what is missing, fill MLflow, pack the ledger."""
        self._forget_failures()
        accept = self.options.accept_changes
        self.entries = usable(self.ledger, self.planner, self.planned, _shown(self.config), accept, self.display.say)
        self.counts = {loss.label: self._counts(loss) for loss in self.config.losses}
        complete = nothing_missing(self.planner, self.planned, self.entries)
        uri = TrackingUri.of(self.config, self.storage, self.options.tracking_uri)
        if uri.key == VARIABLE:
            self.display.say(f"MLflow at {uri}, as {VARIABLE} says")
        marker = Tracked(self.ledger.folder, uri)
        stored = self.ledger.read_study()
        tracked = not self.options.track_again and marker.holds(self._recorded())
        if complete and tracked and stored and stored.config == _shown(self.config):
            return self._end(0, None)
        with tracker_of(uri, self.config, self.options, self.ledger, self.display.say) as tracker:
            feed = None
            if complete and stored:  # only the words of the study, or MLflow, may have changed
                self._start(tracker, stored.summary["data"])
            else:
                feed = self._run(tracker, make_runner)
            with TemporaryDirectory() as folder:
                show(tracker, uri, self.ledger, self.planned, Path(folder), self.display.say)
                num_untracked = tracker.finish()
        if not num_untracked:
            marker.write(self._recorded())
        return self._end(num_untracked, feed)

    @property
    def total(self) -> int:
        """All trials of the study, those included that a search will ask for."""
        return sum(sum(designs.values()) for designs in self.counts.values())

    def _recorded(self) -> Iterable[str]:
        """What MLflow must have: each recorded trial with its state, and no retired one."""
        return [*(f"{e.id} {e.state}" for e in self.entries.values()), *sorted(self.ledger.retired_ids())]

    def _forget_failures(self) -> None:
        if self.options.retry_failed:
            for entry in self.ledger.entries().values():
                if entry.state == "failed":
                    self.ledger.remove(entry.id)

    def _run(self, tracker: Tracker, make_runner: Callable[[str], Runner]) -> Feed | None:
        context, feed = context_of(self.config, self.storage, self.options.python_path), None
        for odd in _odd(self.config):
            self.display.say(f"data: {odd}")
        with make_runner(str(self.storage)) as runner:
            runner.fail, runner.say = self.signals.fail, self.display.say
            self.display.say("checking data and features")
            facts = _facts(self.config, context, runner, self.display)
            if facts.get("skipped"):
                self.display.say(f"data: {facts['skipped']}")
            _refuse_several_labels(self.config, facts)
            self._start(tracker, facts)
            self.display.begin(self.total, Counter(entry.state for entry in self.entries.values()))
            try:
                with Renewal(lambda: summarize(tracker, self.ledger), lambda: self.num_new, self.display.say):
                    for _ in range(ROUNDS):  # a record that was damaged meanwhile is run once more
                        feed = self._feed(tracker)
                        if feed.over or self._drive(feed, runner, context).stopping:
                            break
                        self.entries = healed(self.ledger, self.config.searched, self.display.say)
            finally:
                self.display.end()
        if feed and feed.full:
            raise StorageError(feed.full)
        return feed

    def _start(self, tracker: Tracker, facts: dict[str, Any]) -> None:
        former = _former(self.ledger) if self.entries else None
        known = facts_of_study(self.config, facts, self.counts, former)
        study = self.ledger.write_study(StudyRecord(_shown(self.config), known.to_json()))
        backlog = self.ledger.records() if self.entries else ()
        words = about(known, per_class=self.config.tracking_per_class)
        begun = Start(study.identity, words, study.summary, sorted(self.ledger.retired_ids()))
        tracker.start(begun, backlog, self.total)

    def _feed(self, tracker: Tracker) -> Feed:
        def on_trial(trial_id: str, state: str) -> None:
            self.num_new += 1
            self.display.trial(state)
            if record := self.ledger.find(trial_id):
                tracker.submit(record)
                self.entries[trial_id] = replace(Entry.of(record, self.config.searched), id=trial_id)
            if state in CLOSED:
                self.unpacked.append(trial_id)
            if len(self.unpacked) >= 2 * NUM_RECORDS:
                self._pack(NUM_RECORDS)

        resources = self.config.resources
        return Feed(
            self.planned,
            _searches(self.planner),
            self.ledger,
            known={i: Known(e.state, e.scores) for i, e in self.entries.items()},
            pack_size=resources.pack_size,
            retries=resources.retries,
            keep_going=self.options.keep_going,
            on_trial=on_trial,
            on_pack=tracker.announce,
        )

    def _drive(self, feed: Feed, runner: Runner, context: Context) -> Feed:
        def stop() -> None:
            feed.stop()
            self.ledger.folder.write(STOPPING, b"")

        feed.divide(runner.workers)
        self.signals.install()
        self.signals.on_stop = stop
        hosts = partial(runner.everywhere, this_host, context.cache, context.storage)
        with Heartbeat(feed, self.display.say, self.total, hosts):
            runner.run(feed, context)
        self.signals.on_stop = None
        return feed

    def _pack(self, num: int) -> None:
        self.ledger.pack(self.unpacked[:num])
        del self.unpacked[:num]

    def _end(self, num_untracked: int, feed: Feed | None) -> Ended:
        """Nobody writes any more: what killed runs left goes, and a large ledger is packed."""
        self.ledger.sweep()
        loose = len(self.ledger.folder.names("trials", ".json"))
        if loose >= NUM_RECORDS:
            self.ledger.pack()
        states = Counter(entry.state for entry in self.entries.values())
        same_reason = feed.same_reason if feed else None
        stopped = feed is not None and feed.stopping and not same_reason
        return Ended(states, self.num_new, num_untracked, reasons(self.entries.values()), stopped, same_reason)

    def _counts(self, loss: Loss) -> dict[str, int]:
        found = Counter(trial.design for trial in self.planned if trial.label == loss.label)
        return {"sweep": found["sweep"], "sobol": found["sobol"], **self.planner.num_search_trials(loss)}


def _former(ledger: Ledger) -> StudyFacts | None:
    """The facts under which the recorded trials ran."""
    stored = ledger.read_study()
    return read_facts(stored.summary) if stored else None


def _searches(planner: Planner) -> "Searches | None":
    if planner.config.designs.search is None:
        return None
    from evenkeel.study.plan.search import Searches

    return Searches(planner)


def _odd(config: StudyConfig) -> list[Oddity]:
    try:
        summary = config.data.describe()
    except TrainableError as error:
        raise UserError(str(error)) from error
    return summary.odd if summary else []


def _facts(config: StudyConfig, context: Context, runner: Runner, display: Display) -> dict[str, Any]:
    """Check what trials share: where they run if it is still to be made, else at once."""
    seeds = config.seeds + config.fresh_seeds
    try:
        found = config.trainable.prepared(config.data, Path(context.cache))
        if found and context.device == "cpu":  # a GPU is looked for where trials run
            return found.describe(seeds)
        with telling(Path(context.cache), display.say):
            return runner.call(check_data, context, seeds)
    except TrainableError as error:
        raise UserError(str(error)) from error
    except OSError as error:
        raise storage_error(error, f"the cache {context.cache} (EVENKEEL_CACHE)") from error


def _refuse_several_labels(config: StudyConfig, facts: dict[str, Any]) -> None:
    """A softmax loss needs exactly one label an image. Raises UserError."""
    several = [n for n in facts["labels_per_image"] if n != 1]
    for loss in config.losses:
        if loss.space().one_label and not several and not config.data.softmax:
            raise UserError(
                f"losses: {loss.label} lets classes compete, data.task asks for each class by itself; set "
                "data.task: one-hot, or take another loss"
            )
        if several and loss.space().one_label:
            raise UserError(
                f"losses: {loss.label} is made for one label an image, this data set has images with {several[0]}; "
                "take one of the multi-label losses, or other data"
            )


def _shown(config: StudyConfig) -> dict[str, Any]:
    """The configuration as it may be written down: without the secrets of a tracking URI."""
    tracking = config.tracking and str(TrackingUri(config.tracking, "tracking", Storage("")))
    return config.model_dump(mode="json") | {"tracking": tracking}
