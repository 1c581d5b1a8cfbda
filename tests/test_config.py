"""Study files: what is accepted, and one clear message for everything else."""

import json
import re
from pathlib import Path

import pytest

from evenkeel.study.errors import UserError
from evenkeel.study.file.own_settings import trainable_of
from evenkeel.study.file.read import PRESETS, load_study
from evenkeel.study.file.schema import render_schema
from evenkeel.study.plan.planner import Planner


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("preset", [p.stem for p in PRESETS.glob("*.yaml")])
def test_presets_are_valid(preset):
    assert load_study(preset).name == preset


def test_extends_lays_changes_over_a_preset_or_a_file(tmp_path):
    base = write(tmp_path / "base.yaml", "extends: demo\nname: base\nseeds: 3\ntrainable: {epochs: 2}\n")
    study = load_study(write(tmp_path / "child.yaml", f"extends: {Path(base).name}\nname: child\nmargin: 0.02\n"))
    assert (study.name, study.seeds, study.margin, study.trainable.epochs) == ("child", [0, 1, 2], 0.02, 2)
    assert study.trainable.lr == load_study("demo").trainable.lr


def test_extending_itself_is_named(tmp_path):
    with pytest.raises(UserError, match="extends itself"):
        load_study(write(tmp_path / "a.yaml", "extends: a.yaml\nname: a\n"))


def test_overrides_reach_any_key():
    study = load_study("demo", ["trainable.epochs=4", "seeds=[3, 5]", "designs.search=null"])
    assert (study.trainable.epochs, study.seeds, study.designs.search) == (4, [3, 5], None)
    with pytest.raises(UserError, match="must be key=value"):
        load_study("demo", ["seeds"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ("seed: 3", "unknown key 'seed'; did you mean 'seeds'"),
        ("trainable: {epoch: 3}", "trainable: unknown key 'epoch'; did you mean 'epochs'"),
        ("losses: [asll]", "unknown loss 'asll'; did you mean 'asl'"),
        ("losses: [{loss: ral, fixed: {lambda: 1}}]", "ral has no hyperparameter 'lambda'; did you mean 'hill_lambda'"),
        ("losses: [{loss: ral, levels: {clip: [0.1, 0.5]}}]", r"levels.clip must lie in \[0, 0.25\], got 0.5"),
        ("losses: [{loss: ral, fixed: {gamma_neg: -1}}]", r"fixed.gamma_neg must lie in \[0, 12\], got -1"),
        ("losses: [ral, ral]", "'ral' appears twice; give each entry its own label"),
        ("losses: ['no_such_module:Loss']", "cannot import 'no_such_module'"),
        ("metric: f2", "unknown metric 'f2'; did you mean 'f1'"),
        ("data: {name: digits}", "unknown data set 'digits'; did you mean 'digits-mlt'"),
        ("seeds: 0", "seeds: must be a number of seeds"),
        ("seeds: []", "seeds: must be a number of seeds"),
        ("seeds: [1, 1]", "seeds: must be different numbers"),
        ("designs: null", "designs"),
        ("designs: {sweep: null, sobol: null, search: null}", "designs: nothing to run"),
        (
            "designs: {sweep: {hyperparameters: [gama]}}",
            "no loss has 'gama', nor has spaces; valid: alpha1",
        ),
        ("designs: {search: {groups: 11}}", "11 groups of 1 seeds need 11 seeds, the study has 10"),
        ("designs: {search: {sampler: tpee}}", "designs.search.sampler"),
        ("designs: {search: {beside: mpa}}", "unknown metric 'mpa'; did you mean 'map'"),
        ("designs: {search: {beside: f1}}", "f1 is the study's metric; name another"),
        ("designs: {search: {beside: map, sampler: cmaes}}", "cmaes looks at one metric; leave one of the two out"),
        ("designs: {search: {constraints: [gamma_neg = 3]}}", "must compare two hyperparameters"),
        ("designs: {search: {constraints: [gamma_ng > 3]}}", "no loss has 'gamma_ng'; did you mean 'gamma_neg'"),
        ("designs: {search: {constraints: [gamma_neg > 300]}}", "leave nothing of asl's space"),
        ("designs: {search: {constraints: [focusing > 3]}}", "focusing may be 'full', no number"),
        ("losses: [apl-eq5]\ndesigns: {search: {constraints: [terms > 2]}}", "terms may be None, no number"),
        ("designs: {search: {start: [{gama_neg: 3}]}}", "'gama_neg' varies nowhere; did you mean 'gamma_neg'"),
        ("designs: {search: {start: [{gamma_neg: 300}]}}", "gamma_neg of asl must lie in"),
        ("designs: {search: {start: [{gamma_neg: 3}], constraints: [gamma_neg > 4]}}", "breaks a constraint for asl"),
        ("margin: -1", "margin: must be a number between 0 and 1, got -1"),
        ("margin: {f2: 0.01}", "margin: unknown metric 'f2'; did you mean 'f1'"),
        ("margin: {map: 2}", "margin: map must be a number between 0 and 1, got 2"),
        ("name: 'a b'", "name: "),
        ("trainable: {epochs: many}", "trainable.epochs: .*got 'many'"),
    ],
)
def test_bad_studies_die_with_file_and_key(tmp_path, changes, message):
    path = write(tmp_path / "bad.yaml", f"extends: demo\n{changes}\n")
    with pytest.raises(UserError, match=message) as error:
        load_study(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [("demmo", "neither a study file .* nor a preset; did you mean 'demo'"), ("no.yaml", "no such study file")],
)
def test_unknown_studies_are_named(name, message):
    with pytest.raises(UserError, match=message):
        load_study(name)


