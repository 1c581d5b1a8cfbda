"""Prompt tuning: CoOp written plainly, numbers that do not depend on the pack, divergence as an outcome."""

import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from evenkeel.search_spaces import SPACES
from evenkeel.trainables import TrainableError, Trial, trainable
from evenkeel.trainables.data.digits import DigitsMlt
from evenkeel.trainables.models.clip_store import ClipStore
from evenkeel.trainables.models.text import unit
from evenkeel.trainables.prompt.context import Prompts, starting_context
from evenkeel.trainables.prompt.settings import Prompt
from evenkeel.trainables.random_streams import stream_seed
from tests.losses.plain import PLAIN

SETTINGS = {
    "name": "prompt",
    "model": {"image": {"name": "test_resnet"}, "text": {"width": 16, "heads": 2, "layers": 1}, "embedding": 12},
    "image_size": 32,
    "context": 3,
    "epochs": 2,
    "batch": 500,
    "lr": 0.5,
    "schedule": "constant",
    "precision": "float64",
}
PROMPT = Prompt.model_validate(SETTINGS)
DATA = DigitsMlt()


@pytest.fixture(scope="module")
def store(shared_cache) -> ClipStore:
    return PROMPT.worker().prepare(DATA, shared_cache)


def trial(loss="bce", seed=0, settings=None, **moved):
    return Trial(
        loss=loss,
        hyperparameters=SPACES[loss].defaults() | moved,
        seed=seed,
        data={"name": "digits-mlt"},
        trainable=SETTINGS,
        settings=settings or {},
        design="sweep",
        label=loss,
    )


def run_pack(trials, store):
    """Results in the order of the trials."""
    with tempfile.TemporaryDirectory() as place:
        found = {id(t): result for t, result in PROMPT.worker().run(trials, store, Path(place))}
    return [found[id(t)] for t in trials]


def test_words_as_context_give_what_open_clip_gives(store):
    """With the embeddings of `a photo of a` as context a learned prompt is the plain prompt, read at all 77 tokens."""
    model = store.model(0)
    model.module.double().eval()
    like = torch.zeros(1, dtype=torch.float64)
    names = ["3", "diningtable", "traffic_light"]
    prompts = Prompts.of(model.text, names, ".", reference=like)
    for num in (1, len(names)):
        words = starting_context(
            model.text, num_tokens=4, num_classes=num, words="a photo of a", seed=0, reference=like
        )
        learned = prompts.encode(torch.stack([words, words]))
        plain = model.module.encode_text(
            model.text.tokens(["a photo of a 3.", "a photo of a diningtable.", "a photo of a traffic light."])
        )
        assert torch.allclose(learned, unit(plain).expand(2, -1, -1).double(), atol=1e-6)


def plain_coop(store, formula, per_class):
    """(validation targets, scores) of a context trained by SGD, prompts read at all 77 tokens, one by one."""
    model = store.model(0)
    module = model.module.double().eval().requires_grad_(False)
    rows, targets = store.splits.rows(0), torch.tensor(store.images.targets).double()
    images = torch.tensor(np.array(store.embeddings(0))).double()
    generator = torch.Generator().manual_seed(stream_seed(0, "init"))
    context = 0.02 * torch.randn(10 if per_class else 1, 3, 16, generator=generator, dtype=torch.float64)
    context.requires_grad_()

    def logits(of):
        texts = []
        for c in range(10):
            tokens = model.text.tokens([f"{c}."])
            name = module.token_embedding(tokens)[0]
            own = context[c if per_class else 0]
            x = torch.cat([name[:1], own, name[1:-3]])[None] + module.positional_embedding
            x = module.ln_final(module.transformer(x, attn_mask=module.attn_mask))
            embedding = x[0, 3 + int(tokens[0].argmax())] @ module.text_projection
            texts.append(embedding / embedding.norm())
        return module.logit_scale.exp() * of @ torch.stack(texts).T

    optimiser = torch.optim.SGD([context], 0.5, momentum=0.9, weight_decay=1e-4)
    x, y = images[rows["train"]], targets[rows["train"]]
    for epoch in range(2):
        order = torch.Generator().manual_seed(stream_seed(0, "order", epoch))
        for batch in torch.randperm(len(x), generator=order).split(500):
            optimiser.zero_grad()
            formula(logits(x[batch]), y[batch]).mean().backward()
            optimiser.step()
    with torch.no_grad():
        return targets[rows["val"]].numpy(), torch.softmax(logits(images[rows["val"]]), -1).numpy()


