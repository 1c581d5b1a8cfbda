"""The command `evenkeel`. Heavy imports happen inside the commands: help answers at once."""

import argparse
import errno
import gc
import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

from evenkeel import __version__
from evenkeel.study.completion import complete_preset, complete_study
from evenkeel.study.errors import (
    EXIT_BAD_INPUT,
    EXIT_CLUSTER,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_STORAGE,
    ClusterError,
    StorageError,
    UserError,
)
from evenkeel.study.plain_text import visible_lines
from evenkeel.study.process_setup import set_up
from evenkeel.study.standard_streams import finish_output, give_up_output, is_of_output, open_missing_streams

STUDY_HELP = "a study file (*.yaml) or a preset's name"
COMMANDS = {
    "presets": ("list the studies that come with evenkeel, or print one", "evenkeel presets demo"),
    "init": ("write a first study file for a folder of images, or a train.py", "evenkeel init pets -o pets.yaml"),
    "losses": ("list losses, their hyperparameters and sources; draw them", "evenkeel losses ral --plot ral.html"),
    "plan": ("show what a study would run; start nothing", "evenkeel plan demo --set seeds=3"),
    "run": ("run what is missing of a study", "evenkeel run demo --workers 2"),
    "submit": ("run a study as a job of a Ray cluster", "evenkeel submit study.yaml --address http://head:8265"),
    "logs": ("print what a submitted study says", "evenkeel logs study.yaml --address http://head:8265 --follow"),
    "stop": ("stop a submitted study", "evenkeel stop study.yaml --address http://head:8265"),
    "status": ("count what is recorded", "evenkeel status demo --json"),
    "report": ("write the HTML report", "evenkeel report demo -o report.html"),
    "export": ("write the trials for other tools", "evenkeel export demo --to csv -o trials.csv"),
    "ui": ("open MLflow on this study", "evenkeel ui demo --port 5001"),
    "doctor": ("check this machine, and the data of a study", "evenkeel doctor demo"),
}
"""Command -> what it does, and an example."""
PATH_ERRNOS = (errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR)
"""What the system says of a path that leads nowhere for this user, wherever it was first followed."""
RUNNING_CODE = ("plan", "run", "submit", "doctor")
"""Commands that import the modules which a study file names."""
SUPERVISED = ("run",)
"""Commands whose work is done in a child process."""


def main(arguments: Sequence[str] | None = None, *, supervise: bool = False) -> int:
    """Parse, run one command, return its exit code. A user's mistake is one message on standard error, exit code 2."""
    open_missing_streams()
    parser = _parser()
    if "_ARGCOMPLETE" in os.environ:  # set by the shell while it completes
        import argcomplete

        argcomplete.autocomplete(parser)
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(words)
    if supervise and options.command in SUPERVISED:
        from evenkeel.study.run.supervisor import run_supervised

        return run_supervised(lambda: _run(options, words), notes_faults=bool(options.serial or options.shard))
    return _run(options, words)


def entry() -> NoReturn:
    """The command itself: its work is done in a child process, and both end here."""
    sys.exit(main(supervise=True))


def _run(options: argparse.Namespace, words: list[str]) -> int:
    """The exit code of a command; what it printed is written out."""
    try:
        return finish_output(_execute(options))
    except Exception as error:
        if is_of_output(error):
            return give_up_output(error, EXIT_OK)
        from evenkeel.study.fault import report_exception

        return report_exception(error, words)


def _execute(options: argparse.Namespace) -> int:
    try:
        options.own_code = set_up((options.study or "") if options.command in RUNNING_CODE else None)
        return _import_command(options.command).execute(options)
    except StorageError as error:
        return _complain(str(error), EXIT_STORAGE)
    except UserError as error:
        return _complain(str(error), EXIT_BAD_INPUT)
    except ClusterError as error:
        return _complain(str(error), EXIT_CLUSTER)
    except OSError as error:
        if error.filename is None or error.errno not in PATH_ERRNOS:
            raise
        return _complain(f"{error.filename}: {error.strerror}; give leave there, or name another place", EXIT_BAD_INPUT)
    except SystemExit as error:
        if options.command not in RUNNING_CODE:
            raise
        from evenkeel.trainables.own_code import own_place

        return _complain(
            f"sys.exit({error.code!r}) was called{own_place(error)}; take it out of the code that the study names",
            EXIT_BAD_INPUT,
        )
    except KeyboardInterrupt:
        return _complain("stopped; nothing is lost: the same command goes on", EXIT_INTERRUPTED)


def _import_command(name: str) -> ModuleType:
    """Imports leave no garbage: looking for it, then and later, takes a fifth of their time."""
    gc.disable()
    try:
        return importlib.import_module(f"evenkeel.study.commands.{name}")
    finally:
        gc.freeze()
        gc.enable()


