"""Who may import whom, and where each heavy library lives."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.house import crossings, own, subscripts
from evenkeel.trainables import TRAINABLES
from evenkeel.trainables.data import DATA_SETS

ROOT = Path(__file__).parent.parent
PACKAGES = ("study", "trainables", "search_spaces", "reports")
MAY_IMPORT = {"study": set(PACKAGES), "trainables": set(), "search_spaces": set(), "reports": set()}
HOMES = {
    "torch": ["trainables/"],
    "timm": ["trainables/models/"],
    "open_clip": ["trainables/models/"],
    "torchvision": ["trainables/models/"],
    "optuna": ["search_spaces/optuna_", "study/exchange/"],
    "ray": ["study/run/ray_nodes.py", "study/run/ray_runner.py", "study/run/tune_classes.py", "study/run/ray_jobs.py"],
    "mlflow": ["study/tracking/"],
    "plotly": ["reports/"],
    "wandb": ["study/exchange/wandb_folder.py"],
}
REPORTS_NEED_ONLY = {"numpy", "scipy", "pandas", "plotly", "jinja2"}


def modules() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(own(node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_packages_import_only_what_they_may(path: Path):
    package = path.relative_to(ROOT).parts[0]
    assert imports(path) & set(PACKAGES) <= MAY_IMPORT[package] | {package}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_libraries_are_imported_in_one_place(path: Path):
    name = str(path.relative_to(ROOT))
    for library in imports(path) & set(HOMES):
        assert any(name.startswith(home) for home in HOMES[library]), f"{name} imports {library}"


def test_reports_need_only_five_libraries():
    used = {name for path in modules() if path.is_relative_to(ROOT / "reports") for name in imports(path)}
    assert used - set(sys.stdlib_module_names) - {"reports"} <= REPORTS_NEED_ONLY


def test_only_evenkeel_is_installed():
    """Links lead from evenkeel/ to the folders at the top; an import without evenkeel makes a second copy."""
    assert {path.name for path in (ROOT / "evenkeel").iterdir() if path.is_symlink()} == set(PACKAGES)
    for path in [*modules(), *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not {name.split(".")[0] for name in names} & set(PACKAGES), f"{path}: import evenkeel.{names[0]}"


@pytest.mark.parametrize(
    "module",
    ["evenkeel.study.cli", "evenkeel.study.file.study", "evenkeel", "evenkeel.trainables", "evenkeel.search_spaces"],
)
def test_light_modules_stay_light(module: str):
    code = f"import sys, {module}; print(sorted({{'torch', 'ray', 'mlflow', 'plotly'}} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_trainables_run_without_ray_and_mlflow():
    code = (
        "import sys; sys.modules.update(ray=None, mlflow=None, optuna=None)\n"
        "import evenkeel.trainables.probe.train, evenkeel.trainables.probe.features, evenkeel.trainables.models.build"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_module_outgrows_its_idea():
    long = {str(p.relative_to(ROOT)): n for p in modules() if (n := len(p.read_text().splitlines())) > 400}
    assert not long


ROOMS = {
    "study.errors": set(),
    "study.standard_streams": {"study.errors"},
    "study.fault": {"study.errors"},
    "study.background": set(),
    "study.plain_text": set(),
    "study.terminal": {"study.plain_text"},
    "study.file": {"study.errors", "study.plain_text"},
    "study.plan": {"study.errors", "study.file"},
    "study.records": {"study.errors", "study.plain_text", "study.file"},
    "study.tracking": {"study.errors", "study.background", "study.file", "study.records"},
    "study.run": {"study.errors", "study.background", "study.plain_text", "study.terminal", "study.file", "study.plan",
                  "study.records", "study.tracking"},
    "study.exchange": {"study.errors", "study.file", "study.tracking"},
    "study.recorded_study": {"study.errors", "study.file", "study.records"},
    "study.process_setup": {"study.errors"},
    "study.interactive": {"study.errors", "study.file", "study.plan", "study.run", "study.process_setup",
                          "study.recorded_study"},
    "study.commands": {"study.errors", "study.plain_text", "study.terminal", "study.file", "study.plan",
                       "study.records", "study.tracking", "study.run", "study.exchange"},
    "study.completion": set(),
    "study.cli": {"study.errors", "study.plain_text", "study.run", "study.process_setup", "study.completion",
                  "study.fault", "study.standard_streams"},
}  # fmt: skip
"""Which rooms of `study` a room may import: the graph as it is, from below to above; a module beside them is one."""
ROOTS = ("study", "reports")
"""Packages whose rooms look one way."""
MAX_FAN_OUT = 15
"""Modules of ours that the engine may import: four steps, and what they hand over."""


ROOMS_OF_REPORTS = {
    "reports": set(),
    "reports.statistics": {"reports"},
    "reports.text": {"reports", "reports.statistics"},
    "reports.table": {"reports", "reports.statistics"},
    "reports.verdict": {"reports", "reports.statistics", "reports.text", "reports.table"},
    "reports.figures": {"reports", "reports.statistics", "reports.text"},
    "reports.papers": {"reports", "reports.statistics", "reports.text", "reports.table", "reports.figures"},
}
ROOMS_OF_REPORTS["reports.sections"] = {*ROOMS_OF_REPORTS}
ROOMS_OF_REPORTS["reports.page"] = {*ROOMS_OF_REPORTS}
"""Which rooms of `reports` a room may import: statistics <- table <- verdict, figures <- papers, sections <- page."""


def test_rooms_of_reports_look_one_way():
    for source, target in crossings():
        if source in ROOMS_OF_REPORTS and target.startswith("reports"):
            assert target in ROOMS_OF_REPORTS[source], f"{source} imports {target}"


def room_of(module: str) -> str:
    """The room of a module: `study.run` of `study.run.engine`, `study.errors` of itself."""
    return ".".join(module.split(".")[:2])


def imported_anywhere(path: Path) -> set[str]:
    """Modules of ours that a module imports, at its top, inside functions, or for types."""
    names = {name_of(other) for other in modules()}
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            module = own(node.module or "")
            found |= {f"{module}.{a.name}" if f"{module}.{a.name}" in names else module for a in node.names} & names
    return found


def rooms(package: str) -> dict[str, set[str]]:
    """Which other rooms of a package each room imports."""
    found: dict[str, set[str]] = {}
    for path in modules():
        if path.is_relative_to(ROOT / package):
            room = room_of(name_of(path))
            targets = {room_of(module) for module in imported_anywhere(path) if module.startswith(f"{package}.")}
            found.setdefault(room, set()).update(targets - {room})
    return found


def test_the_rooms_of_study_are_those_that_are_drawn():
    graph = {room: targets for room, targets in rooms("study").items() if room not in ("study", "study.presets")}
    assert graph == ROOMS


@pytest.mark.parametrize("package", ROOTS)
def test_no_two_rooms_import_each_other(package: str):
    graph = rooms(package)
    both = {tuple(sorted((room, other))) for room, targets in graph.items() for other in targets & graph.keys()
            if room in graph[other]}  # fmt: skip
    assert not both


def test_the_engine_knows_its_steps_and_little_else():
    fan_out = imported_anywhere(ROOT / "study" / "run" / "engine.py")
    assert len(fan_out) <= MAX_FAN_OUT, sorted(fan_out)


TABLE_CHAIN = (
    "settings",
    "rows",
    "row_values",
    "merging",
    "joining",
    "sentences",
    "splitting",
    "class_lists",
    "listing",
    "reading",
    "overview",
    "data_set",
)
"""The modules of `trainables.data.csv` that put a data set together: each may import those before it."""


@pytest.mark.parametrize(("number", "module"), list(enumerate(TABLE_CHAIN)))
def test_the_reading_of_tables_is_a_one_way_chain(number: int, module: str):
    room = "trainables.data.csv"
    tree = ast.parse((ROOT / room.replace(".", "/") / f"{module}.py").read_text())
    names = {own(node.module or "") for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    inside = {name.removeprefix(f"{room}.") for name in names if name.startswith(room)}
    assert inside & set(TABLE_CHAIN) <= set(TABLE_CHAIN[:number])


@pytest.mark.parametrize("path", sorted((ROOT / "trainables/data/csv").glob("*.py")), ids=lambda path: path.stem)
def test_what_the_chain_stands_on_does_not_know_it(path: Path):
    if path.stem not in (*TABLE_CHAIN, "__init__"):
        assert not imported(path) & {f"trainables.data.csv.{name}" for name in TABLE_CHAIN}


def test_no_module_imports_itself_by_way_of_others():
    graph = {name_of(path): imported(path) for path in modules()}
    cyclic, finished = [], set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            cyclic.append(" -> ".join((*above[above.index(name) :], name)))
        elif name not in finished:
            for other in graph.get(name, ()):
                visit(other, (*above, name))
            finished.add(name)

    for name in graph:
        visit(name, ())
    assert not cyclic


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(path: Path) -> set[str]:
    """Modules of ours that a module imports as it is imported; those inside functions and for types do not count."""
    names = {name_of(other) for other in modules()}
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            module = own(node.module or "")
            found |= {f"{module}.{a.name}" if f"{module}.{a.name}" in names else module for a in node.names} & names
    return found


def test_a_trainable_imports_no_other():
    homes = {own(kind.__module__).split(".")[1] for kind in TRAINABLES.values()}
    for path in modules():
        parts = name_of(path).split(".")
        if parts[0] == "trainables" and len(parts) > 2 and parts[1] in homes:
            others = {other.split(".")[1] for other in imported(path) if other.startswith("trainables.")}
            assert not others & (homes - {parts[1]}), f"{path} imports another trainable"


def test_settings_import_no_torch():
    names = [name_of(path) for path in modules() if path.name == "settings.py"]
    code = f"import sys, {', '.join(f'evenkeel.{name}' for name in names)}; print('torch' in sys.modules)"
    assert len(names) > 3 and subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


@pytest.mark.parametrize("package", ["study", "reports"])
def test_nobody_above_names_a_member(package: str):
    """`study` and `reports` work with any trainable and data set: they know none by name."""
    members = {*TRAINABLES, *DATA_SETS} | {kind.__name__ for kind in (*TRAINABLES.values(), *DATA_SETS.values())}
    members -= {"csv"}  # the format that `export` writes is called as the data set is
    for path in modules():
        if path.is_relative_to(ROOT / package):
            tree = ast.parse(path.read_text())
            texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
            names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            assert not (texts | names) & members, f"{path} names {(texts | names) & members}"


def test_little_crosses_the_walls_untyped():
    """Keys of untyped dictionaries, in a thousand lines; 43.6 before the rooms were built."""
    texts = [path.read_text() for path in modules()]
    keys = sum(subscripts(ast.parse(text)) for text in texts)
    assert 1000 * keys / sum(len(text.splitlines()) for text in texts) <= 15


def rooms_of_trainables() -> dict[str, set[str]]:
    """Which rooms of `trainables` each imports, anywhere in a file: a folder is a room, and so is a module beside."""
    graph: dict[str, set[str]] = {}
    for path in modules():
        names = name_of(path).split(".")
        if names[0] != "trainables":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and own(node.module or "").split(".")[0] == "trainables":
                target = own(node.module or "").split(".")
                graph.setdefault(".".join(names[:2]), set()).add(".".join(target[:2]))
    return graph


def test_no_two_rooms_of_trainables_import_each_other():
    graph = rooms_of_trainables()
    pairs = {tuple(sorted((room, other))) for room, targets in graph.items() for other in targets if other != room}
    assert not [(one, two) for one, two in pairs if two in graph.get(one, set()) and one in graph.get(two, set())]


def test_losses_and_data_know_nothing_of_those_who_train():
    graph = rooms_of_trainables()
    assert graph["trainables.losses"] == {"trainables.losses"}
    assert not graph["trainables.data"] & {f"trainables.{room}" for room in ("measures", "models", "loop", "fused")}
    assert graph["trainables.fused"] <= {f"trainables.{room}" for room in ("fused", "losses", "cache")}
