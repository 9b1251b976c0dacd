"""Read an HTML page, and text that is dangerous in one."""

from __future__ import annotations

from html.parser import HTMLParser

from referring import InMemoryDataset

from vlp_rvos.data.benchmarks.referring_dataset import ReferringExpression, ReferringVideo

EVIL = "<script>alert('1')</script>\"&[bold]{x}{{ 7 * 7 }}{% set a = 1 %}{# gone #}</style>-->"
"""Markup of HTML, of rich and of Jinja."""

VOID_TAGS = {"meta", "img", "br"}


class Page(HTMLParser):
    """Checks that the tags of a page nest, and collects them.

    Attributes:
        tags: names of all tags.
        attributes: names and values of all attributes.
        text: everything that a reader sees.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID_TAGS:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data + " "


def evil_dataset() -> InMemoryDataset:
    """Three videos; the first expression of the first one is `EVIL`."""
    dataset = InMemoryDataset(number=3)
    video = dataset.videos[0]
    first = ReferringExpression("1", EVIL, (1,))
    dataset.videos[0] = ReferringVideo(video.name, video.frames, [first, *video.expressions[1:]])
    return dataset
