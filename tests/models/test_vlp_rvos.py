from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from stubs import TinyBackbone, tiny_config
from torch import Tensor

from vlp_rvos.errors import UserError
from vlp_rvos.models.encoder import EmbeddedFrames
from vlp_rvos.models.vlp_rvos import VLPRVOS, ClipOutput

LONG, SHORT = "the small dog that jumps over the fence", "car"


def build(**changes: object) -> VLPRVOS:
    """A model with random weights and open gates."""
    torch.manual_seed(1)
    model = VLPRVOS(TinyBackbone(pyramid=True, relative_bias=True), tiny_config(**changes))
    for gate in model.encoder.gates:
        torch.nn.init.constant_(gate, 0.5)
    if model.motion is not None:
        torch.nn.init.normal_(model.motion.leave.weight)
    return model


def logits_of(output: ClipOutput) -> dict[str, Tensor]:
    """The outputs that have a row for each expression."""
    return {
        name: value for name, value in vars(output).items() if value is not None and name != "correspondence_features"
    }


def assert_same(ours: ClipOutput, theirs: ClipOutput, rows: slice = slice(None)) -> None:
    expected = logits_of(theirs)
    assert logits_of(ours).keys() == expected.keys()
    for name, value in logits_of(ours).items():
        torch.testing.assert_close(value, expected[name][rows], atol=2e-4, rtol=1e-3, msg=lambda m, n=name: f"{n}: {m}")


def loss_of(model: VLPRVOS) -> Tensor:
    """Random loss of two consecutive clips, the second with the history of the first, as in training."""
    frames, text = torch.rand(2, 3, 3, 32, 48), model.backbone.tokenize([LONG, SHORT])
    first = model(frames, text)
    second = model(frames.flip(1), text, first.history.detach())
    outputs = [*logits_of(first).values(), *logits_of(second).values()]
    return sum((value.float() * torch.randn_like(value.float())).mean() for value in outputs)


def test_shapes() -> None:
    model = build()
    out = model(torch.rand(1, 3, 3, 32, 48), model.backbone.tokenize([LONG, SHORT]))
    assert {name: tuple(value.shape) for name, value in logits_of(out).items()} == {
        "mask_logits": (2, 3, 32, 48),
        "history": (2, 3, 24),
        "score_logits": (2, 3, 2, 3),
        "presence_logits": (2, 3),
        "clip_presence_logits": (2,),
    }
    assert out.correspondence_features is not None
    assert out.correspondence_features.shape[:4] == (1, 3, 2, 3)


def test_closed_gates_leave_the_pretrained_features() -> None:
    guided = VLPRVOS(TinyBackbone(), tiny_config())
    plain = VLPRVOS(TinyBackbone(), tiny_config(reference_guided=False))
    plain.load_trained(
        {name: v for name, v in guided.trained_state_dict().items() if name in plain.trained_state_dict()}
    )
    frames, text = torch.rand(2, 3, 3, 32, 48), guided.backbone.tokenize([LONG, SHORT])
    assert_same(guided(frames, text), plain(frames, text))
    torch.nn.init.constant_(guided.encoder.gates[0], 0.5)
    assert not torch.allclose(guided(frames, text).mask_logits, plain(frames, text).mask_logits)


SWITCHES: list[dict[str, object]] = [
    *({name: False} for name in ("history", "temporal_capture", "reference_guided", "vlff", "score_map", "shallow")),
    *({name: False} for name in ("pyramid", "presence")),
    *({name: 0} for name in ("language_prompts", "vision_prompts", "temporal_prompts")),
    *({"attention": kind} for kind in ("cube", "frame", "full")),
    {"str_blocks": 0, "shallow_layers": []},
    {"motion": True},
    {"vlff": False, "score_map": False, "shallow": False, "presence": False},
    {"language_prompts": 0, "vision_prompts": 0, "temporal_prompts": 0, "history": False, "reference_guided": False},
]


