#!/usr/bin/env bash
# MLflow 3.17.0, SQLite: processes that log the same data set to one experiment at the same time are refused.
#
# Expected: `MlflowClient.log_inputs` adds a data set to a run, and finds it when the experiment has it already.
# Seen: it looks for the data set and then inserts it; of processes that do so at once all but the first get an
#   MlflowException that holds the database's words (sqlite3.IntegrityError, UNIQUE constraint failed: datasets...),
#   and their runs have no data set. The same call again succeeds.
# What it means here: several processes of one study log trials of one data set; the call is repeated once.
# Run: bash findings/mlflow_same_data_set_at_once.sh   (a minute; exit code 1 when this is no longer so)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "mlflow==3.17.0" "sqlalchemy==2.0.44"
cat > "$folder/at_once.py" <<'PYTHON'
import logging
import multiprocessing
import sys

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput
from mlflow.exceptions import MlflowException

logging.disable(logging.CRITICAL)
NUM_PROCESSES, NUM_DATA_SETS = 4, 20


def work(uri, experiment, barrier, answers):
    client, refused, again = MlflowClient(uri), [], 0
    for number in range(NUM_DATA_SETS):
        run = client.create_run(experiment).info.run_id
        inputs = [DatasetInput(Dataset(f"data{number}", "digest", "local", "{}"), [])]
        barrier.wait()
        try:
            client.log_inputs(run, inputs)
        except MlflowException as error:
            refused.append(str(error).splitlines()[0])
            client.log_inputs(run, inputs)
            again += len(client.get_run(run).inputs.dataset_inputs)
    answers.put((refused, again))


if __name__ == "__main__":
    uri = f"sqlite:///{sys.argv[1]}/mlflow.db"
    experiment = MlflowClient(uri).create_experiment("at once")
    barrier, answers = multiprocessing.Barrier(NUM_PROCESSES), multiprocessing.Queue()
    processes = [
        multiprocessing.Process(target=work, args=(uri, experiment, barrier, answers)) for _ in range(NUM_PROCESSES)
    ]
    for process in processes:
        process.start()
    found = [answers.get() for _ in processes]
    refused = [text for texts, _ in found for text in texts]
    print(f"mlflow {mlflow.__version__}: {len(refused)} of {NUM_PROCESSES * NUM_DATA_SETS} calls were refused")
    print(*sorted(set(refused)), sep="\n")
    assert refused, "every call succeeded; the finding no longer holds"
    assert sum(again for _, again in found) == len(refused), "the same call again did not succeed"
PYTHON
"$folder/venv/bin/python" "$folder/at_once.py" "$folder"
