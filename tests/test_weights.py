"""Backbones and weights as people publish them: loaded rightly, or one line that says what to do."""

import argparse
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from evenkeel.trainables import TrainableError
from evenkeel.trainables.models.build import build, check_size
from evenkeel.trainables.models.clip_settings import Clip
from evenkeel.trainables.models.settings import Backbone
from evenkeel.trainables.models.torchvision_pair import import_torchvision

import_torchvision()  # before timm itself does, whatever torchvision is there
NAME = "test_resnet"


@pytest.fixture(scope="module")
def plain():
    import timm

    torch.manual_seed(3)
    return timm.create_model(NAME, num_classes=5).state_dict()


COPIES = ("encoder_k", "encoder_q")
FORMS = {
    "as it is": lambda state: state,
    "with training state": lambda state: {"epoch": 3, "state_dict": state, "optimizer": {}},
    "under model": lambda state: {"model": state, "args": argparse.Namespace(lr=0.1)},
    "from DataParallel": lambda state: {"state_dict": {f"module.{k}": v for k, v in state.items()}},
    "compiled and wrapped": lambda state: {f"_orig_mod.module.{k}": v for k, v in state.items()},
    "averaged alone": lambda state: {"state_dict_ema": state},
    "of two contrasted copies": lambda state: {
        "state_dict": {f"module.{copy}.{k}": v + (copy == "encoder_k") for k, v in state.items() for copy in COPIES}
        | {"module.queue": torch.ones(3)}
    },
    "of two copies by an old torch": lambda state: {
        f"{copy}.{k}": v + (copy == "encoder_k")
        for k, v in state.items()
        for copy in COPIES
        if not k.endswith("num_batches_tracked")
    },
    "beside a projector": lambda state: {
        "teacher": {f"backbone.{k}": v for k, v in state.items()} | {"head.mlp.0.weight": torch.ones(2, 2)}
    },
    "inside a checkpoint's checkpoint": lambda state: {"checkpoint": {"model": {"state_dict": state}}},
    "beside settings and an optimizer": lambda state: {
        "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}},
        "params": {"lr": 0.1},
        "model": state,
    },
    "in a user's module": lambda state: (
        {f"net.model.{k}": v for k, v in state.items()} | {"criterion.w": torch.ones(1)}
    ),
    "with a best score and paths": lambda state: {
        "state_dict": state,
        "best": np.float64(0.3),
        "args": SimpleNamespace(out=Path("here")),
    },
    "with a classifier of its own": lambda state: (
        {k: v for k, v in state.items() if not k.startswith("fc.")}
        | {"fc.0.weight": torch.ones(2, 2), "fc.2.bias": torch.ones(2)}
    ),
    "by DeepSpeed": lambda state: {"module": state, "optimizer": None, "global_steps": 7},
    "averaged over checkpoints, counters too": lambda state: {
        k: v.float() if k.endswith("num_batches_tracked") else v for k, v in state.items()
    },
    "of an old torch": lambda state: {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")},
}
"""How a checkpoint holds the weights: a new form is a line."""


@pytest.mark.parametrize("form", FORMS)
def test_every_form_loads_the_same_weights(tmp_path, plain, form):
    torch.save(FORMS[form](plain), tmp_path / "w.pth")
    model = build(Backbone(name=NAME, weights=str(tmp_path / "w.pth")), 3, "cpu")
    for name, value in model.module.state_dict().items():
        assert torch.equal(value, plain[name]), name


SEVERAL = {
    "model and its average": (lambda one, other: {"state_dict": one, "state_dict_ema": other}, "state_dict_ema"),
    "student and teacher": (lambda one, other: {"student": under("module.", one), "teacher": other}, "teacher"),
    "by their keys": (lambda one, other: under("student.", one) | under("teacher.", other), "teacher"),
    "in a state dict": (lambda one, other: {"state_dict": under("a.", one) | under("b.x.", other)}, "b.x"),
}
"""Checkpoints that keep two copies, and how the second is called."""


def under(prefix, state):
    return {f"{prefix}{name}": value for name, value in state.items()}


@pytest.mark.parametrize("form", SEVERAL)
def test_several_copies_are_never_guessed_between(tmp_path, plain, form):
    make, part = SEVERAL[form]
    other = {name: value + 1 for name, value in plain.items()}
    torch.save(make(plain, other), tmp_path / "w.pth")
    given = {"name": NAME, "weights": str(tmp_path / "w.pth")}
    with pytest.raises(TrainableError, match=rf"holds the model 2 times \(.*{part}.*\); say which with .*_part: "):
        build(Backbone(**given), 3, "cpu")
    module = build(Backbone(**given, weights_part=part), 3, "cpu").module.state_dict()
    assert all(torch.equal(value, other[name]) for name, value in module.items())
    assert Backbone(**given, weights_part=part).identity() != Backbone(**given).identity()
    assert "weights_part" not in Backbone(**given).identity()
    with pytest.raises(TrainableError, match="holds no weights in its part 'tea'"):
        build(Backbone(**given, weights_part="tea"), 3, "cpu")


def test_what_a_file_is_tells_its_first_bytes(tmp_path, plain):
    save_file(plain, tmp_path / "w.pth")
    module = build(Backbone(name=NAME, weights=str(tmp_path / "w.pth")), 3, "cpu").module.state_dict()
    assert all(torch.equal(value, plain[name]) for name, value in module.items())
    for content, reason in (
        (b"", "it is empty"),
        (b"<html>404</html>", "it begins with b'<html>404"),
        (b"v" * 9, "vv"),
    ):
        (tmp_path / "w.pth").write_bytes(content)
        with pytest.raises(TrainableError, match=f"cannot be read .*{reason}.*; is it whole, and a file of weights"):
            build(Backbone(name=NAME, weights=str(tmp_path / "w.pth")), 3, "cpu")


def test_both_classifiers_of_a_distilled_model_are_left_out(tmp_path):
    import timm

    args = {"img_size": 32, "patch_size": 16, "embed_dim": 24, "depth": 1, "num_heads": 2}
    whole = timm.create_model("deit_tiny_distilled_patch16_224", num_classes=7, **args)
    save_file(whole.state_dict(), tmp_path / "w.safetensors")
    backbone = Backbone(
        name="deit_tiny_distilled_patch16_224", weights=str(tmp_path / "w.safetensors"), model_args=args
    )
    assert next(build(backbone, 3, "cpu").features(np.zeros((1, 32, 32, 3), np.uint8))).shape == (1, 24)


def test_weights_for_colour_serve_grey_images(tmp_path, plain):
    torch.save(plain, tmp_path / "w.pth")
    module = build(Backbone(name=NAME, weights=str(tmp_path / "w.pth")), 1, "cpu").module.state_dict()
    name = next(iter(plain))
    torch.testing.assert_close(module[name], plain[name].sum(1, keepdim=True))


def test_weights_of_another_image_size_are_resampled(tmp_path):
    import timm

    args = {"patch_size": 16, "embed_dim": 24, "depth": 1, "num_heads": 2}
    whole = timm.create_model("vit_tiny_patch16_224", img_size=32, **args).state_dict()
    whole["pos_embed"][:, 1:] = 3.0
    torch.save(whole, tmp_path / "w.pth")
    backbone = Backbone(
        name="vit_tiny_patch16_224", weights=str(tmp_path / "w.pth"), model_args=args | {"img_size": 64}
    )
    module = build(backbone, 3, "cpu").module.state_dict()
    torch.testing.assert_close(module["pos_embed"][:, 1:], torch.full((1, 16, 24), 3.0))
    torch.testing.assert_close(module["blocks.0.attn.qkv.weight"], whole["blocks.0.attn.qkv.weight"])


class Strange:
    """Something that only code could restore."""


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (lambda state: {"model": state, "what": Strange()}, r"holds more than tensors.*torch.save\(model.state_dict"),
        (lambda state: {"epoch": 3}, "holds no weights"),
        (lambda state: {f"stem_{k}": v for k, v in state.items()}, "missing: .*; left over: stem_"),
        (lambda state: {k: v for k, v in state.items() if not k.startswith("conv1")}, "missing: conv1"),
        (lambda state: {k: v[:1] if v.dim() == 4 else v for k, v in state.items()}, "of another shape: .* for "),
    ],
    ids=["an object", "no weights", "other names", "one missing", "other shapes"],
)
def test_what_does_not_fit_is_named(tmp_path, plain, contents, message):
    torch.save(contents(plain), tmp_path / "w.pth")
    with pytest.raises(TrainableError, match=f"trainable.backbone.weights: .*{message}"):
        build(Backbone(name=NAME, weights=str(tmp_path / "w.pth")), 3, "cpu")