@pytest.mark.parametrize("changes", SWITCHES, ids=str)
def test_each_part_can_be_switched_off(changes: dict[str, object]) -> None:
    model = build(**changes)
    loss_of(model).backward()
    assert all(parameter.grad is None for parameter in model.backbone.parameters())
    for name, parameter in model.named_trained_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_pooled_patches() -> None:
    """A quarter of the tokens; the mask head still works at the patches, with their frozen map."""
    torch.manual_seed(1)
    model = VLPRVOS(TinyBackbone(pyramid=True, pools=(1, 2)), tiny_config(patch_pool=2, motion=True))
    frames, text = torch.rand(1, 3, 3, 64, 96), model.backbone.tokenize([SHORT])
    out = model(frames, text)
    assert out.mask_logits.shape == (1, 3, 64, 96)
    assert out.score_logits is not None
    assert out.score_logits.shape == (1, 3, 2, 3)
    assert out.correspondence_features is not None
    assert out.correspondence_features.shape[:4] == (1, 3, 2, 3)
    out.mask_logits.square().mean().backward()
    finest = model.mask_head.finer["16"]
    assert not finest.weight.any()
    assert finest.weight.grad is not None
    assert finest.weight.grad.any()
    with pytest.raises(ValueError, match="multiples of 32"):
        model(torch.rand(1, 3, 3, 48, 96), text)
    with pytest.raises(UserError, match="patch_pool 2 does not fit tiny"):
        VLPRVOS(TinyBackbone(), tiny_config(patch_pool=2))


def test_every_trained_parameter_gets_a_gradient() -> None:
    model = build()
    loss_of(model).backward()
    silent = {name for name, value in model.named_trained_parameters() if value.grad is None or not value.grad.any()}
    assert not silent
    # With closed gates only the word projections get none: the gates must open first.
    closed = VLPRVOS(TinyBackbone(), tiny_config())
    loss_of(closed).backward()
    silent = {name for name, value in closed.named_trained_parameters() if value.grad is None or not value.grad.any()}
    assert {name.split(".")[1] for name in silent} == {"word_projections"}


def test_samples_of_a_batch_do_not_influence_each_other() -> None:
    model = build().eval()
    frames, history = torch.rand(2, 3, 3, 32, 48), torch.randn(2, 2, 24)
    together = model(frames, model.backbone.tokenize([SHORT, LONG]), history)
    alone = model(frames[:1], model.backbone.tokenize([SHORT]), history[:1])
    assert_same(alone, together, slice(0, 1))


def test_several_expressions_of_one_video() -> None:
    model = build().eval()
    frames = torch.rand(2, 3, 3, 32, 48)
    text = model.backbone.tokenize([SHORT, LONG, "a red car"])
    together = model(frames, text, video_of=torch.tensor([1, 0, 1]))
    expanded = model(frames[[1, 0, 1]], text)
    assert_same(together, expanded)
    one = model(frames[1:], model.encode_text(text))
    assert_same(ClipOutput(**{name: value[[0, 2]] for name, value in logits_of(one).items()}), expanded, slice(0, 3, 2))


@pytest.mark.parametrize("length", [1, 2, 5])
def test_any_clip_length(length: int) -> None:
    model = build()
    frames, text = torch.rand(1, length, 3, 32, 48), model.backbone.tokenize([SHORT])
    first = model(frames, text)
    assert first.history.shape == (1, length, 24)
    assert model(torch.rand(1, 2, 3, 32, 48), text, first.history).mask_logits.shape == (1, 2, 32, 48)


def test_history_changes_the_prediction() -> None:
    model = build()
    frames, text = torch.rand(1, 3, 3, 32, 48), model.backbone.tokenize([SHORT])
    first = model(frames, text)
    assert not torch.allclose(model(frames, text, first.history).mask_logits, first.mask_logits, atol=1e-5)


