"""What the pages stand on: the rooms below, as `create_app` put them together."""

from dataclasses import dataclass
from typing import cast

from flask import current_app

from ..chats.files import Files
from ..chats.housekeeping import Housekeeping
from ..chats.indexer import Indexer
from ..chats.replies import Replies
from ..db import Database
from ..settings import Settings
from ..users.limits import Limits


@dataclass(frozen=True)
class House:
    settings: Settings
    database: Database
    files: Files
    replies: Replies
    limits: Limits
    housekeeping: Housekeeping
    indexer: Indexer


def house() -> House:
    return cast(House, current_app.extensions["voichat"])
