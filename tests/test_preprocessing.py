"""What a file of weights says about its images, alone or by files that lie beside it, is used or asked for."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from evenkeel.study.errors import UserError
from evenkeel.study.file.read import load_study
from evenkeel.study.run.data_facts import images_words
from evenkeel.trainables import TrainableError
from evenkeel.trainables.models.build import build
from evenkeel.trainables.models.clip_settings import Clip
from evenkeel.trainables.models.preprocessing import stated_beside
from evenkeel.trainables.models.published import clip_preprocessing, preprocessing
from evenkeel.trainables.models.settings import Backbone
from evenkeel.trainables.models.torchvision_pair import import_torchvision

import_torchvision()
NAME = "test_resnet"
MEAN, STD = [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]


@pytest.fixture(scope="module")
def model():
    import timm

    torch.manual_seed(3)
    return timm.create_model(NAME)


def of_timm(folder, model):
    """As timm itself publishes a model."""
    from timm.models import save_for_hf

    save_for_hf(
        model, folder, safe_serialization=True, data_config={"mean": MEAN, "std": STD, "input_size": (3, 96, 96)}
    )


def of_old_timm(folder, model):
    save_file(model.state_dict(), folder / "model.safetensors")
    config = {"architecture": NAME, "mean": MEAN, "std": STD, "input_size": [3, 96, 96], "crop_pct": 0.9}
    (folder / "config.json").write_text(json.dumps(config))


def of_transformers(folder, model):
    save_file(model.state_dict(), folder / "model.safetensors")
    config = {
        "image_mean": MEAN,
        "image_std": STD,
        "size": {"shortest_edge": 96},
        "resample": 3,
        "do_center_crop": True,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(config))
    (folder / "config.json").write_text(json.dumps({"architectures": ["TimmWrapperModel"]}))


def of_open_clip(folder, model):
    from types import SimpleNamespace

    from open_clip.push_to_hf_hub import save_config_for_hf

    save_file(model.state_dict(), folder / "model.safetensors")
    visual = SimpleNamespace(image_mean=MEAN, image_std=STD, preprocess_cfg={"resize_mode": "longest"})
    save_config_for_hf(SimpleNamespace(visual=visual), folder / "open_clip_config.json", None)


def in_the_file(folder, model):
    noted = {"pretrained_cfg": json.dumps({"mean": MEAN, "std": STD}), "format": "pt"}
    save_file(model.state_dict(), folder / "model.safetensors", metadata=noted)


FORMS = {
    of_timm: "config.json; it was trained on 96 pixels, bilinear, center crop of 0.95",
    of_old_timm: "crop of 0.9",
} | {
    of_transformers: "preprocessor_config.json; it was trained on 96 pixels, bicubic, center crop",
    of_open_clip: "open_clip_config.json; it was trained on resized by longest",
    in_the_file: "the metadata of the weights",
}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_what_is_said_is_used_shown_and_part_of_the_id(form, tmp_path, model):
    form(tmp_path, model)
    backbone = Backbone(name=NAME, weights=str(tmp_path / "model.safetensors"))
    built = build(backbone, 3, "cpu")
    torch.testing.assert_close(built.mean.flatten(), torch.tensor(MEAN))
    torch.testing.assert_close(built.std.flatten(), torch.tensor(STD))
    assert FORMS[form] in backbone.images_words(32)
    assert "squeezed to 32 x 32 (bilinear); mean 0.1 0.2 0.3, std 0.4 0.5 0.6, by " in backbone.images_words(32)
    assert (backbone.identity()["mean"], backbone.identity()["std"]) == (MEAN, STD)


def test_the_study_file_has_the_last_word(tmp_path, model):
    of_timm(tmp_path, model)
    backbone = Backbone(name=NAME, weights=str(tmp_path / "model.safetensors"), mean=[0.7])
    assert build(backbone, 1, "cpu").mean.item() == pytest.approx(0.7)
    assert preprocessing(backbone).std == tuple(STD) == tuple(backbone.identity()["std"])
    whole = backbone.model_copy(update={"std": [0.5]})
    assert "by trainable.backbone.mean and std" in whole.images_words(32) and whole.identity()["std"] == [0.5]


@pytest.mark.parametrize(
    ("keys", "argument"),
    [
        ({"name": NAME}, "pretrained_cfg_overlay"),
        ({"name": "RN50", "library": "open_clip"}, "force_preprocess_cfg"),
    ],
)
def test_what_is_passed_to_the_library_is_what_plan_says(keys, argument):
    backbone = Backbone(**keys, model_args={argument: {"mean": MEAN, "std": STD}})
    words = f"mean 0.1 0.2 0.3, std 0.4 0.5 0.6, by trainable.backbone.model_args.{argument}"
    assert words in backbone.images_words(32)
    if backbone.library == "timm":
        assert build(backbone, 3, "cpu").mean.flatten().tolist() == pytest.approx(MEAN)


def test_a_file_alone_takes_what_all_published_weights_of_the_model_have(tmp_path, model):
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    backbone = Backbone(name=NAME, weights=str(tmp_path / "model.safetensors"))
    assert stated_beside(tmp_path / "model.safetensors", "") is None and backbone.identity()["mean"] is None
    assert "mean 0.5 0.5 0.5, std 0.5 0.5 0.5, by timm's test_resnet.r160_in1k" in backbone.images_words(32)


def refusal(weights, **keys):
    with pytest.raises(TrainableError) as caught:
        preprocessing(Backbone(weights=str(weights), **keys))
    return str(caught.value)


def test_where_published_weights_differ_it_is_asked(tmp_path):
    weights = tmp_path / "w.pth"
    weights.write_bytes(b"weights")
    asked = refusal(weights, name="vit_small_patch16_224")
    assert (
        "mean 0.5 0.5 0.5" in asked
        and "0.485 0.456 0.406 (vit_small_patch16_224.dino); give trainable.backbone.mean" in asked
    )
    named = Backbone(name="vit_small_patch16_224.dino", weights=str(weights))
    assert preprocessing(named).mean == (0.485, 0.456, 0.406)
    plain = Backbone(name="vit_small_patch16_224", pretrained=True)
    assert preprocessing(plain).source == "timm's vit_small_patch16_224.augreg_in21k_ft_in1k"


def test_a_file_beside_of_another_model_a_broken_one_and_two_that_differ_are_said(tmp_path, model):
    of_timm(tmp_path, model)
    weights = tmp_path / "model.safetensors"
    assert "config.json is of test_resnet, not of test_vit; give" in refusal(weights, name="test_vit")
    of_transformers(tmp_path, model)
    config = {"image_mean": [0.5] * 3, "image_std": STD}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    of_timm(tmp_path, model)
    assert "config.json and preprocessor_config.json beside model.safetensors differ; give" in refusal(
        weights, name=NAME
    )
    (tmp_path / "config.json").write_text("{")
    assert "config.json cannot be read" in refusal(weights, name=NAME)


def test_a_clip_model_likewise(tmp_path):
    weights = tmp_path / "w.pt"
    weights.write_bytes(b"weights")
    clip = Clip(name="ViT-L-14", weights=str(weights))
    with pytest.raises(
        TrainableError, match=r"mean 0.5 0.5 0.5 .laion2b_s32b_b82k.*normalisation: clip, imagenet, inc"
    ):
        clip_preprocessing(clip, "model")
    assert clip_preprocessing(clip, "inception").mean == (0.5, 0.5, 0.5)
    before = clip.identity("model")
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"preprocess_cfg": {"mean": MEAN, "std": STD}}))
    assert clip_preprocessing(clip, "model").mean == tuple(MEAN)
    assert clip.identity("clip") == before != clip.identity("model")
    sure = clip_preprocessing(Clip(name="ViT-B-16", pretrained="openai"), "model")
    assert sure.mean == (0.48145466, 0.4578275, 0.40821073) and "by open_clip's ViT-B-16 openai" in sure.words(224)


def test_plan_and_doctor_say_it(tmp_path):
    weights = tmp_path / "w.pth"
    weights.write_bytes(b"weights")
    given = [f"trainable.backbone.weights={weights}", "trainable.backbone.warm_start=null"]
    config = load_study("demo", given)
    assert images_words(config).startswith("squeezed to 32 x 32")
    with pytest.raises(UserError, match="published ones differ"):
        images_words(load_study("demo", [*given, "trainable.backbone.name=vit_small_patch16_224"]))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            Backbone(name="resnet10t", pretrained="c3_in2k"),
            "backbone.pretrained: timm has no weights 'c3_in2k'.*c3_in1k",
        ),
        (
            Backbone(name="resnet10t.c3_in2k", pretrained=True),
            "timm has no weights 'c3_in2k' of resnet10t.c3_in2k; one of",
        ),
        (
            Backbone(name="resnet50.a1_in1k", pretrained="a2_in1k"),
            "backbone.pretrained: resnet50.a1_in1k names its weights already; give pretrained: true",
        ),
        (
            Backbone(library="open_clip", name="ViT-B-16", pretrained="opanai"),
            "open_clip has no weights 'opanai'.*openai",
        ),
        (
            Backbone(library="open_clip", name="ViT-B-16", pretrained=True),
            "open_clip wants the name of weights, one of",
        ),
        (Clip(name="ViT-B-17"), "trainable.model.name: open_clip has no model 'ViT-B-17'; did you mean 'ViT-B-16'"),
        (Clip(name="ViT-B-16", pretrained="opanai"), "trainable.model.pretrained: open_clip has no weights 'opanai'"),
        (Clip(image={"name": "resnt50"}), "trainable.model.image.name: timm has no model 'resnt50'; did you mean"),
    ],
)
def test_plan_refuses_models_and_weights_that_are_not_listed(model, message):
    with pytest.raises(TrainableError, match=message):
        model.images_words(224) if isinstance(model, Backbone) else model.images_words(224, "model")


def test_what_libraries_say_of_a_model_is_asked_once_a_machine(tmp_path, monkeypatch):
    """Asking imports torch: seconds of CPU for each `plan`."""
    monkeypatch.setenv("EVENKEEL_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="has no model 'test_resnett'"):
        images_words(load_study("demo", ["trainable.backbone.name=test_resnett"]))
    assert not list(tmp_path.iterdir())
    words = images_words(load_study("demo"))
    code = (
        "import sys; from evenkeel.study.cli import main; main(['plan', 'demo'])\n"
        "assert not {'torch', 'timm', 'open_clip'} & set(sys.modules)"
    )
    planned = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert f"images: {words}\n" in planned.stdout
