"""The method, one file for each part of the paper.

`vlp_rvos` is the whole model. It calls, in this order: `encoder` (with `prompts`), `motion`, `fusion`, `reasoning`
(with `cube_frame`) and `heads`. The frozen towers are in `backbones`.

Docstrings and comments mark where a statement comes from: `[P]` the paper, `[O]` the authors' public release, `[D]` a
decision of this project where neither says. `docs/method.md` describes every part with the same marks.
"""
