"""Who may import whom, and where each heavy library lives."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("study", "trainables", "search_spaces", "reports")
MAY_IMPORT = {"study": set(PACKAGES), "trainables": set(), "search_spaces": set(), "reports": set()}
HOMES = {
    "torch": ["trainables/"],
    "timm": ["trainables/models/"],
    "open_clip": ["trainables/models/"],
    "torchvision": ["trainables/models/"],
    "optuna": ["search_spaces/optuna_search.py", "study/plan/search.py"],
    "ray": ["study/run/cluster.py"],
    "mlflow": ["study/tracking/"],
    "plotly": ["reports/"],
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
            found.add((node.module or "").split(".")[0])
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


def test_only_the_four_packages_are_installed():
    import tomllib

    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert {name.split(".")[0] for name in listed} == set(PACKAGES)
    found = {str(p.parent.relative_to(ROOT)).replace("/", ".") for p in modules() if p.name == "__init__.py"}
    assert set(listed) == found


@pytest.mark.parametrize("module", ["study.cli", "study.file.study", "trainables", "search_spaces"])
def test_light_modules_stay_light(module: str):
    code = f"import sys, {module}; print(sorted({{'torch', 'ray', 'mlflow', 'plotly'}} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_trainables_run_without_ray_and_mlflow():
    code = (
        "import sys; sys.modules.update(ray=None, mlflow=None, optuna=None)\n"
        "import trainables.probe.train, trainables.probe.features, trainables.models.build"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_module_outgrows_its_idea():
    long = {str(p.relative_to(ROOT)): n for p in modules() if (n := len(p.read_text().splitlines())) > 400}
    assert not long
