from __future__ import annotations

from pathlib import Path

import pytest

from vlp_rvos.batch.batch_settings import BatchSettings, claim_output, model_anywhere, model_fingerprint
from vlp_rvos.batch.storage import Storage
from vlp_rvos.errors import UserError
from vlp_rvos.inference.options import InferenceOptions


def test_a_folder_holds_results_of_one_kind(tmp_path: Path) -> None:
    output = Storage(str(tmp_path / "out"))
    claim_output(output, BatchSettings())
    claim_output(output, BatchSettings())
    for changed, words in (
        (BatchSettings(options=InferenceOptions(threshold=0.25)), "threshold was 0.5, is 0.25"),
        (BatchSettings(split_seconds=5), "split_seconds was 600.0, is 5"),
        (BatchSettings(model_files="x"), "model_files was '', is 'x'"),
    ):
        assert changed.digest() != BatchSettings().digest()
        with pytest.raises(UserError, match=words):
            claim_output(output, changed)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"format": "vlp-rvos-batch"}', b"[" * 10**5])
def test_what_is_not_ours_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "batch.json").write_bytes(content)
    with pytest.raises(UserError, match="is not of a batch"):
        claim_output(Storage(str(tmp_path)), BatchSettings())
    assert (tmp_path / "batch.json").read_bytes() == content


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("mine")
    with pytest.raises(UserError, match="is not empty"):
        claim_output(Storage(str(tmp_path)), BatchSettings())


def test_values_out_of_range() -> None:
    for seconds in (0.0, -1.0, float("nan")):
        with pytest.raises(UserError, match="split_seconds"):
            BatchSettings(split_seconds=seconds)


def test_the_fingerprint_is_of_the_files() -> None:
    assert model_fingerprint("mini") == model_fingerprint("mini")
    with pytest.raises(UserError):
        model_fingerprint("no such model")


def test_a_model_is_meant_wherever_a_worker_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mini", "trained", "exported"):
        Path(name).mkdir()
    for file in ("trained/model.safetensors", "exported/export.json", "alone.safetensors"):
        Path(file).touch()
    # A folder that only has the name of the model is not the model.
    assert model_anywhere("mini") == "mini"
    for name in ("trained", "exported", "alone.safetensors", "trained/model.safetensors"):
        assert model_anywhere(name) == str(tmp_path / name)
    with pytest.raises(UserError, match="no such model"):
        model_anywhere("no such model")
