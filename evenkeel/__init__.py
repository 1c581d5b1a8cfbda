"""How steady is a loss when its hyperparameters move? What people import; nothing heavy until it is asked for."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evenkeel.search_spaces import Choice as Choice
    from evenkeel.search_spaces import Float as Float
    from evenkeel.search_spaces import Int as Int
    from evenkeel.search_spaces import Space as Space
    from evenkeel.study.errors import ClusterError as ClusterError
    from evenkeel.study.errors import UserError as UserError
    from evenkeel.study.interactive import Study as Study
    from evenkeel.study.interactive import load as load
    from evenkeel.study.interactive import plan as plan
    from evenkeel.study.interactive import report as report
    from evenkeel.study.interactive import run as run
    from evenkeel.study.recorded_study import RecordedStudy as RecordedStudy
    from evenkeel.study.recorded_study import open as open
    from evenkeel.trainables import Trial as Trial
    from evenkeel.trainables.result import Result as Result

MODULES = {
    "Choice": "search_spaces",
    "ClusterError": "study.errors",
    "Float": "search_spaces",
    "Int": "search_spaces",
    "RecordedStudy": "study.recorded_study",
    "Result": "trainables.result",
    "Space": "search_spaces",
    "Study": "study.interactive",
    "Trial": "trainables",
    "UserError": "study.errors",
    "load": "study.interactive",
    "open": "study.recorded_study",
    "plan": "study.interactive",
    "report": "study.interactive",
    "run": "study.interactive",
}
"""Public name -> the module that defines it, imported when the name is first used."""

__all__ = [
    "Choice",
    "ClusterError",
    "Float",
    "Int",
    "RecordedStudy",
    "Result",
    "Space",
    "Study",
    "Trial",
    "UserError",
    "load",
    "open",
    "plan",
    "report",
    "run",
]


def __getattr__(name: str) -> Any:
    """A public name, or `__version__` of the installed package. Raises AttributeError, naming what there is."""
    if name == "__version__":
        from importlib.metadata import version

        return version("evenkeel")
    if name not in MODULES:
        raise AttributeError(f"evenkeel has no {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(f"evenkeel.{MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
