"""Studies: what to run, where, what was recorded; the command line."""

from os import PathLike, fspath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from study.opened import OpenedStudy

__version__ = "0.2.0"


def open(folder: "str | PathLike[str]") -> "OpenedStudy":
    """The study recorded under a folder or URL: `.table` is its trial frame, `.figure("alpha1")` a plotly figure."""
    from study.opened import OpenedStudy

    return OpenedStudy(fspath(folder))
