"""An instant trainable that says where it ran, and waits until enough workers are there to share the work."""

import json
import os
import time
from dataclasses import dataclass, replace

from benchmarks.instant import Instant, InstantWorker

LIMIT_S = 60


class Where(Instant):
    meet: int = 1

    def worker(self, measures=()):
        return WhereWorker(self, measures)


@dataclass(frozen=True)
class WhereWorker(InstantWorker):
    def run(self, trials, prepared, place):
        meeting = place.parent / "meeting"
        meeting.mkdir(parents=True, exist_ok=True)
        (meeting / str(os.getpid())).touch()
        deadline = time.monotonic() + LIMIT_S
        while len(list(meeting.iterdir())) < self.settings.meet and time.monotonic() < deadline:
            time.sleep(0.02)
        yield from super().run(trials, prepared, place)

    def result(self, trial, prepared):
        import ray

        node = ray.get_runtime_context().get_node_id()
        place = {"node": node, "process": os.getpid(), "devices": os.environ.get("CUDA_VISIBLE_DEVICES", "")}
        return replace(super().result(trial, prepared), note=json.dumps(place))
