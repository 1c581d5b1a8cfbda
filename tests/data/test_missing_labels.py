"""Labels that are missing have no part in a loss or a metric; expected values are computed on the known ones alone."""

import json
import math

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from evenkeel.study.cli import main
from evenkeel.study.records.ledger import Ledger
from evenkeel.trainables.measures import Evidence
from evenkeel.trainables.measures.evaluate import evaluate
from evenkeel.trainables.models.warm_start import _bce
from evenkeel.trainables.random_streams import stream_seed
from tests.data.makers import shade, write
from tests.test_probe import SETTINGS, Given, run_pack, trial

N, C, D = 240, 3, 8


@pytest.fixture
def store(tmp_path, rng):
    """Random features whose labels depend on them; a third of the labels are missing."""
    features = rng.standard_normal((N, D)).astype(np.float32)
    known = rng.random((N, C)) < 0.67
    targets = (features[:, :C] + 0.5 * rng.standard_normal((N, C)) > 0.5) & known
    arrays = {"features": features, "targets": targets.astype(np.uint8), "split": np.arange(N) % 3, "label_mask": known}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array.astype(np.uint8) if name == "split" else array)
    (tmp_path / "classes.json").write_text(json.dumps(["a", "b", "c"]))
    return Given(tmp_path)


def plain_loop(store):
    """Weights of one BCE head: means over the known entries of each batch, priors over the known rows."""
    made = store.of_seed(0)
    train = made.split == 0
    x = torch.tensor(made.features[train], dtype=torch.float64)
    x = (x - x.mean(0)) / x.std(0, correction=0)
    y, known = torch.tensor(made.targets[train]).double(), torch.tensor(made.label_mask[train])
    share = y.sum(0) / known.sum(0)
    weight = (
        torch.randn(D, C, generator=torch.Generator().manual_seed(stream_seed(0, "init")), dtype=torch.float64) * 0.01
    ).requires_grad_()
    bias = torch.log(share / (1 - share)).requires_grad_()
    optimiser = torch.optim.AdamW([weight, bias], lr=SETTINGS["lr"], weight_decay=SETTINGS["weight_decay"])
    steps = SETTINGS["epochs"] * math.ceil(len(x) / SETTINGS["batch"])
    step = 0
    for epoch in range(SETTINGS["epochs"]):
        order = torch.Generator().manual_seed(stream_seed(0, "order", epoch))
        for batch in torch.randperm(len(x), generator=order).split(SETTINGS["batch"]):
            optimiser.param_groups[0]["lr"] = SETTINGS["lr"] * 0.5 * (1 + math.cos(math.pi * step / steps))
            p = torch.sigmoid(x[batch] @ weight + bias)[known[batch]]
            t = y[batch][known[batch]]
            optimiser.zero_grad()
            (-(t * p.log() + (1 - t) * (1 - p).log()).mean()).backward()
            optimiser.step()
            step += 1
    return weight.detach().numpy(), bias.detach().numpy()


def test_a_probe_equals_a_plain_loop_over_known_entries(store):
    weight, bias = plain_loop(store)
    made = store.of_seed(0)
    train, test = made.features[made.split == 0].astype(float), made.features[made.split == 2].astype(float)
    scores = 1 / (1 + np.exp(-((test - train.mean(0)) / train.std(0) @ weight + bias)))
    truth, known = made.targets[made.split == 2], made.label_mask[made.split == 2]
    result = run_pack([trial("bce"), trial("asl")], store)[0]
    for name, score in (("map", reference.average_precision_score), ("mauc", reference.roc_auc_score)):
        expected = [score(truth[known[:, c], c], scores[known[:, c], c]) for c in range(C)]
        assert result.per_class[f"test_{name}"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("decimals", [6, 1])
def test_metrics_are_those_of_the_known_entries(rng, decimals):
    scores = {s: torch.tensor(np.round(rng.random((2, N, C)), decimals)) for s in ("val", "test")}
    known = {s: torch.tensor(rng.random((N, C)) < 0.6) for s in scores}
    targets = {s: (torch.tensor(rng.random((N, C)) < 0.3) & known[s]).double() for s in scores}
    measured = evaluate(Evidence(scores, targets, {}, known)).per_class
    for k in range(2):
        for c in range(C):
            y, s = (array[known["test"][:, c]].numpy() for array in (targets["test"][:, c], scores["test"][k, :, c]))
            yv, sv = (array[known["val"][:, c]].numpy() for array in (targets["val"][:, c], scores["val"][k, :, c]))
            best = max(sorted(set(sv)), key=lambda t, yv=yv, sv=sv: (reference.f1_score(yv, sv >= t), t))
            expected = {
                "map": reference.average_precision_score(y, s),
                "mauc": reference.roc_auc_score(y, s),
                "f1": reference.f1_score(y, s >= 0.5),
                "f1_tuned": reference.f1_score(y, s >= best),
            }
            found = {name: float(measured[f"test_{name}"][k, c]) for name in expected}
            assert found == pytest.approx(expected, abs=1e-9)


def test_a_warm_start_takes_the_mean_over_known_entries(rng):
    logits, labels = torch.tensor(rng.standard_normal((5, 3))), torch.tensor(rng.random((5, 3)) < 0.5).double()
    known = torch.tensor(rng.random((5, 3)) < 0.5)
    p, t = torch.sigmoid(logits)[known], labels[known]
    torch.testing.assert_close(_bce(logits, labels, known), -(t * p.log() + (1 - t) * (1 - p).log()).mean())


def test_a_study_leaves_uncertain_labels_out(tmp_path, monkeypatch, rng):
    """From the table to the record."""
    rows, images = [], {}
    for i in range(60):
        on = [int(v) for v in rng.random(2) < 0.4]
        cells = ["-1" if (i + c) % 5 == 0 else str(float(v)) for c, v in enumerate(on)]
        rows.append(f"im{i}.png,{','.join(cells)},{['train', 'train', 'val', 'test'][i % 4]}\n")
        images[f"images/im{i}.png"] = shade(60 + 90 * on[0] + 60 * on[1], 8)
    study = (
        "name: own\ndata: {name: csv, root: ., tables: {all: labels.csv}, images: {all: images}, split_column: split,\n"
        "  label_columns: [cat, dog], uncertain: missing}\ntrainable: {image_size: 32, epochs: 1, backbone: {name: "
        "test_resnet, warm_start: {epochs: 1}}}\nlosses: [bce, asl]\ndesigns: {sweep: {levels: 2}}\nseeds: 1\n"
    )
    write(tmp_path, {"labels.csv": "image_id,cat,dog,split\n" + "".join(rows), "own.yaml": study} | images)
    monkeypatch.chdir(tmp_path)
    assert main(["run", "own.yaml", "--serial"]) == 0
    records = Ledger(str(tmp_path / "studies" / "own"), "own").read_all().values()
    assert records and all(record.state == "done" for record in records)
