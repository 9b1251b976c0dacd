from __future__ import annotations

from pathlib import Path

import pytest
from scripts import load_benchmark, run_script


def test_settings_and_other_code_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("whole_process", monkeypatch)
    (tmp_path / "vlp_rvos").mkdir()
    started: list[tuple[object, ...]] = []
    monkeypatch.setattr(module, "segmenting", lambda *what: lambda: started.append(what[2:]))
    options = ["--with", "--set candidates=0", "--source", tmp_path]
    _, result = run_script(module, monkeypatch, tmp_path / "out.json", "v.mp4", "a dog", "--rounds", 1, *options)
    assert started == [((),), (["--set", "candidates=0"],), ((), tmp_path)] * 2
    seconds = result["median_seconds"]
    assert list(seconds) == ["as it is", "--set candidates=0", str(tmp_path)]
    ratios = [seconds["as it is"] / seconds[name] for name in list(seconds)[1:]]
    assert [row["value"] for row in result["rows"]] == [seconds["as it is"], *ratios]


def test_a_folder_without_the_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("whole_process", monkeypatch)
    with pytest.raises(SystemExit) as ended:
        run_script(module, monkeypatch, tmp_path / "out.json", "v.mp4", "a dog", "--source", tmp_path)
    assert ended.value.code == 2


def test_a_command_of_other_code_runs_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("whole_process", monkeypatch)
    package = tmp_path / "source" / "vlp_rvos"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    noted = tmp_path / "noted.txt"
    (package / "__main__.py").write_text(f"import sys; open({str(noted)!r}, 'w').write(' '.join(sys.argv[1:4]))")
    module.segmenting(Path("v.mp4"), "dog", ["--size", "64"], package.parent)()
    assert noted.read_text() == "segment v.mp4 dog"
    (package / "__main__.py").write_text("import sys; sys.exit('broken')")
    with pytest.raises(SystemExit, match="--size 64: broken"):
        module.segmenting(Path("v.mp4"), "dog", ["--size", "64"], package.parent)()
