"""A study from file to complete ledger: check, plan, run what is missing, fill MLflow."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from reports.facts import StudyFacts
from study.errors import UserError
from study.file.losses import Loss
from study.file.study import StudyConfig
from study.plan.changes import Changes, changes
from study.plan.known import Known
from study.plan.planner import Planner
from study.records.facts import facts_of_study, read_facts
from study.records.ledger import Ledger
from study.records.record import StudyRecord, TrialRecord
from study.records.summaries import about, summaries
from study.run.feed import Feed
from study.run.places import Storage, TrackingUri
from study.run.worker import Context, check_data
from study.tracking.driver import Setup, Start, Tracker
from trainables import TrainableError, Trial
from trainables.cache import default_cache
from trainables.data.summary import Oddity

if TYPE_CHECKING:  # Optuna is imported only by a study that searches
    from study.plan.search import Searches


class Display(Protocol):
    """What the engine tells while it works."""

    def say(self, text: str) -> None: ...

    def begin(self, total: int, recorded: Counter[str]) -> None: ...

    def trial(self, state: str) -> None: ...

    def end(self) -> None: ...


class Runner(Protocol):
    """Where packs run: `SerialRunner` here, `RayRunner` on a cluster."""

    @property
    def workers(self) -> int: ...

    def __enter__(self) -> "Runner": ...

    def __exit__(self, *_: object) -> None: ...

    def call(self, function: Callable[..., Any], *arguments: object) -> Any: ...

    def run(self, feed: Feed, context: Context) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Options:
    """What the command line adds to a study file."""

    storage: str | None = None
    tracking_uri: str | None = None
    track_later: bool = False
    accept_changes: bool = False
    retry_failed: bool = False
    python_path: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ended:
    """How a run ended: trials by state, new ones, and trials that MLflow still lacks."""

    states: Counter[str]
    num_new: int
    num_untracked: int


def planner_of(config: StudyConfig) -> Planner:
    """The planner, with data and trainable identified by their contents. Raises UserError for missing files."""
    try:
        return Planner(config, config.data.identity(), config.trainable.identity(config.data))
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
        device="cuda" if config.resources.gpus else "cpu",
        memory_gib=config.resources.memory_gib,
        python_path=list(python_path),
        measures=config.all_measures,
    )


def run_study(config: StudyConfig, options: Options, make_runner: Callable[[str], Runner], display: Display) -> Ended:
    """Run what is missing of a study. Raises UserError before anything starts when something is wrong."""
    storage = Storage.of(config, options.storage)
    planner = planner_of(config)
    ledger = Ledger(str(storage), config.name)
    ledger.create()
    with ledger.alone(), _tracker(config, storage, options, display) as tracker:
        planned = planner.planned()
        records = _usable(ledger, planner, planned, options, display.say)
        context = context_of(config, storage, options.python_path)
        counts = {loss.label: _planned_counts(planner, planned, loss) for loss in config.losses}
        for odd in _odd(config):
            display.say(f"data: {odd}")
        with make_runner(str(storage)) as runner:
            display.say("checking data and features")
            facts = _facts(config, context, runner)
            _refuse_several_labels(config, facts)
            known_facts = facts_of_study(config, facts, counts, _former(ledger) if records else None)
            study = ledger.write_study(StudyRecord(_shown(config), known_facts.to_json()))
            total = sum(sum(designs.values()) for designs in counts.values())
            begun = Start(study.identity, about(known_facts), study.summary, sorted(ledger.retired_ids()))
            tracker.start(begun, records.values(), total)
            display.begin(total, Counter(record.state for record in records.values()))
            known = {i: Known(r.state, r.metrics) for i, r in records.items()}
            try:
                num_new = _run_missing(planned, planner, ledger, known, runner, context, tracker, display)
            finally:
                display.end()
            runner.close()
            tracker.summarize(summaries(ledger))
            num_untracked = tracker.finish()
        return Ended(Counter(record.state for record in ledger.read_all().values()), num_new, num_untracked)


def _former(ledger: Ledger) -> StudyFacts | None:
    """The facts under which the recorded trials ran."""
    stored = ledger.read_study()
    return read_facts(stored.summary) if stored else None


def _usable(
    ledger: Ledger, planner: Planner, planned: list[Trial], options: Options, say: Callable[[str], None]
) -> dict[str, TrialRecord]:
    """The records that belong to the study as it is now; a mere extension goes on by itself.

    Others mean that the file (or the data) changed: raises UserError with the changed keys and what is still usable,
    or, when the change is accepted, moves them to `retired/`.
    """
    records = ledger.read_all()
    for trial_id in [i for i, record in records.items() if options.retry_failed and record.state == "failed"]:
        ledger.remove(trial_id)
        del records[trial_id]
    before = ledger.read_study()
    if before is None and records:
        raise UserError(f"{ledger.storage}: holds trial records but no study.json; restore it or use another --storage")
    if before is None:
        return records
    found = changes(before.config, planner, planned, {i: record.trial for i, record in records.items()})
    if not found.unusable:
        if found.keys and records:
            say(f"the study was extended ({found.listed()}); all {len(records)} recorded trials stay usable")
        return records
    if not options.accept_changes:
        raise UserError(_refusal(ledger.storage, found, len(records)))
    for trial_id in found.unusable:
        ledger.retire(trial_id)
        del records[trial_id]
    say(f"{len(found.unusable)} trials of the former study were moved to retired/")
    return records


def _refusal(storage: str, found: Changes, num_records: int) -> str:
    return (
        f"{storage}: the study changed after trials were recorded: {found.listed()}. "
        f"{num_records - len(found.unusable)} of {num_records} recorded trials are still usable. Undo the change, give "
        "another --storage, or give --accept-changes to set the others aside (they are kept in retired/)"
    )


def _searches(planner: Planner) -> "Searches | None":
    if planner.config.designs.search is None:
        return None
    from study.plan.search import Searches

    return Searches(planner)


def _odd(config: StudyConfig) -> list[Oddity]:
    try:
        summary = config.data.describe()
    except TrainableError as error:
        raise UserError(str(error)) from error
    return summary.odd if summary else []


def _facts(config: StudyConfig, context: Context, runner: Runner) -> dict[str, Any]:
    """Check what trials share: where they run if it is still to be made, else at once."""
    seeds = config.seeds + config.fresh_seeds
    try:
        if config.trainable.ready(config.data, Path(context.cache)):
            return check_data(context, seeds)
        return runner.call(check_data, context, seeds)
    except TrainableError as error:
        raise UserError(str(error)) from error


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


def _run_missing(
    planned: list[Trial],
    planner: Planner,
    ledger: Ledger,
    known: dict[str, Known],
    runner: Runner,
    context: Context,
    tracker: Tracker,
    display: Display,
) -> int:
    num_new = 0

    def on_trial(trial_id: str, state: str) -> None:
        nonlocal num_new
        num_new += 1
        tracker.submit(ledger.read(trial_id))
        display.trial(state)

    resources = planner.config.resources
    feed = Feed(
        planned,
        _searches(planner),
        ledger,
        known=known,
        pack_size=resources.pack_size,
        workers=runner.workers,
        retries=resources.retries,
        on_trial=on_trial,
        on_pack=tracker.announce,
    )
    if not feed.over:
        runner.run(feed, context)
    return num_new


def _shown(config: StudyConfig) -> dict[str, Any]:
    """The configuration as it may be written down: without the secrets of a tracking URI."""
    tracking = config.tracking and str(TrackingUri(config.tracking, "tracking", Storage("")))
    return config.model_dump(mode="json") | {"tracking": tracking}


def _tracker(config: StudyConfig, storage: Storage, options: Options, display: Display) -> Tracker:
    uri = TrackingUri.of(config, storage, options.tracking_uri)

    def outage(text: str) -> None:
        display.say(f"MLflow at {uri} does not answer ({uri.hide(text)}); trials go on and are tracked later")

    tracker = Tracker(
        Setup(uri.raw, config.name, uri.database, uri.artifacts, Path(default_cache())), outage, display.say
    )
    if uri.key and not options.track_later and (problem := tracker.check()):
        tracker.close()
        raise UserError(
            f"{uri.blamed}: does not answer ({uri.hide(problem)}); start the server, correct the URI, or give "
            "--track-later to run now and let a later run fill MLflow"
        )
    return tracker


def _planned_counts(planner: Planner, planned: list[Trial], loss: Loss) -> dict[str, int]:
    counts = Counter(trial.design for trial in planned if trial.label == loss.label)
    return {"sweep": counts["sweep"], "sobol": counts["sobol"], **planner.num_search_trials(loss)}
