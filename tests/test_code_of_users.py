"""The source of a user's own code decides a result, so it is part of what a trial is known by."""

import re
from textwrap import dedent

import pytest

from evenkeel.study.errors import UserError
from evenkeel.study.file.read import load_study
from evenkeel.study.plan.planner import make_planner
from evenkeel.trainables.own_sources import MAX_COMPANION_BYTES, source_files, source_fingerprint
from tests.test_engine import run

LOSS = '''
    from dataclasses import dataclass
    from evenkeel import Float, Space
    from {helper} import scale
    import torch

    SPACE = Space(parameters={{}})

    @dataclass(frozen=True)
    class Halved:
        """Half of binary cross-entropy."""

        def __call__(self, logits, targets):
            # the mean is taken elsewhere
            return (torch.nn.functional.softplus(logits) - logits * targets) * scale()
'''
HELPER = '''
    def scale():
        """What remains."""
        return 0.5
'''
STUDY = """
    extends: demo
    name: own
    trainable: {{backbone: {{warm_start: null}}, epochs: 1, batch: 512}}
    losses: [bce, "{module}:Halved"]
    designs: {{sweep: {{levels: 2}}, sobol: null, search: null}}
    seeds: 2
"""
names = iter(range(1000))


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder with a loss of its own, a helper that it imports, and a study; each under names of its own."""
    module, helper = (f"{kind}_{next(names)}_of_a_user" for kind in ("loss", "helper"))
    (tmp_path / f"{module}.py").write_text(dedent(LOSS.format(helper=helper)))
    (tmp_path / f"{helper}.py").write_text(dedent(HELPER))
    (tmp_path / "own.yaml").write_text(dedent(STUDY.format(module=module)))
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path, module, helper


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_comments_docstrings_and_blank_lines_do_not_count(own):
    folder, module, helper = own
    before = source_fingerprint(f"{module}:Halved")
    change(folder / f"{module}.py", "# the mean is taken elsewhere", "# by the trainable\n\n")
    change(folder / f"{module}.py", '"""Half of binary cross-entropy."""', '"""Half of it.\n\n    More words.\n    """')
    change(folder / f"{helper}.py", '    """What remains."""\n', "")
    assert source_fingerprint(f"{module}:Halved") == before


@pytest.mark.parametrize("part", ["loss", "helper"])
def test_a_changed_formula_counts_also_in_a_helper(own, part):
    folder, module, helper = own
    before = source_fingerprint(f"{module}:Halved")
    if part == "loss":
        change(folder / f"{module}.py", "* scale()", "* scale() / 2")
    else:
        change(folder / f"{helper}.py", "0.5", "0.25")
    assert source_fingerprint(f"{module}:Halved") != before


def test_a_package_belongs_together_and_what_is_installed_beside_it_does_not(tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"
    (folder / "mine_of_a_user").mkdir(parents=True)
    (folder / "mine_of_a_user" / "__init__.py").write_text("")
    (folder / "mine_of_a_user" / "loss.py").write_text("import other_of_a_user\nfrom .inner import SCALE\nHalved = 1\n")
    (folder / "mine_of_a_user" / "inner.py").write_text("SCALE = 1\n")
    (folder / "other_of_a_user.py").write_text("X = 1\n")
    monkeypatch.syspath_prepend(str(folder))
    before = source_fingerprint("mine_of_a_user.loss:Halved")
    (folder / "other_of_a_user.py").write_text("X = 2\n")
    assert source_fingerprint("mine_of_a_user.loss:Halved") == before
    (folder / "mine_of_a_user" / "inner.py").write_text("SCALE = 2\n")
    assert source_fingerprint("mine_of_a_user.loss:Halved") != before


WRITTEN = {
    "the package's own __init__": ("p/__init__.py", "", "p.loss"),
    "an outer package's __init__": ("p/__init__.py", "", "p.q.loss"),
    "a package without __init__": ("p/inner.py", "from p.inner import X", "p.loss"),
    "import_module of a text": ("inner.py", "import importlib\nh = importlib.import_module('inner')", "loss"),
    "import_module beside it": (
        "p/inner.py",
        "import importlib\nimportlib.import_module('.inner', __package__)",
        "p.loss",
    ),
}


@pytest.mark.parametrize("case", WRITTEN)
def test_whatever_is_imported_on_the_way_counts(case, tmp_path, monkeypatch):
    """Each under names of its own: `p` and `inner` in these texts bear a number."""
    number = next(names)

    def numbered(text):
        return re.sub(r"\b(p|inner|loss)\b", rf"\g<1>_{number}", text)

    changed, text, module = map(numbered, WRITTEN[case])
    path = tmp_path / f"{module.replace('.', '/')}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    if ".q." in module:
        (path.parent / "__init__.py").write_text("")
    (tmp_path / changed).write_text("X = 1\n")
    path.write_text(f"{text}\nHalved = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = source_fingerprint(f"{module}:Halved")
    (tmp_path / changed).write_text("X = 1  # as before\n")
    assert source_fingerprint(f"{module}:Halved") == before
    (tmp_path / changed).write_text("X = 2\n")
    assert source_fingerprint(f"{module}:Halved") != before


@pytest.mark.parametrize("text", ["a\n\nb", "a  \nb", "a\n# b"])
@pytest.mark.parametrize("prefix", ["", "f"])
def test_what_stands_in_a_text_is_no_blank_line_or_comment(text, prefix, own):
    folder, module, helper = own
    prints = []
    for words in ("a\nb", text):
        (folder / f"{helper}.py").write_text(f'def scale():\n    return len({prefix}"""{words}""")\n')
        prints.append(source_fingerprint(f"{module}:Halved"))
    assert prints[0] != prints[1]


def test_only_trials_of_the_changed_loss_are_others(own):
    folder, module, helper = own
    study = load_study(str(folder / "own.yaml"))
    before = {trial.id: trial.label for trial in make_planner(study).planned()}
    change(folder / f"{helper}.py", "0.5", "0.25")
    after = {trial.id: trial.label for trial in make_planner(study).planned()}
    assert {before[i] for i in before.keys() & after.keys()} == {"bce"}
    assert {before[i] for i in before.keys() - after.keys()} == {f"{module}:Halved"}


def test_without_own_code_an_identity_is_what_it_was():
    planner = make_planner(load_study("demo"))
    assert planner.sources == {} and "source" not in planner.data | planner.trainable
    assert all(trial.loss_source == "" for trial in planner.planned())


def test_a_run_says_whose_code_changed_and_what_would_run_again(own):
    folder, module, helper = own
    outcome, _ = run(folder / "own.yaml", folder / "storage")
    assert outcome.states == {"done": 4}, outcome.reasons
    change(folder / f"{helper}.py", "0.5", "0.25")
    with pytest.raises(UserError, match=rf"the code of {module}:Halved. 2 of 4 recorded trials are still usable"):
        run(folder / "own.yaml", folder / "storage")
    outcome, _ = run(folder / "own.yaml", folder / "storage", accept_changes=True)
    assert outcome.num_new == 2 and outcome.states == {"done": 4}
    assert len(list((folder / "storage" / "retired").glob("*.json"))) == 2


def test_a_script_that_a_source_names_belongs_to_it(tmp_path, monkeypatch):
    """A program that the function starts; data of that size, and a script that nobody names, do not."""
    name = f"starts_{next(names)}_of_a_user"
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / f"{name}.py").write_text('def train(): return ["own.sh", "large.bin", "no such file.sh", "."]\n')
    before = source_fingerprint(f"{name}:train")
    (tmp_path / "large.bin").write_bytes(bytes(MAX_COMPANION_BYTES + 1))
    (tmp_path / "other.sh").write_text("echo 1")
    assert source_fingerprint(f"{name}:train") == before
    (tmp_path / "own.sh").write_text("echo 1")
    first = source_fingerprint(f"{name}:train")
    (tmp_path / "own.sh").write_text("echo 2")
    assert len({before, first, source_fingerprint(f"{name}:train")}) == 3
    assert [path.name for path in source_files(f"{name}:train")] == [f"{name}.py", "own.sh"]
