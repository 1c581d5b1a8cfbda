"""How steady is a loss when its hyperparameters move? What people import; nothing heavy until it is asked for."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evenkeel.search_spaces import Choice as Choice
    from evenkeel.search_spaces import Float as Float
    from evenkeel.search_spaces import Int as Int
    from evenkeel.search_spaces import Space as Space
    from evenkeel.study.recorded_study import open as open
    from evenkeel.trainables import Trial as Trial
    from evenkeel.trainables.base import Result as Result

HOMES = {
    "Choice": "search_spaces",
    "Float": "search_spaces",
    "Int": "search_spaces",
    "Space": "search_spaces",
    "Result": "trainables.base",
    "Trial": "trainables",
    "open": "study.recorded_study",
}
"""Name -> the module that has it."""

__all__ = ["Choice", "Float", "Int", "Result", "Space", "Trial", "open"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("evenkeel")
    if name not in HOMES:
        raise AttributeError(f"evenkeel has no {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"evenkeel.{HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
