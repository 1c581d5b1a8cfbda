"""Things from outside that break a rule, each met by the command that would meet it: what must hold, what happened.

python -m benchmarks.outside [--only GROUP ...]     (the second table of make faults)

Losses, measures, trainables and data sets of a user's; study files that only a machine writes; folders that somebody
else filled; edited code; workers that die; a damaged database; a user without a name; standard streams. Most of the
things are those of the tests. One after the other; about three minutes on two cores.
"""

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path
from textwrap import shorten

import torch

from evenkeel.study.cli import main as evenkeel
from evenkeel.study.errors import EXIT_BAD_INPUT, EXIT_FAILED_TRIALS, EXIT_OK, EXIT_STORAGE
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.tracking.mlflow_table import table_from_mlflow
from evenkeel.trainables.contract import check_data_set, check_measures, check_trainable
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.loss_contract import check_losses
from tests import test_loss_contract, test_measure_contract, test_result_contract, test_untrusted_study_files
from tests.test_own_path import OPTIONAL, write_study_of_own
from tests.test_untrusted_folders import ESCAPE, ODD_JSON, SYNC_LITTER, recorded_study, trial_record

Attempt = Callable[[Path], str]
"""Tries one thing in an empty folder; returns what happened. Raises AssertionError where the rule did not hold."""
WIDTH = 120
"""Letters of what happened that are shown."""
NOBODY = 54_321
"""The number of a user that no machine knows by name."""


def refused(call: Callable[[], object]) -> str:
    """The line in which code of a user's is refused."""
    try:
        call()
    except TrainableError as error:
        assert "\n" not in str(error), f"several lines: {error}"
        return str(error)
    raise AssertionError("accepted")