def test_frames_influence_each_other_only_through_the_temporal_parts() -> None:
    frames = torch.rand(1, 3, 3, 32, 48)
    changed = frames.clone()
    changed[:, 2] = torch.rand(3, 32, 48)

    def first_frame_moves(**changes: object) -> bool:
        model = build(**changes).eval()
        text = model.backbone.tokenize([SHORT])
        before, after = (model(clip, text).mask_logits[:, 0] for clip in (frames, changed))
        return not torch.allclose(before, after, atol=1e-6)

    assert first_frame_moves(attention="frame", shallow=False)
    assert not first_frame_moves(attention="frame", shallow=False, temporal_capture=False)
    assert first_frame_moves(attention="cube_frame", shallow=False, temporal_capture=False)
    assert first_frame_moves(attention="frame", shallow=False, temporal_capture=False, motion=True)


def test_no_motion_without_temporal_prompts() -> None:
    assert build(motion=True).motion is not None
    assert build(motion=True, temporal_prompts=0).motion is None


def test_bfloat16_autocast() -> None:
    model = build()
    frames, text = torch.rand(1, 3, 3, 32, 48), model.backbone.tokenize([SHORT])
    with torch.autocast("cpu", torch.bfloat16):
        out = model(frames, text)
        out = model(frames, text, out.history)
    assert out.mask_logits.dtype == torch.float32
    out.mask_logits.mean().backward()
    assert torch.allclose(out.mask_logits, model(frames, text, out.history.float()).mask_logits, atol=0.1)


def test_trained_state_is_everything_but_the_backbone() -> None:
    model = build()
    state = model.trained_state_dict()
    assert set(state) == {name for name in model.state_dict() if not name.startswith("backbone.")}
    assert {name.split(".")[0] for name in state} == {"encoder", "fusion", "reasoning", "mask_head", "presence_head"}
    assert len(list(model.trained_parameters())) == len(state)
    assert all(parameter.requires_grad for parameter in model.trained_parameters())
    model.train()
    assert model.training
    assert not model.backbone.training


def test_tuned_backbone_is_trained_and_saved_by_the_same_rule() -> None:
    frozen, tuned = build(), build(tune_backbone=True)
    layers = ("backbone.vision_blocks.", "backbone.text_blocks.")
    wanted = frozen.trained_state_dict().keys() | {name for name in tuned.state_dict() if name.startswith(layers)}
    assert tuned.trained_state_dict().keys() == wanted
    assert {name for name, value in tuned.named_parameters() if value.requires_grad} == wanted
    loss_of(tuned).backward()
    silent = {name for name, value in tuned.named_parameters() if value.grad is None}
    assert silent == tuned.state_dict().keys() - wanted


def test_loading_gives_the_same_model() -> None:
    model, other = build(), VLPRVOS(TinyBackbone(pyramid=True, relative_bias=True), tiny_config())
    other.load_trained(model.trained_state_dict())
    frames, text = torch.rand(1, 3, 3, 32, 48), model.backbone.tokenize([SHORT])
    assert_same(other(frames, text), model(frames, text))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("encoder.gates.0"), r"missing encoder\.gates\.0\)"),
        (lambda state: state.update(other=torch.zeros(1)), "unexpected other"),
        (
            lambda state: state.update({"mask_head.logits.bias": torch.zeros(2)}),
            r"another shape mask_head\.logits\.bias",
        ),
        (lambda state: state.clear(), "missing .* and [0-9]+ more"),
    ],
)
def test_weights_that_do_not_fit(change: Callable[[dict[str, Tensor]], object], message: str) -> None:
    model = build()
    state = model.trained_state_dict()
    change(state)
    with pytest.raises(UserError, match=message):
        model.load_trained(state)


@pytest.mark.parametrize(
    ("frames", "history", "video_of", "message"),
    [
        ((3, 3, 32, 48), None, None, r"not \(V, T, 3, H, W\)"),
        ((1, 0, 3, 32, 48), None, None, "T >= 1"),
        ((3, 1, 3, 32, 48), None, None, "2 expressions for 3 videos"),
        ((1, 1, 3, 32, 48), (1, 3, 24), None, "history has shape"),
        ((1, 1, 3, 32, 48), None, (3,), "video_of has shape"),
        ((1, 1, 3, 33, 48), None, None, "multiples of 16"),
    ],
)
def test_shapes_that_do_not_fit(
    frames: tuple[int, ...], history: tuple[int, ...] | None, video_of: tuple[int, ...] | None, message: str
) -> None:
    model = build()
    text = model.backbone.tokenize([SHORT, LONG])
    with pytest.raises(ValueError, match=message):
        model(
            torch.rand(frames),
            text,
            None if history is None else torch.rand(history),
            None if video_of is None else torch.zeros(video_of, dtype=torch.int64),
        )


