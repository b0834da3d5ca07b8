"""The pictures of a chat that lies in a zip: chosen while the file is checked, read when the chat is added."""

from collections import Counter
from collections.abc import Callable, Mapping
from time import monotonic, sleep

from ...db import Database
from ...sentences import Sentence
from .. import attachments, pictures
from ..files import Files
from ..pictures import Busy, Unreadable
from ..records import Attachment, Picture, Sent
from . import adding
from .adding import LEAST_PAUSE_SECONDS, Kept, New, Wanted
from .found import Chat, Enclosed, Refused
from .packed import Packed
from .reading import File
from .reports import Report

MEGABYTES = 10  # more than any that Voichat writes
SECONDS = 120.0  # in which one chat's pictures are read, and in which those of a file's chats are begun

ELSEWHERE = Sentence("pictures, which are in the zip only")
NOT_TAKEN = Sentence("pictures, which this server does not take")
NO_QUESTION = Sentence("pictures of messages that are not taken")
TOO_MANY = Sentence("pictures beyond the {most} that one message may have", most=attachments.A_MESSAGE)
MISSING = Sentence("pictures whose file is not in the zip")
TOO_LARGE = Sentence("pictures of more than {most} MB", most=MEGABYTES)
BROKEN = Sentence("pictures that are damaged, have too many pixels, or are none")
SLOW = Sentence("pictures beyond those that can be read in {most} seconds", most=int(SECONDS))
FULL = Sentence(
    "pictures, for which there is no room in the {most} MB that one person may keep", most=attachments.OWNER_MEGABYTES
)


def chosen(chat: Chat, file: File, *, are_taken: bool) -> tuple[list[Wanted], Counter[str]]:
    """Those that can be taken, as far as can be said before they are read, and why the others cannot.

    Raises `Refused`.
    """
    places = {turn.id: place for place, turn in enumerate(chat.turns) if turn.role == "user"}
    found, left_out, numbers = [], Counter[str](), Counter[int]()
    for picture in chat.pictures:
        wanted = _wanted(picture, places, numbers, file) if are_taken else NOT_TAKEN
        if isinstance(wanted, str):
            left_out[wanted] += 1
            continue
        file.spend(wanted.size)
        numbers[wanted.place] += 1
        found.append(wanted)
    return found, left_out


def add(database: Database, files: Files, owner: str, chat: Kept, packed: Packed, report: Report) -> None:
    """The chat and its pictures, in one transaction. Where they find no room it is taken without them.

    Raises `Unwritable`.
    """
    new = New.of(chat)
    with attachments.keeping(database, files) as keep:
        try:
            found, left_out = _read(chat, packed, new, keep, attachments.room(database, owner))
            count = _added(database, owner, chat, new, found)
        except attachments.Full:
            found, left_out = [], Counter({FULL: len(chat.pictures)})
            count = _added(database, owner, chat, new, found)
    report.take(count, len(found) if count else 0)
    for why, number in left_out.items():
        report.leave_out(why, chat.title, number)


def _wanted(picture: Enclosed, places: Mapping[str, int], numbers: Counter[int], file: File) -> Wanted | str:
    """Or why it cannot be taken."""
    if file.packed is None:
        return ELSEWHERE
    place, size = places.get(picture.message_id), file.packed.size(picture.file)
    if place is None:
        return NO_QUESTION
    if numbers[place] >= attachments.A_MESSAGE:
        return TOO_MANY
    if size is None:
        return MISSING
    return TOO_LARGE if size > MEGABYTES * 1_000_000 else Wanted(place, picture.name, picture.file, size)


def _read(
    chat: Kept, packed: Packed, new: New, keep: Callable[[Picture], None], room: int
) -> tuple[list[Attachment], Counter[str]]:
    """Those that are kept, one at a time, and why the others are not. Raises `Full` and `Unwritable`."""
    found, left_out, positions = [], Counter[str](), Counter[int]()
    until = monotonic() + SECONDS
    for wanted in chat.pictures:
        picture = _picture(wanted, packed, until)
        if isinstance(picture, str):
            left_out[picture] += 1
            continue
        room -= len(picture.content)
        if room < 0:
            raise attachments.Full
        keep(picture)
        sent = Sent(new.conversation_id, new.ids[wanted.place])
        found.append(attachments.attached(sent, positions[wanted.place], picture))
        positions[wanted.place] += 1
    return found, left_out


def _picture(wanted: Wanted, packed: Packed, until: float) -> Picture | str:
    """Or why there is none."""
    while monotonic() < until:
        sleep(LEAST_PAUSE_SECONDS)  # who sends a picture meanwhile gets a turn
        try:
            return pictures.picture(wanted.name, _content(wanted, packed))
        except (Refused, Unreadable):
            return BROKEN
        except Busy:
            continue
    return SLOW


def _content(wanted: Wanted, packed: Packed) -> bytes:
    """Raises `Refused` and `Unreadable`."""
    with packed.opened(wanted.file) as opened:
        content = opened.read()
    if not pictures.is_picture(content):
        raise Unreadable
    return content


def _added(database: Database, owner: str, chat: Kept, new: New, found: list[Attachment]) -> int:
    with adding.transaction(database) as connection:
        if count := adding.add(database, connection, owner, chat, new):
            attachments.add_all(connection, owner, found)
        return count
