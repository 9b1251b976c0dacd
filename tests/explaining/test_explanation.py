from __future__ import annotations

from explanations import candidate, explanation


def test_what_is_meant_and_present() -> None:
    meant = candidate(3, 1.0, 0.5)
    found = explanation(candidates=(meant, candidate(4, 0.9, 0.49)))
    assert found.meant == (meant,)
    assert found.is_present
    assert not explanation(presence=0.39).is_present
