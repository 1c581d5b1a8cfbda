"""Says when a node of the cluster is gone: its packs run again elsewhere, or wait until a node comes."""

from collections.abc import Callable

from evenkeel.study.run.background import Background

LOOK_S = 2.0


class Nodes(Background):
    """Looks at the nodes that are alive (`alive` gives their names by id) every `look_s`, until the context ends."""

    def __init__(self, alive: Callable[[], dict[str, str]], say: Callable[[str], None], look_s: float = LOOK_S) -> None:
        super().__init__("nodes")
        self.alive, self.say, self.look_s = alive, say, look_s

    def _work(self) -> None:
        known = self.alive()
        while not self.over.wait(self.look_s):
            before, known = known, self.alive()
            if gone := [name for node, name in before.items() if node not in known]:
                self.say(f"node gone: {', '.join(gone)}; {len(known)} remain; packs that ran there run again")
