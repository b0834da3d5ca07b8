"""What is stored about a person: how much of each kind."""

from dataclasses import dataclass

from sqlalchemy import func, select

from ..db import Database, attachments, conversations, messages, presets, recoveries, shares
from ..sentences import Sentence, plural


@dataclass(frozen=True)
class Holdings:
    chats: int
    """All of them, with those in the bin and the temporary ones."""
    presets: int
    shares: int
    attachments: int
    recoveries: int

    @property
    def lines(self) -> list[Sentence]:
        """What there is, each kind with its number; the link apart."""
        lines = (
            plural("{number} chat", "{number} chats", self.chats),
            plural("{number} preset", "{number} presets", self.presets),
            plural("{number} share link", "{number} share links", self.shares),
            plural("{number} attachment", "{number} attachments", self.attachments),
        )
        return [line for line in lines if line.number]


def of(database: Database, owner: str) -> Holdings:
    theirs = conversations.c.owner_id == owner
    count = select(func.count())
    queries = [
        count.select_from(conversations).where(theirs),
        count.select_from(presets).where(presets.c.owner_id == owner),
        count.select_from(shares).join(conversations).where(theirs),
        count.select_from(attachments).join(messages).join(conversations).where(theirs),
        count.select_from(recoveries).where(recoveries.c.owner_id == owner),
    ]
    with database.read() as connection:
        return Holdings(*(connection.execute(query).scalar_one() for query in queries))
