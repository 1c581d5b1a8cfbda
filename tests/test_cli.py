"""The command as a person or a script meets it."""

import errno
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pandas as pd
import pytest

from evenkeel.search_spaces import SPACES
from evenkeel.study.cli import COMMANDS, _parser, main
from evenkeel.study.errors import EXIT_BAD_INPUT, EXIT_FAULT, EXIT_OK, EXIT_STORAGE, UserError
from evenkeel.study.file.locations import Storage, TrackingUri
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.records.table import table_from_ledger
from evenkeel.study.tracking.experiment import MENU_SWITCH
from evenkeel.study.tracking.mlflow_table import table_from_mlflow


def evenkeel(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "evenkeel", *map(str, arguments)], capture_output=True, text=True, timeout=300, **options
    )


def test_help_names_every_command_without_heavy_imports(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert all(command in shown for command in COMMANDS)
    code = (
        "import sys\nfrom evenkeel.study.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
        "assert not {'torch', 'ray', 'mlflow', 'optuna', 'pandas', 'pydantic'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert ended.value.code == 0 and all(text in shown for text in COMMANDS[command])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "demmo"], "did you mean 'demo'"),
        (["plan", "demo", "--set", "seeds=0"], "must be a number of seeds"),
        (["plan", "demo", "--price", "-1"], "must be a price of one hour, 0 or more"),
        (["run", "demo", "--workers", "0"], "--workers 0: must be at least 1"),
        (["run", "demo", "--address", "ray://head:10001"], "--address ray://head:10001: the driver runs on a node of"),
        (["status", "demo", "--storage", "nowhere"], "no study here yet; start it with: evenkeel run demo"),
        (["report", "demo", "--storage", "nowhere"], "no study here yet"),
        (["ui", "demo", "--storage", "nowhere"], "no MLflow database yet"),
        (["report", "s3://bucket/a.yaml"], "s3://bucket/a.yaml: no such study file; study files are read from this"),
        (
            ["report", "demo", "--from-mlflow", "--tracking-uri", "http://a:b@127.0.0.1:9"],
            "--tracking-uri http://***127.0.0.1:9: does not answer",
        ),
        (["report", "demo", "--storage", "nowhere", "--from-mlflow"], "no MLflow database yet"),
        (["run", f"{'a' * 300}.yaml"], "File name too long; give leave there, or name another place"),
        (["losses", "rall"], "unknown loss 'rall'; did you mean 'ral'"),
        (["losses", "--plot", "x.html"], "--plot draws one loss: name it"),
        (["losses", "ral", "--plot", "no/x.html"], "--plot no/x.html: cannot be written"),
    ],
)
def test_mistakes_get_one_message_and_exit_code_2(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == EXIT_BAD_INPUT
    error = capsys.readouterr().err
    assert message in error and error.startswith("evenkeel: ") and "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["run", "status", "report", "ui"])
def test_an_address_that_nothing_opens_is_one_line(command, capsys):
    study = ["demo", "--storage"] if command == "run" else []
    assert main([command, *study, "nosuch://x"]) == EXIT_STORAGE
    assert "nosuch://x: no place for records (Protocol not known: nosuch)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "name", "said"),
    [(errno.EACCES, "/closed/x", True), (errno.EIO, "/x", False), (errno.EPERM, None, False)],
)
def test_a_path_that_is_closed_is_one_line_wherever_it_is_met(number, name, said, monkeypatch, capsys):
    """What else goes wrong in the system is no mistake of a user's."""

    def execute(options):
        raise OSError(number, "not this way", name)

    monkeypatch.setattr("evenkeel.study.commands.status.execute", execute)
    if said:
        assert main(["status", "demo"]) == EXIT_BAD_INPUT
        assert capsys.readouterr().err.startswith("evenkeel: /closed/x: not this way; give leave there")
    else:
        assert main(["status", "demo"]) == EXIT_FAULT
        assert "not this way" in capsys.readouterr().err


def test_a_database_that_may_not_be_read_is_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "mlflow.db").touch()
    monkeypatch.setattr("evenkeel.study.file.locations.os.access", lambda path, mode: False)
    assert main(["ui", "demo", "--storage", str(tmp_path)]) == EXIT_BAD_INPUT
    assert "mlflow.db: may not be read by this user" in capsys.readouterr().err


