"""What a notebook shows while a study runs: one bar that is drawn anew, and lines below the cell."""

import sys
import time
from collections import Counter
from html import escape
from typing import Any

from evenkeel.study.plain_text import visible_lines
from evenkeel.study.run.display import Progress, format_states
from evenkeel.trainables.result import State

DRAW_EVERY_S = 0.5


def in_notebook() -> bool:
    """Whether this process is a kernel, which draws HTML; a terminal with IPython is none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


class NotebookDisplay:
    """A bar with the counts of every state, by the kernel's own means: no widget need be installed."""

    def __init__(self) -> None:
        self.states: Counter[State] = Counter()
        self.total = self.num_new = 0
        self.started = self.last = time.monotonic()
        self.bar: Any = None

    def say(self, text: str) -> None:
        """A line below the cell."""
        sys.stderr.write(f"{visible_lines(text)}\n")

    def begin(self, total: int, states: Counter[State]) -> None:
        """Draw the bar with what is recorded already."""
        from IPython.display import HTML, display

        self.total, self.states = total, states
        if self.bar:
            return
        self.started = self.last = time.monotonic()
        self.bar = display(HTML(self.html()), display_id=True)

    def update(self, states: Counter[State], num_new: int) -> None:
        """Take what is recorded, and draw it now and then."""
        self.states, self.num_new = states, num_new
        if time.monotonic() - self.last >= DRAW_EVERY_S:
            self.last = time.monotonic()
            self._draw()

    def end(self) -> None:
        """Draw the bar as it ended."""
        self._draw()

    def html(self) -> str:
        """The bar as it stands."""
        recorded = self.states.total()
        rate = Progress(self.total, recorded, self.num_new, time.monotonic() - self.started).rate
        words = f"{recorded:,}/{self.total:,} trials: {format_states(self.states)}{f'; {rate}' if rate else ''}"
        return f'<progress value="{recorded}" max="{self.total}"></progress> {escape(words)}'

    def _draw(self) -> None:
        from IPython.display import HTML

        self.bar.update(HTML(self.html()))
