"""Says when a node of the cluster is gone: its packs run again elsewhere, or wait until a node comes."""

from collections.abc import Callable

from evenkeel.study.background import Background

NODE_POLL_S = 2.0


class NodeMonitor(Background):
    """Looks at the nodes that are alive (`alive` gives their names by id) every `look_s`, until the context ends."""

    def __init__(
        self, alive: Callable[[], dict[str, str]], say: Callable[[str], None], poll_s: float = NODE_POLL_S
    ) -> None:
        super().__init__("nodes")
        self.alive, self.say, self.poll_s = alive, say, poll_s

    def _work(self) -> None:
        nodes = self.alive()
        while not self.over.wait(self.poll_s):
            before, nodes = nodes, self.alive()
            if gone := [name for node, name in before.items() if node not in nodes]:
                self.say(f"node gone: {', '.join(gone)}; {len(nodes)} remain; packs that ran there run again")
