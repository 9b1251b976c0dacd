"""Checkpoints: the trained parameters of a model, with the name and a hash of its frozen backbone.

A checkpoint is one safetensors file. Its tensors have the names of `VLPRVOS.trained_state_dict`, and its header says
how to build the model. `docs/method.md` section 5 says what is trained.
"""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from vlp_rvos._version import __version__
from vlp_rvos.errors import UserError, VLPRVOSError, VLPRVOSWarning
from vlp_rvos.models.backbones import Backbone, load_backbone
from vlp_rvos.models.backbones.earlier_backbones import current_fingerprint, earlier_weights, is_comparable
from vlp_rvos.models.backbones.placeholder_weights import PlaceholderWeights
from vlp_rvos.models.backbones.weight_values import as_weights
from vlp_rvos.models.candidate_path import upgraded
from vlp_rvos.models.hub import download_model, hub_id
from vlp_rvos.models.model_config import INFERENCE_FIELDS, PRESETS, ModelConfig
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.utils.atomic import replace_file
from vlp_rvos.utils.plain_text import escape_surrogates, escape_unprintable, is_unicode, shorten
from vlp_rvos.utils.records import record_from
from vlp_rvos.utils.special_files import refuse_special_file

__all__ = [
    "MODEL_FILE",
    "CheckpointInfo",
    "backbone_fingerprint",
    "inherited_overrides",
    "load_model",
    "load_trained",
    "names_local_backbone",
    "peek",
    "resolve",
    "save_trained",
    "shipped_card",
    "shipped_models",
    "trained_parameters",
]

FORMAT = "vlp-rvos"
#: The checkpoint in the folder of a training run, or in one that `Segmenter.save_pretrained` wrote.
MODEL_FILE = "model.safetensors"
#: In format 1 the fingerprint of a `mini` backbone is that with MiniLM in single precision.
FORMAT_VERSION = 2
READ_VERSIONS = ("1", "2")
#: Header keys that files of earlier versions have -> what they are called now.
RENAMED_KEYS = {"use": "inference_overrides"}

_fingerprints: WeakKeyDictionary[nn.Module, str] = WeakKeyDictionary()


@dataclass(frozen=True)
class CheckpointInfo:
    """The header of a checkpoint.

    Attributes:
        format_version: version of the file's layout.
        package_version: version of the package that wrote the file.
        backbone: name of the backbone, for `load_backbone`.
        backbone_fingerprint: hash of the backbone that the model was trained on, see `backbone_fingerprint`.
        backbone_weights: file or repository that the backbone was loaded from; None if its name alone is enough.
        config: fields of the `ModelConfig` that the model was trained with.
        inference_overrides: fields of `ModelConfig` that change when the model is loaded for inference, but not when
            its training goes on.
        training: what the training recorded: steps, time, seed, validation.
    """

    format_version: int
    package_version: str
    backbone: str
    backbone_fingerprint: str
    backbone_weights: str | None
    config: dict[str, Any]
    inference_overrides: dict[str, Any]
    training: dict[str, Any]


def backbone_fingerprint(backbone: Backbone) -> str:
    """SHA-256 of the names, types, shapes and bytes of a backbone's frozen parameters and persistent buffers.

    Parameters that a model tunes do not count: the checkpoint holds them itself. The hash is computed once for each
    backbone object, so call this only after the backbone has become part of its model.
    """
    if backbone not in _fingerprints:
        digest = hashlib.sha256()
        tuned = {name for name, parameter in backbone.named_parameters() if parameter.requires_grad}
        for name, tensor in sorted(backbone.state_dict().items()):
            if name in tuned:
                continue
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        _fingerprints[backbone] = digest.hexdigest()
    return _fingerprints[backbone]