def test_a_truncated_file_is_named(tmp_path, plain):
    torch.save(plain, tmp_path / "w.pth")
    whole = (tmp_path / "w.pth").read_bytes()
    (tmp_path / "w.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TrainableError, match="cannot be read"):
        build(Backbone(name=NAME, weights=str(tmp_path / "w.pth")), 3, "cpu")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mean": [0.5, 0.5]}, r"trainable.backbone.mean: \[0.5, 0.5\] has 2 values, the images have 3 channels"),
        ({"std": [0.5, 0.0, 0.5]}, "std must be above 0 in each channel"),
        ({"pretrained": True, "weights": "w.pth"}, "pretrained and weights exclude each other; give one"),
        ({"model_args": {"drop_pathrate": 0.1}}, "model_args: test_resnet takes no 'drop_pathrate'"),
        ({"model_args": {"num_classes": 3}}, "model_args: num_classes is set by evenkeel"),
        ({"model_args": {"pretrained": True}}, "model_args: pretrained is set by evenkeel"),
        ({"library": "open_clip", "name": "ViT-B-32", "pretrained": True}, "the name of weights, one of .*openai"),
        ({"library": "open_clip", "name": "ViT-S-32-alt", "pretrained": True}, "none is listed for this model"),
    ],
)
def test_bad_settings_are_one_line(settings, message):
    with pytest.raises(ValueError, match=message) as error:
        build(Backbone(**({"name": NAME} | settings)), 3, "cpu")
    assert "\n" not in str(error.value) or isinstance(error.value, ValidationError)


