from __future__ import annotations

import pytest

from vlp_rvos.diagnosis import number_speed
from vlp_rvos.diagnosis.number_speed import diagnose_number_formats, time_formats


def test_each_supported_format_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_speed, "PRODUCT", (8, 64, 16))
    monkeypatch.setattr(number_speed, "CONVOLUTION", (2, 4, 4))
    products, convolutions = time_formats({"fp32": True, "bf16": True, "int8": False})
    assert products.keys() == convolutions.keys() == {"fp32", "bf16"}
    assert min(products.values()) > 0
    (finding,) = diagnose_number_formats()
    assert finding.data["formats"].keys() == {"fp32", "bf16", "int8"}


def test_the_fastest_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    times = {"fp32": 0.003, "int8": 0.001}, {"fp32": 0.002}
    monkeypatch.setattr(number_speed, "time_formats", lambda _: times)
    monkeypatch.setattr(number_speed, "multiplies", lambda *_: False)
    monkeypatch.setattr(number_speed, "_has_int8", lambda: True)
    (finding,) = diagnose_number_formats()
    assert finding.text == (
        "product of matrices: fp32 3.0 ms, bf16 not by this processor, int8 1.0 ms; convolution: fp32 2.0 ms"
    )
    assert finding.advice == "int8 was the fastest: try --precision int8; masks change a little"
    assert finding.data["fastest"] == "int8"
