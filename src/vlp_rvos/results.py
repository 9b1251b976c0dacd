"""The result of a segmentation for one frame of a video, and its way into other libraries.

Shapes: E expressions, N of them with a mask that is not empty, (H, W) the video's own size in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from vlp_rvos.arrays import Floats
from vlp_rvos.errors import UserError
from vlp_rvos.media.frame_record import MAX_OBJECTS, Box, FrameRecord, label_map
from vlp_rvos.media.overlay import OverlayRenderer
from vlp_rvos.media.rle import encode_mask, mask_area
from vlp_rvos.utils.extras import import_optional

if TYPE_CHECKING:
    import torch

__all__ = ["MAX_OBJECTS", "Box", "FrameResult", "label_map", "mask_boxes"]


@dataclass(frozen=True, repr=False)
class FrameResult(FrameRecord):
    """The masks of all expressions in one frame, and how sure the model is of them; see `FrameRecord` for its fields.

    An expression is found in the frame if its mask is not empty. Boxes are `left, top, right, bottom` in pixels; the
    right column and the bottom row still belong to the mask, as in `supervision` and torchvision.

    Example:
        >>> import numpy as np
        >>> from vlp_rvos import FrameResult
        >>> masks = np.zeros((2, 4, 6), bool)
        >>> masks[0, 1:3, 2:5] = True
        >>> sure = np.array([0.9, 0.0], np.float32)
        >>> image = np.zeros((4, 6, 3), np.uint8)
        >>> frame = FrameResult(7, 0.28, image, masks, sure, sure, ("the dog", "the cat"), "00007")
        >>> frame
        FrameResult(index=7, time=0.280, name='00007', 6x4: 'the dog' 25.0 % score 0.90 presence 0.90; 'the cat' \
0.0 % score 0.00 presence 0.00)
        >>> frame.boxes.tolist()
        [[2.0, 1.0, 4.0, 2.0], [0.0, 0.0, 0.0, 0.0]]
    """

    @property
    def found(self) -> npt.NDArray[np.bool_]:
        """(E,) bool: which masks are not empty."""
        return np.asarray(self.masks[:, *self.box].any(axis=(1, 2)))

    @property
    def boxes(self) -> Floats:
        """(E, 4) float32 boxes of the masks; zeros where a mask is empty."""
        rows, columns = self.box
        boxes = mask_boxes(self.masks[:, rows, columns])
        boxes[self.found] += np.array([columns.start, rows.start, columns.start, rows.start], np.float32)
        return boxes

    def to_numpy(self) -> dict[str, npt.NDArray[Any]]:
        """The masks and what is said of them, as arrays; nothing is copied.

        Returns:
            "masks" (E, H, W) bool, "boxes" (E, 4), "scores" (E,) and "presences" (E,) float32.
        """
        return {"masks": self.masks, "boxes": self.boxes, "scores": self.scores, "presences": self.presences}

    def to_torch(self, device: torch.device | str = "cpu") -> dict[str, torch.Tensor]:
        """The masks and what is said of them, as tensors with the names and shapes of `to_numpy`.

        Args:
            device: where the tensors are put. On the CPU they are copies too.
        """
        import torch

        return {name: torch.tensor(values, device=device) for name, values in self.to_numpy().items()}

    def to_coco(self) -> list[dict[str, Any]]:
        """The N masks that are not empty, as entries of a results file of COCO, which JSON can hold.

        Returns:
            For each mask "image_id" (the frame's index), "category_id" (1 to E, the id that the expression has in
            palette images), "category_name" (the expression), "bbox" (left, top, width, height), "area" in pixels,
            "score" and "segmentation" (compressed run lengths).
        """
        (rows, columns), size, entries = self.box, self.masks.shape[1:], []
        for i in np.flatnonzero(self.found):
            rle = encode_mask(self.masks[i, rows, columns], (rows.start, columns.start), size)
            left, top, right, bottom = self.boxes[i].tolist()
            entries.append(
                {
                    "image_id": self.index,
                    "category_id": int(i) + 1,
                    "category_name": self.expressions[i],
                    "bbox": [left, top, right - left + 1, bottom - top + 1],
                    "area": mask_area(rle),
                    "score": round(float(self.scores[i]), 6),
                    "segmentation": rle,
                }
            )
        return entries

    def to_supervision(self) -> Any:
        """The N masks that are not empty, as `supervision.Detections`.

        Returns:
            Detections with `xyxy`, `mask` (N, H, W), `confidence` (the scores), `class_id` and `tracker_id` (the place
            of the expression among the E, counted from 0), and in `data` "class_name" (the expressions) and "presence".

        Raises:
            UserError: supervision is not installed.
        """
        supervision = import_optional("supervision", extra="supervision")
        kept = np.flatnonzero(self.found)
        return supervision.Detections(
            xyxy=self.boxes[kept],
            mask=self.masks[kept],
            confidence=self.scores[kept],
            class_id=kept,
            tracker_id=kept,
            data={
                "class_name": np.array([self.expressions[i] for i in kept], dtype=np.str_),
                "presence": self.presences[kept],
            },
        )

    def plot(self, ax: Any = None) -> Image.Image:
        """Draw the masks, their outlines and the expressions on the frame, as the overlay of the command does.

        Args:
            ax: axes of matplotlib to show the picture in, without ticks; None to show it nowhere.

        Returns:
            The picture, of the video's own size.

        Raises:
            UserError: the result has no image of that size, or more than `MAX_OBJECTS` masks.
        """
        if self.image.shape[:2] != self.masks.shape[1:]:
            raise UserError("the result has no image to draw on: call `segment` with images=True")
        picture = Image.fromarray(OverlayRenderer(self.expressions).render(self))
        if ax is not None:
            ax.imshow(picture)
            ax.set_axis_off()
        return picture


def mask_boxes(masks: npt.NDArray[np.bool_]) -> Floats:
    """Smallest boxes around masks.

    Args:
        masks: (E, H, W) bool.

    Returns:
        (E, 4) float32 left, top, right and bottom, the last column and row included; zeros where a mask is empty.
    """
    boxes = np.zeros((len(masks), 4), np.float32)
    for box, mask in zip(boxes, masks, strict=True):
        if (columns := np.flatnonzero(mask.any(axis=0))).size:
            rows = np.flatnonzero(mask.any(axis=1))
            box[:] = columns[0], rows[0], columns[-1], rows[-1]
    return boxes
