"""A long silence is explained: which packs are at work, for how long, and what is left."""

import os
import time
from dataclasses import replace

from benchmarks.servers import wait_for
from evenkeel.study.run.display import Progress
from evenkeel.study.run.host_status import HostStatus, mark_pack_running, read_host_status
from evenkeel.study.run.node_monitor import NodeMonitor
from evenkeel.study.run.pack import Pack, PackReport
from evenkeel.study.run.progress_lines import ProgressLines, describe_packs
from evenkeel.study.run.worker import run_pack
from evenkeel.study.run.worker_context import WorkerContext
from evenkeel.trainables.progress import progress
from tests.test_pack_queue import make, planner, score  # noqa: F401
from tests.test_probe import trial


def pack(number, **sizes):
    labels = [label for label, num in sizes.items() for _ in range(num)]
    return Pack(number, [replace(trial(), label=label, seed=number) for label in labels])


def test_the_oldest_pack_is_first_and_many_are_counted():
    assert describe_packs({3: pack(3, a=2, b=1), 4: pack(4, b=5)}, {3: 100.0, 4: 160.4}, 3700.0, []) == (
        "2 packs at work: 2 a, 1 b, seed 3, for 1:00:00; 5 b, seed 4, for 0:59:00"
    )
    many = {number: pack(number, a=1) for number in range(11)}
    assert describe_packs(many, dict.fromkeys(many, 0.0), 0.0, []).endswith("; 3 more")


def test_of_several_hosts_the_one_is_named_and_of_one_none():
    flying, since = {3: pack(3, a=2), 4: pack(4, b=5)}, {3: 0.0, 4: 0.0}
    both = describe_packs(flying, since, 60.0, [HostStatus("left", [4]), HostStatus("right", [3])])
    assert both == "2 packs at work: 2 a, seed 3, on right, for 0:01:00; 5 b, seed 4, on left, for 0:01:00"
    assert " on " not in describe_packs(flying, since, 60.0, [HostStatus("left", [3, 4])])


def test_packs_that_no_node_has_are_not_at_work():
    """Their nodes died, and they wait for another."""
    flying, since = {3: pack(3, a=2), 4: pack(4, b=5)}, {3: 0.0, 4: 0.0}
    assert describe_packs(flying, since, 60.0, [HostStatus("left", [4])]).startswith(
        "1 pack at work, 1 seen on no node: 2 a, seed"
    )
    assert describe_packs(flying, since, 60.0, [HostStatus("left")]).startswith("0 packs at work, 2 seen on no node: ")


def test_a_node_that_is_gone_is_said_once():
    seen, said = [{"1": "left", "2": "right"}, {"2": "right"}, {"2": "right", "3": "left"}, {"2": "right"}], []
    with NodeMonitor(lambda: seen.pop(0) if len(seen) > 1 else seen[0], said.append, poll_s=0.01):
        wait_for(lambda: len(said) == 2, 10)
        time.sleep(0.1)
    assert said == ["node gone: left; 1 remain; packs that ran there run again"] * 2


def test_a_host_knows_the_packs_of_a_study_and_forgets_the_dead(tmp_path):
    name = read_host_status(str(tmp_path), "here").name
    (tmp_path / f"pack-{name}-{2**22 + 1}.txt").write_text("here\n7")  # of a worker that was killed
    with mark_pack_running(tmp_path, "here", 3):
        assert (
            read_host_status(str(tmp_path), "here").packs == [3]
            and read_host_status(str(tmp_path), "elsewhere").packs == []
        )
    assert read_host_status(str(tmp_path), "here").packs == [] and not list(tmp_path.iterdir())


def test_a_worker_says_which_pack_it_runs(tmp_path, monkeypatch):
    seen = []

    def records(packed, context, worker, prepared):
        seen.append(read_host_status(context.cache, context.storage).packs)
        yield from ()

    monkeypatch.setattr("evenkeel.study.run.worker.prepare_worker", lambda context: (None, None))
    monkeypatch.setattr("evenkeel.study.run.worker._records", records)
    run_pack(pack(5, a=1), WorkerContext("tiny", str(tmp_path / "storage"), str(tmp_path), {}, {}))
    assert seen == [[5]] and read_host_status(str(tmp_path), str(tmp_path / "storage")).packs == []


def test_gpus_are_shown_as_their_driver_says(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '97, 12288, 81920'\necho '0, 512, 81920'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert read_host_status(str(tmp_path), "").gpus == ["GPU 0 97 %, 12.0 of 80 GiB", "GPU 1 0 %, 0.5 of 80 GiB"]


def test_what_a_killed_process_was_making_is_forgotten(tmp_path):
    with progress(tmp_path, "features", 90) as show:
        show(8)
        host = read_host_status(str(tmp_path), "").name
        killed = tmp_path / f"progress-{host}-{2**22 + 1}.txt"
        elsewhere = tmp_path / f"progress-another-{2**22 + 1}.txt"
        for file in (killed, elsewhere):
            file.write_text("features: 5 of 90")
        assert sorted(read_host_status(str(tmp_path), "").making) == ["features: 5 of 90", "features: 8 of 90"]
        os.utime(elsewhere, (0, 0))
        assert read_host_status(str(tmp_path), "").making == ["features: 8 of 90"] and not killed.exists()
    assert not list(tmp_path.glob("progress-*"))


def test_time_left_knows_hours_and_slow_trials():
    assert Progress(10, 2, 2, 60.0).rate == "2 trials/min, 4:00 left"
    assert Progress(31, 1, 1, 3600.0).rate == "0.017 trials/min, 30:00:00 left"
    assert Progress(6, 18, 18, 60.0).rate == "18 trials/min, 0:00 left"  # never less than nothing


def test_only_silence_is_spoken_of(make):  # noqa: F811
    queue, _ = make(planner())
    said = []
    with ProgressLines(
        queue,
        said.append,
        len(queue.planned) * 7,
        lambda: [HostStatus("a", [1], ["GPU 0 97 %"], ["features: 8 of 90"])],
        every_s=0.2,
    ):
        first = queue.next_pack()
        time.sleep(0.5)
        spoken = len(said)
        scores = {member.id: score(member) for member in first.trials}
        queue.finish(first.number, PackReport(dict.fromkeys(scores, "done"), scores))
    spoken, gpus = [text for text in said[:spoken] if "at work" in text], said[1]
    assert gpus == "  a: features: 8 of 90; GPU 0 97 %"
    assert (
        1 <= len(spoken) <= 3 and said[0].startswith("1 pack at work: ") and "seed" in said[0] and "left" not in said[0]
    )


def test_a_trial_that_reports_its_epochs_is_told_of(tmp_path):
    with mark_pack_running(tmp_path, "here", 3), progress(tmp_path, "mine, seed 3, epoch", 40) as done:
        done(12)
        assert read_host_status(str(tmp_path), "here").trials == ["mine, seed 3, epoch: 12 of 40"]
        assert read_host_status(str(tmp_path), "elsewhere").trials == []
    assert read_host_status(str(tmp_path), "here").trials == [] and not list(tmp_path.iterdir())


def test_a_pack_of_several_seeds_counts_them():
    trials = [replace(trial(), label="mine", seed=number) for number in (1, 2, 2)]
    assert describe_packs({1: Pack(1, trials)}, {1: 0.0}, 60.0, []) == "1 pack at work: 3 mine, 2 seeds, for 0:01:00"
