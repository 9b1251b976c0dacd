"""`vlp-rvos doctor`: whether the main job can run here, and what to do about what is missing."""

from __future__ import annotations

from typing import Annotated

import typer

from vlp_rvos.cli.messages import echo
from vlp_rvos.utils.json_text import json_text

__all__ = ["doctor"]

SIGNS = {"ok": "ok  ", "gap": "gap ", "failure": "FAIL"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON, and nothing else.")] = False,
) -> None:
    """Check versions, devices, number formats, codecs, folders and weights, and say what to do about each gap.

    The exit code is 0 if videos can be segmented here, 1 otherwise.
    """
    from vlp_rvos.diagnosis.examination import examine

    findings = []
    for finding in examine():
        findings.append(finding)
        if not as_json:
            echo(f"{SIGNS[finding.status]}  {finding.topic}: {finding.text}")
            if finding.advice is not None:
                echo(f"      -> {finding.advice}")
    failed = [finding.topic for finding in findings if finding.status == "failure"]
    if as_json:
        report = {"can_segment": not failed, "findings": [vars(finding) for finding in findings]}
        echo(json_text(report, ascii_only=True))
    else:
        echo(f"videos cannot be segmented here: {', '.join(failed)}" if failed else "videos can be segmented here")
    if failed:
        raise typer.Exit(1)
