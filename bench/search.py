"""How long a search takes among a million messages, beside the list of chats, and beside reading all messages.

    .venv/bin/python -m bench.search [--messages 1000000] [--database sqlite] [--database postgresql]

Words come from Python's own manual and library, as often as there: English ones, the same in Cyrillic letters, and
lines of code; Chinese is made up of 2,000 characters, the tenth as often as nature has it. One person has 99 % of the
messages, another 1 %. Both databases stand on this machine, in a temporary folder.
"""

import argparse
import random
import re
import statistics
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import accumulate
from pathlib import Path
from pydoc_data.topics import topics
from time import perf_counter
from typing import Any

from sqlalchemy import insert, text, update

from tests.support import servers
from tests.support.databases import create_database
from webapp.chats import lists, passages
from webapp.chats.folding import fold
from webapp.chats.search import Found, parts, search
from webapp.db import Database, conversations, messages
from webapp.db import passages as table

OWNERS = {"99 %": "a" * 32, "1 %": "b" * 32}
BEGINNING, A_MESSAGE = 1_700_000_000.0, 10.0  # seconds
A_CHAT = 20
BATCH = 5_000
BY_INDEXER = 3_000
ROUNDS = 100
SCANS = 3
CYRILLIC = str.maketrans("abcdefghijklmnopqrstuvwxyz'", "абцдефгхийклмнопярстувшжызь")
LIBRARY = Path(random.__file__).parent


class Words:
    """What messages are made of, drawn as often as it comes in the source."""

    def __init__(self, words: Sequence[str], space: str) -> None:
        counted = Counter(words).most_common()
        self.ranked = [word for word, _ in counted]
        self._weights = list(accumulate(number for _, number in counted))
        self._space = space
        self._length = sum(len(word) * number for word, number in counted) / self._weights[-1] + len(space)

    def some(self, draw: random.Random, characters: float) -> str:
        count = 1 + int(characters / self._length)
        return self._space.join(draw.choices(self.ranked, cum_weights=self._weights, k=count))


