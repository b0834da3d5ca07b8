"""Small pictures, and how a person sends them."""

from collections.abc import Iterable, Mapping
from io import BytesIO

from PIL import Image
from werkzeug.test import TestResponse

from tests.support.people import Person


def png(width: int = 3, height: int = 2, colour: tuple[int, int, int] = (255, 0, 0)) -> bytes:
    file = BytesIO()
    Image.new("RGB", (width, height), colour).save(file, "PNG")
    return file.getvalue()


def attach(person: Person, *files: tuple[str, bytes], to: str = "/chats", **form: str) -> TestResponse:
    """The form of `to` with files, each its name and its content, as a browser sends it."""
    body, kind = multipart({"message": "Look"} | form, files)
    return person.client.post(to, data=body, content_type=kind)


def multipart(form: Mapping[str, str], files: Iterable[tuple[str, bytes]]) -> tuple[bytes, str]:
    """A body and its kind."""
    parts = [(f'name="{name}"', words.encode()) for name, words in form.items()]
    parts += [(f'name="file"; filename="{name}"', content) for name, content in files]
    pieces = [f"--edge\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + body for head, body in parts]
    return b"\r\n".join([*pieces, b"--edge--\r\n"]), "multipart/form-data; boundary=edge"