# --- candidates ----------------------------------------------------------------------------------------------------
def build_with_candidates(**changes: object) -> VLPRVOS:
    """A model with candidates and random weights, also where training starts from 0."""
    torch.manual_seed(1)
    model = VLPRVOS(TinyBackbone(named=True), tiny_config(candidates=5, **changes))
    path = model.candidate_path
    assert path is not None
    path.name_classes(model.backbone)
    for layer in (path.head.objectness, path.head.box, path.head.kernel):
        torch.nn.init.normal_(layer.weight, std=0.1)
    for parameter in (*model.encoder.gates, *path.choice.parameters(), *path.agreement.parameters(), path.calibration):
        if not parameter.all():
            torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def predictions_of(output: ClipOutput) -> dict[str, Tensor]:
    names = ("mask_logits", "history", "score_logits", "presence_logits", "clip_presence_logits")
    return {name: getattr(output, name) for name in names}


def assert_near(ours: ClipOutput, theirs: ClipOutput, rows: slice = slice(None)) -> None:
    for name, value in predictions_of(theirs).items():
        torch.testing.assert_close(
            getattr(ours, name), value[rows], atol=1e-3, rtol=1e-3, msg=lambda m, n=name: f"{n}: {m}"
        )


def test_candidates_change_masks_and_presence_only() -> None:
    model = build_with_candidates()
    dense = VLPRVOS(model.backbone, model.config.replace(candidates=0)).eval()
    own = dense.trained_state_dict()
    dense.load_trained({name: value for name, value in model.trained_state_dict().items() if name in own})
    frames, text = torch.rand(1, 3, 3, 64, 96), model.backbone.tokenize([LONG, SHORT])
    out, plain = model(frames, text), dense(frames, text)
    assert torch.equal(out.history, plain.history)
    assert torch.equal(out.score_logits, plain.score_logits)
    for name in ("mask_logits", "presence_logits", "clip_presence_logits"):
        assert getattr(out, name).shape == getattr(plain, name).shape
        assert not torch.allclose(getattr(out, name), getattr(plain, name))
    assert (plain.identities, plain.things) == (None, None)
    assert out.identities is not None
    assert len(out.identities) == 1


def test_candidates_of_several_videos() -> None:
    model = build_with_candidates()
    frames = torch.rand(2, 3, 3, 64, 96)
    text = model.backbone.tokenize([SHORT, LONG, "a red car"])
    first = model(frames, text, video_of=torch.tensor([1, 0, 1]))
    second = model(frames.flip(1), text, first.history, torch.tensor([1, 0, 1]), first.identities)
    for video, rows in ((0, [1]), (1, [0, 2])):
        words, index = model.encode_text(text).select(torch.tensor(rows)), torch.zeros(len(rows), dtype=torch.int64)
        alone = model(frames[video][None], words, video_of=index)
        chosen = ClipOutput(**{name: value[rows] for name, value in predictions_of(first).items()})
        assert_near(alone, chosen)
        after = model(frames[video][None].flip(1), words, alone.history, index, alone.identities)
        assert_near(after, ClipOutput(**{name: value[rows] for name, value in predictions_of(second).items()}))


def test_a_video_without_expressions_keeps_its_place() -> None:
    model = build_with_candidates()
    frames, text = torch.rand(2, 2, 3, 32, 64), model.backbone.tokenize([SHORT])
    out = model(frames, text, video_of=torch.tensor([1]))
    assert out.identities is not None
    assert [len(identities.scores) for identities in out.identities] == [0, 1]
    assert_near(model(frames[1:], text), out)
    assert model(frames, text, out.history, torch.tensor([1]), out.identities).mask_logits.isfinite().all()
    with pytest.raises(ValueError, match="identities of 2 videos for 1 videos"):
        model(frames[:1], text, identities=out.identities)


