"""What the keys of a study file must be to each other; each check raises ValueError, naming key, value and way out."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from evenkeel.study.file.designs import LevelRange
from evenkeel.study.file.losses import LossEntry
from evenkeel.study.file.pruning import check_pruner
from evenkeel.study.file.search_checks import check_beside, check_constraints, check_starts
from evenkeel.study.file.seeds import MIN_SEEDS, first_seeds
from evenkeel.trainables import trainable
from evenkeel.trainables.data.settings import without_validation
from evenkeel.trainables.errors import TrainableError, nearest
from evenkeel.trainables.function.settings import Function
from evenkeel.trainables.measures import METRICS, RETURNED, UNBOUNDED, measure, measure_of_metric
from evenkeel.trainables.measures.headline import TUNED
from evenkeel.trainables.seeded_settings import SeededSettings

if TYPE_CHECKING:
    from evenkeel.study.file.study import StudyConfig

MAX_TRIALS = 10_000_000
"""Of a study: ten times what its ledger was tried with."""


def check_metric(study: "StudyConfig") -> None:
    """The metric is one of ours or declared under `measures`."""
    if study.metric not in study.own_metrics and measure_of_metric(study.metric) is None:
        valid = [*METRICS, *study.own_metrics]
        raise ValueError(
            f"metric: unknown metric {study.metric!r}; {nearest(study.metric, valid)}; of one class auc_of_CLASS, "
            "ap_of_CLASS or f1_of_CLASS; one of your own is declared under measures"
        )


def check_margin(study: "StudyConfig") -> None:
    """Margins are given for metrics of the study, within their range."""
    named = study.margin if isinstance(study.margin, dict) else {study.metric: study.margin}
    for name, value in named.items():
        if name not in study.margin_metrics and name not in METRICS:
            raise ValueError(f"margin: unknown metric {name!r}; {nearest(str(name), study.margin_metrics)}")
        if value >= 1 and name not in (*UNBOUNDED, *study.own_metrics):
            named_key = f"{name} " if isinstance(study.margin, dict) else ""
            raise ValueError(f"margin: {named_key}must be a number between 0 and 1, got {value!r}")


def check_function(study: "StudyConfig") -> None:
    """A training function must be able to do what the study asks of it."""
    if not isinstance(study.trainable, Function):
        if study.methods:
            raise ValueError("methods: are for a training function; write trainable: {name: file.py:function}")
        return
    try:
        for entry in study.entries:
            settings = [*study.trainable.parameters, *study.spaces, *entry.setting()]
            study.trainable.check_entry(entry.loss, settings, of_loss=isinstance(entry, LossEntry))
    except TrainableError as error:
        raise ValueError(str(error)) from error


def check_vary(study: "StudyConfig") -> None:
    """What seeds vary is not the same for every seed."""
    fixed = study.trainable.fixed(study.data) if isinstance(study.trainable, SeededSettings) else {}
    for source in study.vary or ():
        if source in fixed:
            raise ValueError(f"vary: {source} is the same for every seed ({fixed[source]}); leave {source} out")


def check_validation(study: "StudyConfig") -> None:
    """Without validation rows nothing is chosen on them: no threshold, setting, epoch or learning rate."""
    if not without_validation(study.data.validation):
        return
    choices = {
        "designs.search": study.designs.search is not None,
        f"metric {study.metric!r}": TUNED in study.metric,
        "trainable.keep 'best'": getattr(study.trainable, "keep", None) == "best",
        "trainable.schedule 'plateau'": getattr(study.trainable, "schedule", None) == "plateau",
        f"trainable {study.trainable.name!r}": isinstance(study.trainable, Function),
    }
    if name := next((name for name, chosen in choices.items() if chosen), None):
        raise ValueError(
            f"data.validation: none leaves no rows that {name} needs; leave that out or choose another, or carve some: "
            "{fraction: 0.2}"
        )


def check_logarithms(study: "StudyConfig") -> None:
    """A logarithmic range lies above 0."""
    for name, span in study.spaces.items():
        if span.log and span.low is not None and span.low <= 0:
            raise ValueError(f"spaces.{name}.low: a logarithm needs more than 0, got {span.low:g}")


def check_spaces(study: "StudyConfig") -> None:
    """What varies is a setting of the trainable, free, and valid at both ends."""
    settings = study.trainable.model_dump(mode="json")
    for name, span in study.spaces.items():
        if name not in settings:
            raise ValueError(f"spaces: the trainable has no setting {name!r}; {nearest(name, settings)}")
        if taken := next((entry.label for entry in study.entries if name in entry.setting()), None):
            raise ValueError(f"spaces: {name!r} is a hyperparameter of {taken}; it varies by itself")
        span.parameter(name, getattr(study.trainable, name))
        for value in span.ends():
            trainable(settings | {name: value})


def check_measures(study: "StudyConfig") -> None:
    """The trainable gives what each measure needs."""
    for name in study.all_measures:
        needed = measure(name).needs
        if needed not in study.trainable.gives:
            gives = ", ".join(study.trainable.gives)
            raise ValueError(
                f"measures: {name.removeprefix(RETURNED)!r} needs the {needed} of a trial, {study.trainable.name} "
                f"gives {gives}; leave it out, or choose another trainable"
            )


def check_sweep(study: "StudyConfig") -> None:
    """What the sweep names varies for a loss."""
    names = (study.designs.sweep and study.designs.sweep.hyperparameters) or []
    valid = {name for entry in study.entries for name in study.axes(entry).parameters}
    for name in names:
        if name not in valid:
            hint = nearest(name, valid)
            raise ValueError(f"designs.sweep.hyperparameters: no loss has {name!r}, nor has spaces; {hint}")


def check_pairs(study: "StudyConfig") -> None:
    """A pair is of two hyperparameters that a loss has both of, and comes once."""
    pairs = study.designs.sweep.pairs if study.designs.sweep else []
    spaces = [set(study.axes(entry).parameters) for entry in study.entries]
    valid = set().union(*spaces)
    for number, pair in enumerate(pairs):
        place, words = "designs.sweep.pairs:", " and ".join(pair)
        if unknown := next((name for name in pair if name not in valid), None):
            raise ValueError(f"{place} no loss has {unknown!r}, nor has spaces; {nearest(unknown, valid)}")
        if pair[0] == pair[1]:
            raise ValueError(f"{place} {words} is one hyperparameter; name two")
        if not any(space >= set(pair) for space in spaces):
            raise ValueError(f"{place} no loss has both {words}; leave the pair out")
        if any(set(pair) == set(other) for other in pairs[:number]):
            raise ValueError(f"{place} {words} come twice; leave one out")


def check_levels(study: "StudyConfig") -> None:
    """Where levels go finer, intervals decide where."""
    sweep, num = study.designs.sweep, len(first_seeds(study.seeds))
    if sweep and isinstance(sweep.levels, LevelRange) and num < MIN_SEEDS:
        raise ValueError(
            f"designs.sweep.levels: finer levels go by intervals, which take {MIN_SEEDS} seeds, got {num}; give "
            "seeds: 6, or one number of levels"
        )


def check_size(study: "StudyConfig") -> None:
    """A study has no more trials than a ledger was tried with."""
    sobol, search = study.designs.sobol, study.designs.search
    settings = sum(sum(map(len, study.sweep_levels(entry).values())) for entry in study.entries)
    settings += sum(_num_pair_settings(study.coarse_levels(entry), study.pairs(entry)) for entry in study.entries)
    settings += len(study.entries) * (1 + (2**sobol.m if sobol else 0))
    proposals = search.trials * search.groups * search.seeds_per_group if search else 0
    num = settings * len(study.all_seeds) + len(study.entries) * proposals
    if num > MAX_TRIALS:
        raise ValueError(
            f"designs: about {num:,} trials; at most {MAX_TRIALS:,} are planned; take fewer levels, points, "
            "proposals or seeds"
        )


def _num_pair_settings(levels: dict[str, list[Any]], pairs: list[list[str]]) -> int:
    """How many settings leave the defaults of both hyperparameters of a pair."""
    return sum((len(levels[first]) - 1) * (len(levels[second]) - 1) for first, second in pairs)


CHECKS: tuple[Callable[["StudyConfig"], None], ...] = (
    check_logarithms,
    check_metric,
    check_beside,
    check_margin,
    check_vary,
    check_function,
    check_validation,
    check_spaces,
    check_sweep,
    check_pairs,
    check_constraints,
    check_starts,
    check_pruner,
    check_levels,
    check_measures,
    check_size,
)
"""In the order in which a study file is told of them."""