@pytest.mark.parametrize("text", ["a: [", "- 1", "\x00"])
def test_broken_yaml_is_named(tmp_path, text):
    with pytest.raises(UserError, match=r"bad.yaml: "):
        load_study(write(tmp_path / "bad.yaml", text))


def test_schema_describes_every_key():
    described = json.loads(render_schema())
    assert set(described["properties"]) >= {"name", "data", "losses", "designs", "seeds", "margin"}
    assert described["additionalProperties"] is False


def test_metrics_are_those_of_the_probe_and_of_the_report():
    from evenkeel.study.records.facts import MEASURES
    from evenkeel.trainables.measures import HEADLINES

    assert tuple(name for name, measure in MEASURES.items() if measure.headline) == HEADLINES


class TestPlan:
    def planner(self, *overrides):
        return Planner(load_study("demo", list(overrides)), {"name": "digits-mlt"}, {"name": "x"})

    def test_is_pure_and_has_each_id_once(self):
        one, again = self.planner().planned(), self.planner().planned()
        assert one == again and len({t.id for t in one}) == len(one)

    def test_sweep_moves_one_hyperparameter_at_a_time(self):
        planner = self.planner()
        for loss in planner.config.losses:
            default = loss.setting()
            for trial in planner.planned():
                if trial.label == loss.label and trial.design == "sweep":
                    assert sum(trial.hyperparameters[k] != v for k, v in default.items()) <= 1

    def test_all_losses_get_the_same_seeds_and_sobol_points(self):
        trials = [t for t in self.planner().planned() if t.design == "sobol"]
        points = {
            label: {(t.hyperparameters["gamma_neg"], t.hyperparameters["clip"]) for t in trials if t.label == label}
            for label in ("apl", "ral")
        }
        assert points["apl"] == points["ral"] and len(points["apl"]) == 16
        assert {t.seed for t in trials} == set(range(10))

    def test_whole_numbers_and_reals_are_one_trial(self):
        whole = self.planner("losses=[{loss: asl, levels: {gamma_neg: [4, 8]}}]").planned()
        real = self.planner("losses=[{loss: asl, levels: {gamma_neg: [4.0, 8.0]}}]").planned()
        assert [t.id for t in whole] == [t.id for t in real]


def test_the_ablation_of_lm_clip_changes_in_each_row_what_the_paper_changes():
    """LM-CLIP Table 2 by hand: contrastive loss, multi-label loss, sampling, smoothing, class weights."""
    study = load_study("lm-clip-table2")
    rows = {
        "pre-trained CLIP": None,
        "ASL": (False, True, False, False, False),
        "CLIP loss": (True, False, False, False, False),
        "BAL (ASL + smoothing + loss weights)": (False, True, False, True, True),
        "CLIP + ASL": (True, True, False, False, False),
        "CLIP + ASL + sampling": (True, True, True, False, False),
        "CLIP + ASL + sampling + smoothing": (True, True, True, True, False),
        "LM-CLIP": (True, True, True, True, True),
    }
    assert [loss.label for loss in study.losses] == list(rows)
    for loss in study.losses:
        trainable, setting = trainable_of(study.trainable, loss), loss.setting()
        if rows[loss.label] is None:
            assert trainable.epochs == 0
            continue
        used = (
            bool(trainable.contrastive_weight), bool(trainable.bal_weight), trainable.sampling is not None,
            bool(setting.get("smoothing")), bool(setting.get("s")),
        )  # fmt: skip
        assert used == rows[loss.label] and trainable.epochs == 2 and not trainable.tied_sampling


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("{epoch: 3}", "losses: asl: settings: the trainable has no setting 'epoch'; did you mean 'epochs'?"),
        ("{epochs: -3}", "losses: asl: settings.epochs: Input should be greater than or equal to 0, got -3"),
        ("{bal_weight: 0, contrastive_weight: 0}", "bal_weight and contrastive_weight are both 0"),
    ],
)
def test_a_wrong_setting_of_one_loss_is_named(settings, message):
    with pytest.raises(UserError, match=re.escape(message)):
        load_study("lm-clip-table2", [f"losses=[{{loss: asl, settings: {settings}}}]"])


def test_a_contrast_names_a_label():
    with pytest.raises(UserError, match="contrast: no loss has the label 'rall'; did you mean 'ral'"):
        load_study("demo", ["contrast=[rall]"])
