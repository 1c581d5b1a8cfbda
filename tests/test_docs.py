"""What the documents show is true: commands parse, study files load, links lead somewhere, the example loss runs."""

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from evenkeel.study.cli import COMMANDS, _parser
from evenkeel.study.file.keys import render_keys, replace_tables
from evenkeel.study.file.read import load_study
from evenkeel.study.records.ledger import Ledger
from evenkeel.trainables.data import DATA_SETS
from evenkeel.trainables.measures import METRICS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), flags=re.S | re.M)
    return [text for written, text in found if written == language]


def shown_commands() -> list[str]:
    lines = [line.split("#")[0].strip() for page in PAGES for block in blocks(page, "") for line in block.splitlines()]
    inline = [code for page in PAGES for code in re.findall(r"`(evenkeel [^`]+)`", page.read_text())]
    return [c for c in [*lines, *inline] if c.startswith("evenkeel ") and "," not in c]


@pytest.mark.parametrize("command", sorted(set(shown_commands())))
def test_shown_commands_parse(command):
    words = shlex.split(command)[1:]
    assert _parser().parse_args(words if len(words) > 1 or words[0] in ("presets", "doctor") else [*words, "demo"])


def test_every_command_is_shown():
    shown = {command.split()[1] for command in shown_commands()}
    assert shown == set(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def slug(heading: str) -> str:
    """What GitHub and MyST call a heading in a link."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_to_a_heading_lead_to_one(page):
    for name, anchor in re.findall(r"\]\(([\w/.]*\.md|)#([^)]+)\)", page.read_text()):
        headings = re.findall(r"^#+ (.+)$", (page.parent / name if name else page).read_text(), flags=re.M)
        assert anchor in map(slug, headings), f"{name}#{anchor}"


def test_every_page_has_a_place_in_the_site():
    tree = ast.parse((ROOT / "docs" / "conf.py").read_text())
    assigned = {node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign)}
    listed = [name for names in ast.literal_eval(assigned["CONTENTS"]).values() for name in names]
    assert sorted(listed) == sorted(page.stem for page in (ROOT / "docs").glob("*.md"))


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    assert set(re.findall(r"make ([a-z]+)", (ROOT / "README.md").read_text())) - {"are"} <= targets


def test_the_tables_of_keys_are_current():
    """Made from the models; mend with: make docs"""
    text = (ROOT / "docs" / "study_files.md").read_text()
    assert text == replace_tables(text)


def test_every_key_is_explained():
    rows = [line.split(" | ") for line in render_keys().splitlines() if line.startswith("| `")]
    assert len(rows) > 50 and not [row[0] for row in rows if len(row[-1].strip(" |")) < 3]


def test_the_data_of_the_page_on_data_is_valid(tmp_path):
    shown = blocks(ROOT / "docs" / "data.md", "yaml")
    for number, block in enumerate(shown):
        (tmp_path / f"{number}.yaml").write_text(f"extends: demo\n{block}")
    names = {load_study(str(tmp_path / f"{number}.yaml")).data.name for number in range(len(shown))}
    assert names == set(DATA_SETS) - {"digits-mlt"}


def test_every_data_set_is_on_the_page_on_data():
    text = (ROOT / "docs" / "data.md").read_text()
    assert not [name for name in DATA_SETS if f"| `{name}` |" not in text]


def test_the_search_of_the_page_is_a_study(tmp_path):
    study = next(block for block in blocks(ROOT / "docs" / "study_files.md", "yaml") if "constraints:" in block)
    (tmp_path / "tuned.yaml").write_text(study)
    search = load_study(str(tmp_path / "tuned.yaml")).designs.search
    assert search.start == [{"gamma_neg": 9.8, "clip": 0.05}] and search.constraints == ["gamma_neg >= gamma_pos"]


def test_the_study_of_the_page_on_study_files_loads(tmp_path):
    study = next(block for block in blocks(ROOT / "docs" / "study_files.md", "yaml") if "spaces:" in block)
    (tmp_path / "rates.yaml").write_text(study)
    assert load_study(str(tmp_path / "rates.yaml")).spaces["lr"].log


def test_every_metric_is_on_the_page_on_study_files():
    text = (ROOT / "docs" / "study_files.md").read_text().partition("## Metrics")[2].partition("## Every key")[0]
    assert not [name for name in METRICS if f"`{name}`" not in text]


def test_the_measure_of_the_page_on_study_files_is_one(tmp_path, monkeypatch):
    page = ROOT / "docs" / "study_files.md"
    study = next(block for block in blocks(page, "yaml") if "judged-by-my-own" in block)
    (tmp_path / "own.yaml").write_text(study)
    (tmp_path / "my_metrics.py").write_text(blocks(page, "python")[0])
    monkeypatch.syspath_prepend(str(tmp_path))
    config = load_study(str(tmp_path / "own.yaml"))
    assert config.metric == "top_2" and config.margins["top_2"] == 0.02 and config.sign("top_2") == 1


def test_the_readme_study_and_loss_run_as_shown(tmp_path):
    """The YAML and the Python of the README, literally, through plan, run, status and report."""
    (study,) = blocks(ROOT / "README.md", "yaml")
    (loss,) = blocks(ROOT / "README.md", "python")
    (tmp_path / "my-study.yaml").write_text(study)
    assert load_study(str(tmp_path / "my-study.yaml")).name == "my-study" and "extends" not in yaml.safe_load(study)
    (tmp_path / "my_losses.py").write_text(loss)
    own = yaml.safe_load(study) | {"losses": ["bce", {"loss": "my_losses:MyLoss", "label": "mine"}], "seeds": 2}
    own["designs"] |= {"sweep": {"levels": 3}}
    own["trainable"] |= {"epochs": 2, "backbone": {"name": "test_resnet"}}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(own))
    follow(tmp_path, "own.yaml")
    records = Ledger(str(tmp_path / "studies" / "my-study"), "my-study").read_all().values()
    assert {r.trial.label for r in records} == {"bce", "mine"} and len(records) == 8
    assert "mine" in (tmp_path / "studies" / "my-study" / "report.html").read_text()


def follow(folder, study, *options):
    for words in (["plan"], ["run", "--serial"], ["status"], ["report"]):
        command = [sys.executable, "-m", "evenkeel", words[0], study, *words[1:], *options]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr


def test_adding_a_loss_as_the_page_says(tmp_path):
    """Both files of docs/adding_a_loss.md, literally; only the budget of a trial is smaller."""
    page = ROOT / "docs" / "adding_a_loss.md"
    (loss,), (study,) = blocks(page, "python"), blocks(page, "yaml")
    (tmp_path / "my_losses.py").write_text(loss)
    (tmp_path / "pulled.yaml").write_text(study)
    small = ["--set", "seeds=1", "--set", "trainable.epochs=2", "--set", "trainable.backbone.warm_start=null"]
    follow(tmp_path, "pulled.yaml", *small)
    records = Ledger(str(tmp_path / "studies" / "pulled"), "pulled").read_all().values()
    assert {r.trial.label for r in records} == {"bce", "pulled"} and all(r.state == "done" for r in records)
    assert {r.loss_path for r in records if r.trial.label == "pulled"} == {"eager"}
    assert "pulled" in (tmp_path / "studies" / "pulled" / "report.html").read_text()


def test_adding_a_trainable_as_the_page_says(tmp_path):
    """Both files of docs/adding_a_trainable.md, literally, in a folder outside the package."""
    page = ROOT / "docs" / "adding_a_trainable.md"
    (trainable,), (study,) = blocks(page, "python"), blocks(page, "yaml")
    (tmp_path / "my_pixels.py").write_text(trainable)
    (tmp_path / "pixels.yaml").write_text(study)
    follow(tmp_path, "pixels.yaml")
    records = Ledger(str(tmp_path / "studies" / "pixels"), "pixels").read_all().values()
    assert {(r.trial.label, r.trial.moved) for r in records} >= {("bce", "lr"), ("asl", "gamma_neg"), ("asl", "lr")}
    assert all(r.state == "done" and r.epochs_done == 20 for r in records)
    assert "a linear layer on pixels" in (tmp_path / "studies" / "pixels" / "report.html").read_text()


def test_the_schema_for_editors_is_current():
    from evenkeel.study.file.schema import render_schema

    assert (ROOT / "study" / "study.schema.json").read_text() == render_schema()


@pytest.mark.whole
def test_the_notebook_runs_as_shown(tmp_path):
    """Every cell of docs/notebook.ipynb in a kernel of its own; what the last one shows is the study it made."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(ROOT / "docs" / "notebook.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    texts = [output["data"] for output in outputs if "data" in output]
    assert any("<progress value=" in str(data) for data in texts), "no progress bar"
    assert any("30 done" in data.get("text/html", "") for data in texts), "the answer is not shown"
    assert texts[-1]["text/plain"] == "('notebook', 'report.html')"


def test_the_notebook_is_stored_without_outputs():
    import nbformat

    cells = nbformat.read(ROOT / "docs" / "notebook.ipynb", as_version=4).cells
    assert not [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")]
