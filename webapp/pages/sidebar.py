"""The chats that stand beside a page, where its window has room for them."""

from ..chats import lists
from ..chats.lists import Front
from ..db import DatabaseError
from ..web import signin
from .house import house

MOST = 30


def chats() -> Front | None:
    """None for somebody who has never sent anything, and while the database is away: a page stands without them."""
    try:
        owner = signin.owner()
        return lists.front(house().database, owner, MOST) if owner else None
    except DatabaseError:
        return None