def save_trained(
    path: Path,
    model: VLPRVOS,
    metadata: Mapping[str, object],
    *,
    state: Mapping[str, Tensor] | None = None,
    inference_overrides: Mapping[str, object] | None = None,
    backbone_weights: str | None = None,
    half: bool = False,
) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        path: path of the `.safetensors` file.
        model: the model whose trained parameters, config and backbone are saved.
        metadata: what to record about the training, as JSON can hold it.
        state: trained tensors to save in place of the model's own, for example an average; they must have the same
            keys.
        inference_overrides: fields of the config that `load_model` changes for inference.
        backbone_weights: file or repository that the backbone was loaded from, if its name alone is not enough.
        half: store floating-point tensors in half precision; they are loaded in fp32 again.

    Raises:
        ValueError: `state` has other keys than the model's trained parameters.
        VLPRVOSError: a value does not fit half precision.
        UserError: the folder cannot be written, or `inference_overrides` do not fit the config.
    """
    own = model.trained_state_dict()
    if state is not None and state.keys() != own.keys():
        raise ValueError("the state to save must have the keys of the model's trained parameters")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in (state or own).items()}
    if half:
        tensors = {name: _halved(name, tensor) for name, tensor in tensors.items()}
    header = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "package_version": __version__,
        "backbone": model.backbone.name,
        "backbone_fingerprint": backbone_fingerprint(model.backbone),
        "config": json.dumps(model.config.to_dict()),
        "training": json.dumps(dict(metadata)),
    }
    if inference_overrides:
        model.config.replace(**inference_overrides)
        header["inference_overrides"] = json.dumps(dict(inference_overrides))
    if backbone_weights is not None:
        header["backbone_weights"] = escape_surrogates(backbone_weights)
    replace_file(path, lambda temporary: save_file(tensors, temporary, metadata=header))


def peek(name_or_path: str | Path) -> CheckpointInfo:
    """Read the header of a shipped model or a checkpoint file, but not its tensors.

    Raises:
        UserError: the model is unknown, or the file is not a checkpoint that this version reads.
    """
    path = resolve(name_or_path)
    return _parse(_read(path, tensors=False)[0], path)


def names_local_backbone(info: CheckpointInfo) -> bool:
    """Whether a checkpoint names a file or folder of one machine for its backbone, which other machines lack."""
    return info.backbone_weights is not None and hub_id(info.backbone_weights) is None


def shipped_card(info: CheckpointInfo) -> str | None:
    """The model card that the package has for a checkpoint's weights; None if they are not those of a shipped model."""
    for path in _shipped().values():
        shipped = _parse(_read(path, tensors=False)[0], path).training
        # What `save_pretrained` adds to a record is no difference.
        if shipped and shipped.items() <= info.training.items() and info.training.keys() - shipped <= {"saved_as"}:
            return path.with_suffix(".md").read_text(encoding="utf-8")
    return None


def shipped_models() -> list[str]:
    """Names of the models that come with the package, in alphabetical order."""
    return sorted(_shipped())


def trained_parameters(name_or_path: str | Path) -> int:
    """Number of trained parameters in a shipped model or a checkpoint file; only its header is read.

    Raises:
        UserError: as for `peek`.
    """
    path = resolve(name_or_path)
    try:
        with path.open("rb") as opened, safe_open(_utf8_name(path, opened.fileno()), "pt") as file:
            return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error


def load_model(
    name_or_path: str | Path,
    overrides: Mapping[str, object] | None = None,
    device: torch.device | str = "cpu",
    *,
    backbone_weights: str | Path | None = None,
) -> VLPRVOS:
    """Load a trained model for inference, in evaluation mode and fp32.

    Args:
        name_or_path: name of a shipped model (`shipped_models`), or a checkpoint file.
        overrides: `ModelConfig` fields in place of the checkpoint's config and inference overrides. Parameters of a
            part that is switched off here are left out; otherwise all parameters must match.
        device: the device to put the model on.
        backbone_weights: file or repository to load the frozen backbone from, in place of what the checkpoint says.

    Raises:
        UserError: the model or a config field is unknown, the file is broken, the backbone is not the one that the
            model was trained on, or parameters do not match (the message names the first).
    """
    path = resolve(name_or_path)
    header, state = _read(path, tensors=True)
    info = _parse(header, path)
    earlier = earlier_weights(info.backbone, info.backbone_fingerprint)
    config = _config(info, path)
    changed = config.replace(**info.inference_overrides).replace(**(overrides or {}))
    backbone = load_backbone(info.backbone, backbone_weights or info.backbone_weights or earlier)
    with ThreadPoolExecutor(1) as aside:
        if not changed.tune_backbone:
            # Nothing of it will be tuned, so it can be hashed now, which needs no interpreter.
            aside.submit(backbone_fingerprint, backbone)
        with PlaceholderWeights():
            model = VLPRVOS(backbone, changed)
    _check_backbone(info, backbone, path)
    wanted = model.trained_state_dict()
    if wanted.keys() != state.keys():
        # Only a complete file may lose a part, or be given to a model without it.
        _fill(VLPRVOS(backbone, config), state, path)
    _fill(model, {name: tensor for name, tensor in state.items() if name in wanted}, path)
    return model.to(device).eval()