def test_identities_change_the_prediction() -> None:
    model = build_with_candidates()
    frames, text = torch.rand(1, 3, 3, 64, 96), model.backbone.tokenize([LONG, SHORT])
    first = model(frames, text)
    assert first.identities is not None
    first.identities[0].scores.add_(torch.linspace(-4, 4, first.identities[0].scores.shape[1]))
    with_them = model(frames, text, first.history, identities=first.identities)
    without = model(frames, text, first.history)
    assert not torch.allclose(with_them.mask_logits, without.mask_logits, atol=1e-3)


@pytest.mark.parametrize("changes", [{}, {"candidates": 5}], ids=str)
def test_frames_embedded_separately(changes: dict[str, object]) -> None:
    model = build_with_candidates() if changes else build().eval()
    frames, words = torch.rand(2, 4, 3, 64, 96), model.encode_text(model.backbone.tokenize([LONG, SHORT]))
    parts = [model.embed(frames[:, :1]), model.embed(frames[:, 1:])]
    joined, together = EmbeddedFrames.join(parts), model.embed(frames)
    assert_near_embedded(joined, together)
    found, expected = (model.predict_embedded(x, words, None, None) for x in (joined, together))
    for name, value in predictions_of(expected).items():
        torch.testing.assert_close(getattr(found, name), value, atol=1e-2, rtol=1e-2)


def assert_near_embedded(ours: EmbeddedFrames, theirs: EmbeddedFrames) -> None:
    assert (ours.grid, ours.size) == (theirs.grid, theirs.size)
    for name in ("tokens", "correspondence_features", "pyramid", "named"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), atol=1e-4, rtol=1e-4)
    assert (ours.things is None) == (theirs.things is None)
    for found, expected in zip(ours.things or [], theirs.things or [], strict=True):
        assert len(found) == len(expected) == 4
        for (one, _), (other, _) in zip(found, expected, strict=True):
            torch.testing.assert_close(one.boxes, other.boxes, atol=1e-2, rtol=1e-3)


def test_gradients_with_candidates() -> None:
    model = build_with_candidates().train()
    assert model.candidate_path is not None
    for layer in (model.candidate_path.number.query, model.candidate_path.number.value):
        torch.nn.init.normal_(layer.weight)
    frames, text = torch.rand(2, 2, 3, 64, 64), model.backbone.tokenize([LONG, SHORT])
    first = model(frames, text)
    second = model(frames.flip(1), text, first.history.detach(), identities=first.identities)
    loss = sum(value.square().mean() for out in (first, second) for value in predictions_of(out).values())
    loss.backward()
    frozen = ("backbone.", "candidate_path.detector.")
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == (not name.startswith(frozen)), name
        assert parameter.grad is None or not name.startswith(frozen), name
        assert parameter.grad is None or parameter.grad.isfinite().all(), name
    silent = {name for name, value in model.named_trained_parameters() if value.grad is None or not value.grad.any()}
    # Objectness has a loss of its own, which needs outlines of all things. Biases of keys cancel out in every softmax.
    expected = {f"candidate_path.head.objectness.{kind}" for kind in ("weight", "bias")}
    expected |= {
        f"candidate_path.choice.inputs.{x}.1.{kind}" for x in ("geometry", "colours") for kind in ("weight", "bias")
    }
    # A level gets a gradient only where one of its positions proposed a candidate.
    ignored = ("candidate_path.head.smooth.", "candidate_path.head.lateral.")
    assert {name for name in silent if not name.endswith("key.bias") and not name.startswith(ignored)} == expected


def test_the_detector_is_not_in_checkpoints() -> None:
    state = build_with_candidates().trained_state_dict()
    parts = {name.split(".")[1] for name in state if name.startswith("candidate_path.")}
    assert parts == {"head", "class_names", "choice", "agreement", "calibration", "number"}
