"""Arrange the pictures and numbers of one explanation on a sheet: the sentence, the steps to the mask, the words."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from vlp_rvos.arrays import Image, Size
from vlp_rvos.explaining.explanation import CHOICE, FUSION, REASONING, Explanation, WordReading
from vlp_rvos.explaining.panels import candidate_colour, candidate_panel, heat_panel, mask_panel, shrink
from vlp_rvos.explaining.reasons import reason
from vlp_rvos.media.fonts import drawable, font_for
from vlp_rvos.media.frame_record import FrameRecord

__all__ = ["MOST_WORDS", "ExplanationSheet"]

BACKGROUND, INK, FAINT, RULE = (250, 250, 248), (28, 30, 36), (110, 114, 122), (214, 214, 210)
#: Colours of the bars: the parts of the model that attend to words, and scores of "none" and of candidates not meant.
PARTS = {FUSION: (58, 120, 190), REASONING: (30, 150, 120), CHOICE: (215, 110, 40)}
BAR = (160, 164, 172)
#: Words that are drawn, words in a row, candidates in the chart, lines of the sentence.
MOST_WORDS, WORDS_IN_ROW, MOST_BARS, SENTENCE_LINES = 12, 6, 9, 2
STEPS = 4


class ExplanationSheet:
    """Draws explanations of one expression; all sheets have one size.

    Args:
        frame: (H, W) pixels of the frames.
        words: number of words of the expression.
        width: width of the sheets in pixels.

    Attributes:
        size: (height, width) of a sheet in pixels, both even.
    """

    def __init__(self, frame: Size, words: int, width: int = 1600) -> None:
        self.text, self.small = round(width / 76), round(width / 100)
        self.margin, self.gap = round(width / 66), round(width / 110)
        inner = width - 2 * self.margin
        column = (inner - STEPS * self.gap) // (STEPS + 1)
        self.panel = _fit(frame, column, column)
        self.cell = (inner - (WORDS_IN_ROW - 1) * self.gap) // WORDS_IN_ROW
        self.word_panel = _fit(frame, self.cell, round(0.62 * self.cell))
        self.rows = -(-min(words, MOST_WORDS) // WORDS_IN_ROW)
        self.line = round(1.5 * self.text)
        self.top = self.margin + round(1.9 * self.text) + SENTENCE_LINES * self.line + self.gap
        chart = (MOST_BARS + 1) * round(1.45 * self.small)
        self.words_top = self.top + self.line + max(self.panel[0], chart) + 2 * self.gap + self.line
        self.word_height = self.line + self.word_panel[0] + round(1.35 * self.small * len(PARTS)) + 2 * self.gap
        total = self.words_top + self.rows * self.word_height + self.margin // 2
        self.size: Size = (total + total % 2, width + width % 2)
        self._page = PillowImage.new("RGB", (1, 1))
        self._draw = ImageDraw.Draw(self._page)

    def draw(self, result: FrameRecord, explanation: Explanation) -> Image:
        """(height, width, 3) uint8 RGB."""
        self._page = PillowImage.new("RGB", self.size[::-1], BACKGROUND)
        self._draw = ImageDraw.Draw(self._page)
        left, right = self.margin, self.size[1] - self.margin
        title = f"“{' '.join(explanation.expression.split())}”"
        when = f"{result.time:.2f} s, frame {result.index}"
        self._write((left, self.margin), title, round(1.4 * self.text), INK, right - left - 14 * self.text)
        self._write((right, self.margin + self.text // 4), when, self.text, FAINT, right - left, right=True)
        sentence = reason(explanation)
        letters = int(0.96 * (right - left) * len(sentence) / font_for(sentence, self.text).getlength(sentence))
        for i, line in enumerate(textwrap.wrap(sentence, letters)[:SENTENCE_LINES]):
            self._write(
                (left, self.margin + round(1.9 * self.text) + i * self.line), line, self.text, INK, right - left
            )
        self._draw_steps(result, explanation)
        self._draw_words(shrink(result.image, self.word_panel), explanation.words)
        self._draw.line((left, self.size[0] - 2, right, self.size[0] - 2), fill=RULE, width=2)
        return np.asarray(self._page)

    # --- the steps to the mask -------------------------------------------------------------------------------------
    def _draw_steps(self, result: FrameRecord, explanation: Explanation) -> None:
        frame = shrink(result.image, self.panel)
        heat = None if explanation.score_map is None else heat_panel(frame, explanation.score_map)
        found = None
        if explanation.candidates:
            found = candidate_panel(frame, explanation.candidates, self.small)
        presence = explanation.dense_presence
        dense = "2  dense head" + ("" if presence is None else f", presence {presence:.2f}")
        steps = [
            ("1  score map of all words", heat, "the model has no score map"),
            (dense, heat_panel(frame, explanation.dense_mask), ""),
            (
                f"3  {len(explanation.candidates)} candidates",
                found,
                "no candidate found" if explanation.has_candidates else "the model proposes no candidates",
            ),
            (
                f"4  result, presence {explanation.presence:.2f}",
                mask_panel(frame, explanation.mask),
                "",
            ),
        ]
        for i, (title, picture, missing) in enumerate(steps):
            x = self.margin + i * (self._column + self.gap)
            self._write((x, self.top), title, self.small, FAINT, self._column)
            self._show((x, self.top + self.line), picture, self.panel, missing)
        self._draw_scores(explanation)

    @property
    def _column(self) -> int:
        return (self.size[1] - 2 * self.margin - STEPS * self.gap) // (STEPS + 1)

    def _draw_scores(self, explanation: Explanation) -> None:
        """The scores of the best candidates and of "none" as bars."""
        left, top = self.margin + STEPS * (self._column + self.gap), self.top
        if explanation.none is None:
            return
        self._write((left, top), "scores of the candidates", self.small, FAINT, self._column)
        rows = [("none", explanation.none, INK)]
        rows += [
            (f"{c.number}" + (f" {c.label}" if c.label else ""), c.score, candidate_colour(c) if c.is_meant else BAR)
            for c in explanation.candidates
        ]
        rows.sort(key=lambda row: -row[1])
        shown = rows[:MOST_BARS]
        if rows and not any(name == "none" for name, *_ in shown):
            shown[-1] = next(row for row in rows if row[0] == "none")
        low = min(score for _, score, _ in shown) - 0.5
        span = max(score for _, score, _ in shown) - low
        height = round(1.45 * self.small)
        names, numbers = round(0.36 * self._column), round(2.6 * self.small)
        room = self._column - names - numbers
        for i, (name, score, colour) in enumerate(shown):
            y = top + self.line + i * height
            self._write((left, y), name, self.small, INK, names - self.gap // 2)
            x = left + names
            self._draw.rectangle((x, y + 2, x + room * (score - low) / span, y + height - 4), fill=colour)
            place = (left + self._column, y)
            self._write(place, f"{score:.1f}", self.small, INK, numbers, right=True)
        if len(rows) > len(shown):
            y = top + self.line + len(shown) * height
            self._write((left, y), f"and {len(rows) - len(shown)} more", self.small, FAINT, self._column)

    # --- words -----------------------------------------------------------------------------------------------------
    def _draw_words(self, frame: Image, words: Sequence[WordReading]) -> None:
        y = self.words_top - self.line
        more = f" (the first {MOST_WORDS} of {len(words)})" if len(words) > MOST_WORDS else ""
        title = f"what each word looks at by itself, and its share of the attention{more}"
        self._write((self.margin, y), title, self.small, FAINT, self.size[1])
        x = self.size[1] - self.margin
        for part in reversed([part for part in PARTS if words and part in words[0].attention]):
            x -= round(font_for(part, self.small).getlength(part))
            self._write((x, y), part, self.small, PARTS[part], self.size[1])
            x -= self.gap
        for i, word in enumerate(words[:MOST_WORDS]):
            row, column = divmod(i, WORDS_IN_ROW)
            x, y = self.margin + column * (self.cell + self.gap), self.words_top + row * self.word_height
            self._write((x, y), word.text, self.text, INK, self.cell)
            picture = None if word.score_map is None else heat_panel(frame, word.score_map)
            y += self.line
            self._show((x, y), picture, self.word_panel, "no score map")
            y += self.word_panel[0] + self.gap // 2
            numbers, height = round(2.8 * self.small), round(1.35 * self.small)
            for part, share in word.attention.items():
                room = self.word_panel[1] - numbers
                self._draw.rectangle((x, y + 3, x + room, y + height - 4), fill=(232, 232, 228))
                self._draw.rectangle((x, y + 3, x + room * min(share, 1), y + height - 4), fill=PARTS[part])
                text = f"{100 * share:.0f} %"
                self._write((x + self.word_panel[1], y), text, self.small, INK, numbers, right=True)
                y += height

    # --- drawing ---------------------------------------------------------------------------------------------------
    def _show(self, place: tuple[int, int], picture: Image | None, size: Size, missing: str) -> None:
        if picture is not None:
            self._page.paste(PillowImage.fromarray(picture), place)
            return
        self._draw.rectangle((*place, place[0] + size[1], place[1] + size[0]), fill=(236, 236, 232))
        self._write((place[0] + self.gap, place[1] + size[0] // 2 - self.small), missing, self.small, FAINT, size[1])

    def _write(
        self, place: tuple[int, int], text: str, size: int, colour: tuple[int, ...], room: int, *, right: bool = False
    ) -> None:
        """Write a line of at most `room` pixels; `place` is its upper left corner, or the right one."""
        font = font_for(text, size)
        shown = drawable(text, font)
        while len(shown) > 1 and font.getlength(shown) > room:
            shown = shown[: max(1, min(len(shown) - 2, int(len(shown) * room / font.getlength(shown))))] + "…"
        x = place[0] - (font.getlength(shown) if right else 0)
        self._draw.text((x, place[1]), shown, fill=colour, font=font)


def _fit(frame: Size, width: int, height: int) -> Size:
    """The largest (height, width) of a frame's shape that fits."""
    scale = min(width / frame[1], height / frame[0])
    return max(1, round(scale * frame[0])), max(1, round(scale * frame[1]))
