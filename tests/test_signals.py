"""What a signal means: once, twice, and twice at the same moment."""

import os
import signal
import time

import pytest

from evenkeel.study.run.signals import SAME_SIGNAL_S, Signals


def test_two_signals_stop_at_once_but_one_that_comes_twice_is_one():
    """A job server signals every process of a job, and the parent passes its own on."""
    said, stops = [], []
    with Signals(said.append) as signals, signals.stopping(lambda: stops.append(1)):
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGHUP):
            os.kill(os.getpid(), number)
        time.sleep(0.01)
        assert stops == [1] and len(said) == 1 and said[0].startswith("SIG")
        time.sleep(1.5 * SAME_SIGNAL_S)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)
    assert stops == [1]
