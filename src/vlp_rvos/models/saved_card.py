"""The model card of a saved model: what it is, its licence, data and numbers, and how to use it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from vlp_rvos.models.checkpoint import CheckpointInfo
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.utils.plain_text import escape_unprintable, shorten

__all__ = ["CARD", "is_card", "model_card"]

#: File name of a card; the hub shows this file as the page of a model.
CARD = "README.md"
MARK = "<!-- Made by Segmenter.save_pretrained of vlp-rvos. Remove this line to keep changes of your own. -->"
HEAD = f"""---
library_name: vlp-rvos
pipeline_tag: image-segmentation
license: other
license_name: terms-of-the-training-data
language: en
tags:
- referring-video-object-segmentation
- video-segmentation
- vlp-rvos
---
{MARK}
"""
LICENCE = """## Licence

The software is Apache-2.0. The weights are under the terms of the data that they were trained on, which follow below;
where nothing is said of them, ask whoever trained the model. The frozen backbone has a licence of its own.
"""


def is_card(path: Path) -> bool:
    """Whether a file is a card that `model_card` made and nobody has claimed since."""
    try:
        return MARK in path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def model_card(
    name: str, address: str, backbone: str, config: ModelConfig, info: CheckpointInfo | None, shipped: str | None
) -> str:
    """Write the card of a model, in Markdown.

    Args:
        name: name of the model.
        address: what `from_pretrained` and `--model` are to be given: a folder or the model's name on the hub.
        backbone: name of the backbone.
        config: the settings of the model.
        info: header of the checkpoint that the model was loaded from; None for a model that was loaded from none.
        shipped: text of the card that comes with the package, if the weights are those of a shipped model.
    """
    training = info.training if info else {}
    parts = [HEAD, f"# {_plain(name)}\n", _use(address), LICENCE, _settings(backbone, config)]
    if shipped is not None:
        parts.append(_without_links(re.sub(r"^# .*$", "## Weights", shipped, count=1, flags=re.MULTILINE)))
    else:
        parts += [_data(training), _numbers(training)]
    return "\n".join(parts)


def _use(address: str) -> str:
    return f"""VLP-RVOS: masks of what an English expression means, in every frame of a video
([the method](https://arxiv.org/abs/2405.10610)).

## How to use it

```bash
vlp-rvos segment video.mp4 "the dog that jumps" --model {_plain(address)} -o out
```

```python
from vlp_rvos import Segmenter

segmenter = Segmenter.from_pretrained("{_plain(address)}")
for frame in segmenter.segment("video.mp4", "the dog that jumps"):
    frame.mask, frame.score, frame.presence, frame.time
```
"""


def _settings(backbone: str, config: ModelConfig) -> str:
    return f"""## Settings

| | |
|---|---|
| backbone, frozen | `{_plain(backbone)}` |
| frames of a clip | {config.clip_length} |
| input size, pixels | {config.input_size} |
| candidates | {config.candidates} |
| presence threshold | {config.presence_threshold:g} |
"""


def _data(training: Mapping[str, Any]) -> str:
    """The data sets that a training run has recorded."""
    config = training.get("config")
    parts = [_part(config, part) for part in ("data", "candidates", "choice")]
    lists = [part.get(key) for part in parts for key in ("sources", "described")]
    entries = [one for sources in lists if isinstance(sources, list) for one in sources if isinstance(one, Mapping)]
    lines = list(dict.fromkeys(f"- {_plain(one.get('folder'))} ({_plain(one.get('kind'))})" for one in entries))
    return "\n".join(["## Data", "", *(lines or ["The checkpoint does not say what the model was trained on."]), ""])


def _part(config: object, name: str) -> Mapping[str, Any]:
    part = config.get(name) if isinstance(config, Mapping) else None
    return part if isinstance(part, Mapping) else {}


def _numbers(training: Mapping[str, Any]) -> str:
    """What a training run has recorded of its length and its last validation."""
    validation = training.get("validation")
    rows = {key: training[key] for key in ("steps", "samples", "seconds", "seed") if key in training}
    rows |= (
        {f"validation, {key}": value for key, value in validation.items()} if isinstance(validation, Mapping) else {}
    )
    lines = [f"| {_plain(key)} | {_plain(value)} |" for key, value in rows.items()]
    table = ["| | |", "|---|---|", *lines] if lines else ["The checkpoint records none."]
    return "\n".join(["## Numbers", "", *table, ""])


def _plain(value: object) -> str:
    """Text from outside for a line of Markdown."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return re.sub(r"[`|\[\]\"]", " ", escape(escape_unprintable(shorten(text, 200)), quote=False))


def _without_links(text: str) -> str:
    """Markdown without what leads to files that lie beside it, and without comments."""
    text = re.sub(r"!\[[^\]]*\]\((?!https?:)[^)]*\)|<!--.*?-->", "", text, flags=re.DOTALL)
    return re.sub(r"\[([^\]]*)\]\((?!https?:)[^)]*\)", r"\1", text)
