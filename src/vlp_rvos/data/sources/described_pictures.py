"""Reader of described pictures: pictures with outlined things, and what people would say to mean one of them.

A folder holds `instances.json` and `images/` in the COCO format, `expressions.json`, and any number of further files of
the same form, such as `alike.json`:

    {"images": {FILE: {"objects": {ANNOTATION_ID: [expression, ...]},
                       "groups": [[[ANNOTATION_ID, ...], expression], ...],
                       "absent": [expression, ...]}}}

An expression is true of the things that it is listed with and of nothing else in its picture; those under "absent" are
true of nothing there. Each of the three may be left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp_rvos.arrays import Image, Size
from vlp_rvos.data.sources.coco import CocoAnnotation, CocoFolder, CocoImage
from vlp_rvos.data.sources.files import read_json
from vlp_rvos.errors import UserError
from vlp_rvos.utils.plain_text import is_blank

__all__ = ["DescribedPicture", "DescribedPictures", "OutlinedThing", "PictureExpression"]

EXPRESSIONS = "expressions.json"
INSTANCES = "instances.json"
FORM = '{"images": {FILE: {"objects": {ID: [text, ...]}, "groups": [[[ID, ...], text], ...], "absent": [text, ...]}}}'


@dataclass(frozen=True, eq=False)
class OutlinedThing:
    """One outlined thing of a picture. Its mask is decoded anew each time that it is asked for.

    Attributes:
        id: Id of the annotation, unique in the folder. Ids that are numbers in the file become text.
        category: Name of the category.
        is_crowd: Whether this is a group of things that is not split into its members.
        folder: The folder that the thing comes from.
        annotation: The thing as the COCO list has it.
    """

    id: str
    category: str
    is_crowd: bool
    folder: CocoFolder = field(repr=False)
    annotation: CocoAnnotation = field(repr=False)

    def mask(self) -> NDArray[np.bool_]:
        """Decode the mask: (H, W) bool, of the size of the picture.

        Raises:
            UserError: The segmentation is malformed, or has another size than the picture.
        """
        return self.folder.mask(self.annotation)


@dataclass(frozen=True)
class PictureExpression:
    """One expression about a picture.

    Attributes:
        text: The expression.
        thing_ids: Ids of the things that it means: one, several for a group, none if there is no such thing.
        origin: Name of the file that it comes from, without `.json`.
    """

    text: str
    thing_ids: tuple[str, ...]
    origin: str


@dataclass(frozen=True, eq=False)
class DescribedPicture:
    """One picture with its things and expressions.

    Attributes:
        name: Path of the picture inside `images/`, which also decides whether it is held out.
        path: Path of the image file.
        size: (H, W) in pixels.
        things: The outlined things, in the order of the list.
        expressions: What is said about it, in the order of the files, `expressions.json` first.
    """

    name: str
    path: Path
    size: Size
    things: tuple[OutlinedThing, ...]
    expressions: tuple[PictureExpression, ...]
    folder: CocoFolder = field(repr=False)
    image: CocoImage = field(repr=False)

    def load_image(self) -> Image:
        """Read the pixels: (H, W, 3) uint8 RGB.

        Raises:
            UserError: The file is missing, broken, or has another size than the list says.
        """
        return self.folder.load_image(self.image)


class DescribedPictures:
    """A folder of described pictures. Opening it reads the lists; pixels and masks are read when they are asked for.

    Args:
        folder: The folder, as described above. Further files of expressions are its other `.json` files that have a
            mapping under "images"; files of other kinds, and hidden ones, are left alone.
        others: Files of expressions that lie elsewhere. What they say of pictures that the folder does not list is
            passed over.

    Attributes:
        pictures: All pictures of the list, in its order; those that nobody described have no expressions.
        origins: Names of the files of expressions, without `.json`.

    Raises:
        UserError: A file is missing or has another form, an expression names a picture or a thing that is not listed,
            or a described picture is missing.

    Example:
        >>> for picture in DescribedPictures("pictures").pictures:                 # doctest: +SKIP
        ...     print(picture.name, [(x.text, x.thing_ids) for x in picture.expressions])
    """

    def __init__(self, folder: str | Path, others: Sequence[str | Path] = ()) -> None:
        self.folder = Path(folder)
        coco = CocoFolder(self.folder)
        images = {image.file_name: image for image in coco.images}
        if len(images) < len(coco.images):
            raise UserError(f"{coco.file} lists two pictures of one file name: expressions could mean either")
        said: dict[str, list[PictureExpression]] = {name: [] for name in images}
        things = {image.file_name: _things(coco, image) for image in coco.images}
        self.origins: list[str] = []
        outside = [Path(file) for file in others]
        for file, content in self._files(outside):
            self.origins.append(file.stem)
            for name, entry in content.items():
                if name in images:
                    said[name] += _Entry(file, name, {thing.id for thing in things[name]}).read(entry)
                elif file not in outside:
                    raise UserError(f"{file} describes {name!r:.80}, which {INSTANCES} does not list")
        self.pictures: list[DescribedPicture] = []
        for name, image in images.items():
            path = self.folder / "images" / name
            if said[name] and not path.is_file():
                raise UserError(f"no such file: {path}, which {EXPRESSIONS} describes")
            size = (image.height, image.width)
            self.pictures.append(
                DescribedPicture(name, path, size, things[name], tuple(said[name]), folder=coco, image=image)
            )

    def __len__(self) -> int:
        return len(self.pictures)

    def _files(self, outside: Sequence[Path]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
        """Every file of expressions, those outside of the folder last, and what it has under "images"."""
        first = self.folder / EXPRESSIONS
        beside = sorted(path for path in self.folder.glob("[!.]*.json") if path.name not in (EXPRESSIONS, INSTANCES))
        for file in (first, *beside, *outside):
            content = read_json(file)
            entries = content.get("images") if isinstance(content, dict) else None
            if isinstance(entries, dict):
                yield file, entries
            elif file == first or file in outside:
                raise UserError(f"{file} is not a file of expressions: it needs {FORM}")


@dataclass(frozen=True)
class _Entry:
    """Reads what one file says about one picture.

    Attributes:
        file: The file.
        picture: Name of the picture.
        known: Ids of the things in the picture.
    """

    file: Path
    picture: str
    known: set[str]

    def read(self, entry: Any) -> list[PictureExpression]:
        objects, groups, absent = {}, [], []
        if not isinstance(entry, dict):
            raise self._error(f"{entry!r:.80} is not a mapping with objects, groups and absent")
        for key, value in entry.items():
            if key == "objects" and isinstance(value, dict):
                objects = value
            elif key == "groups" and isinstance(value, list):
                groups = value
            elif key == "absent" and isinstance(value, list):
                absent = value
            else:
                raise self._error(f"{key!r:.40}: {value!r:.40} is none of objects, groups and absent")
        expressions = []
        for thing, texts in objects.items():
            if not isinstance(texts, list):
                raise self._error(f"the expressions of thing {thing!r:.40} are {texts!r:.80}, not a list")
            expressions += [self._expression(text, [thing]) for text in texts]
        for group in groups:
            match group:
                case [[_, *_] as ids, text]:
                    expressions.append(self._expression(text, ids))
                case _:
                    raise self._error(f"the group {group!r:.80} is not [[id, ...], text]")
        return expressions + [self._expression(text, []) for text in absent]

    def _expression(self, text: Any, ids: list[Any]) -> PictureExpression:
        if not isinstance(text, str) or is_blank(text):
            raise self._error(f"{text!r:.80} is not an expression")
        names = []
        for i in ids:
            if not isinstance(i, str | int) or isinstance(i, bool) or str(i) not in self.known:
                raise self._error(f"{text!r:.60} means thing {i!r:.40}, which {INSTANCES} does not list there")
            names.append(str(i))
        if len(set(names)) < len(names):
            raise self._error(f"{text!r:.60} means a thing twice: {ids!r:.80}")
        return PictureExpression(text.strip(), tuple(names), self.file.stem)

    def _error(self, what: str) -> UserError:
        return UserError(f"{self.file}, picture {self.picture!r:.80}: {what}")


def _things(coco: CocoFolder, image: CocoImage) -> tuple[OutlinedThing, ...]:
    things = tuple(OutlinedThing(a.id, a.category, a.crowd, coco, a) for a in coco.annotations_of(image))
    if len({thing.id for thing in things}) < len(things):
        raise UserError(f"{coco.file}: two annotations of {image.file_name!r:.80} have the same id")
    return things