def load_trained(model: VLPRVOS, name_or_path: str | Path) -> CheckpointInfo:
    """Load the parameters of a checkpoint into a model with the same backbone, for example to fine-tune it.

    The configs may differ in settings that change no shape, and in the parts that are switched on: a part that only
    the model has keeps its initial parameters, and a part that only the checkpoint has is left out. A `VLPRVOSWarning`
    names them.

    Returns:
        The header of the checkpoint.

    Raises:
        UserError: the file is unknown or broken, the backbone is another one, or parameters do not match.
    """
    path = resolve(name_or_path)
    header, state = _read(path, tensors=True)
    info = _parse(header, path)
    _check_backbone(info, model.backbone, path)
    if differing := _config(info, path).differing(model.config):
        own = model.trained_state_dict()
        effects = [
            f"{shorten(', '.join(sorted(names)), 300)} {outcome}"
            for names, outcome in (
                (own.keys() - state, "keep their initial values"),
                (state.keys() - own, "are left out"),
            )
            if names
        ]
        # Plain values in JSON are YAML too.
        theirs = ", ".join(f"{name}: {json.dumps(value)}" for name, (value, _) in differing.items())
        ours = ", ".join(f"{name}: {json.dumps(value)}" for name, (_, value) in differing.items())
        message = f"{path.name} was trained with {theirs}, and this model has {ours}"
        message += f" ({'; '.join(effects)})" if effects else ""
        message += f"; to go on as it was trained, set model.overrides to {{{theirs}}}"
        warnings.warn(VLPRVOSWarning(message), stacklevel=2)
        state = {name: state.get(name, tensor) for name, tensor in own.items()}
    _fill(model, state, path)
    return info


def inherited_overrides(info: CheckpointInfo, config: ModelConfig) -> dict[str, Any]:
    """How a model that is trained further from a checkpoint should differ from its config at inference.

    Args:
        info: header of the checkpoint that the training starts from.
        config: config of the model that is trained.

    Returns:
        `ModelConfig` field -> value: what the checkpoint sets for inference. A setting that matters in training too is
        among them only where the training leaves it as it was.

    Raises:
        UserError: the checkpoint's config has an unknown field or a wrong value.
    """
    before, now = ModelConfig.from_dict(info.config).to_dict(), config.to_dict()
    settings = {name: before[name] for name in INFERENCE_FIELDS}
    settings |= {
        name: value
        for name, value in info.inference_overrides.items()
        if name in INFERENCE_FIELDS or before.get(name) == now.get(name)
    }
    return {name: settings[name] for name in sorted(settings) if settings[name] != now.get(name)}