def test_the_size_that_a_model_takes_is_said():
    backbone = Backbone(name="vit_tiny_patch16_224", model_args={"depth": 1})
    with pytest.raises(
        TrainableError, match=r"image_size 32 does not fit vit_tiny_patch16_224, which takes 224; set it"
    ):
        check_size(build(backbone, 3, "cpu").module, backbone, 3, 32)
    clip = Backbone(library="open_clip", name="ViT-S-32-alt")
    with pytest.raises(TrainableError, match=r"ViT-S-32-alt, which takes 224; set it, or .*{force_image_size: 32}"):
        check_size(build(clip, 3, "cpu").module, clip, 3, 32)
    larger = Backbone(library="open_clip", name="ViT-S-32-alt", model_args={"force_image_size": 64})
    check_size(build(larger, 3, "cpu").module, larger, 3, 64)
    other = Backbone(name="vit_tiny_patch16_224", model_args={"depth": 1, "img_size": 32})
    check_size(build(other, 3, "cpu").module, other, 3, 32)


def test_a_hub_that_is_not_there_is_said_at_once(monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    started = time.monotonic()
    with pytest.raises(TrainableError, match=r"weights of resnet10t.c3_in1k cannot be had from the hub .*local file"):
        build(Backbone(name="resnet10t", pretrained="c3_in1k"), 3, "cpu")
    assert time.monotonic() - started < 30, "the hub's own retries take over a minute"


def test_a_page_tells_weights_by_their_hash(tmp_path):
    """The digits are those of `sha256sum` of a file that holds `abc`, as FIPS 180-4 prints them."""
    (tmp_path / "w.safetensors").write_bytes(b"abc")
    path = str(tmp_path / "w.safetensors")
    assert Backbone(name="resnet18", weights=path).origin() == "weights w.safetensors (SHA-256 ba7816bf8f01cfea…)"
    assert Clip(name="RN50", weights=path).words() == "RN50, weights w.safetensors (SHA-256 ba7816bf8f01cfea…)"
    assert Backbone(name="resnet18").origin() == "random weights"
    assert Backbone(name="resnet18", pretrained="a1_in1k").origin() == "published weights a1_in1k"


def test_normalisation_is_the_models_own():
    half = {"mean": [0.5] * 3, "std": [0.25] * 3}
    args = {"force_preprocess_cfg": half}
    model = build(Backbone(library="open_clip", name="ViT-S-32-alt", model_args=args), 3, "cpu")
    assert (model.mean.flatten().tolist(), model.std.flatten().tolist()) == (half["mean"], half["std"])
    given = build(Backbone(library="open_clip", name="ViT-S-32-alt", model_args=args, mean=[0.1]), 3, "cpu")
    assert given.mean.flatten().tolist() == pytest.approx([0.1] * 3)


def renamed_densenet(state):
    """As torchvision up to 0.2 named a DenseNet, in the wrappers of CheXNet's published checkpoint."""
    import re

    pattern = re.compile(r"(denselayer\d+\.(?:norm|conv))([12]\.)")
    old = {"module.densenet121." + pattern.sub(r"\1.\2", name): value for name, value in state.items()}
    return {"state_dict": old | {"module.densenet121.classifier.0.weight": torch.zeros(14, 8)}}


def test_names_of_torchvision_0_2_and_wrappers_load(tmp_path):
    from torch import nn

    from evenkeel.trainables.models.weights import load_weights

    def dense():
        block = nn.ModuleDict({"denselayer1": nn.ModuleDict({"norm1": nn.BatchNorm2d(4), "conv2": nn.Conv2d(4, 4, 1)})})
        return nn.ModuleDict({"features": nn.ModuleDict({"conv0": nn.Conv2d(3, 4, 1), "denseblock1": block})})

    saved, model = dense(), dense()
    torch.save(renamed_densenet(saved.state_dict()), tmp_path / "chexnet.pth.tar")
    load_weights(model, tmp_path / "chexnet.pth.tar", key="trainable.backbone.weights", heads=("classifier",))
    assert all(torch.equal(value, saved.state_dict()[name]) for name, value in model.state_dict().items())


def test_tied_weights_are_read_by_all_their_names(tmp_path):
    from safetensors.torch import save_model
    from torch import nn

    from evenkeel.trainables.models.weights import read_weights

    model = nn.ModuleDict({"a": nn.Linear(3, 3, bias=False), "b": nn.Linear(3, 3, bias=False)})
    model["b"].weight = model["a"].weight
    save_model(model, str(tmp_path / "tied.safetensors"))
    tensors = read_weights(tmp_path / "tied.safetensors", "trainable.backbone.weights")
    assert set(tensors) == {"a.weight", "b.weight"} and torch.equal(tensors["a.weight"], model["b"].weight)


def test_a_part_behind_a_wrapper_is_found(tmp_path):
    from evenkeel.trainables.models.weights import read_weights

    copies = {"module.encoder_q.w": torch.ones(2), "module.encoder_k.w": torch.zeros(2), "module.queue": torch.ones(1)}
    torch.save({"state_dict": copies}, tmp_path / "moco.pth")
    for part in ("encoder_q", "module.encoder_q"):
        tensors = read_weights(tmp_path / "moco.pth", "trainable.backbone.weights", part)
        assert list(tensors) == ["w"] and tensors["w"].tolist() == [1, 1]


def test_integer_weights_do_not_go_into_float_layers(tmp_path, plain):
    name = next(iter(plain))
    torch.save(plain | {name: plain[name].to(torch.int8)}, tmp_path / "quantised.pth")
    with pytest.raises(TrainableError, match=f"of another kind: {name} int8"):
        build(Backbone(name="test_resnet", weights=str(tmp_path / "quantised.pth")), 3, "cpu")
