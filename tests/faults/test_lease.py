"""One run at a time, on a local folder, in memory and on an S3 server: never two, and nobody waits for the dead."""

import os
import threading
import time
from dataclasses import replace

import psutil
import pytest

from evenkeel.study.errors import UserError
from evenkeel.study.run.lease import WHOLE_STUDY, Holder, Lease, _content, _path, place


@pytest.fixture
def folder(any_folder):
    return any_folder


def lease(folder, on_lost=lambda: None, elsewhere=False):
    """With beats every 0.1 s, stale after 1.5 s; `elsewhere`: as if from another machine."""
    made = Lease(folder, on_lost, beat_s=0.1, stale_s=1.5)
    if elsewhere:
        made.me = replace(made.me, place="another machine", host="other", pid=1)
    return made


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_second_run_is_refused_while_the_first_lives(folder, elsewhere):
    with (
        lease(folder, elsewhere=elsewhere).hold(),
        pytest.raises(UserError, match="another run of this study is going on"),
        lease(folder).hold(),
    ):
        raise AssertionError("two runs at once")


def test_a_clock_that_jumps_declares_nobody_dead(folder, monkeypatch):
    """A process's start, as the system tells it by date, moves with the clock."""
    honest = psutil.Process.create_time
    with lease(folder).hold():
        monkeypatch.setattr(psutil.Process, "create_time", lambda process: honest(process) + 86_400)
        with pytest.raises(UserError, match="another run"), lease(folder).hold():
            raise AssertionError("two runs at once")


def test_a_released_lease_is_free_at_once(folder):
    for _ in range(3):
        started = time.monotonic()
        with lease(folder).hold():
            assert time.monotonic() - started < 1.5
    assert len(folder.names("lease", ".json")) <= 2


def silent(folder, where):
    """A lease whose holder never gave it back."""
    folder.fs.makedirs(folder.path_of("lease"), exist_ok=True)
    folder.write_new(_path(WHOLE_STUDY, 1), _content(Holder("r", where, 2**22 + 1, psutil.boot_time(), "host", beat=7)))


def test_a_killed_run_of_this_machine_is_not_waited_for(folder):
    silent(folder, place())
    started = time.monotonic()
    with lease(folder).hold():
        assert time.monotonic() - started < 1


def test_a_silent_run_of_another_machine_is_taken_over_when_stale(folder):
    silent(folder, "elsewhere")
    started = time.monotonic()
    with lease(folder).hold():
        assert 1.5 <= time.monotonic() - started < 8


def test_of_many_that_want_a_stale_lease_one_gets_it(folder):
    silent(folder, "elsewhere")
    held, refused, over = [], [], threading.Event()

    def want():
        try:
            with lease(folder, elsewhere=True).hold():
                held.append(1)
                over.wait(10)
        except UserError:
            refused.append(1)

    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 20
    while len(held) + len(refused) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    over.set()
    for thread in threads:
        thread.join()
    assert (len(held), len(refused)) == (1, 3)


def test_a_run_that_was_taken_over_hears_of_it(folder):
    lost = threading.Event()
    with lease(folder, lost.set).hold():
        folder.write_new(_path(WHOLE_STUDY, 2), b"{}")
        assert lost.wait(5)


@pytest.mark.skipif(os.name != "posix", reason="needs process numbers")
def test_a_file_that_is_no_lease_is_taken_over(folder):
    folder.fs.makedirs(folder.path_of("lease"), exist_ok=True)
    folder.write_new(_path(WHOLE_STUDY, 1), b"")
    with lease(folder).hold():
        assert folder.names("lease", ".json")[-1] == _path(WHOLE_STUDY, 2)
