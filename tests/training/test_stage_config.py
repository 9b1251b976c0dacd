from __future__ import annotations

import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.training.stage_config import AgreementStage, CandidateStage, ChoiceStage, StageBudget
from vlp_rvos.utils.records import record_from


def test_stages_are_read_with_their_sources() -> None:
    values = {"steps": 5, "sizes": [[64, 96]], "sources": [{"folder": "a"}, {"folder": "b", "kind": "videos"}]}
    stage = record_from(CandidateStage, values, "run.yaml")
    assert stage.sizes == ((64, 96),)
    assert [source.kind for source in stage.sources] == ["pictures", "videos"]
    with pytest.raises(UserError, match=r"run.yaml: unknown key 'sources\[0\].colour'"):
        record_from(ChoiceStage, {"sources": [{"folder": "a", "colour": 1}]}, "run.yaml")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sizes": ()}, "at least one size"),
        ({"sizes": ((64, 100),)}, "multiples of 32 from 32 to 8192, not 64x100"),
        ({"sizes": ((8192, 8192),), "batch": 4096}, "pixels"),
        ({"sizes": ((64, 64), (64, 96)), "size_weights": (1.0,)}, "one number for each"),
        ({"batch": 0}, "batch must be from 1"),
        ({"steps": 0}, "steps must be from 1"),
    ],
)
def test_values_that_do_not_fit(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CandidateStage(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [StageBudget, ChoiceStage, AgreementStage])
def test_budgets_are_checked(kind: type[StageBudget]) -> None:
    with pytest.raises(ValueError, match="ema must be at least 0 and less than 1"):
        kind(ema=1.0)
