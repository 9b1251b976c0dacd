"""How the page looks and behaves in the browser: theme, style sheet and scripts, without anything from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

__all__ = ["EXAMPLE_SCRIPT", "FRAME_SCRIPT", "REVEAL_SCRIPT", "TIMELINE_SCRIPT", "page_looks"]

FOLDER = Path(__file__).parent

SYSTEM_FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica", "Arial", "sans-serif"]
MONOSPACED_FONTS = ["ui-monospace", "Menlo", "Consolas", "monospace"]

#: Clicks on the frame, and the keys: arrows move a cross, Enter points there, comma and full stop step.
FRAME_SCRIPT = (FOLDER / "frame.js").read_text(encoding="utf-8")
#: Clicks on the timeline, and colours that are chosen in it.
TIMELINE_SCRIPT = (FOLDER / "timeline.js").read_text(encoding="utf-8")
#: Clicks on an example.
EXAMPLE_SCRIPT = (FOLDER / "examples.js").read_text(encoding="utf-8")
#: Brings the result into sight where it lies below what is typed in, as on a phone.
REVEAL_SCRIPT = (FOLDER / "reveal.js").read_text(encoding="utf-8")


def page_looks() -> dict[str, Any]:
    """Theme and style sheet, for `launch` of the page or for `gradio.mount_gradio_app`."""
    theme = gr.themes.Base(
        primary_hue="blue",
        neutral_hue="slate",
        text_size="md",
        spacing_size="sm",
        radius_size="md",
        font=SYSTEM_FONTS,
        font_mono=MONOSPACED_FONTS,
    ).set(
        # The theme's own are too pale to be read easily: these have a contrast of 4.5 and more.
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        input_placeholder_color="*neutral_600",
        input_placeholder_color_dark="*neutral_300",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
    )
    return {"theme": theme, "css": (FOLDER / "page.css").read_text(encoding="utf-8")}
