"""What the keys of a search must be to the rest of a study file; checks raise ValueError, as in study_checks.py."""

from typing import TYPE_CHECKING, Any

from evenkeel.search_spaces import Choice
from evenkeel.search_spaces.constraints import is_possible, obeys
from evenkeel.trainables.errors import nearest
from evenkeel.trainables.measures import METRICS, measure_of_metric

if TYPE_CHECKING:
    from evenkeel.study.file.study import Entry, StudyConfig


def check_beside(study: "StudyConfig") -> None:
    """The second metric of a search is another one of the study's, and its sampler can look at two."""
    search = study.designs.search
    if search is None or search.beside is None:
        return
    if search.beside not in study.own_metrics and measure_of_metric(search.beside) is None:
        valid = [*METRICS, *study.own_metrics]
        raise ValueError(f"designs.search.beside: unknown metric {search.beside!r}; {nearest(search.beside, valid)}")
    if search.beside == study.metric:
        raise ValueError(f"designs.search.beside: {search.beside} is the study's metric; name another, or leave it out")
    if search.sampler == "cmaes" or search.pruner:
        unable = "cmaes" if search.sampler == "cmaes" else "a pruner"
        raise ValueError(f"designs.search.beside: {unable} looks at one metric; leave one of the two out")


def check_constraints(study: "StudyConfig") -> None:
    """What a search must obey names what losses have, as numbers, and leaves them something."""
    constraints = study.designs.search.parsed_constraints if study.designs.search else []
    settings = {entry.label: study.defaults(entry) for entry in study.entries}
    for constraint in constraints:
        valid = {name for setting in settings.values() for name in setting}
        for name in constraint.names:
            if name not in valid:
                raise ValueError(f"designs.search.constraints: no loss has {name!r}; {nearest(name, valid)}")
            listed = [value for entry in study.entries for value in _listed_values(study, entry, name)]
            if odd := [value for value in listed if not isinstance(value, int | float)]:
                raise ValueError(f"designs.search.constraints: {name} may be {odd[0]!r}, no number; compare numbers")
    for entry in study.entries:
        if constraints and not is_possible(constraints, study.axes(entry), settings[entry.label]):
            raise ValueError(f"designs.search.constraints: leave nothing of {entry.label}'s space; loosen them")


def _listed_values(study: "StudyConfig", entry: "Entry", name: str) -> list[Any]:
    """The default of a hyperparameter, and its options where it has any; nothing of a loss that has no such."""
    parameter, defaults = study.axes(entry).parameters.get(name), study.defaults(entry)
    options = parameter.options if isinstance(parameter, Choice) else ()
    return [defaults[name], *options] if name in defaults else []


def check_starts(study: "StudyConfig") -> None:
    """Each setting that a search is to start from is one of some loss, and obeys the constraints."""
    search = study.designs.search
    for start in search.start if search else ():
        losses = [entry for entry in study.entries if start.keys() <= study.axes(entry).parameters.keys()]
        if not losses or not start:
            valid = {name for entry in study.entries for name in study.axes(entry).parameters}
            odd = next((name for name in start if name not in valid), None)
            hint = f"{odd!r} varies nowhere; {nearest(odd, valid)}" if odd else f"no loss varies all of {start}"
            raise ValueError(f"designs.search.start: {hint}")
        for entry in losses:
            for name, value in start.items():
                if problem := study.axes(entry).parameters[name].problem(value):
                    raise ValueError(f"designs.search.start: {name} of {entry.label} {problem}")
            if search and not obeys(search.parsed_constraints, study.defaults(entry) | start):
                raise ValueError(f"designs.search.start: {start} breaks a constraint for {entry.label}; leave it out")
