"""The Python API: load or write a study, plan, run, look at it; mistakes are said at once."""

import json
from pathlib import Path

import pandas as pd
import pytest

import evenkeel as ek
from evenkeel.reports.sections.verdicts import Verdicts
from evenkeel.study.file.read import load_study
from evenkeel.study.run.closing import closing_lines
from evenkeel.study.run.interfaces import RunResult
from evenkeel.study.run.notebook_display import NotebookDisplay, in_notebook
from tests.synthetic import table as make_table

KEYS = {
    "extends": "demo",
    "name": "written",
    "trainable": {"epochs": 2, "backbone": {"warm_start": None}},
    "losses": ["bce", "asl"],
    "designs": {"sweep": {"levels": 3, "hyperparameters": ["gamma_neg"]}, "sobol": None, "search": None},
    "seeds": 2,
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_keywords_a_mapping_and_a_file_are_the_same_study(folder):
    (folder / "written.yaml").write_text(json.dumps(KEYS))  # JSON is YAML
    studies = [ek.Study(**KEYS), ek.Study(KEYS), ek.load("written.yaml"), ek.load(folder / "written.yaml")]
    assert len({study.config.model_dump_json() for study in studies}) == 1
    assert studies[0].config == load_study(str(folder / "written.yaml"))


def test_changes_reach_any_key():
    study = ek.load("demo", {"trainable.epochs": 4, "seeds": [3, 5], "designs.search": None})
    assert (study.config.trainable.epochs, study.config.seeds, study.config.designs.search) == (4, [3, 5], None)


def test_a_plan_is_a_frame_of_every_planned_trial():
    plan = ek.Study(KEYS).plan()
    assert plan.trial_id.is_unique and len(plan) == 2 * (1 + 3)  # seeds times bce's default and asl's three levels
    moved = plan[plan.moved.notna()]
    assert set(moved.moved) == {"gamma_neg"} and (moved["hp.gamma_neg"] != 4.0).all()


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda: ek.Study(extends="demo", sedes=3), "unknown key 'sedes'; did you mean 'seeds'"),
        (lambda: ek.load("missing.yaml"), "missing.yaml: no such study file"),
        (lambda: ek.open("studies/missing"), "studies/missing: no such folder; give the folder of a study's records"),
        (lambda: ek.open("."), "no study here yet; start it with: evenkeel run"),
        (lambda: ek.Study(KEYS).table, "no such folder"),
        (lambda: ek.Study(KEYS).run(workers=0), "--workers 0: must be at least 1"),
    ],
)
def test_a_mistake_is_an_error_at_once(mistake, message):
    with pytest.raises(ek.UserError, match=message):
        mistake()


def test_a_study_without_records_shows_what_is_planned():
    """One with records: docs/notebook.ipynb, which a test runs."""
    assert "nothing is recorded yet" in ek.Study(KEYS)._repr_html_()


def test_the_frame_of_verdicts_says_what_the_page_says(rng):
    from evenkeel.reports.verdict.frame import verdict_frame

    table = make_table(
        rng, lambda loss, setting: 0.6 - 0.02 * abs(setting.get("gamma_neg", 4.0) - 4.0) * (loss == "apl")
    )
    frame = verdict_frame(table, "f1")
    info = Verdicts().compute(table, rng)
    assert len(frame) == len(info.cells) > 3 and frame.verdict.nunique() > 1
    for row in frame.itertuples():
        judged = info.cells[row.loss, row.hyperparameter].judged
        assert (row.verdict, row.worst_drop) == (judged.status, pytest.approx(judged.drop.value, nan_ok=True))
        assert row.reasons == "; ".join(judged.reasons)
        assert pd.isna(row.seeds_needed) if judged.seeds_needed is None else row.seeds_needed == judged.seeds_needed


def test_a_terminal_is_no_notebook_and_the_bar_counts():
    assert not in_notebook()
    display = NotebookDisplay()
    display.states.update(done=3, failed=1)
    display.total = 10
    assert (
        display.html().startswith('<progress value="4" max="10">') and "3 done, 0 diverged, 1 failed" in display.html()
    )


def test_an_end_is_explained():
    from collections import Counter

    assert closing_lines(RunResult(Counter(done=2), 2, 0, [], False, None)) == []
    lines = closing_lines(RunResult(Counter(failed=2), 2, 1, ["2 failed: no memory"], True, None))
    assert [line.split()[0] for line in lines] == ["1", "2", "evenkeel:"]
