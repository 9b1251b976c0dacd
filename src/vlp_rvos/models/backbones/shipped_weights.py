"""The weights that come with the package, each with a model card beside it in `vlp_rvos/weights`.

No checksum is computed when they are read. A damaged file fails in safetensors' own check of its layout or in the
comparison of names and shapes, and every checkpoint states the fingerprint of the backbone that it was trained on.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

__all__ = ["BERT_VOCABULARY", "EFFICIENTNET_LITE2", "MINILM", "MINI_TOWER", "MINI_TOWER_WIDE", "NANODET", "WEIGHTS"]

#: Folder of the shipped weights.
WEIGHTS = Path(str(resources.files("vlp_rvos") / "weights"))
#: Vision stem of `mini`: tensors of `EfficientNetLite("lite2")` in half precision, from `tools/convert_backbones.py`.
EFFICIENTNET_LITE2 = WEIGHTS / "efficientnet-lite2.safetensors"
#: Text tower of `mini`: tensors of `MiniBackbone` in half precision, from `tools/convert_backbones.py`.
MINILM = WEIGHTS / "minilm-l6-v2.safetensors"
#: The uncased vocabulary of BERT, which MiniLM and VLMo use: one word piece a line.
BERT_VOCABULARY = WEIGHTS / "bert-uncased-vocab.txt"
#: Vision tower of `mini` (`MiniBackbone.aligned_state_dict`).
MINI_TOWER = WEIGHTS / "mini-backbone.safetensors"
#: Vision tower of `mini` that was shipped before, for checkpoints that were trained on it.
MINI_TOWER_WIDE = WEIGHTS / "mini-backbone-wide.safetensors"
#: Detector of the classes of COCO: tensors of `NanoDet` in half precision, from `tools/convert_backbones.py`.
NANODET = WEIGHTS / "nanodet.safetensors"