def _halved(name: str, tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        return tensor
    half = tensor.half()
    if not torch.isfinite(half).all():
        raise VLPRVOSError(f"parameter '{name}' does not fit half precision; save it in full precision")
    return half


def _shipped() -> dict[str, Path]:
    folder = Path(str(resources.files("vlp_rvos") / "weights"))
    return {file.stem: file for file in sorted(folder.glob("*.safetensors")) if _is_checkpoint(file)}


def _is_checkpoint(path: Path) -> bool:
    # The same folder holds weights of frozen backbones.
    try:
        with safe_open(path, "pt") as file:
            return (file.metadata() or {}).get("format") == FORMAT
    except (OSError, SafetensorError):
        return False


def resolve(name_or_path: str | Path) -> Path:
    """Find the file of a shipped model or a checkpoint; of a folder, the `model.safetensors` in it.

    A name `owner/name` or `owner/name@revision` that is not a local file or folder is one on the Hugging Face hub,
    whose `model.safetensors` is downloaded into the hub's cache.

    Raises:
        UserError: there is no such model or file; the message lists the models that there are.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    if (path / MODEL_FILE).is_file():
        return path / MODEL_FILE
    refuse_special_file(path)
    shipped = _shipped()
    if str(name_or_path) in shipped:
        return shipped[str(name_or_path)]
    if not path.exists() and hub_id(str(name_or_path)):
        downloaded = download_model(str(name_or_path), MODEL_FILE)
        if not _is_checkpoint(downloaded):
            raise UserError(f"{name_or_path}: its {MODEL_FILE} on the Hugging Face hub is not a model of this project")
        if names_local_backbone(_parse(_read(downloaded, tensors=False)[0], downloaded)):
            raise UserError(f"{name_or_path}: stands on a backbone that only its author has; ask them to publish that")
        return downloaded
    if path.suffix == ".safetensors" or len(path.parts) > 1:
        raise UserError(f"{path}: no such model file")
    if str(name_or_path) in PRESETS:
        raise UserError(
            f"{name_or_path}: this preset comes without trained weights; train it, then give the file "
            f"(models with weights: {', '.join(shipped) or 'none'})"
        )
    raise UserError(
        f"{name_or_path}: unknown model; give a checkpoint file or one of: {', '.join(shipped) or 'none'} "
        f"(presets that can be trained: {', '.join(PRESETS)})"
    )


def _read(path: Path, *, tensors: bool) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with path.open("rb") as opened, safe_open(_utf8_name(path, opened.fileno()), "pt") as file:
            header = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()} if tensors else {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error
    return header, dict(upgraded({name: as_weights(tensor, name, str(path)) for name, tensor in state.items()}))


def _unreadable(path: Path, error: Exception) -> UserError:
    reason = escape_unprintable(shorten(str(error)))
    return UserError(f"{path}: not a readable safetensors file ({reason}); download or train it again")


def _utf8_name(path: Path, descriptor: int) -> Path:
    """A name for an open file that safetensors takes, which refuses those that are not UTF-8."""
    return path if is_unicode(str(path)) else Path(f"/proc/self/fd/{descriptor}")


def _parse(header: Mapping[str, str], path: Path) -> CheckpointInfo:
    if header.get("format") != FORMAT:
        raise UserError(f"{path}: not a checkpoint of this project; give one that `vlp-rvos train` wrote")
    if header.get("format_version") not in READ_VERSIONS:
        version = header.get("format_version")
        raise UserError(f"{path}: checkpoint format {version}, this version reads {FORMAT_VERSION}; upgrade vlp-rvos")
    try:
        fields = {RENAMED_KEYS.get(name, name): value for name, value in header.items() if name != "format"}
        values = fields | {
            "format_version": int(header["format_version"]),
            "backbone_fingerprint": current_fingerprint(header["backbone_fingerprint"]),
            "config": json.loads(header["config"]),
            "inference_overrides": json.loads(fields.get("inference_overrides", "{}")),
            "training": json.loads(header["training"]),
        }
    except (KeyError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: broken checkpoint header ({error}); download or train it again") from error
    return record_from(CheckpointInfo, {"backbone_weights": None} | values, f"{path}: checkpoint header")


def _config(info: CheckpointInfo, path: Path) -> ModelConfig:
    try:
        return ModelConfig.from_dict(info.config)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _check_backbone(info: CheckpointInfo, backbone: Backbone, path: Path) -> None:
    found = backbone_fingerprint(backbone)
    stated = info.backbone_fingerprint
    if found == stated:
        return
    if info.format_version == 1 and not is_comparable(backbone.name, stated, found):
        warnings.warn(
            f"{path}: was trained by an earlier version on a vision tower of your own; whether the loaded tower is the "
            "same cannot be checked",
            VLPRVOSWarning,
            stacklevel=3,
        )
        return
    raise UserError(
        f"{path}: was trained on another '{info.backbone}' backbone (hash {stated[:12]}, "
        f"loaded {backbone.name} {found[:12]}); load the backbone's weights that it was trained on"
    )


def _fill(model: VLPRVOS, state: Mapping[str, Tensor], path: Path) -> None:
    try:
        model.load_trained(state)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