def languages() -> dict[str, Words]:
    english = re.findall(r"[A-Za-z][A-Za-z']*[.,:;]?", " ".join(topics.values()))
    code = [line for path in sorted(LIBRARY.glob("*.py")) for line in path.read_text("utf-8", "replace").splitlines()]
    chinese = [chr(0x4E00 + 7 * rank) for rank in range(2_000) for _ in range(2_000 // (rank + 1))]
    return {
        "English": Words(english, " "),
        "Russian": Words([word.lower().translate(CYRILLIC) for word in english], " "),
        "Chinese": Words(chinese, ""),
        "code": Words([line for line in code if line.strip()], "\n"),
    }


def kinds(words: dict[str, Words], draw: random.Random) -> dict[str, list[str]]:
    """Queries by kind."""
    english = [word for word in words["English"].ranked if word.isalpha()]
    russian, chinese = words["Russian"].ranked, words["Chinese"].ranked
    names = [name for line in words["code"].ranked for name in re.findall(r"\b[a-z]+_[a-z]+_[a-z]+\b", line)]
    return {
        "rare word": [f"xylophone{number}" for number in range(5)],
        "common word": [word for word in english if len(word) > 3][:20],
        "any word": draw.sample([word for word in english if len(word) > 3], 50),
        "part of a word": [word[1:-1] for word in draw.sample([word for word in english if len(word) > 6], 50)],
        "Russian word": draw.sample([word for word in russian if len(word) > 3], 50),
        "2 letters": [word for word in english if len(word) == 2][:20],
        "1 letter": list("abcxyz"),
        "1 Chinese sign": draw.sample(chinese, 50),
        "2 Chinese signs": ["".join(draw.choices(chinese[:300], k=2)) for _ in range(50)],
        "name in code": draw.sample(names, 50),
        "phrase": [f'"{" ".join(draw.sample(english[:30], 2))}"' for _ in range(50)],
        "3 words": [" ".join(draw.sample(english[:1000], 3)) for _ in range(50)],
        "nothing, odd": ["qxzvbnk", "zzzzqqq", "ъъъщщщ"],
        "nothing, alike": ["thationing", "entheread", "ingtheres", "atermenting", "erencethis"],
    }


def said(number: int, draw: random.Random, words: dict[str, Words]) -> str:
    """Every other one is a short question, the rest are answers; one in 200,000 holds a word of its own."""
    language = draw.choices(list(words), [55, 20, 10, 15])[0]
    characters = draw.lognormvariate(5.9, 0.8) if number % 2 else draw.lognormvariate(4.1, 1.0)
    rare = f" xylophone{number // 200_000}" if number % 200_000 == 77 else ""
    return words[language].some(draw, min(characters, 20_000)) + rare


def owner(number: int) -> str:
    return OWNERS["1 %" if number // A_CHAT % 100 == 50 else "99 %"]


def chat(number: int) -> dict[str, Any]:
    at = BEGINNING + A_MESSAGE * number
    named = dict(id=f"{number // A_CHAT:032x}", owner_id=owner(number), title=f"Chat {number}", model="m")
    return named | dict(last_seq=A_CHAT, created_at=at, updated_at=at, is_indexed=True)


def message(number: int, words: str) -> dict[str, Any]:
    at = BEGINNING + A_MESSAGE * number
    of = dict(id=f"{number:032x}", conversation_id=f"{number // A_CHAT:032x}", seq=number % A_CHAT, model="m")
    state = dict(role="assistant" if number % 2 else "user", status="complete", html="", renderer=0, problem="")
    return of | state | dict(text=words, attempt=1, created_at=at, settled_at=at, is_indexed=True)


def passage(number: int, words: str) -> dict[str, Any]:
    at = BEGINNING + A_MESSAGE * number
    of = dict(message_id=f"{number:032x}", conversation_id=f"{number // A_CHAT:032x}")
    folded = passages.mark(owner(number)) + fold(words)
    return of | dict(number=int(at * 1000) << passages.RANDOM_BITS, folded=folded)


def fill(database: Database, size: int, words: dict[str, Words]) -> int:
    """As it is once all is indexed; returns how many characters were said."""
    draw, characters = random.Random(1), 0  # noqa: S311 - no secret
    for first in range(0, size, BATCH):
        numbers = range(first, min(first + BATCH, size))
        texts = [said(number, draw, words) for number in numbers]
        characters += sum(map(len, texts))
        with database.write(durable=False) as connection:
            connection.execute(insert(conversations), [chat(number) for number in numbers[::A_CHAT]])
            connection.execute(insert(messages), list(map(message, numbers, texts)))
            connection.execute(insert(table), list(map(passage, numbers, texts)))
    return characters


def build(database: Database, size: int, words: dict[str, Words]) -> int:
    """PostgreSQL takes them in without the index and makes that afterwards."""
    if database.is_sqlite:
        return fill(database, size, words)
    with closing(database.engine.raw_connection()) as raw:
        raw.cursor().execute("DROP INDEX ix_passages_terms")
        raw.commit()
    characters = fill(database, size, words)
    with closing(database.engine.raw_connection()) as raw:
        raw.cursor().execute("SET maintenance_work_mem = '1GB'")
        raw.cursor().execute("CREATE INDEX ix_passages_terms ON passages USING gin (search_terms(folded))")
        raw.commit()
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
    return characters


def index_anew(database: Database) -> float:
    """Messages a second that the indexer takes into an index of this size, two of three seconds at work."""
    newest = messages.c.created_at >= BEGINNING
    with database.write() as connection:
        top = connection.execute(text("SELECT max(created_at) FROM messages")).scalar_one()
        newest = messages.c.created_at > top - BY_INDEXER * A_MESSAGE
        connection.execute(update(messages).where(newest).values(is_indexed=False))
    began = perf_counter()
    while passages.index(database):
        pass
    return BY_INDEXER / (perf_counter() - began)


def sizes(database: Database) -> dict[str, int]:
    """Bytes."""
    if database.is_sqlite:
        queries = {
            "messages": "SELECT sum(pgsize) FROM dbstat WHERE name IN ('messages', 'conversations')",
            "folded": "SELECT sum(pgsize) FROM dbstat WHERE name = 'passages'",
            "index": "SELECT sum(pgsize) FROM dbstat WHERE name LIKE 'passages_index%'",
        }
    else:
        queries = {
            "messages": "SELECT pg_table_size('messages') + pg_table_size('conversations')",
            "folded": "SELECT pg_table_size('passages')",
            "index": "SELECT pg_relation_size('ix_passages_terms')",
        }
    with database.read() as connection:
        return {name: int(connection.execute(text(query)).scalar_one()) for name, query in queries.items()}


def scan(database: Database, owner: str, word: str) -> None:
    """What there would be without an index."""
    query = text(
        "SELECT messages.id FROM messages JOIN conversations ON conversations.id = conversation_id"
        " WHERE owner_id = :owner AND lower(text) LIKE :word ORDER BY messages.created_at DESC LIMIT 20"
    )
    with database.read() as connection:
        connection.execute(query, {"owner": owner, "word": f"%{word}%"}).all()


def measure(database: Database, words: dict[str, Words]) -> None:
    draw = random.Random(2)  # noqa: S311 - no secret
    asked = kinds(words, draw)
    for name, owner_id in OWNERS.items():
        say(f"\n| the owner of {name} searches for | median ms | p99 ms | hits | cut |\n|---|---|---|---|---|")
        report("(the list of chats)", timed(partial(lists.recent, database, owner_id), ROUNDS))
        for kind, queries in asked.items():
            found = [search(database, owner_id, parts(query)) for query in queries]
            drawn = iter(draw.choices(queries, k=ROUNDS))
            times = timed(lambda owner_id=owner_id, drawn=drawn: search(database, owner_id, parts(next(drawn))), ROUNDS)
            report(kind, times, f"{statistics.mean(len(each.hits) for each in found):.0f}", f"{mean_cut(found):.0%}")
        report("(reading all messages)", timed(partial(scan, database, owner_id, "xylophone1"), SCANS))


def mean_cut(found: Sequence[Found]) -> float:
    return statistics.mean(each.is_cut for each in found)


def timed(act: Callable[[], object], rounds: int) -> list[float]:
    """Milliseconds of each."""
    times = []
    for _ in range(rounds):
        began = perf_counter()
        act()
        times.append((perf_counter() - began) * 1000)
    return times


def report(what: str, times: Sequence[float], hits: str = "", cut: str = "") -> None:
    slowest = sorted(times)[int(len(times) * 0.99)]
    say(f"| {what} | {statistics.median(times):.1f} | {slowest:.1f} | {hits} | {cut} |")


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


@contextmanager
def opened(kind: str, folder: Path) -> Iterator[Database]:
    if kind == "sqlite":
        url = f"sqlite:///{folder / 'bench.sqlite3'}"
        servers.migrate(url, folder)
        with closing(Database(url)) as database:
            yield database
        return
    folder.chmod(0o755)
    with servers.postgresql(folder) as server:
        create_database(server.url, "bench")
        servers.migrate(f"{server.url}/bench", folder)
        with closing(Database(f"{server.url}/bench")) as database:
            yield database


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--database", action="append", choices=["sqlite", "postgresql"])
    asked, words = parser.parse_args(), languages()
    for kind in asked.database or ["sqlite", "postgresql"]:
        with tempfile.TemporaryDirectory() as folder, opened(kind, Path(folder)) as database:
            began = perf_counter()
            characters = build(database, asked.messages, words)
            took = perf_counter() - began
            megabytes = ", ".join(f"{name} {size / 1e6:,.0f} MB" for name, size in sizes(database).items())
            said_in_all = f"{asked.messages:,} messages, {characters / 1e6:,.0f} million characters"
            say(f"\n{kind}: {said_in_all}, in {took:.0f} s")
            say(f"{megabytes}; the indexer takes {index_anew(database):,.0f} messages a second")
            measure(database, words)


if __name__ == "__main__":
    main()