def test_presets_and_schema(capsys):
    assert main(["presets"]) == EXIT_OK
    assert {"demo", "corel5k"} <= {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert main(["presets", "--schema"]) == EXIT_OK
    assert json.loads(capsys.readouterr().out)["title"] == "StudyConfig"


def test_losses_are_listed_with_what_may_vary(capsys):
    assert main(["losses"]) == EXIT_OK
    shown = capsys.readouterr().out
    for name, space in SPACES.items():
        (listed,) = [block for block in re.split(r"\n(?=\S)", shown) if block.split("\n")[0] == name]
        assert len(listed.splitlines()) > 1
        for key, parameter in space.parameters.items():
            (line,) = [line for line in listed.splitlines() if line.startswith(f"    {key} ")]
            assert parameter.symbol in line and parameter.source in line
    assert main(["losses", "ral", "ce"]) == EXIT_OK
    assert [line for line in capsys.readouterr().out.splitlines() if line[:1].strip()] == ["ral", "ce"]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_piped_list_of_losses_is_whole_in_any_encoding(encoding):
    """What Windows does when output goes to a file: symbols that cp1252 lacks are replaced, lines are never folded."""
    command = [sys.executable, "-m", "evenkeel", "losses", "asl"]
    environment = os.environ | {"PYTHONIOENCODING": encoding, "COLUMNS": "40"}
    shown = subprocess.run(command, env=environment, check=True, capture_output=True).stdout.decode(encoding)
    (line,) = [line for line in shown.splitlines() if line.startswith("    gamma_neg ")]
    symbol = SPACES["asl"].parameters["gamma_neg"].symbol
    assert SPACES["asl"].parameters["gamma_neg"].source in line and len(line) < 200
    assert (symbol in line) == (encoding == "utf-8")


def test_a_narrow_terminal_folds_and_cuts_nothing(monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "70")
    assert main(["losses", "asl"]) == EXIT_OK
    shown = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert max(map(len, shown.splitlines())) <= 70
    words = set(shown.split())
    for key, parameter in SPACES["asl"].parameters.items():
        assert {key, *parameter.symbol.split(), *parameter.source.split()} <= words


@pytest.mark.parametrize("name", SPACES)
def test_every_loss_can_be_drawn(name, tmp_path, capsys):
    path = tmp_path / "loss.html"
    assert main(["losses", name, "--plot", str(path)]) == EXIT_OK
    text = path.read_text()
    figures = json.loads(re.search(r'id="figures">(.*?)</script>', text, re.S)[1])
    assert set(figures) == set(SPACES[name].parameters)
    for key, figure in figures.items():
        curves = {trace["legendgroup"] for trace in figure["data"]}
        assert len(figure["data"]) == 4 * len(curves) and len(curves) >= len(SPACES[name].parameters[key].levels(5))


def test_a_drawn_loss_has_the_losses_values(tmp_path):
    """The gradient of a BCE-like focal loss against p: the curve at gamma 0 is p itself."""
    main(["losses", "focal", "--plot", str(tmp_path / "focal.html")])
    figures = json.loads(re.search(r'id="figures">(.*?)</script>', (tmp_path / "focal.html").read_text(), re.S)[1])
    traces = [t for t in figures["gamma"]["data"] if t["legendgroup"] == "focal 0.0"]
    assert traces[3]["y"] == pytest.approx(traces[3]["x"], abs=1e-4)
    assert traces[2]["y"] == pytest.approx([p - 1 for p in traces[2]["x"]], abs=1e-4)


def test_plan_counts_what_run_runs_and_starts_nothing(tiny, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.rglob("*"))
    assert main(["plan", str(tiny)]) == EXIT_OK
    shown = capsys.readouterr().out
    images, counts = shown.split("\n\n")[1:3]
    assert images.startswith("images: squeezed to 32 x 32 (bilinear); mean 0.5 0.5 0.5")
    total = counts.splitlines()[-1].split()
    assert total == ["all", "26", "10", "8", "8", "52"]
    assert set(tmp_path.rglob("*")) == before


def test_plan_measures_a_pack(tiny, capsys):
    assert main(["plan", str(tiny), "--measure"]) == EXIT_OK
    assert "ms a trial on one worker" in capsys.readouterr().out


def test_plan_says_what_a_study_costs(tmp_path, capsys):
    """10,240 trials that sleep 50 ms on half a GPU, a pack of four measured."""
    (tmp_path / "s.yaml").write_text(
        "name: s\ndata: {name: digits-mlt}\ntrainable: {name: 'benchmarks.instant:Instant', trial_s: 0.05}\n"
        "losses: [{loss: ral, fixed: {focusing: full}}]\ndesigns: {sobol: {m: 10}}\nseeds: 10\n"
        "resources: {gpus: 0.5, device: cpu, pack_size: 4}\n"
    )
    assert main(["plan", str(tmp_path / "s.yaml"), "--price", "200"]) == EXIT_OK
    shown = capsys.readouterr().out
    (ms, hours, gpu_hours, cost) = map(float, re.search(
        r"(\d+) ms a trial.*that is ([\d.]+) worker-hours, ([\d.]+) GPU-hours\nat 200 a GPU-hour: ([\d.]+)", shown, re.S
    ).groups())  # fmt: skip
    assert ms >= 50 and hours == pytest.approx(ms / 1000 * 10_240 / 3600, rel=0.05)
    assert gpu_hours == pytest.approx(hours / 2, abs=0.01) and cost == pytest.approx(200 * gpu_hours, abs=1.01)


def test_run_status_report(tiny, tmp_path, capsys, monkeypatch):
    storage = ["--storage", str(tmp_path / "st")]
    small = ["--set", "designs.search=null", "--set", "designs.sweep=null"]
    assert main(["run", str(tiny), "--serial", *storage, *small]) == EXIT_OK
    shown = capsys.readouterr()
    assert "tiny: 10 done, 0 diverged, 0 failed (10 new)" in shown.out and "10 trials, 0 already" in shown.err
    assert main(["status", str(tiny), "--json", *storage]) == EXIT_OK
    status = json.loads(capsys.readouterr().out)
    assert status["total"] == {"done": 10, "diverged": 0, "failed": 0, "censored": 0, "missing": 0}
    assert main(["status", str(tiny), *storage]) == EXIT_OK
    assert capsys.readouterr().out.splitlines()[1].split() == ["bce", "2", "0", "0", "0", "0"]
    assert main(["report", str(tiny), *storage]) == EXIT_OK
    shown = capsys.readouterr()
    first = Path(shown.out.strip()).read_bytes()
    assert not shown.err and main(["report", str(tiny), *storage, "--set", "margin={f1: 0.03}"]) == EXIT_OK
    assert "tiny: margin is now f1 0.03; the page judges by f1 0.01, as at the last run" in capsys.readouterr().err
    assert main(["report", str(tiny), *storage, "--from-mlflow", "-o", str(tmp_path / "other.html")]) == EXIT_OK
    assert (tmp_path / "other.html").read_bytes() == first
    written, _ = tiny.read_text(), capsys.readouterr()
    tiny.unlink()
    read_from_its_folder(str(tmp_path / "st"), first, capsys)
    sweep = ["--set", "designs.search=null", "--set", "designs.sobol=null"]
    tiny.write_text(written)
    assert main(["run", str(tiny), "--serial", "--storage", str(tmp_path / "swept"), *sweep]) == EXIT_OK
    shown_in_a_notebook(tmp_path, monkeypatch)


def read_from_its_folder(folder, report, capsys):
    """Reading needs no study file, which may lie on another machine."""
    assert main(["status", folder, "--json"]) == EXIT_OK
    assert json.loads(capsys.readouterr().out)["total"]["done"] == 10
    for words in (["report", folder], ["report", f"file://{folder}", "--from-mlflow"]):
        assert main(words) == EXIT_OK
        assert Path(capsys.readouterr().out.strip()).read_bytes() == report
    assert main(["report", folder, "--set", "seeds=3"]) == EXIT_BAD_INPUT
    assert "--set seeds=3: " in capsys.readouterr().err
    assert main(["run", folder]) == EXIT_BAD_INPUT
    assert "neither a study file" in capsys.readouterr().err


def shown_in_a_notebook(folder, monkeypatch):
    """What docs/notebooks.md shows runs on any study; this one has no alpha1."""
    (folder / "studies").mkdir()
    (folder / "studies" / "demo").symlink_to(folder / "swept")
    monkeypatch.chdir(folder)
    page = (Path(__file__).parent.parent / "docs" / "notebooks.md").read_text()
    shown = "\n".join(re.findall(r"```python\n(.*?)```", page, flags=re.S)).replace("alpha1", "clip")
    names: dict = {}
    exec(shown, names)
    assert len(names["demo"].table) > 10 and len(names["demo"].verdicts)
    assert names["demo"].figure("clip").data
    with pytest.raises(UserError, match="figure 'dropout': unknown here; one of answer, ranking, overview"):
        names["demo"].figure("dropout")
    with pytest.raises(UserError, match="metric 'f2': unknown here; one of f1"):
        names["demo"].figure("clip", "f2")


def said_when_ready(path):
    """The lines of `evenkeel ui`, the last of which is the address of the page."""
    for _ in range(900):
        if "page, renewed" in (text := path.read_text()):
            return text.splitlines()
        time.sleep(0.1)
    return pytest.fail("no address of the page")


@pytest.mark.slow
def test_ui_serves_the_study_and_tracks_another_over_http(tiny, tmp_path):
    small = ["--serial", "--set", "designs.search=null", "--set", "designs.sweep=null"]
    assert evenkeel("run", tiny, *small, "--storage", tmp_path).returncode == EXIT_OK
    port = 20000 + os.getpid() % 20000
    said = tmp_path / "said.txt"
    server = subprocess.Popen(
        [sys.executable, "-m", "evenkeel", "ui", str(tiny), "--storage", str(tmp_path), "--port", str(port)],
        stdout=said.open("w"),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for _ in range(300):
            time.sleep(0.5)
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
                    assert answer.status == 200
                    break
            except OSError:
                continue
        else:
            pytest.fail("the UI did not start")
        uri, other = f"http://127.0.0.1:{port}", tmp_path / "other"
        first, *lines = said_when_ready(said)
        page = urllib.request.urlopen(lines[-1].rpartition(" ")[2], timeout=60)
        assert page.headers["Refresh"] is None and b"The answer" in page.read()  # nothing is missing, so it rests
        assert re.fullmatch(rf"{uri}/#/experiments/\d+\?workflowType=machine_learning", first)
        assert all(f": {uri}/#/experiments/" in line for line in lines[:5]) and MENU_SWITCH in lines
        tracked = evenkeel("run", tiny, *small, "--set", "name=other", "--storage", other, "--tracking-uri", uri)
        assert tracked.returncode == EXIT_OK, tracked.stderr
        pd.testing.assert_frame_equal(table_from_mlflow(uri, "other"), table_from_ledger(Ledger(str(other), "other")))
    finally:
        os.killpg(server.pid, 15)


def test_doctor_checks_everything(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("evenkeel.study.commands.doctor._ray", lambda: "checked elsewhere")
    assert main(["doctor"]) == EXIT_OK
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["python", "packages", "gpu", "data", "write", "mlflow", "ray"]
    assert all(line.startswith("ok") for line in lines)


@pytest.mark.slow
def test_doctor_measures_what_training_sets_share(capsys, monkeypatch, tmp_path, study):
    monkeypatch.chdir(tmp_path)
    for name, number in {"NUM_PARTS": 3, "NUM_BOOTSTRAPS": 2}.items():
        monkeypatch.setattr(f"evenkeel.study.commands.train_rows.{name}", number)
    for name in ("_ray", "_mlflow"):
        monkeypatch.setattr(f"evenkeel.study.commands.doctor.{name}", lambda: "checked elsewhere")
    assert main(["doctor", str(study), "--train-rows", "--set", "vary=[init]"]) == EXIT_BAD_INPUT
    assert "add train_rows to vary" in capsys.readouterr().err
    assert main(["doctor", str(study), "--train-rows"]) == EXIT_OK
    lines = capsys.readouterr().out.splitlines()[-5:]
    assert [line.split()[0] for line in lines] == ["of", "f1", "f1_tuned", "map", "mauc"]
    assert all(line.count("[") == 2 for line in lines[1:])
    assert main(["doctor", "--train-rows"]) == EXIT_BAD_INPUT


def test_doctor_says_what_is_wrong(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def broken():
        raise ConnectionError("no Ray today")

    for name in ("_packages", "_gpu", "_data", "_mlflow"):
        monkeypatch.setattr(f"evenkeel.study.commands.doctor.{name}", lambda: "fine")
    monkeypatch.setattr("evenkeel.study.commands.doctor._ray", broken)
    assert main(["doctor"]) == 1
    assert "NO  ray           no Ray today" in capsys.readouterr().out


def test_storage_may_be_anywhere(tmp_path, monkeypatch):
    from evenkeel.study.file.read import load_study

    monkeypatch.chdir(tmp_path)
    study = load_study("demo")
    assert Storage.resolve(study, None) == Storage(str(tmp_path / "studies" / "demo"))
    assert Storage.resolve(study, "s3://bucket/study").folder is None


@pytest.mark.parametrize("example", [example for _, example in COMMANDS.values()])
def test_examples_of_the_help_parse(example):
    assert _parser().parse_args(example.split()[1:])


@pytest.mark.long
def test_nothing_that_lies_about_is_run(tmp_path, tiny):
    """A module of a library's name in the working folder, or beside the study, shadows nothing."""
    for folder in (tmp_path, tiny.parent):
        for name in ("yaml", "rich", "mlflow", "json"):
            (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'was-run')!r}, 'w')")
    small = ["--set", "designs.search=null", "--set", "designs.sweep=null", "--storage", tmp_path / "st"]
    for words in (["plan"], ["run", "--serial"], ["status"], ["report"], ["report", "--from-mlflow"]):
        done = evenkeel(words[0], tiny, *words[1:], *small, cwd=tmp_path)
        assert done.returncode == EXIT_OK, done.stderr
    assert not (tmp_path / "was-run").exists()


def test_what_only_reads_a_study_runs_none_of_its_code(tmp_path, tiny):
    """A study file may name code of its own; `plan` and `run` need it, who reads what was recorded does not."""
    told, ran = tiny.with_name("told.yaml"), tmp_path / "was-run"
    space = "from evenkeel.search_spaces import Space\nSPACE = Space(parameters={})"
    (told.parent / "their_loss.py").write_text(f"{space}\nfrom tests.own_loss import Halved\nopen({str(ran)!r}, 'w')\n")
    told.write_text(f"extends: {tiny.name}\nlosses: [ral, {{loss: 'their_loss:Halved', label: halved}}]\n")
    where = ["--storage", tmp_path / "st"]
    assert evenkeel("run", tiny, "--serial", *where, "--set", "designs.search=null").returncode == EXIT_OK
    for words in (["status"], ["report"], ["report", "--from-mlflow"], ["ui", "--tracking-uri", "http://127.0.0.1:1"]):
        done = evenkeel(words[0], told, *words[1:], *where)
        assert done.returncode == EXIT_OK and not ran.exists(), done.stderr
    assert evenkeel("plan", told, *where).returncode == EXIT_OK and ran.exists()
    assert "runs code that the study names: their_loss:Halved" in evenkeel("run", told, "--serial", *where).stderr


def test_a_piped_table_is_not_cut(tmp_path, capsys):
    """One row is one line, however long its label."""
    label = "a_label_" * 12
    study = tmp_path / "long.yaml"
    study.write_text(f"extends: demo\nname: long\nlosses: [bce, {{loss: bce, label: {label}}}]\nseeds: 1\n")
    assert main(["plan", str(study), "--set", "designs.search=null"]) == EXIT_OK
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith(label)]
    assert len(line.split()) == 6


class TestPlaces:
    def of(self, option=None, **keys):
        from evenkeel.study.file.read import load_study

        study = load_study("demo", [f"{key}={value}" for key, value in keys.items()])
        return TrackingUri.resolve(study, Storage.resolve(study, "/data/st"), option)

    def test_our_own_database_lies_in_the_folder(self):
        uri = self.of()
        assert uri.database == Path("/data/st/mlflow.db") and uri.artifacts == "/data/st/artifacts" and not uri.key

    def test_the_right_key_is_blamed(self):
        assert self.of("http://a:1").blamed == "--tracking-uri http://a:1"
        assert self.of(tracking="http://a:1").blamed == "tracking http://a:1"
        assert self.of("http://b:1", tracking="http://a:1").blamed == "--tracking-uri http://b:1"

    def test_mlflows_variable_counts_where_the_study_names_none(self, monkeypatch):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ann:s3cret@c:1")
        assert self.of().blamed == "MLFLOW_TRACKING_URI http://***c:1"
        assert self.of("http://a:1").raw == "http://a:1" and self.of(tracking="http://b:1").raw == "http://b:1"

    @pytest.mark.parametrize(
        "secret",
        [
            "http://ann:s3cret@host:5000/path",
            "postgresql://ann:s3cret@host/db",
            "postgresql://ann:s3c/r@et@host/db",
            "postgresql://host/db?user=ann&password=s3cret",
            "https://s3cret@host",
        ],
    )
    def test_secrets_are_never_shown(self, secret):
        uri = self.of(secret)
        assert "host" in str(uri) and "host" in uri.blamed
        for shown in (str(uri), repr(uri), uri.blamed, uri.hide(f"cannot reach {secret}"), f"{uri}"):
            assert not any(part in shown for part in ("s3c", "et@", "ann:"))

    def test_links_lead_to_the_server_and_hold_no_secret(self):
        assert self.of("https://ann:s3c/r@et@host:5000/path/?token=s3cret").address == "https://host:5000/path"
        assert self.of("http://127.0.0.1:5000/").address == "http://127.0.0.1:5000"

    def test_a_database_elsewhere_is_made_absolute(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        uri = self.of("sqlite:///other.db")
        assert uri.database == tmp_path / "other.db" and uri.artifacts is None and uri.key

    def test_an_object_store_holds_no_database(self):
        from evenkeel.study.file.read import load_study

        study = load_study("demo")
        with pytest.raises(UserError, match="give --tracking-uri, or set MLFLOW_TRACKING_URI"):
            TrackingUri.resolve(study, Storage.resolve(study, "s3://bucket/st"), None)


def test_a_taken_port_is_one_message(tmp_path, capsys):
    import socket

    (tmp_path / "mlflow.db").touch()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["ui", "demo", "--storage", str(tmp_path), "--port", port]) == EXIT_BAD_INPUT
    assert f"--port {port}: cannot be used" in capsys.readouterr().err


def test_a_cache_that_cannot_be_written_is_one_line(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EVENKEEL_CACHE", "/proc/none/here")
    assert main(["run", str(tiny), "--storage", str(tmp_path / "storage"), "--serial"]) == EXIT_STORAGE
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "cannot be written" in line]
    assert line.startswith("evenkeel: the cache /proc/none/here (EVENKEEL_CACHE): cannot be written (No such file")


@pytest.mark.long
def test_the_preset_of_gradient_norms_ends_on_the_page(tmp_path):
    """lm-clip-fig2 with a smaller pre-training and one loss: its file lies beside the record, the page draws it."""
    smaller = ["trainable.model.pretraining.num_pairs=64", "trainable.model.pretraining.epochs=1", "losses=[bal]"]
    ran = evenkeel("run", "lm-clip-fig2", "--serial", "--storage", tmp_path, *(f"--set={change}" for change in smaller))
    assert ran.returncode == EXIT_OK, ran.stderr
    (kept,) = (tmp_path / "trials").glob("*.files/gradients.npz")
    assert evenkeel("report", "lm-clip-fig2", "--storage", tmp_path).returncode == EXIT_OK
    page = (tmp_path / "report.html").read_text()
    assert 'id="gradients"' in page and "bal: positives of tail classes pull" in page and kept.stat().st_size < 5000
