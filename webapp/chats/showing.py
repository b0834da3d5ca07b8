"""Which pictures of a chat its model is shown."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from ..db import Database
from ..providers.base import Image
from ..sentences import Sentence
from . import attachments
from .files import Files
from .records import Attachment, Message

MOST_PICTURES = 10
MOST_BYTES = 20_000_000
TAKES_NONE = Sentence("The model takes no pictures: it answered without those of this chat.")


@dataclass(frozen=True)
class Shown:
    """By message. `remark` is for the person, where some are left out."""

    images: Mapping[str, Sequence[Image]] = field(default_factory=dict)
    remark: str = ""


Show: TypeAlias = Callable[[str, Sequence[Message]], Shown]


def not_all(count: int) -> Sentence:
    return Sentence("The model was shown the newest {count} of this chat's pictures, not all.", count=count)


def nothing(_model: str, _said: Sequence[Message]) -> Shown:
    return Shown()


def shown(
    database: Database, files: Files, takes: Callable[[str], bool | None], model: str, said: Sequence[Message]
) -> Shown:
    """The newest that a call may hold; none for a model that takes none. One whose file is lost is left out."""
    found = attachments.by_message(database, said[0].conversation_id)
    theirs = [each for message in said for each in found.get(message.id, [])]
    if theirs and takes(model) is False:
        return Shown(remark=TAKES_NONE)
    images: defaultdict[str, list[Image]] = defaultdict(list)
    for picture in _newest(theirs):
        if content := _content(files, picture):
            images[picture.message_id].append(Image(picture.kind, content))
    count = sum(map(len, images.values()))
    return Shown(dict(images), not_all(count) if count < len(theirs) else "")


def _newest(pictures: Sequence[Attachment]) -> list[Attachment]:
    """The last of them, in their order."""
    newest: list[Attachment] = []
    room = MOST_BYTES
    for picture in reversed(pictures[-MOST_PICTURES:]):
        room -= picture.size
        if room < 0:
            break
        newest.insert(0, picture)
    return newest


def _content(files: Files, picture: Attachment) -> bytes:
    """Empty if it has been lost."""
    try:
        with files.open(picture.id) as file:
            return file.read()
    except FileNotFoundError:
        return b""