@pytest.mark.parametrize("per_class", [True, False])
def test_equals_coop_written_plainly(store, per_class):
    from sklearn.metrics import average_precision_score

    truth, scores = plain_coop(store, lambda x, y: PLAIN["asl"](x, y, focusing="full"), per_class)
    (result,) = run_pack([trial("asl", focusing="full", settings={"per_class": per_class})], store)
    expected = average_precision_score(truth, scores, average="macro")
    assert result.metrics["val_map"] == pytest.approx(expected, abs=1e-9)
    assert result.curves["val_map"][-1] == pytest.approx(expected, abs=1e-9)


def test_numbers_do_not_depend_on_the_pack(store):
    pack = [trial(), trial("asl", gamma_neg=2.0), trial("asl", clip=0.0), trial("bal"), trial("bal-eq4", s=1.0)]
    together = run_pack(pack, store)
    for member, result in zip(pack, together, strict=True):
        (alone,) = run_pack([member], store)
        for key, value in alone.metrics.items():
            assert value == pytest.approx(result.metrics[key], abs=1e-9), key
        assert alone.curves["train_loss"] == pytest.approx(result.curves["train_loss"], rel=1e-9)
    assert len({result.curves["train_loss"][-1] for result in together}) == len(pack)


def test_the_rate_falls_for_each_trial_by_itself(store):
    """A trial whose mAP cannot rise any more lowers its rate although its pack mate goes on as before."""
    settings = {"schedule": "plateau", "patience": 0, "epochs": 5, "lr": 5.0}
    pack = [trial(settings=settings), trial("asl", settings=settings)]
    for member, result in zip(pack, run_pack(pack, store), strict=True):
        assert run_pack([member], store)[0].curves["train_loss"] == pytest.approx(result.curves["train_loss"], rel=1e-9)


def test_a_diverged_trial_is_scored_at_the_floor_and_harms_no_mate(store):
    settings = {"epochs": 2}
    huge = trial("r-bce-focal", balance=1e308, gamma=0.0, settings=settings)
    mate = trial(settings=settings)
    diverged, done = run_pack([huge, mate], store)
    assert (diverged.state, done.state) == ("diverged", "done") and "not finite" in diverged.note
    y = store.images.targets[store.splits.rows(0)["val"]]
    assert diverged.metrics["val_map"] == pytest.approx(y.mean(0).mean())  # a constant score ranks nothing
    assert done.metrics == run_pack([mate], store)[0].metrics


def test_start_words_must_have_the_length_of_the_context(store):
    with pytest.raises(TrainableError, match="has 4 tokens, trainable.context is 3"):
        run_pack([trial(settings={"start": "a photo of a"})], store)


def test_no_epoch_scores_the_prompts_as_they_start(store):
    settings = {"epochs": 0, "context": 4, "start": "a photo of a", "ending": ""}
    (result,) = run_pack([trial(settings=settings)], store)
    assert result.state == "done" and result.curves == {} and math.isfinite(result.metrics["test_map"])


def test_ready_after_prepare_and_identity_without_places(store, shared_cache, tmp_path):
    assert PROMPT.prepared(DATA, shared_cache) and not PROMPT.prepared(DATA, tmp_path)
    assert trainable(SETTINGS) == PROMPT
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"x")
    with_file = PROMPT.model_copy(update={"model": PROMPT.model.model_copy(update={"weights": str(weights)})})
    assert str(tmp_path) not in str(with_file.identity(DATA)) != str(PROMPT.identity(DATA))
