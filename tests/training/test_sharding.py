from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch.distributed.fsdp", reason="needs distributed PyTorch")
SCRIPT = Path(__file__).parents[1] / "shared_out.py"


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["frozen", "tuned"])
def test_a_model_that_is_shared_out_learns_as_a_whole_one_does(backbone: str, tmp_path: Path) -> None:
    """Although the processes use different parameters in some clips, and none of them in others."""
    paths = [str(path) for path in (SCRIPT.parent, *sys.path) if path]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launcher, str(SCRIPT), str(tmp_path / "found.json"), backbone]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["norms"]["fsdp"] == pytest.approx(found["norms"]["ddp"], rel=1e-5)
    assert found["norms"]["ddp"][0] > 0.5, "nothing is clipped"
    assert found["spare"] == [1, 1, 1], "what no clip uses neither moves nor decays"
    assert found["states"][0] == found["states"][1] > 0
    for what in ("weights", "average", "optimizer", "loaded"):
        assert found[what] < 1e-6, what
    assert found["loaded_optimizer"] == 0
