"""Files to import: as products write them, as nobody should, and what a person does with one."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from werkzeug.test import TestResponse

from tests.support.people import Person, submit_id

FORM = "multipart/form-data; boundary=edge"
DATA = Path(__file__).resolve().parents[1] / "data" / "imports"


def product(name: str) -> bytes:
    return (DATA / name).read_bytes()


def turn(number: int, parent: int | None, role: str, **more: Any) -> dict[str, Any]:
    """A message as Voichat exports it."""
    said = {"id": f"{number:032x}", "parent_id": None if parent is None else f"{parent:032x}", "role": role}
    return said | {"status": "complete", "text": f"Words {number}", "created_at": 1_700_000_000.0 + number} | more


def ours(*messages: dict[str, Any], **more: Any) -> bytes:
    """A chat as Voichat exports it."""
    messages = messages or (turn(0, None, "user"), turn(1, 0, "assistant"))
    chat = {"format": "voichat-chat", "version": 1, "title": "A chat", "instructions": {}, "messages": messages}
    return json.dumps(chat | more).encode()


def zipped(files: dict[str, bytes]) -> bytes:
    whole = BytesIO()
    with ZipFile(whole, "w", ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return whole.getvalue()


def send_file(person: Person, content: bytes, name: str = "file") -> TestResponse:
    """Choose it on the page, and press Import."""
    body = form(submit_id(person.get("/take-along").text), content, name)
    return person.client.post("/import", data=body, content_type=FORM)


def form(submit: str, content: bytes, name: str = "file") -> bytes:
    """As a browser sends it."""
    part = "--edge\r\nContent-Disposition: form-data; name="
    fields = f'{part}"submit_id"\r\n\r\n{submit}\r\n{part}"file"; filename="{name}"\r\n\r\n'
    return fields.encode() + content + b"\r\n--edge--\r\n"


def exported(person: Person) -> list[dict[str, Any]]:
    """All chats as their archive has them, with the places of messages instead of ids."""
    with ZipFile(BytesIO(person.get("/take-along.zip").data)) as archive:
        return [_by_place(json.loads(archive.read(name))) for name in archive.namelist() if name.startswith("chats/")]


def _by_place(chat: dict[str, Any]) -> dict[str, Any]:
    places = {message["id"]: place for place, message in enumerate(chat["messages"])}
    said = [message | {"id": "", "parent_id": places.get(message["parent_id"])} for message in chat["messages"]]
    return chat | {"messages": said}
