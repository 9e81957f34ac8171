"""A crossing, as `run.crossings` has it; `crossings` finds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from .paths import Path, name_of_path


@dataclass(frozen=True, repr=False)
class Crossing:
    """Instances that met at a key of `shared`: how often, and which two were the first.

    Attributes:
        key: the key of `shared`.
        level: "crossed": one instance read or undid what another one wrote; "overwritten": one
            replaced what another one wrote, before anyone read it.
        reader: index of the instance that read or replaced the value, and class name of its node.
        writer: index of the instance that had written the value, and class name of its node.
        count: how often it happened between these two nodes.
        lost: whether the reader wrote a value that it had computed from an older one.
        left: whether the writer had ended before the reader began.
        secrets: texts to mask in the keys where they are shown.
        below: if they met within the value there, the keys or the index that lead to the place.
    """

    key: Any
    level: Literal["crossed", "overwritten"]
    reader: tuple[int, str]
    writer: tuple[int, str]
    count: int = 1
    lost: bool = False
    left: bool = False
    secrets: frozenset[str] = field(default=frozenset(), compare=False)
    below: Path = ()

    def line(self, reader_params: str = "", writer_params: str = "") -> str:
        """Return the crossing in one line of text.

        Args:
            reader_params: text of the reader's params, shown beside its index.
            writer_params: text of the writer's params, shown beside its index.
        """
        reader = _instance(self.reader, reader_params)
        writer = _instance(self.writer, writer_params)
        if self.level == "overwritten":
            what = f"{reader} replaced what {writer} wrote, before anyone read it"
        elif self.lost:
            what = f"{reader} undid what {writer} wrote after it had looked: an update is lost"
        elif self.left:
            what = f"{reader} read what {writer} left there, which had ended before"
        else:
            what = f"{reader} read what {writer} wrote"
        times = f" ({self.count} times)" if self.count > 1 else ""
        place = name_of_path((self.key, *self.below), self.secrets)
        return f"{place}: {what}{times}"

    def __str__(self) -> str:
        return self.line()

    def __repr__(self) -> str:
        return f"<Crossing: {self}>"


def _instance(index_and_node: tuple[int, str], params: str) -> str:
    index, node = index_and_node
    return f"instance {index} ({', '.join(filter(None, (node, params)))})"
