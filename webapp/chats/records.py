"""What a conversation is made of, and what can be wrong with asking for one."""

from dataclasses import dataclass, field
from secrets import token_hex
from typing import NamedTuple

from .endings import LENGTH
from .instructions import NOTHING, Instructions, Preset

TEMPORARY_SECONDS = 86400.0
BROKEN_OFF = ("failed", "interrupted", "stopped")


class NotFound(Exception):
    """There is no such thing, or it is somebody else's: nobody learns which."""


class Gone(Exception):
    """The message was sent before and has been deleted since."""


@dataclass(frozen=True)
class Conversation:
    id: str
    title: str
    updated_at: float
    is_temporary: bool = False
    pinned_at: float | None = None
    deleted_at: float | None = None

    @property
    def goes_at(self) -> float:
        """When it is deleted if it is temporary."""
        return self.updated_at + TEMPORARY_SECONDS


class Said(NamedTuple):
    """What has come of a reply: its words, and what the model thought aloud, which is never sent to it again."""

    text: str = ""
    reasoning: str = ""

    @property
    def has_words(self) -> bool:
        return bool(self.text.strip())

    def goes_on_from(self, earlier: "Said") -> bool:
        """Whether nothing that was said is taken back."""
        return self.text.startswith(earlier.text) and self.reasoning.startswith(earlier.reasoning)


@dataclass(frozen=True)
class Message:
    """One message. `status` of a reply: waiting, live, complete, stopped, interrupted or failed.

    `finish_reason` is the upstream's word for why the reply ended, the tokens are what it counted, if it did.
    """

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
    reasoning: str
    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int | None
    seen_from: str | None
    """Of a reply: the oldest message that its model was sent, if older ones were left out."""

    @property
    def is_settled(self) -> bool:
        return self.status not in ("waiting", "live")

    @property
    def has_broken_off(self) -> bool:
        return self.status in BROKEN_OFF

    @property
    def can_go_on(self) -> bool:
        """Whether the model may be asked for the rest of this reply."""
        is_cut = self.status == "complete" and self.finish_reason == LENGTH
        return (self.has_broken_off or is_cut) and self.said.has_words

    @property
    def said(self) -> Said:
        return Said(self.text, self.reasoning)


@dataclass(frozen=True)
class Picture:
    """A picture on its way in. `kind` is its media type, and nothing in `content` says where it comes from."""

    name: str
    kind: str
    content: bytes = field(repr=False)
    width: int
    height: int
    id: str = field(default_factory=lambda: token_hex(16))


@dataclass(frozen=True)
class Attachment:
    """A picture that belongs to a message; `size` is in bytes, `position` its place among the message's."""

    id: str
    conversation_id: str
    message_id: str
    position: int
    name: str
    kind: str
    size: int
    width: int
    height: int


@dataclass(frozen=True)
class Draft:
    """What a person sends: `words` cleaned, `model` as `provider/model`, `submit_id` empty if the form had none.

    It follows the reply `parent_id`, or stands beside the message `edits`, or follows the newest message of the
    branch that holds `at`. A new chat takes `instructions`, and from `preset` whatever they leave open; a preset's
    model goes before `model`.
    """

    words: str
    model: str
    submit_id: str = ""
    parent_id: str | None = None
    instructions: Instructions = NOTHING
    preset: Preset | None = None
    pictures: tuple[Picture, ...] = ()
    is_temporary: bool = False
    edits: str | None = None
    at: str | None = None


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
