from __future__ import annotations

from pathlib import Path

from circles import CircleSegmenter

from vlp_rvos.web.limits import Limits
from vlp_rvos.web.visitors import Visitors


def test_each_session_has_a_visitor_and_a_folder_until_it_ends(tmp_path: Path) -> None:
    visitors = Visitors(tmp_path, CircleSegmenter(), Limits())
    one, other = visitors.of("a"), visitors.of("b")
    assert visitors.of("a") is one
    assert one is not other
    assert {one.folder, other.folder} == set(tmp_path.iterdir())
    visitors.leave("a")
    visitors.leave("unknown")
    assert list(tmp_path.iterdir()) == [other.folder]
    visitors.close()
    assert list(tmp_path.iterdir()) == []
    assert len(visitors) == 0
