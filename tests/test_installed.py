"""What a wheel and a source distribution hold, and that they work beside a user's files of our folders' names."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from evenkeel.study.errors import EXIT_BAD_INPUT
from evenkeel.study.run.ray_jobs import _copy_code

ROOT = Path(__file__).parent.parent
PACKAGES = ("reports", "search_spaces", "study", "trainables")
CACHES = shutil.ignore_patterns("__pycache__")
OUTSIDE = "LICENSE MANIFEST.in PKG-INFO README.md evenkeel.egg-info pyproject.toml setup.cfg"
"""What a source distribution holds besides the package."""
STUDY = """
extends: demo
name: small
trainable: {epochs: 1, backbone: {warm_start: null}}
losses: [bce]
designs: {sweep: {levels: 2}, sobol: null, search: null}
seeds: 1
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """What deploy/Dockerfile copies, links as links, as Docker does; tests lie there too."""
    folder = tmp_path_factory.mktemp("checkout") / "evenkeel"
    folder.mkdir()
    lines = re.findall(r"^COPY (.*) (\S+)$", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE)
    for names, target in [*lines, ("tests", "tests")]:
        for name in names.split():
            if (ROOT / name).is_dir():
                shutil.copytree(
                    ROOT / name, folder / target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
                )
            else:
                shutil.copy(ROOT / name, folder / target)
    return folder


def built(source: Path, folder: Path, kind: str) -> Path:
    """The wheel or sdist of `source`, made by the build backend that pyproject.toml names, without a network."""
    code = f"import sys; from setuptools.build_meta import build_{kind}; build_{kind}(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(folder)], cwd=source, check=True, capture_output=True)
    (path,) = folder.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return path


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory) -> Path:
    return built(checkout, tmp_path_factory.mktemp("wheel"), "wheel")


@pytest.fixture(scope="module")
def sdist(checkout, tmp_path_factory) -> Path:
    return built(checkout, tmp_path_factory.mktemp("sdist"), "sdist")


def needed() -> set[str]:
    """Every file of the packages, as an installed name: modules, presets, page, schema, kernel."""
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()]
    own = {"__init__.py", "__main__.py", "py.typed"}
    return {f"evenkeel/{name}" for name in own} | {
        f"evenkeel/{path.relative_to(ROOT).as_posix()}" for path in files if "__pycache__" not in path.parts
    }


def wheel_files(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as file:
        return {name for name in file.namelist() if ".dist-info/" not in name}


def test_a_wheel_holds_evenkeel_whole_and_nothing_else(wheel):
    assert wheel_files(wheel) == needed()
    endings = {Path(name).suffix for name in needed()}
    assert {".py", ".yaml", ".html", ".css", ".js", ".json", ".c", ".typed"} <= endings


def test_a_source_distribution_holds_real_files_and_no_tests(sdist):
    with tarfile.open(sdist) as file:
        members = file.getmembers()
    names = {member.name.partition("/")[2] for member in members if member.isfile()}
    assert needed() <= names and not any(member.issym() or member.islnk() for member in members)
    outside = {name.partition("/")[0] for name in names - needed()}
    assert outside == set(OUTSIDE.split())


def test_a_wheel_made_from_the_source_distribution_is_the_same(wheel, sdist, tmp_path):
    with tarfile.open(sdist) as file:
        file.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    (tmp_path / "wheel").mkdir()
    assert wheel_files(built(source, tmp_path / "wheel", "wheel")) == wheel_files(wheel)


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory) -> Path:
    """A fresh environment with the wheel and a foreign package `reports`; its dependencies are those of this one."""
    folder = tmp_path_factory.mktemp("environment") / "env"
    venv.create(folder, with_pip=False)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    command = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"]
    subprocess.run([*command, "--no-deps", "--no-index", "--ignore-installed", str(wheel)], check=True)
    (site / "reports").mkdir()
    (site / "reports" / "__init__.py").write_text("raise RuntimeError('the reports package of somebody else')\n")
    return folder


@pytest.fixture
def folder(tmp_path) -> Path:
    """A user's folder, whose files bear the names of our folders."""
    for name in PACKAGES:
        (tmp_path / f"{name}.py").write_text(f"raise RuntimeError('a {name}.py of the user')\n")
    (tmp_path / "small.yaml").write_text(STUDY)
    return tmp_path


def clean() -> dict[str, str]:
    """This process's environment without what leads to this checkout."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


@pytest.mark.slow
def test_the_installed_command_runs_a_study_beside_files_of_our_folders_names(environment, folder):
    for arguments in (["run", "small.yaml", "--serial"], ["report", "small.yaml"]):
        command = [environment / "bin" / "evenkeel", *arguments]
        done = subprocess.run(command, cwd=folder, env=clean(), capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    assert (folder / "studies" / "small" / "report.html").is_file()


@pytest.mark.slow
def test_import_evenkeel_works_beside_files_of_our_folders_names(environment, folder):
    (folder / "notebook.py").write_text("import evenkeel as ek; print(ek.__file__, ek.Float, ek.open)")
    command = [environment / "bin" / "python", "notebook.py"]
    text = subprocess.check_output(command, cwd=folder, env=clean(), text=True)
    assert text.startswith(str(environment)) and "evenkeel.search_spaces.space.Float" in text


def test_importing_evenkeel_imports_no_library():
    """What takes time is other people's packages; Python's own take a few milliseconds."""
    code = "import sys; before = {*sys.modules}; import evenkeel; print(*({*sys.modules} - before))"
    new = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    names = {name.partition(".")[0] for name in new}
    assert names - set(sys.stdlib_module_names) == {"evenkeel"}


def test_every_public_name_is_there_and_others_are_refused():
    import evenkeel

    assert set(evenkeel.__all__) == set(evenkeel.MODULES) and {*evenkeel.__all__, "__version__"} == set(dir(evenkeel))
    assert all(getattr(evenkeel, name) for name in evenkeel.__all__)
    with pytest.raises(AttributeError, match="evenkeel has no 'Flaot'; it has "):
        evenkeel.Flaot  # noqa: B018


@pytest.mark.parametrize("place", ["installed", "at the top of a checkout"])
@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("from search_spaces import Float, Space", "search_spaces"),
        ("import study", "study"),
        ("from trainables.losses import LOSSES", "trainables"),
    ],
)
def test_a_loss_of_0_2_0_is_told_the_new_import(tmp_path, statement, name, place):
    """In a process of its own: at the top of a checkout the import works, and leaves a second copy behind."""
    (tmp_path / "former.py").write_text(f"{statement}\n")
    (tmp_path / "old.yaml").write_text("extends: demo\nname: old\nlosses: ['former:MyLoss']\n")
    path = f"[p for p in sys.path if p not in ('', {str(ROOT)!r})] + {[str(ROOT)] if place != 'installed' else []}"
    code = f"import sys, evenkeel.study.cli as cli; sys.path = {path}; sys.exit(cli.main(['plan', 'old.yaml']))"
    command = [sys.executable, "-c", code]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == EXIT_BAD_INPUT and "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "former" in line]
    assert f"since 0.3.0 it is: from evenkeel.{name}" in line


def test_a_job_takes_no_source_of_evenkeel_along(checkout, tmp_path, monkeypatch):
    """A study file may lie at the top of a checkout; on the cluster's head, ours would shadow what is installed."""
    (checkout / "my_losses.py").write_text("")
    own = {(checkout / name).resolve() for name in (*PACKAGES, "evenkeel")}
    monkeypatch.setattr("evenkeel.study.run.ray_jobs.OWN_SOURCE", own)
    _copy_code(checkout, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["my_losses.py"]