def _complain(text: str, code: int) -> int:
    sys.stderr.write(f"evenkeel: {visible_lines(text)}\n")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="evenkeel",
        description="How steady is a loss when its hyperparameters move?",
        epilog=f"STUDY is {STUDY_HELP}. Exit codes: 0 all well, 1 some trials failed, "
        "2 bad input, 3 cluster trouble, 4 a place that cannot be written, 5 a fault in a program, 130 interrupted. "
        "Try: evenkeel plan demo",
    )
    parser.add_argument("--version", action="version", version=f"evenkeel {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    added = {
        name: commands.add_parser(name, help=text, description=text, epilog=f"example: {example}")
        for name, (text, example) in COMMANDS.items()
    }
    for name in ("plan", "run", "submit", "logs", "stop"):
        _add_study(added[name])
    for name in ("status", "report", "export", "ui"):
        _add_study(added[name], f"{STUDY_HELP}, or the folder of its records", optional=name == "report")
    _add_study(added["doctor"], optional=True)
    added["doctor"].add_argument(
        "--train-rows",
        action="store_true",
        help="also train on disjoint parts of the train rows: how much another training set moves (minutes)",
    )
    preset = added["presets"].add_argument("preset", nargs="?", metavar="NAME", help="print this one as a whole file")
    preset.completer = complete_preset  # type: ignore[attr-defined]
    added["presets"].add_argument("--keys", action="store_true", help="print the tables of all keys of a study file")
    added["presets"].add_argument("--schema", action="store_true", help="print the JSON schema of a study file")
    added["init"].add_argument("folder", metavar="FOLDER", help="of images, tables and zips, or with a train.py")
    added["init"].add_argument("-o", "--output", metavar="FILE", help="default: study.yaml in FOLDER")
    added["losses"].add_argument("names", nargs="*", metavar="LOSS", help="all when left out")
    added["losses"].add_argument("--plot", metavar="FILE", help="write an HTML page with pictures of one loss")
    added["plan"].add_argument(
        "--try",
        nargs="*",
        metavar="KEY=VALUE",
        dest="tried",
        help="find mistakes by two small trials a loss, trained here; their settings, epochs=1 if none",
    )
    added["plan"].add_argument("--measure", action="store_true", help="time one pack and estimate the whole")
    added["plan"].add_argument(
        "--price", type=float, metavar="PRICE", help="of a GPU-hour (of a worker-hour, without GPUs); measures too"
    )
    _add_run(added["run"])
    for name in ("submit", "logs", "stop"):
        added[name].add_argument("--address", metavar="URL", help="the job server on the head: http://head:8265")
    _add_running(added["submit"])
    added["submit"].add_argument(
        "--follow", action="store_true", help="then do what logs --follow does; also where a job runs the study already"
    )
    added["logs"].add_argument("--follow", action="store_true", help="until it ends, with its exit code")
    added["status"].add_argument("--json", action="store_true", help="for scripts")
    added["report"].add_argument(
        "others", nargs="*", metavar="STUDY", help="more studies: they are compared in one page"
    )
    added["report"].add_argument(
        "--pdf", action="store_true", help="also print it with the Chromium or Chrome that is there"
    )
    added["report"].add_argument(
        "--runs",
        metavar="SOURCE",
        help="others' runs: CSV, Parquet, Optuna storage, folder of Ray Tune, W&B or DeepCAVE, mlflow:NAME",
    )
    added["report"].add_argument("--mapping", metavar="FILE", help="of --runs: what their columns mean, as YAML")
    added["report"].add_argument("--explain", action="store_true", help="of --runs: print that file, ready to edit")
    added["report"].add_argument("-o", "--output", metavar="FILE", help="default: report.html in the study's folder")
    added["report"].add_argument(
        "--figures", metavar="DIR", help="also every figure as SVG and PDF in one- and two-column width, numbers as CSV"
    )
    added["report"].add_argument("--from-mlflow", action="store_true", help="read MLflow, not the ledger")
    forms = ("csv", "parquet", "optuna", "deepcave", "wandb")
    added["export"].add_argument("--to", required=True, choices=forms, help="the form")
    added["export"].add_argument(
        "-o", "--output", metavar="FILE", help="a folder of deepcave and wandb; default: in the study's folder"
    )
    for name in ("report", "ui"):
        added[name].add_argument("--tracking-uri", metavar="URI", help="default: the database in the study's folder")
    added["ui"].add_argument("--port", type=int, default=5000)
    return parser


def _add_study(parser: argparse.ArgumentParser, text: str = STUDY_HELP, *, optional: bool = False) -> None:
    study = parser.add_argument("study", metavar="STUDY", help=text, nargs="?" if optional else None)
    study.completer = complete_study  # type: ignore[attr-defined]
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="change a key"
    )
    parser.add_argument("--storage", metavar="DIR", help="folder or URL of the records; default: studies/<name>")


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--address", metavar="ADDRESS", help="a Ray cluster: auto, or host:port of its head")
    parser.add_argument("--serial", action="store_true", help="no Ray: one process, for debugging")
    parser.add_argument(
        "--shard", metavar="K/N", help="no Ray: one process runs the K-th of N parts, beside those of the other parts"
    )
    parser.add_argument(
        "--keep-tune", action="store_true", help="keep Tune's files for TensorBoard: tune/ in --storage"
    )
    _add_running(parser)


def _add_running(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tracking-uri", metavar="URI", help="MLflow; default: a database in the study's folder")
    parser.add_argument("--track-later", action="store_true", help="run even if MLflow does not answer")
    parser.add_argument("--track-again", action="store_true", help="log again what was deleted in MLflow")
    parser.add_argument("--workers", type=int, metavar="N", help="worker processes; default: all there is room for")
    parser.add_argument("--accept-changes", action="store_true", help="set trials of the former study file aside")
    parser.add_argument("--keep-going", action="store_true", help="even if all trials fail alike from the start")
    parser.add_argument("--retry-failed", action="store_true", help="run failed trials again")
