"""What a person sees while a study runs: a live line on a terminal, plain lines elsewhere. All on standard error."""

import sys
import time
from collections import Counter

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

PLAIN_EVERY_S = 10.0


class _Rate(ProgressColumn):
    """Trials per minute and time left, from this run's own trials."""

    def render(self, task: Task) -> Text:
        return Text(rate_text(task.fields["new"], task.elapsed or 0.0, (task.total or 0) - task.completed))


def rate_text(num_new: int, elapsed_s: float, remaining: float) -> str:
    """`1,240 trials/min, 0:42 left` (or hours before); empty until something was measured."""
    if not num_new or elapsed_s <= 0:
        return ""
    per_s = num_new / elapsed_s
    minutes, seconds = divmod(round(remaining / per_s), 60)
    hours, rest = divmod(minutes, 60)
    rate = f"{60 * per_s:,.0f}" if per_s > 0.1 else f"{60 * per_s:.2g}"
    return f"{rate} trials/min, {f'{hours}:{rest:02d}' if hours else minutes}:{seconds:02d} left"


def states_text(tally: Counter[str]) -> str:
    """`1,200 done, 3 diverged, 0 failed`."""
    return ", ".join(f"{tally[state]:,} {state}" for state in ("done", "diverged", "failed"))


class LiveDisplay:
    """A progress bar with the counts of every state."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)
        self.tally: Counter[str] = Counter()
        self.progress = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=30),
            TextColumn("{task.completed:,}/{task.total:,}"),
            TextColumn("{task.fields[states]}"),
            _Rate(),
            console=self.console,
            transient=True,
        )

    def say(self, text: str) -> None:
        self.console.print(text, soft_wrap=True)

    def begin(self, total: int, recorded: Counter[str]) -> None:
        self.tally = Counter(recorded)
        done = sum(recorded.values())
        self.task = self.progress.add_task("", total=total, completed=done, new=0, states=states_text(self.tally))
        self.progress.start()

    def trial(self, state: str) -> None:
        self.tally[state] += 1
        new = self.progress.tasks[0].fields["new"] + 1
        self.progress.update(self.task, advance=1, new=new, states=states_text(self.tally))

    def end(self) -> None:
        self.progress.stop()


class PlainDisplay:
    """One line every ten seconds."""

    def __init__(self) -> None:
        self.tally: Counter[str] = Counter()
        self.total = self.num_new = 0
        self.started = self.last = time.monotonic()

    def say(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def begin(self, total: int, recorded: Counter[str]) -> None:
        self.tally, self.total = Counter(recorded), total
        self.started = self.last = time.monotonic()
        self.say(f"{total:,} trials, {sum(recorded.values()):,} already recorded")

    def trial(self, state: str) -> None:
        self.tally[state] += 1
        self.num_new += 1
        if time.monotonic() - self.last >= PLAIN_EVERY_S:
            self.last = time.monotonic()
            self._line()

    def end(self) -> None:
        if self.num_new:
            self._line()

    def _line(self) -> None:
        completed = sum(self.tally.values())
        rate = rate_text(self.num_new, time.monotonic() - self.started, self.total - completed)
        self.say(f"{completed:,}/{self.total:,} trials: {states_text(self.tally)}; {rate}")


def display() -> LiveDisplay | PlainDisplay:
    """Live on a terminal, plain lines elsewhere."""
    return LiveDisplay() if sys.stderr.isatty() else PlainDisplay()
