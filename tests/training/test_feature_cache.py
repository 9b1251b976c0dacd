from __future__ import annotations

from pathlib import Path

import pytest
import torch
from candidate_runs import small_model

from vlp_rvos.errors import UserError
from vlp_rvos.training import feature_cache
from vlp_rvos.training.choice_features import PictureFeatures
from vlp_rvos.training.feature_cache import FeatureCache, features_key
from vlp_rvos.utils.signals import StopRequest


@pytest.fixture(autouse=True)
def _small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_cache, "PICTURES_IN_FILE", 2)


class Computed:
    """Makes features, and remembers of which pictures."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.asked: list[int] = []
        self.stop_request, self.stop_at = StopRequest(), stop_at

    def __call__(self, index: int) -> PictureFeatures:
        self.asked.append(index)
        if index == self.stop_at:
            self.stop_request.signal_number = 15
        masks = torch.full((1, 2, 2), float(index), dtype=torch.float16)
        return PictureFeatures(
            str(index),
            0,
            False,
            {"looks": torch.ones(1, 3)},
            1,
            {"7": [(0, 0.5)]},
            [("the car", ["7"], "expressions")],
            torch.zeros(1, 1, 8),
            torch.zeros(1, 2),
            masks,
            masks,
            masks.to(torch.uint8),
        )


def test_features_are_kept_and_loaded_in_their_order(tmp_path: Path) -> None:
    cache, compute = FeatureCache(tmp_path / "features", "key", 5), Computed()
    assert cache.fill(compute, compute.stop_request)
    found = list(cache.load())
    assert [picture.name for picture in found] == list("01234")
    assert found[0].rows == {"7": [(0, 0.5)]}
    assert found[0].expressions == [("the car", ["7"], "expressions")]
    assert [len(picture.mask_logits) for picture in found] == [0] * 5
    assert [picture.mask_logits.mean().item() for picture in cache.load(masks=True)] == [0, 1, 2, 3, 4]


def test_only_what_is_missing_is_computed(tmp_path: Path) -> None:
    cache, stopped = FeatureCache(tmp_path / "features", "key", 5), Computed(stop_at=2)
    assert not cache.fill(stopped, stopped.stop_request)
    assert stopped.asked == [0, 1, 2]
    rest = Computed()
    assert FeatureCache(tmp_path / "features", "key", 5).fill(rest, rest.stop_request)
    assert rest.asked == [2, 3, 4]
    other = Computed()
    assert FeatureCache(tmp_path / "features", "other", 5).fill(other, other.stop_request)
    assert len(other.asked) == 5


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    cache, compute = FeatureCache(tmp_path / "features", "key", 3), Computed()
    cache.fill(compute, compute.stop_request)
    file = tmp_path / "features" / "key-00001.pt"
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(UserError, match=r"key-00001\.pt: not readable; remove it"):
        list(cache.load())


def test_files_of_others_stay(tmp_path: Path) -> None:
    cache, compute = FeatureCache(tmp_path / "features", "key", 1), Computed()
    cache.fill(compute, compute.stop_request)
    (tmp_path / "features" / "mine.txt").write_text("mine")
    cache.remove()
    assert [path.name for path in (tmp_path / "features").iterdir()] == ["mine.txt"]
    (tmp_path / "features" / "mine.txt").unlink()
    cache.remove()
    assert not (tmp_path / "features").exists()


def test_the_key_follows_from_all_that_matters() -> None:
    model = small_model()
    parts = ("candidate_path.choice.",)
    key = features_key(model, parts, [1])
    assert key == features_key(small_model(), parts, [1])
    assert key != features_key(model, parts, [2])
    state = model.trained_state_dict()
    for name, changes in (("candidate_path.choice.none", False), ("candidate_path.class_names", True)):
        state[name].add_(1)
        assert (features_key(model, parts, [1]) != key) == changes