def told(*words: str, code: int = EXIT_BAD_INPUT, holds: str = "") -> str:
    """The last line of a command that must end with `code` and without a traceback, saying `holds`."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        ended = evenkeel(list(words))
    return _last_line(ended, out.getvalue(), err.getvalue(), code, holds)


def run(folder: Path, command: str, code: int = EXIT_OK, holds: str = "") -> str:
    """The same of `evenkeel COMMAND` in a process of its own, by a shell, in `folder`."""
    line = f"set -o pipefail; {shlex.quote(sys.executable)} -m evenkeel {command}"
    path = {"PYTHONPATH": f"{Path(__file__).parents[1]}"}
    ended = subprocess.run(["bash", "-c", line], cwd=folder, env=os.environ | path, capture_output=True, text=True)
    return _last_line(ended.returncode, ended.stdout, ended.stderr, code, holds)


def _last_line(ended: int, out: str, err: str, code: int, holds: str) -> str:
    assert ended == code, f"exit code {ended}, not {code}: {err[-300:]}"
    assert "Traceback" not in out + err, err[-300:]
    assert "\x1b" not in out + err, "an escape of a terminal is printed"
    assert holds in out + err, f"does not say {holds!r}: {err[-300:]}"
    lines = (err.strip() or out.strip()).splitlines()
    answer = next((line for line in lines if holds and holds in line), lines[-1] if lines else "nothing is said")
    return f"exit {ended}: {answer}"


def loss_refused(name: str, folder: Path) -> str:
    try:
        return refused(lambda: check_losses([test_loss_contract.own("Weighed"), test_loss_contract.own(name)]))
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device("cpu")
        torch.set_float32_matmul_precision("highest")


def measure_refused(expression: str, folder: Path) -> str:
    return refused(lambda: check_measures([test_measure_contract.written(folder, expression)], 3))


def result_refused(case: str, folder: Path) -> str:
    pairs, _ = test_result_contract.BROKEN[case]
    ids, complaint = test_result_contract.received(*test_result_contract.OTHERS, *pairs)
    assert len(ids) == len(set(ids)) >= 2, "a good result is lost or doubled"
    assert complaint and "\n" not in complaint, f"said: {complaint!r}"
    return complaint


def changing_data(folder: Path) -> str:
    return refused(lambda: check_data_set(test_result_contract.Changing()))


def odd_trainable(folder: Path) -> str:
    trainable = test_result_contract.odd_trainable()
    return refused(lambda: check_trainable(trainable, test_result_contract.Squares()))


def file_refused(text: str, holds: str, folder: Path) -> str:
    (folder / "study.yaml").write_text(text)
    return told("plan", str(folder / "study.yaml"), holds=holds)


HUGE = {
    "sweep levels 1e8": ("designs: {sweep: {levels: 100000000}}", "levels"),
    "seeds 1e9": ("seeds: 1000000000", "seeds"),
    "learning rate 1e308": ("trainable: {lr: 1.0e+308}", "lr"),
    "batch 1e12": ("trainable: {batch: 1000000000000}", "batch"),
    "image side 1e9": ("trainable: {image_size: 1000000000}", "image_size"),
    "seed of a search 1e30": (f"designs: {{search: {{seed: 1{30 * '0'}}}}}", "seed"),
}
"""Name -> (a line beside `extends: demo`, the key that is named)."""


def shown(prepare: Callable[[Path], object], folder: Path, code: int = EXIT_OK, name: str = "study") -> str:
    """What `status` and `report` say of a folder of six trials that somebody has changed."""
    recorded_study(place := folder / name)
    prepare(place)
    answer = told("status", str(place), code=code)
    told("report", str(place), "-o", str(folder / "page.html"), code=code)
    return answer


def linked(place: Path) -> None:
    (place.parent / "secret").write_text("mine")
    record = next(place.glob("trials/*.json"))
    record.unlink()
    record.symlink_to(place.parent / "secret")


def piped(place: Path) -> None:
    record = next(place.glob("trials/*.json"))
    record.unlink()
    os.mkfifo(record)


def littered(place: Path) -> None:
    for name in SYNC_LITTER:
        (place / "trials" / name).write_text("{}")


def odd(place: Path) -> None:
    for number, text in enumerate(ODD_JSON):
        (place / "trials" / f"{number:016x}.json").write_text(text)


def deep(place: Path) -> None:
    (place / "study.json").write_text(ODD_JSON[0])


def escaping(place: Path) -> None:
    Ledger(str(place), "synthetic").write(trial_record(label=ESCAPE, seed=8))


def page_linked(folder: Path) -> str:
    """A page's place is a link to a file of the user's."""
    recorded_study(place := folder / "study")
    (folder / "precious").write_text("mine")
    (place / "report.html").symlink_to(folder / "precious")
    answer = told("report", str(place), code=EXIT_OK)
    assert (folder / "precious").read_text() == "mine", "written through the link"
    return answer


def of_others(prepare: Callable[[Path], object], holds: str, folder: Path) -> str:
    prepare(folder)
    return told("report", "--runs", str(folder), "-o", str(folder / "page.html"), holds=holds)


FOREIGN: dict[str, Attempt] = {
    "a record is a link": partial(shown, linked),
    "a record is a pipe": partial(shown, piped),
    "records of odd JSON": partial(shown, odd),
    "study.json nested 50,000 deep": partial(shown, deep, code=EXIT_BAD_INPUT),
    "files of sync clients": partial(shown, littered),
    "escapes of a terminal in a label": partial(shown, escaping),
    **{f"a folder called {name!r}": partial(shown, str, name=name) for name in ("a [b] c", "what? *", "x::y")},
    "report.html is a link": page_linked,
    "runs of others: a pipe": partial(of_others, lambda f: os.mkfifo(f / "params.json"), "no plain file"),
    "runs of others: deep JSON": partial(
        of_others, lambda f: (f / "params.json").write_text(ODD_JSON[0]), "not the JSON"
    ),
}


def not_imported(folder: Path) -> str:
    """Files that bear the names of optional packages of pandas, optuna and others lie beside the study."""
    write_study_of_own(folder)
    run(folder, "plan mine.yaml")
    assert not (folder / "imported").exists(), "a module of the folder was imported"
    return f"plan imported none of {len(OPTIONAL)}"


INSTANT = """
name: mine
data: {name: digits-mlt}
trainable: {name: "benchmarks.instant:Instant"}
losses: [bce, "my_losses:Mine"]
designs: {sweep: {levels: 2}}
seeds: 1
"""


def edited(old: str, new: str, code: int, holds: str, folder: Path) -> str:
    """A helper module of a loss is edited between two runs."""
    write_study_of_own(folder)
    (folder / "mine.yaml").write_text(INSTANT)
    run(folder, "run mine.yaml --serial")
    helper, ledger = folder / "helper.py", Ledger(str(folder / "studies" / "mine"), "mine")
    recorded = ledger.ids()
    assert old in helper.read_text()
    helper.write_text(helper.read_text().replace(old, new))
    answer = run(folder, "run mine.yaml --serial", code, holds)
    assert ledger.ids() == recorded and not ledger.retired_ids(), "trials came or went"
    return f"{answer}; the {len(recorded)} trials of before"


def damaged_database(folder: Path) -> str:
    """Said, and made again from the records by the command that is named."""
    (folder / "mine.yaml").write_text(INSTANT.replace(', "my_losses:Mine"', ", focal"))
    run(folder, "run mine.yaml --serial")
    database = folder / "studies" / "mine" / "mlflow.db"
    database.write_bytes(b"\xff" * 8192)
    for journal in database.parent.glob("mlflow.db-*"):
        journal.unlink()
    answer = run(folder, "run mine.yaml --serial", EXIT_BAD_INPUT, "--track-again")
    run(folder, "run mine.yaml --serial --track-again")
    recorded = len(Ledger(str(database.parent), "mine").ids())
    assert len(table_from_mlflow(f"sqlite:///{database}", "mine")) == recorded, "MLflow lacks trials"
    return f"{answer}; all {recorded} trials there again"


DYING = """
import ctypes, os, signal

