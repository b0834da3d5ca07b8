"""Files that come with a message: text becomes part of its words, pictures stand beside them."""

from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from typing import NamedTuple, NoReturn

from flask import abort, request
from werkzeug.datastructures import FileStorage

from .. import providers
from ..chats import attachments, pictures, textfiles
from ..chats.pictures import Busy, Unreadable
from ..chats.records import Picture
from ..chats.text import cleaned
from ..sentences import Sentence
from . import fields, visitor
from .house import house

KEEP = "keep-"
NO_FILES = Sentence("No files are taken here: send the message without them.")
TAKES_NONE = Sentence("This model takes no pictures; no other model here does: send the message without them.")
BUSY = Sentence("The server has other pictures to read: send this again in a moment.")


class Upload(NamedTuple):
    """A file as it came, by the name under which it may be shown."""

    name: str
    content: bytes


def keeps() -> dict[str, str]:
    """The pictures that stay with a message which is written anew: ids and names, as their ticks say."""
    return {cleaned(name.removeprefix(KEEP)): fields.text(name) for name in request.form if name.startswith(KEEP)}


def names() -> list[str]:
    """Of the files that came; they cannot be put back into a form."""
    return [textfiles.safe_name(file.filename or "") for file in _files()]


def read(words: str, model: str, edits: str | None) -> tuple[str, tuple[Picture, ...]]:
    """The words with the text files in them, and the pictures, for this model; those first that stay.

    Aborts with a sentence; raises `NotFound`.
    """
    uploads = _uploads()
    shown = [upload for upload in uploads if pictures.is_picture(upload.content)]
    for upload in uploads:
        if upload not in shown:
            words = f"{words.rstrip()}\n\n{textfiles.block(upload.name, _text(upload))}"
            fields.limit(
                Sentence("The message with “{name}”", name=upload.name), words, house().settings.message_characters
            )
    if shown or (edits and keeps()):
        _check_model(model)
    return words, (*_kept(edits), *map(_picture, shown))


def _kept(edits: str | None) -> Iterator[Picture]:
    """Each as a picture of its own, so that it does not matter what becomes of the message before."""
    for attachment_id in keeps() if edits else ():
        chat_id = (request.view_args or {})["conversation_id"]
        found = attachments.one(house().database, visitor.owner(), chat_id, str(edits), attachment_id)
        with suppress(FileNotFoundError), house().files.open(found.id) as file:
            yield Picture(found.name, found.kind, file.read(), found.width, found.height)


def _uploads() -> list[Upload]:
    files, megabytes = _files(), house().settings.attachment_megabytes
    if len(files) + len(keeps()) > attachments.A_MESSAGE:
        abort(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_many(len(files) + len(keeps())))
    if not files:
        return []
    if not megabytes:
        abort(HTTPStatus.BAD_REQUEST, NO_FILES)
    uploads = [Upload(textfiles.safe_name(file.filename or ""), file.read()) for file in files]
    total = sum(len(upload.content) for upload in uploads)
    if total > house().settings.attachment_bytes:
        abort(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_large(f"{total / 1_000_000:.1f}", megabytes))
    return uploads


def _files() -> list[FileStorage]:
    """A field in which nothing was chosen comes without a name."""
    return [file for _, file in request.files.items(multi=True) if file.filename]


def _text(upload: Upload) -> str:
    if not upload.content:
        _refuse(upload, Sentence("is empty"))
    words = textfiles.text(upload.content)
    return _refuse(upload, Sentence("is neither text nor such a picture")) if words is None else words


def _picture(upload: Upload) -> Picture:
    try:
        return pictures.picture(upload.name, upload.content)
    except Unreadable as error:
        return _refuse(upload, str(error))
    except Busy:
        abort(HTTPStatus.SERVICE_UNAVAILABLE, BUSY)


def _refuse(upload: Upload, reason: str) -> NoReturn:
    # Translators: {reason} is “is empty”, “is damaged” …
    sentence = Sentence(
        "Text files in UTF-8 are taken, and pictures as {formats}: “{name}” {reason}.",
        formats=pictures.FORMATS,
        name=upload.name,
        reason=reason,
    )
    abort(HTTPStatus.BAD_REQUEST, sentence)


def _too_many(count: int) -> Sentence:
    return Sentence(
        "These are {count} files; at most {most} are taken with one message.", count=count, most=attachments.A_MESSAGE
    )


def _too_large(megabytes: str, most: int) -> Sentence:
    return Sentence(
        "The files have {megabytes} MB together; at most {most} MB are taken with one message.",
        megabytes=megabytes,
        most=most,
    )


def _check_model(model: str) -> None:
    """Of a model of which nobody says whether it takes pictures, the upstream may."""
    if providers.takes_images(model) is not False:
        return
    others = [choice.label for choice in providers.choices() if providers.takes_images(choice.value) is not False]
    abort(HTTPStatus.BAD_REQUEST, _takes_none(others[0]) if others else TAKES_NONE)


def _takes_none(other: str) -> Sentence:
    return Sentence(
        "This model takes no pictures; choose another, such as {model}, or send the message without them.",
        model=other,
    )
