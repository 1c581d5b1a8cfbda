"""`evenkeel losses`: formulas, hyperparameters, ranges and sources of every loss, and pictures of them."""

import argparse
import inspect
import sys
from typing import Any

from rich.console import Console
from rich.padding import Padding

from evenkeel.search_spaces import SPACES, Choice, Parameter
from evenkeel.study.errors import UserError
from evenkeel.study.terminal import make_console, make_table
from evenkeel.trainables.errors import nearest

PRINTED = {name.partition("-eq")[0]: name for name in SPACES if "-eq" in name}
OTHER_FORM = PRINTED | {printed: published for published, printed in PRINTED.items()}
"""The same loss as published and as printed."""

NUM_VALUES = 5


def execute(options: argparse.Namespace) -> int:
    """List the losses named, or all; with --plot write the page of one."""
    for name in options.names:
        if name not in SPACES:
            raise UserError(f"unknown loss {name!r}; {nearest(name, SPACES)}")
    if options.plot:
        if len(options.names) != 1:
            raise UserError("--plot draws one loss: name it, for example evenkeel losses ral --plot ral.html")
        _plot(options.names[0], options.plot)
        sys.stdout.write(f"{options.plot}\n")
        return 0
    out = make_console()
    for name in options.names or SPACES:
        _describe(out, name)
    return 0


def _describe(out: Console, name: str) -> None:
    space = SPACES[name]
    out.print(name, style="bold")
    out.print(Padding(_text(name), (0, 0, 0, 2), expand=False))
    if space.parameters:
        headers = ("hyperparameter", "symbol", "default", "range", "source")
        rows = ((key, p.symbol, _value(p.default), _range(p), p.source) for key, p in space.parameters.items())
        out.print(Padding(make_table(headers, rows, num_words=len(headers)), (1, 0, 0, 4), expand=False))
    if space.one_label:
        out.print("    for data with exactly one label an image")
    out.print()


def _text(name: str) -> str:
    from evenkeel.trainables.losses import LOSSES

    return inspect.getdoc(LOSSES[name]) or ""


def _range(parameter: Parameter) -> str:
    if isinstance(parameter, Choice):
        return ", ".join(map(_value, parameter.options))
    return f"{parameter.low:g} to {parameter.high:g}{' (log)' if getattr(parameter, 'log', False) else ''}"


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _plot(name: str, path: str) -> None:
    from evenkeel.reports.page.loss_page import Moved, write_loss_page

    other = OTHER_FORM.get(name)
    moved = []
    for key, parameter in SPACES[name].parameters.items():
        values = parameter.levels(NUM_VALUES)
        beside = values if other and key in SPACES[other].parameters else []
        moved.append(
            Moved(
                hyperparameter=key,
                symbol=parameter.symbol,
                source=parameter.source,
                curves=[_curves(name, key, value) for value in values],
                other=[_curves(str(other), key, value) for value in beside],
            )
        )
    try:
        write_loss_page(path, name, other, _text(name), moved)
    except OSError as error:
        raise UserError(f"--plot {path}: cannot be written ({error}); give another file") from error


def _curves(name: str, key: str, value: Any) -> Any:
    from evenkeel.reports.page.loss_page import LossCurves
    from evenkeel.trainables.losses.curves import along_p

    p, panels = along_p(name, **{key: value})
    return LossCurves(value, value == SPACES[name].parameters[key].default, p, panels)
