"""The layout of the page in Gradio, and which part of it calls which handler."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from vlp_rvos.errors import UserError
from vlp_rvos.media.overlay_style import Drawing
from vlp_rvos.web import looks
from vlp_rvos.web.downloads import DOWNLOADS
from vlp_rvos.web.examples import Example
from vlp_rvos.web.handlers import Answer, Handlers
from vlp_rvos.web.limits import Limits
from vlp_rvos.web.snippets import examples_html, frame_html, safe, status_html, timeline_html
from vlp_rvos.web.visitor import SegmenterLike, Visitor
from vlp_rvos.web.visitors import Visitors

__all__ = ["Page", "build_page"]

#: Seconds between two looks at a job that runs.
PERIOD = 0.3
#: What is drawn of a mask: (what the page calls it, what `OverlayStyle` does).
DRAWINGS: list[tuple[str, Drawing]] = [("Fill and outline", "both"), ("Outline", "outline"), ("Fill", "fill")]

Handler = Callable[..., Answer]


def build_page(segmenter: SegmenterLike, limits: Limits | None = None, examples: Sequence[Path] = ()) -> gr.Blocks:
    """Make the page, to be launched or mounted into an application of your own.

    Args:
        segmenter: a `vlp_rvos.Segmenter`, which finds the masks.
        limits: limits of the page.
        examples: videos to try, whose file names say what to find in them: `polar-bear.mp4` stands for "the polar
            bear".

    Returns:
        The page. `vlp_rvos.web.looks.page_looks` gives its theme and style sheet, which `launch` and
        `gradio.mount_gradio_app` take. Files of visitors lie in Gradio's folder of uploads, and are removed when a
        visitor leaves.

    Raises:
        UserError: an example cannot be read.

    Example:
        >>> page = build_page(Segmenter.from_pretrained("mini"))                   # doctest: +SKIP
        >>> page.launch(**page_looks())                                            # doctest: +SKIP
    """
    visitors = Visitors(Path(get_upload_folder()), segmenter, limits or Limits())
    page: gr.Blocks = Page(visitors, [Example.of(path) for path in examples]).blocks
    return page


class Page:
    """The page and its parts.

    Args:
        visitors: the visitors of the page.
        examples: videos to try.

    Attributes:
        blocks: the page as Gradio has it.
    """

    def __init__(self, visitors: Visitors, examples: Sequence[Example] = ()) -> None:
        self.visitors = visitors
        with gr.Blocks(title="VLP-RVOS", analytics_enabled=False, fill_width=True) as self.blocks:
            gr.HTML(
                '<header class="vr-head"><h1>VLP-RVOS</h1><p>Point at anything in a video, with words or with a '
                "click.</p></header>",
                padding=False,
            )
            with gr.Row(equal_height=False):
                with gr.Column(scale=4, min_width=300):
                    self._lay_out_input(examples)
                with gr.Column(scale=9, min_width=320):
                    self._lay_out_output()
            self._connect(Handlers(examples))

    # --- the layout --------------------------------------------------------------------------------------------------
    def _lay_out_input(self, examples: Sequence[Example]) -> None:
        self.video = gr.Video(
            label=f"Video, up to {self.visitors.limits.max_megabytes:g} MB",
            sources=["upload", "webcam"],
            height=230,
            elem_classes="vr-video",
        )
        self.example = gr.HTML(
            examples_html([(example.words, example.picture) for example in examples]),
            js_on_load=looks.EXAMPLE_SCRIPT,
            padding=False,
        )
        self.words = gr.Textbox(
            label="What to find, one thing in each line", placeholder="the polar bear\nthe person on the left", lines=2
        )
        with gr.Row():
            self.find = gr.Button("Find", variant="primary", min_width=80)
            self.stop = gr.Button("Stop", variant="stop", min_width=80, interactive=False)
        with gr.Accordion("Part of the video", open=False):
            with gr.Row():
                self.start = gr.Number(0, label="From (s)", minimum=0, min_width=80, step=0.1)
                self.end = gr.Number(None, label="To (s)", minimum=0, min_width=80, step=0.1)
            with gr.Row():
                self.start_here = gr.Button("Start at this frame", size="sm", min_width=80)
                self.end_here = gr.Button("End after this frame", size="sm", min_width=80)
            self.every = gr.Slider(1, 10, 1, step=1, label="Take every Nth frame", buttons=[])

    def _lay_out_output(self) -> None:
        self.status = gr.HTML('<div class="vr-status"></div>', padding=False, elem_classes="vr-result")
        with gr.Tabs() as self.tabs:
            with gr.Tab("Frame", id="frame") as self.frame_tab:
                self.frame = gr.HTML(frame_html(), js_on_load=looks.FRAME_SCRIPT, elem_classes="vr-view", padding=False)
            with gr.Tab("Before and after", id="compare") as self.compare_tab:
                self.compare = gr.ImageSlider(
                    show_label=False, buttons=["fullscreen"], interactive=False, elem_classes="vr-compare"
                )
            with gr.Tab("Play", id="play") as self.play_tab:
                self.play = gr.Video(
                    show_label=False, interactive=False, buttons=[], autoplay=True, elem_classes="vr-play"
                )
        with gr.Row(elem_classes=["vr-tools", "vr-steps"]):
            self.previous = gr.Button("‹ Previous", size="sm", min_width=70, scale=1)
            self.position = gr.Slider(
                0, 1, 0, step=0.01, label="Time (s)", min_width=200, scale=6, buttons=[], elem_classes="vr-time"
            )
            self.next = gr.Button("Next ›", size="sm", min_width=70, scale=1)
        with gr.Row(elem_classes="vr-tools"):
            self.mode = gr.Radio(["Add", "Take away"], value="Add", label="Clicks on the frame", scale=3, min_width=170)
            self.thing = gr.Radio(["thing 1"], value="thing 1", label="belong to", scale=3, min_width=170)
            self.new_thing = gr.Button("New thing", size="sm", min_width=70, scale=1)
            self.undo = gr.Button("Undo", size="sm", min_width=60, scale=1)
            self.clear = gr.Button("Clear", size="sm", min_width=60, scale=1)
        self.timeline = gr.HTML("", js_on_load=looks.TIMELINE_SCRIPT, padding=False)
        with gr.Row(elem_classes="vr-tools"):
            self.style = gr.Radio(DRAWINGS, value="both", label="Masks as", scale=3, min_width=320)
            self.names = gr.Checkbox(True, label="Names on the picture", scale=1, min_width=170)
        with gr.Row(elem_classes=["vr-tools", "vr-files"]):
            self.files = [
                gr.Button(f"↓ {label}", size="sm", min_width=90, scale=1, interactive=False) for label in DOWNLOADS
            ]
        self.file = gr.DownloadButton("Download", visible="hidden", elem_id="vr-download")
        self.shown = [
            *(self.status, self.frame, self.compare, self.timeline, self.position, self.thing),
            *(self.find, self.stop, *self.files),
        ]

    # --- what is called ----------------------------------------------------------------------------------------------
    def _connect(self, do: Handlers) -> None:
        chosen = [self.video, self.start, self.end, self.tabs]
        self._on(self.video.change, do.choose, [self.video], chosen)
        self._on(self.example.click, do.try_example, [], [self.words, *chosen])
        asked = [self.words, self.start, self.end, self.every]
        self._on(self.find.click, do.find, asked, [self.tabs], script=looks.REVEAL_SCRIPT)
        self._on(self.stop.click, do.stop)
        self._on(self.frame.click, do.point, [self.mode], trigger_mode="multiple")
        self._on(self.frame.select, do.step_by_key, trigger_mode="multiple")
        for button, change in (
            (self.new_thing, lambda visitor: visitor.things.begin()),
            (self.undo, lambda visitor: visitor.things.undo()),
            (self.clear, lambda visitor: visitor.things.clear()),
        ):
            self._on(button.click, _with(do.change_things, change))
        self._on(self.thing.input, do.choose_thing, [self.thing])
        self._on(self.previous.click, _with(do.step, -1), trigger_mode="multiple")
        self._on(self.next.click, _with(do.step, 1), trigger_mode="multiple")
        self._on(self.position.input, do.show, [self.position], trigger_mode="always_last")
        self._on(self.timeline.click, do.show_part, trigger_mode="always_last")
        self._on(self.timeline.select, do.colour)
        for part in (self.style, self.names):
            self._on(part.input, do.set_style, [self.style, self.names])
        self._on(self.start_here.click, _with(do.here, False), [], [self.start])
        self._on(self.end_here.click, _with(do.here, True), [], [self.end])
        self._on(self.frame_tab.select, partial(do.view, name="frame"))
        self._on(self.compare_tab.select, partial(do.view, name="compare"))
        self._on(self.play_tab.select, do.play, [], [self.play])
        for label, button in zip(DOWNLOADS, self.files, strict=True):
            made = self._on(button.click, _with(do.make, label), [], [self.file])
            # Gradio starts a download only from a click on its own button.
            made.success(None, js="() => { setTimeout(() => document.querySelector('#vr-download').click(), 50); }")

        def leave(request: gr.Request) -> None:
            self.visitors.leave(request.session_hash or "")

        self.blocks.unload(leave)

    def _on(
        self,
        listener: Any,
        handler: Handler,
        inputs: Sequence[Any] = (),
        own: Sequence[Any] = (),
        trigger_mode: str = "once",
        script: str | None = None,
    ) -> Any:
        """Let an event call a handler, and show what has changed, again and again while a job runs.

        Args:
            listener: the event.
            handler: what it calls.
            inputs: parts of the page whose values the handler takes.
            own: parts of the page for the values of the handler's answer.
            trigger_mode: what Gradio does with an event while the one before is worked on.
            script: what the browser does first: a function that takes the values of `inputs`, and returns them.
        """

        async def call(request: gr.Request, event: gr.EventData, *values: Any) -> AsyncGenerator[list[Any], None]:
            visitor = self.visitors.of(request.session_hash or "")
            kept = [gr.skip()] * len(own)
            try:
                answer = await asyncio.to_thread(handler, visitor, event._data, *values)
            except UserError as error:
                answer = Answer(problem=str(error))
            if answer.nothing:
                yield [gr.skip()] * (len(own) + len(self.shown))
                return
            visitor.message = visitor.without_paths(answer.problem)
            if answer.problem:
                gr.Warning(safe(visitor.message))
            updates = [_update(part, value) for part, value in zip(own, answer.values, strict=False)] or kept
            yield [*updates, *await asyncio.to_thread(self._look, visitor)]
            if (job := answer.job) is not None:
                while not await asyncio.to_thread(job.ended.wait, PERIOD):
                    yield [*kept, *await asyncio.to_thread(self._look, visitor)]
                if job.problem:
                    visitor.message = visitor.without_paths(job.problem)
                    gr.Warning(safe(visitor.message))
                yield [*kept, *await asyncio.to_thread(self._look, visitor)]

        return listener(
            call,
            list(inputs),
            [*own, *self.shown],
            show_progress="hidden",
            trigger_mode=trigger_mode,
            js=script,
            # Jobs wait in a queue of their own.
            concurrency_limit=None,
            api_visibility="private",
        )

    def _look(self, visitor: Visitor) -> list[Any]:
        """Values for `shown`."""
        video, busy, things = visitor.video, visitor.is_busy, visitor.things
        frame = visitor.frame() if visitor.view == "frame" or busy else None
        position: Any = gr.skip()
        if video is not None:
            # Rounded down: the frame at a time is the first one that is not before it.
            now = _thousandths(visitor.shown if frame is None else frame.time)
            step = max(1e-3, _thousandths(1 / video.info.fps))
            position = gr.update(value=now, maximum=max(step, _thousandths(video.last)), step=step)
        compared = visitor.compared() if visitor.view == "compare" and not busy else None
        has_masks = visitor.finished is not None and len(visitor.finished.found) > 0 and not busy
        return [
            status_html(visitor),
            frame_html(visitor) if visitor.view == "frame" or busy else gr.skip(),
            gr.skip() if compared is None else compared,
            timeline_html(visitor),
            position,
            gr.update(choices=things.choices, value=things.current),
            gr.update(interactive=not busy),
            gr.update(interactive=busy),
            *[gr.update(interactive=has_masks)] * len(self.files),
        ]


def _with(handler: Handler, value: Any) -> Handler:
    """A handler that is told a value of the layout instead of what the browser says about the event."""

    def call(visitor: Visitor, _: Any) -> Answer:
        return handler(visitor, value)

    return call


def _thousandths(seconds: float) -> float:
    """Seconds, rounded down to thousandths."""
    return math.floor(1000 * seconds + 1e-6) / 1000


def _update(part: Any, value: Any) -> Any:
    return gr.update(selected=value) if isinstance(part, gr.Tabs) else value
