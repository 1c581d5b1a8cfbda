"""What a person sees while a study runs: a live line on a terminal, plain lines elsewhere. All on standard error."""

import sys
import time
from collections import Counter
from dataclasses import dataclass

from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.progress import Progress as ProgressBar
from rich.text import Text

from evenkeel.study.plain_text import visible_lines
from evenkeel.study.terminal import PlainConsole
from evenkeel.trainables.result import State

PLAIN_EVERY_S = 10.0


@dataclass(frozen=True)
class Progress:
    """How far a run is: trials in all, recorded ones, those of them that are new, and the seconds they took."""

    total: int
    recorded: int
    num_new: int
    elapsed_s: float

    @property
    def rate(self) -> str:
        """`1,240 trials/min, 0:42 left` (or hours before); empty until something was measured."""
        if not self.num_new or self.elapsed_s <= 0:
            return ""
        per_s = self.num_new / self.elapsed_s
        minutes, seconds = divmod(round(max(0, self.total - self.recorded) / per_s), 60)
        hours, minutes_left = divmod(minutes, 60)
        rate = f"{60 * per_s:,.0f}" if per_s > 0.1 else f"{60 * per_s:.2g}"
        return f"{rate} trials/min, {f'{hours}:{minutes_left:02d}' if hours else minutes}:{seconds:02d} left"


class _Rate(ProgressColumn):
    """Trials per minute and time left, from this run's own trials."""

    def render(self, task: Task) -> Text:
        total, recorded = round(task.total or 0), round(task.completed)
        return Text(Progress(total, recorded, task.fields["new"], task.elapsed or 0.0).rate)


def format_states(states: Counter[State]) -> str:
    """`1,200 done, 3 diverged, 0 failed`."""
    return ", ".join(f"{states[state]:,} {state}" for state in ("done", "diverged", "failed"))


class LiveDisplay:
    """A progress bar with the counts of every state."""

    def __init__(self) -> None:
        self.console = PlainConsole(stderr=True)
        self.bar = ProgressBar(
            SpinnerColumn(),
            BarColumn(bar_width=30),
            TextColumn("{task.completed:,}/{task.total:,}"),
            TextColumn("{task.fields[states]}"),
            _Rate(),
            console=self.console,
            transient=True,
        )

    def say(self, text: str) -> None:
        """A line above the bar."""
        self.console.print(text, soft_wrap=True)

    def begin(self, total: int, states: Counter[State]) -> None:
        """Show the bar: so many trials in all, those of `states` are recorded."""
        if self.bar.task_ids:
            self.bar.update(self.bar.task_ids[0], total=total)
            return
        self.task = self.bar.add_task("", total=total, completed=states.total(), new=0, states=format_states(states))
        self.bar.start()

    def update(self, states: Counter[State], num_new: int) -> None:
        """Move the bar to what is recorded."""
        self.bar.update(self.task, completed=states.total(), new=num_new, states=format_states(states))

    def end(self) -> None:
        """Take the bar away."""
        self.bar.stop()


class PlainDisplay:
    """One line every ten seconds."""

    def __init__(self) -> None:
        self.states: Counter[State] = Counter()
        self.total = self.num_new = 0
        self.started = self.last = time.monotonic()

    def say(self, text: str) -> None:
        """A line."""
        sys.stderr.write(f"{visible_lines(text)}\n")
        sys.stderr.flush()

    def begin(self, total: int, states: Counter[State]) -> None:
        """Say how many trials there are, and how many are recorded."""
        self.total = total
        if not self.num_new:
            self.started = self.last = time.monotonic()
        self.say(f"{total:,} trials, {states.total():,} already recorded")

    def update(self, states: Counter[State], num_new: int) -> None:
        """Remember what is recorded, and say it now and then."""
        self.states, self.num_new = states, num_new
        if time.monotonic() - self.last >= PLAIN_EVERY_S:
            self.last = time.monotonic()
            self._say_progress()

    def end(self) -> None:
        """Say what is recorded, if it is more than before."""
        if self.num_new:
            self._say_progress()

    def _say_progress(self) -> None:
        recorded = self.states.total()
        rate = Progress(self.total, recorded, self.num_new, time.monotonic() - self.started).rate
        self.say(f"{recorded:,}/{self.total:,} trials: {format_states(self.states)}; {rate}")


def make_display() -> LiveDisplay | PlainDisplay:
    """Live on a terminal, plain lines elsewhere."""
    return LiveDisplay() if sys.stderr.isatty() else PlainDisplay()
