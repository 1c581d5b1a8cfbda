"""A newcomer's questions are answered by docs/architecture.md, with files that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"
ANSWERS = {
    "Where does the command line begin?": ("study/cli.py", "def main("),
    "Where is a study file checked, and where do its messages come from?": ("study/file/read.py", "def load_study("),
    "Which keys may a study file have?": ("study/file/study.py", "class StudyConfig("),
    "Where are the trials of a sweep made?": ("study/plan/planner.py", "class Planner"),
    "Where is it decided which proposal runs next?": ("study/plan/study_searches.py", "class StudySearches"),
    "Where does a search ask Optuna?": ("search_spaces/optuna_search.py", "import optuna"),
    "Who decides that a trial of a search ends early?": ("study/run/search_judge.py", "class "),
    "Where does it stand what a search asked and was told?": ("study/records/search_journal.py", "class "),
    "What decides the id of a trial?": ("trainables/trial.py", "def id("),
    "Where is a study run, from start to end?": ("study/run/engine.py", "def run_study("),
    "How are trials put into packs?": ("study/run/pack_cutting.py", "pack"),
    "What happens to a pack on a worker?": ("study/run/worker.py", "def run_pack"),
    "Where does a trial's record get written?": ("study/records/ledger.py", "def write("),
    "What does a record hold?": ("study/records/record.py", "class TrialRecord"),
    "Where is it ensured that only one run works on a study?": ("study/run/lease.py", "class Lease"),
    "Where does Ray come in?": ("study/run/ray_runner.py", "ray.init("),
    "Where are runs written to MLflow?": ("study/tracking/study_runs.py", "mlflow"),
    "Which losses are there, with one file a loss beside the list?": ("trainables/losses/__init__.py", "LOSSES"),
    "Where are the ranges and published defaults of a loss?": ("search_spaces/losses.py", "SPACES = {"),
    "Where are heads on frozen features trained?": ("trainables/probe/train.py", "class ProbeWorker"),
    "Where is a table of labels read?": ("trainables/data/csv/data_set.py", "class "),
    "Where is the verdict decided?": ("reports/verdict/verdict.py", "def "),
    "Where is it decided whether two hyperparameters interact?": ("reports/verdict/together.py", "def "),
    "Where is the page put together?": ("reports/page/page.py", "def write_report("),
    "Where is the formula of a loss, RAL's for example?": ("trainables/losses/ral.py", "class Ral"),
    "Where is a loss of the user's own checked before any cluster time?": ("trainables/loss_contract.py", "def "),
    "Where is the same loss compiled for a pack, on CPU and GPU?": ("trainables/fused/gpu.py", "def "),
    "Where are the train rows of a seed drawn (bootstrap)?": ("trainables/seeds.py", "def bootstrap("),
    "Where are images decoded?": ("trainables/data/decoding.py", "def "),
    "Where are F1, mAP and AUC computed?": ("trainables/measures/scores.py", "def "),
    "Where is a pack halved that does not fit into memory?": ("study/run/worker.py", "halved"),
    "Which packs does a shard of a Slurm array run?": ("study/run/shards.py", "def "),
    "Where is another sampler of Optuna added?": ("search_spaces/optuna_search.py", "sampler"),
    "Where are other people's runs read?": ("study/exchange/read_runs.py", "def read_runs("),
    "Where does `evenkeel status` print its counts?": ("study/commands/status.py", "def execute("),
    "Where are the errors of a page's contrasts and verdicts corrected?": (
        "reports/verdict/family.py",
        "def ",
    ),
    "Which sections has the page, and in what order?": ("reports/sections/__init__.py", "SECTIONS"),
    "Where does `init` guess what a folder holds?": ("trainables/data/guess/guess.py", "def "),
    "Where is it decided which levels get more seeds?": ("reports/verdict/looks.py", "def "),
    "Where is it decided where levels go finer?": ("reports/verdict/finer_levels.py", "def "),
    "Where is the HTML of the page?": ("reports/page/page.html", "<html"),
}
"""Question -> the file that answers it, and what must stand there for the answer to be true."""


@pytest.mark.parametrize("question", ANSWERS)
def test_the_page_names_the_file_that_answers(question):
    path, evidence = ANSWERS[question]
    assert f"| {question} | `{path}` |" in PAGE.read_text()
    assert evidence in (ROOT / path).read_text()


def test_every_question_of_the_page_is_asked_here():
    rows = re.findall(r"^\| ([^|]+\?) \| `([^`]+)` \|$", PAGE.read_text(), re.MULTILINE)
    assert dict(rows) == {question: path for question, (path, _) in ANSWERS.items()} and len(rows) >= 20


def test_every_room_of_the_page_is_a_folder_and_every_folder_is_on_the_page():
    rooms = {
        f"{folder.parent.name}/{folder.name}"
        for package in ("study", "trainables", "reports")
        for folder in (ROOT / package).iterdir()
        if (folder / "__init__.py").exists() and folder.name != "presets"
    }
    table = PAGE.read_text().partition("## The rooms")[2].partition("## Where is it?")[0]
    shown = set()
    for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE):
        first, *names = re.findall(r"`([^`]+)`", row)
        package = first.partition("/")[0]
        shown |= {first, *(name if "/" in name else f"{package}/{name}" for name in names)}
    assert shown == rooms | {"search_spaces"}


def test_paths_in_the_texts_for_contributors_exist():
    for page in (PAGE, ROOT / "CONTRIBUTING.md"):
        for path in re.findall(
            r"`((?:study|trainables|reports|search_spaces|tests|benchmarks|docs)/[^`* ]*)`", page.read_text()
        ):
            assert (ROOT / path).exists(), f"{page.name}: {path}"
