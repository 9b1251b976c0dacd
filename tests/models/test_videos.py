from __future__ import annotations

import torch

from vlp_rvos.models.videos import for_expressions


def test_each_expression_gets_the_values_of_its_video() -> None:
    videos = torch.arange(6.0).view(3, 2)
    assert for_expressions(videos, None) is videos
    assert for_expressions(videos, torch.tensor([2, 0, 2])).tolist() == [[4, 5], [0, 1], [4, 5]]


def test_the_only_video_is_not_copied() -> None:
    video = torch.rand(1, 2, 3)
    same = for_expressions(video, torch.zeros(4, dtype=torch.int64))
    assert same.shape == (4, 2, 3)
    assert same.data_ptr() == video.data_ptr()
    assert same.eq(video).all()
