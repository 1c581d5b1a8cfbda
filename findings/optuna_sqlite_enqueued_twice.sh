#!/usr/bin/env bash
# Optuna 5.0.0, SQLite storage: two processes may take the same enqueued trial.
#
# Expected: `Study.enqueue_trial` hands each set of parameters to one worker, whatever the storage.
# Seen: with four processes on one SQLite file some enqueued trials are evaluated by two of them; the one that ends
#   second is refused ("Cannot tell a COMPLETE trial.", or UpdateFinishedTrialError), which ends its `Study.optimize`, so
#   that trials stay WAITING.
#   Reported for 3.1 (optuna #4621), still so. With the journal file storage of the same version nothing is evaluated twice and nothing is left.
# What it means here: a search asks for its proposals in one process, and workers are handed trials by the engine.
# Run: bash findings/optuna_sqlite_enqueued_twice.sh   (a minute; exit code 1 when this is no longer so)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "optuna==5.0.0" "sqlalchemy==2.0.44"
cat > "$folder/two_takers.py" <<'PYTHON'
import multiprocessing
import sys
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

optuna.logging.set_verbosity(optuna.logging.ERROR)
NUM_PROCESSES, NUM_TRIALS = 4, 80


def open_storage(kind, folder):
    if kind == "sqlite":
        return f"sqlite:///{folder}/study.db"
    return JournalStorage(JournalFileBackend(f"{folder}/study.log"))


def work(kind, folder, number):
    study = optuna.load_study(study_name="enqueued", storage=open_storage(kind, folder))
    evaluated = Path(folder) / f"{kind}-{number}.txt"

    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        with evaluated.open("a") as file:
            file.write(f"{trial.number}\n")
        return x

    try:
        study.optimize(objective, n_trials=NUM_TRIALS // NUM_PROCESSES)
    except (ValueError, optuna.exceptions.UpdateFinishedTrialError) as error:
        print(f"{kind}: {error}")


def evaluate(kind, folder):
    study = optuna.create_study(study_name="enqueued", storage=open_storage(kind, folder))
    for i in range(NUM_TRIALS):
        study.enqueue_trial({"x": i / NUM_TRIALS})
    processes = [multiprocessing.Process(target=work, args=(kind, folder, n)) for n in range(NUM_PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    numbers = [line for file in Path(folder).glob(f"{kind}-*.txt") for line in file.read_text().split()]
    waiting = sum(trial.state.name == "WAITING" for trial in study.get_trials(deepcopy=False))
    print(f"{kind}: {len(numbers)} evaluations of {len(set(numbers))} trials, {waiting} left waiting")
    return len(numbers) - len(set(numbers)), waiting


if __name__ == "__main__":
    folder = sys.argv[1]
    print(f"optuna {optuna.__version__}")
    doubled, _ = evaluate("sqlite", folder)
    doubled_by_journal, left_by_journal = evaluate("journal", folder)
    assert doubled > 0, "SQLite: every enqueued trial was taken once; the finding no longer holds"
    assert (doubled_by_journal, left_by_journal) == (0, 0)
PYTHON
"$folder/venv/bin/python" "$folder/two_takers.py" "$folder"
