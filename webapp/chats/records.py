"""What a conversation is made of, and what can be wrong with asking for one."""

from dataclasses import dataclass


class NotFound(Exception):
    """There is no such thing, or it is somebody else's: nobody learns which."""


class Gone(Exception):
    """The message was sent before and has been deleted since."""


@dataclass(frozen=True)
class Conversation:
    id: str
    title: str
    updated_at: float


@dataclass(frozen=True)
class Message:
    """One message. `status` of a reply: waiting, live, complete, stopped, interrupted or failed."""

    id: str
    conversation_id: str
    parent_id: str | None
    role: str
    status: str
    text: str
    html: str
    renderer: int
    model: str
    problem: str
    attempt: int
    created_at: float
    settled_at: float | None

    @property
    def is_settled(self) -> bool:
        return self.status not in ("waiting", "live")


@dataclass(frozen=True)
class Draft:
    """What a person sends: `words` cleaned, `model` as `provider/model`, `submit_id` empty if the form had none."""

    words: str
    model: str
    submit_id: str = ""
    parent_id: str | None = None


@dataclass(frozen=True)
class Sent:
    conversation_id: str
    message_id: str


@dataclass(frozen=True)
class Siblings:
    """All the messages in one place of a conversation, the oldest first, and the one of them that is shown."""

    ids: list[str]
    shown: str

    @property
    def number(self) -> int:
        return self.ids.index(self.shown) + 1

    @property
    def previous(self) -> str | None:
        return self.ids[self.number - 2] if self.number > 1 else None

    @property
    def following(self) -> str | None:
        return self.ids[self.number] if self.number < len(self.ids) else None
