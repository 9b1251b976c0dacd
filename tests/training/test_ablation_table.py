from __future__ import annotations

from typing import Any

from vlp_rvos.training.ablation_table import ablation_table


def test_means_over_seeds_and_differences_of_the_same_seed() -> None:
    def run(seed: int, iou: float, steps: int = 10) -> dict[str, Any]:
        return {"seed": seed, "steps": steps, "numbers": {"iou_present": iou, "unshown": 1.0}}

    rows = [
        {"name": "full", "title": "full model", "runs": [run(0, 0.5), run(1, 0.6)]},
        {"name": "less", "title": "less", "runs": [run(0, 0.4, 20), run(1, 0.3, 30)]},
        {"name": "half", "title": "half done", "runs": [run(1, 0.65)]},
    ]
    assert ablation_table({"compared_with": "full", "rows": rows}).splitlines() == [
        "| row | IoU | IoU, difference | steps | seeds |",
        "|---|---|---|---|---|",
        "| full model | 55.0 ± 5.0 |  | 10 | 2 |",
        "| less | 35.0 ± 5.0 | -20.0 ± 10.0 | 25 | 2 |",
        "| half done | 65.0 | +5.0 | 10 | 1 |",
    ]
    assert (
        ablation_table({"compared_with": "full", "rows": rows[1:]}).splitlines()[2]
        == "| less | 35.0 ± 5.0 |  | 25 | 2 |"
    )
    assert len(ablation_table({"compared_with": "full", "rows": []}).splitlines()) == 2
