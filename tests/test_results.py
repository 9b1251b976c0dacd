"""What the model says about one frame."""

from __future__ import annotations

import numpy as np
from frame_results import result

from vlp_rvos.results import label_map


def test_the_best_score_is_on_top() -> None:
    for scores, top in (((0.9, 0.4), 1), ((0.4, 0.9), 2)):
        one = result(scores=scores)
        labels = label_map(one.masks, one.scores)
        assert labels.dtype == np.uint8
        assert labels[40, 20] == top
        assert (labels[0, 0], labels[30, 20], labels[40, 60]) == (0, 1, 2)
