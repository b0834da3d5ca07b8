"""From what a file says follows what, to the tree that a chat is here: questions and replies in turn."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from itertools import takewhile

from ...sentences import Sentence
from .found import LEFT_OUT, Chat, Refused, Turn

MESSAGE_CHARACTERS = 1_000_000
CHAT_CHARACTERS = 50_000_000
MESSAGE_COSTS = 100  # characters that a message is counted as besides its own
NO_QUESTION = "(The file holds no message before this reply.)"
NO_REPLY = Sentence("The file holds no reply to this message.")
TOO_LONG = Sentence("messages of more than {number} characters", number=MESSAGE_CHARACTERS)


def grown(chat: Chat) -> Chat:
    """The chat with the turns that are taken, each after its parent, the branch that was shown last.

    Messages of one side that follow each other become one. A reply to nothing gets a question, and a question that
    has no reply an empty one, to be tried again. Raises `Refused`.
    """
    left_out, turns = Counter(chat.left_out), []
    for turn in _ordered(chat.turns):
        is_too_long = len(turn.text) > MESSAGE_CHARACTERS
        left_out[TOO_LONG] += is_too_long
        turns.append(replace(turn, role=LEFT_OUT) if is_too_long else turn)
    joined = list(_alternating(turns))
    _check_ids(joined)
    return replace(chat, turns=_with_current_last(joined, chat.current), left_out=+left_out)


def _ordered(turns: Sequence[Turn]) -> Iterator[Turn]:
    """By time and then as in the file, but parents first. A parent that is not there is none."""
    _check_ids(turns)
    places = {turn.id: place for place, turn in enumerate(turns)}
    children: defaultdict[str | None, list[int]] = defaultdict(list)
    for place, turn in enumerate(turns):
        children[turn.parent_id if turn.parent_id in places else None].append(place)
    ready: list[tuple[float, int]] = []
    count = 0
    for place in children[None]:
        heappush(ready, (turns[place].created_at or 0.0, place))
    while ready:
        moment, place = heappop(ready)
        count += 1
        yield turns[place]
        for child in children[turns[place].id]:
            heappush(ready, (max(turns[child].created_at or moment, moment), child))
    if count < len(turns):
        raise Refused(Sentence("its messages follow each other in a circle"))


def _check_ids(turns: Sequence[Turn]) -> None:
    """Raises `Refused`."""
    if len({turn.id for turn in turns}) < len(turns):
        raise Refused(Sentence("two messages have one id"))


def _alternating(turns: Sequence[Turn]) -> Iterator[Turn]:
    above = _taken_above(turns)
    taken = {turn.id: turn for turn in turns if turn.role != LEFT_OUT}
    followers: defaultdict[str, set[str]] = defaultdict(set)
    for turn in taken.values():
        if parent := above[turn.id]:
            followers[parent].add(turn.role)
    characters = 0
    for turn in taken.values():
        if followers[turn.id] == {turn.role}:
            continue  # a part of what follows it
        parts = list(_parts(turn, taken, above))
        characters += sum(len(part.text) + MESSAGE_COSTS for part in parts)
        if characters > CHAT_CHARACTERS:
            raise Refused(Sentence("its branches repeat too much of each other"))
        yield from _as_one(
            turn, parts, above[parts[0].id], has_reply=turn.role == "assistant" or bool(followers[turn.id])
        )


def _taken_above(turns: Sequence[Turn]) -> dict[str, str | None]:
    """By id, the nearest message above that is taken."""
    above: dict[str, str | None] = {}
    is_taken = {turn.id: turn.role != LEFT_OUT for turn in turns}
    for turn in turns:
        parent = turn.parent_id if turn.parent_id in is_taken else None
        above[turn.id] = parent if parent is None or is_taken[parent] else above[parent]
    return above


def _parts(turn: Turn, taken: Mapping[str, Turn], above: Mapping[str, str | None]) -> list[Turn]:
    """The turn, and those of the same side that it follows; the first one first."""

    def upwards() -> Iterator[Turn]:
        found: str | None = turn.id
        while found:
            yield taken[found]
            found = above[found]

    return list(takewhile(lambda part: part.role == turn.role, upwards()))[::-1]


def _as_one(turn: Turn, parts: Sequence[Turn], parent: str | None, *, has_reply: bool) -> Iterator[Turn]:
    text = "\n\n".join(part.text for part in parts if part.text)
    reasoning = "\n\n".join(part.reasoning for part in parts if part.reasoning)
    if turn.role == "assistant" and parent is None:
        parent = f"{turn.id} before"
        yield Turn(parent, None, "user", NO_QUESTION, created_at=turn.created_at)
    yield replace(turn, parent_id=parent, text=text, reasoning=reasoning)
    if not has_reply:
        empty = Turn(f"{turn.id} after", turn.id, "assistant", status="interrupted", problem=NO_REPLY)
        yield replace(empty, created_at=turn.created_at, model=turn.model)


def _with_current_last(turns: Sequence[Turn], current: str) -> list[Turn]:
    """The newest message is the one whose branch is shown."""
    parents = {turn.parent_id for turn in turns}
    last = [turn for turn in turns if turn.id in (current, f"{current} after") and turn.id not in parents]
    return [turn for turn in turns if turn not in last] + last
