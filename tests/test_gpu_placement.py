"""Everything that trainables and measures compute stays on one device: run on a pretended GPU, held against the CPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_trainables import SETTINGS

EVERY_OPERATION = {"micro_batch": 5, "clip_grad": 1.0, "sampling": {"form": "printed"}, "layer_decay": 0.8}
CASES = {
    "probe": {},
    "prompt": {"per_class": True},
    "finetune": EVERY_OPERATION
    | {"augment": {"flip": 0.5, "crop": 0.6, "rotate": 10, "jitter": 0.2, "erase": 0.5}, "knobs": {"label_noise": 0.1}},
    "lm-clip": {"sampling": {"form": "published"}, "keep": "best", "prompts_every": 3, "micro_batch": 5},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_nothing_is_left_on_the_other_device(name):
    run = [sys.executable, "-m", "tests.test_gpu_placement", name]
    environment = os.environ | {"EVENKEEL_FUSED": "0", "OMP_NUM_THREADS": "1"}
    found = subprocess.run(run, cwd=Path(__file__).parents[1], env=environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr[-3000:]


def test_a_pretended_gpu_refuses_what_a_real_one_does():
    code = """
import numpy as np, pytest, torch
from tests.pretend_gpu import pretended
with pretended():
    there, here = torch.arange(6.0).to("cuda"), torch.arange(6.0)
    assert there.device.type == "cuda" and torch.zeros(2, device="cuda").device == there.device
    assert float((there * 2 + 1).sum()) == 36 and there[torch.tensor([1, 2])].device == there.device
    for mixed in (lambda: there + here, lambda: here[there.long()], lambda: torch.cat([here, there])):
        with pytest.raises(RuntimeError, match="others of"):
            mixed()
    with pytest.raises(TypeError):
        there.numpy()
    assert there.cpu().numpy().tolist() == there.tolist() == [0, 1, 2, 3, 4, 5]
    weight = torch.ones(6, requires_grad=True)
    (weight.to("cuda") * there).sum().backward()
    assert weight.grad.device.type == "cpu" and weight.grad.tolist() == here.tolist()
"""
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=True)


def main(name: str) -> None:
    """Hold the metrics of both devices against each other, with missing labels, by every measure."""
    from tests.pretend_gpu import pretended  # isort: skip  # first: it changes torch
    import tempfile
    from contextlib import nullcontext
    from dataclasses import replace

    import numpy as np

    from evenkeel.trainables import TRAINABLES
    from evenkeel.trainables.measures import MEASURES
    from tests.test_trainables import Squares, trial

    class Masked(Squares):
        def load(self, image_size, cache):
            found = super().load(image_size, cache)
            known = np.random.default_rng(1).random(found.targets.shape) < 0.9
            known[::8] = True
            return replace(found, label_mask=known, targets=found.targets * known, images=np.repeat(found.images, 3, 3))

    settings = TRAINABLES[name].model_validate({"name": name, **SETTINGS[name], **CASES[name]})
    measures = tuple(key for key, measure in MEASURES.items() if measure.needs in settings.gives)
    metrics = {}
    for device in ("cpu", "cuda"):
        with tempfile.TemporaryDirectory() as folder, nullcontext() if device == "cpu" else pretended():
            worker, cache = settings.worker(measures), Path(folder, "cache")
            cache.mkdir()
            prepared = worker.prepare(Masked(), cache, device)
            trials = [trial("ral"), trial("ral", gamma_neg=2.0)] if name == "probe" else [trial("ral"), trial("bal")]
            metrics[device] = [result.metrics for _, result in worker.run(trials, prepared, Path(folder))]
    for here, there in zip(metrics["cpu"], metrics["cuda"], strict=True):
        for column, value in here.items():
            np.testing.assert_allclose(there[column] or 0, value or 0, atol=1e-5, err_msg=column)


if __name__ == "__main__":
    main(sys.argv[1])
