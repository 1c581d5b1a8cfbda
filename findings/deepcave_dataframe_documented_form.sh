#!/usr/bin/env bash
# DeepCAVE 1.4.1, data-frame runs: the form that its documentation shows is refused, and a distribution is ignored.
#
# Its page on the data-frame converter shows a choice of True and False without a default, with values `true` and
# `false` in trials.csv, and says: "The numeric distribution must be normal, beta or uniform."
# Expected: `DataFrameRun.from_path` loads a run in that form, an integer keeps its normal distribution, and a blank
#   distribution is the uniform one, as it is where the column is missing ("Default to uniform", says its source).
# Seen: (1) a choice without a default: ValueError, "The default value has to be one of the choices. Got nan"; (2) with
#   the default True: ValueError too, since pandas reads `True` as a bool and the items are texts; (3) an integer's
#   distribution is not looked at, and the uniform one is taken without a word, whatever stands there; (4) a blank
#   distribution of a float: ValueError, with the whole column as the value.
# What it means here: `evenkeel export --to deepcave` names no distribution, gives each choice a default, and quotes
#   such values.
# Run: bash findings/deepcave_dataframe_documented_form.sh   (two minutes; python3.10, or another as PYTHON; exit code 1
#   when this is no longer so)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.10}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "deepcave==1.4.1" "configspace==1.2.0"
cat > "$folder/documented_form.py" <<'PYTHON'
import tempfile
from importlib.metadata import version
from pathlib import Path

from deepcave.runs.converters.dataframe import DataFrameRun

COLUMNS = "name,type,log,lower,upper,default,distribution,item_0,item_1,ordered,distribution_mu,distribution_sigma\n"
OBJECTIVE = "metric:score [0.0; 1.0] (maximize),status,start_time,end_time"


def load(space, values):
    """The run of one hyperparameter `p` with two trials, or the error."""
    folder = Path(tempfile.mkdtemp(dir=Path(__file__).parent))
    (folder / "configspace.csv").write_text(COLUMNS + space)
    rows = [f"{i},{value},0.{i + 1},success,{i},{i + 1}" for i, value in enumerate(values)]
    (folder / "trials.csv").write_text("\n".join([f"config_id,p,{OBJECTIVE}", *rows]) + "\n")
    try:
        return DataFrameRun.from_path(folder)
    except Exception as error:
        return error


def seen(what, run, kind):
    """Print the hyperparameter or the error that came; stop where it is of another kind than it was."""
    came = run if isinstance(run, Exception) else run.configspace["p"]
    print(f"{what}: {type(came).__name__} {' '.join(str(came).split())[:120]}")
    assert type(came).__name__ == kind, f"{what}: the finding no longer holds"


print(f"deepcave {version('deepcave')}, ConfigSpace {version('ConfigSpace')}")
seen("plain text choice", load("p,categorical,,,,a,,a,b,,,\n", "ab"), "CategoricalHyperparameter")
seen("float, normal", load("p,float,False,1,9,3,normal,,,,3,1\n", [3, 5]), "NormalFloatHyperparameter")
seen("1 choice, no default", load("p,categorical,,,,,,a,b,,,\n", "ab"), "ValueError")
seen("2 true and false", load("p,categorical,,,,True,,True,False,,,\n", ["true", "false"]), "ValueError")
seen("3 integer, normal", load("p,integer,False,1,9,3,normal,,,,3,1\n", [3, 5]), "UniformIntegerHyperparameter")
seen("4 float, blank distribution", load("p,float,False,1,9,3,,,,,,\n", [3, 5]), "ValueError")
PYTHON
"$folder/venv/bin/python" -W ignore "$folder/documented_form.py"