def train(seed, how="well"):
    ends = {"exits": lambda: os._exit(7), "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
            "faults": lambda: ctypes.string_at(0), "well": lambda: None}
    ends[how]()
    return {"val": {"accuracy": 0.5}, "test": {"accuracy": 0.5}}
"""
DEATHS = {"exits": "ended itself", "killed": "SIGKILL", "faults": "segmentation fault", "well": ""}
DYING_STUDY = f"""
name: dying
trainable: {{name: "train.py:train"}}
methods: [{", ".join(f"{{name: {how}, fixed: {{how: {how}}}}}" for how in DEATHS)}]
designs: {{sweep: {{levels: 2}}}}
seeds: 1
metric: accuracy
resources: {{retries: 0}}
"""


def dying_workers(folder: Path) -> str:
    """On real Ray: each death costs its own trial and is called by what was seen."""
    (folder / "train.py").write_text(DYING)
    (folder / "dying.yaml").write_text(DYING_STUDY)
    run(folder, "run dying.yaml --workers 1", EXIT_FAILED_TRIALS)
    records = Ledger(str(folder / "studies" / "dying"), "dying").read_all().values()
    notes = {record.trial.label: record.note or "" for record in records}
    assert notes.keys() == DEATHS.keys(), f"recorded: {', '.join(notes)}"
    for how, words in DEATHS.items():
        assert words in notes[how], f"{how}: {notes[how]}"
    return "; ".join(f"{how}: {notes[how].splitlines()[-1]}" for how in ("exits", "faults"))


def nameless(folder: Path) -> str:
    """As a container runs it: a number for a user, no home."""
    if os.getuid():
        return "not tried: only root becomes somebody else"
    # Imported before: this Python may lie where only its owner reads.
    imports = "import os, sys, evenkeel.study.process_setup, evenkeel.study.errors\nfrom evenkeel.study.cli import main"
    become = f"os.setgid({NOBODY}); os.setuid({NOBODY}); os.environ.pop('HOME', None)"
    code = f"{imports}\n{become}\nsys.exit(main(['plan', 'demo']))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return _last_line(ended.returncode, ended.stdout, ended.stderr, EXIT_BAD_INPUT, "set HOME")


STREAMS: dict[str, Attempt] = {
    "plan, standard output closed": lambda folder: run(folder, "plan demo >&-"),
    "plan | head -n 1": lambda folder: run(folder, "plan demo | head -n 1"),
    "presets, a full disk": lambda folder: run(folder, "presets > /dev/full", EXIT_STORAGE, "No space left"),
}
GROUPS: dict[str, tuple[str, dict[str, Attempt]]] = {
    "losses": ("one line that names the loss and the rule, before any cluster time",
               {name: partial(loss_refused, name) for name in test_loss_contract.BROKEN}),
    "measures": ("one line that names the measure and the rule, before any cluster time",
                 {name: partial(measure_refused, text) for name, (text, _) in test_measure_contract.REFUSED.items()}),
    "results": ("one line that names the class; the results of other trials are kept, once",
                {name: partial(result_refused, name) for name in test_result_contract.BROKEN}),
    "data sets and trainables": ("one line that names the class and the method",
                                 {"contents change between two calls": changing_data, "odd summary": odd_trainable}),
    "study files": ("exit code 2 and one line, at once",
                    {**{name: partial(file_refused, text, rule)
                        for name, (text, rule) in test_untrusted_study_files.REFUSED.items()},
                     **{name: partial(file_refused, f"extends: demo\n{line}\n", key)
                        for name, (line, key) in HUGE.items()}}),
    "folders of others": ("read or refused in a line; nothing else is read or written; no escapes", FOREIGN),
    "code of a user": ("only what is named is imported; what decides a result is a change, comments are none",
                       {"files of the folder": not_imported,
                        "a helper edited": partial(edited, "targets * logits", "logits * targets / 2",
                                                   EXIT_BAD_INPUT, "the code of my_losses:Mine"),
                        "a comment in a helper": partial(edited, "return", "# as printed\n    return",
                                                         EXIT_OK, "")}),
    "machines": ("named by what was seen; other trials go on; a way out",
                 {"workers that die": dying_workers, "MLflow's database damaged": damaged_database,
                  "a user without a name": nameless}),
    "streams": ("quiet, or one line", STREAMS),
}  # fmt: skip
"""Kind of thing -> (what must hold, what is tried by name)."""


def tried(groups: list[str]) -> Iterator[bool]:
    """Try everything of these groups, print a line each; yields whether the rule held."""
    for group in groups:
        rule, attempts = GROUPS[group]
        print(f"\n{group}: {rule}", flush=True)
        for name, attempt in attempts.items():
            as_ruled, happened = _outcome(attempt)
            print(f"  {'ok   ' if as_ruled else 'WRONG'} {name:36} {shorten(happened, WIDTH)}", flush=True)
            yield as_ruled


def _outcome(attempt: Attempt) -> tuple[bool, str]:
    with tempfile.TemporaryDirectory(prefix="ek") as name:
        try:
            return True, attempt(Path(name)).replace(f"{name}/", "")
        except Exception as error:
            return False, f"{type(error).__name__}: {error}"


def try_all(groups: list[str]) -> int:
    """Print the table of these groups; returns how many rules did not hold."""
    as_ruled = list(tried(groups))
    print(f"\n{sum(as_ruled)} of {len(as_ruled)} outside things were met as they must be")
    return len(as_ruled) - sum(as_ruled)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="GROUP", default=list(GROUPS), choices=list(GROUPS))
    sys.exit(bool(try_all(parser.parse_args().only)))


if __name__ == "__main__":
    main()
