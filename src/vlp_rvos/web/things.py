"""The things that a visitor points at: points in the order of the clicks, with undo."""

from __future__ import annotations

from vlp_rvos.errors import UserError
from vlp_rvos.inference.pointing import Point

__all__ = ["Things"]

#: Most points of a visitor.
MAX_POINTS = 200


class Things:
    """Pointed things.

    Attributes:
        points: all points, in the order in which they were made.
        current: name of the thing that the next point belongs to.
    """

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.current = "thing 1"

    @property
    def names(self) -> list[str]:
        """Names of the things that have points, in the order in which they were begun."""
        return list(dict.fromkeys(point.name for point in self.points))

    @property
    def choices(self) -> list[str]:
        """Names of the things that the next point can belong to."""
        return list(dict.fromkeys([*self.names, self.current]))

    def add(self, x: float, y: float, time: float, include: bool) -> Point:
        """Add a point to the current thing; arguments as of `Point`.

        Raises:
            UserError: the first point of a thing would take something away, or there are too many points.
        """
        own = [point for point in self.points if point.name == self.current]
        if not include and not any(point.include and point.time <= time for point in own):
            raise UserError(f"{self.current} has no point here or before: add the thing first, then take parts away")
        if len(self.points) >= MAX_POINTS:
            raise UserError(f"there are {MAX_POINTS} points already: undo some of them")
        point = Point(x, y, time, include, self.current)
        self.points.append(point)
        return point

    def begin(self) -> None:
        """Let the next point begin a new thing."""
        number = 1
        while f"thing {number}" in self.names:
            number += 1
        self.current = f"thing {number}"

    def choose(self, name: str) -> None:
        """Let the next point belong to a thing that has points already."""
        if name in self.choices:
            self.current = name

    def undo(self) -> None:
        """Take back the last point, if there is one; the next one belongs to its thing."""
        if self.points:
            self.current = self.points.pop().name

    def clear(self) -> None:
        """Take back all points."""
        self.points.clear()
        self.current = "thing 1"
