"""What a study's data hold, found before any trial runs, and what a loss asks of them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evenkeel.study.errors import UserError
from evenkeel.study.file.study import StudyConfig
from evenkeel.study.plan.own_code import check_with_classes
from evenkeel.study.records.folder import storage_error
from evenkeel.study.run.interfaces import Display, Runner
from evenkeel.study.run.worker import describe_data
from evenkeel.study.run.worker_context import WorkerContext
from evenkeel.trainables import TrainableError
from evenkeel.trainables.data.split_facts import SplitFacts
from evenkeel.trainables.data.summary import DataSummary
from evenkeel.trainables.measures import HEADLINES, METRICS, ONE_LABEL
from evenkeel.trainables.measures.some_classes import some_classes
from evenkeel.trainables.progress import telling
from evenkeel.trainables.worker_contract import read_description


def find_facts(config: StudyConfig, context: WorkerContext, runner: Runner, display: Display) -> SplitFacts:
    """The facts of the data, checked and shown: where trials run if they must still be made, else at once.

    Raises UserError for data that cannot be loaded, or that a loss is not made for.
    """
    _say_oddities(config, display)
    display.say("checking data and features")
    facts = _describe(config, context, runner, display)
    if facts.skipped:
        display.say(f"data: {facts.skipped}")
    refuse_several_labels(config, facts.labels_per_image)
    refuse_metric(config, facts)
    check_with_classes(config, len(facts.classes))
    return facts


def _say_oddities(config: StudyConfig, display: Display) -> None:
    summary = summarise_data(config)
    for oddity in summary.odd if summary else ():
        display.say(f"data: {oddity}")


def summarise_data(config: StudyConfig) -> DataSummary | None:
    """What was understood of a study's data, with what looks odd for its trainable (`data_oddities`, if it has that).

    Raises UserError for data that cannot be read.
    """
    look = getattr(config.trainable, "data_oddities", None)
    try:
        summary = config.data.describe()
        return replace(summary, odd=[*summary.odd, *look(summary)]) if summary and look else summary
    except TrainableError as error:
        raise UserError(str(error)) from error


def images_words(config: StudyConfig) -> str | None:
    """What images become for the trainable's model, in a line; nothing is fetched or built.

    Raises UserError for a model that its library does not know, or where nothing says how its weights want images.
    """
    words = getattr(config.trainable, "images_words", None)
    try:
        return words() if words else None
    except TrainableError as error:
        raise UserError(str(error)) from error


def _describe(config: StudyConfig, context: WorkerContext, runner: Runner, display: Display) -> SplitFacts:
    seeds = config.all_seeds + config.fresh_seeds
    try:
        prepared = config.trainable.prepared(config.data, Path(context.cache))
        if prepared and context.device == "cpu":  # a GPU is looked for where trials run
            return read_description(config.trainable.name, prepared, seeds)
        with telling(Path(context.cache), display.say):
            return runner.call(describe_data, context, seeds)
    except TrainableError as error:
        raise UserError(str(error)) from error
    except OSError as error:
        raise storage_error(error, f"the cache {context.cache} (EVENKEEL_CACHE)") from error


def refuse_metric(config: StudyConfig, facts: SplitFacts) -> None:
    """The metric must be defined in the data: of a class that there is, or of one label an image. Raises UserError."""
    several = [number for number in facts.labels_per_image if number != 1]
    if several and METRICS.get(config.metric) == ONE_LABEL:
        raise UserError(
            f"metric: {config.metric} is of data with one label an image, this data set has images with {several[0]}; "
            f"take one of {', '.join(HEADLINES)}, or other data"
        )
    part = some_classes(config.metric)
    if part and facts.classes:
        try:
            members = part.members(facts.classes, facts.groups)
        except TrainableError as error:
            raise UserError(str(error)) from error
        if not members:
            raise UserError(f"metric: {config.metric}: the data has no {part.classes} class; set metric to another")


def refuse_several_labels(config: StudyConfig, labels_per_image: Sequence[int]) -> None:
    """A softmax loss needs exactly one label an image; `labels_per_image` are the numbers that occur.

    Raises UserError.
    """
    several = [number for number in labels_per_image if number != 1]
    for loss in config.entries:
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
