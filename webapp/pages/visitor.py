"""Who asks."""

from ..chats.records import NotFound
from ..users.limits import Sender
from ..web import addresses, signin


def owner() -> str:
    """Raises `NotFound` for somebody who has never sent anything: nothing is theirs."""
    found = signin.owner()
    if found is None:
        raise NotFound
    return found


def sender(owner: str) -> Sender:
    return Sender(owner, addresses.key())
