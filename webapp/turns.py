"""SQLite has one writer: who writes in this process waits for a turn, and small transactions share a commit.

Bringing a commit to the disk takes longer than all that is written in it.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock

from sqlalchemy import Connection, RootTransaction
from sqlalchemy.exc import SQLAlchemyError

from .outages import NoTurn

MOST = 32  # that share one commit: the first waits for the last

# Opens a connection and a transaction on it; the argument: whether it is on the disk once it is committed.
Begin = Callable[[bool], RootTransaction]


class Turns:
    """A lock that is given in the order in which it was asked for."""

    def __init__(self) -> None:
        self._changing = Lock()
        self._waiting: deque[Event] = deque()
        self._is_taken = False

    def take(self, seconds: float) -> None:
        """Raises `NoTurn`."""
        with self._changing:
            if not self._is_taken:
                self._is_taken = True
                return
            mine = Event()
            self._waiting.append(mine)
        if not mine.wait(seconds):
            self._leave(mine)

    @property
    def waiting(self) -> int:
        """How many wait for it."""
        return len(self._waiting)

    def pass_on(self) -> bool:
        """Give it to who has waited longest; False if nobody waits, and it is still ours."""
        with self._changing:
            if not self._waiting:
                return False
            self._waiting.popleft().set()
            return True

    def end(self) -> None:
        with self._changing:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._is_taken = False

    def _leave(self, mine: Event) -> None:
        with self._changing:
            if not mine.is_set():  # else it was given at the last moment
                self._waiting.remove(mine)
                raise NoTurn("other transactions of this process do not end")


class Writer:
    """The transactions of one process, one after the other; each waits at most `seconds` for its turn."""

    def __init__(self, begin: Begin, seconds: float) -> None:
        self._begin = begin
        self._seconds = seconds
        self.turns = Turns()
        self._open: _Shared | None = None  # one that waits for more, while the turn is passed on

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else writes meanwhile. Raises `NoTurn`."""
        self.turns.take(self._seconds)
        try:
            self._end_open()
            yield
        finally:
            self.turns.end()

    @contextmanager
    def write(self, durable: bool) -> Iterator[Connection]:
        """One transaction, committed alone. Raises `NoTurn`."""
        with self.alone():
            transaction = self._begin(durable)
            with transaction.connection, transaction:
                yield transaction.connection

    @contextmanager
    def share(self) -> Iterator[Connection]:
        """One small transaction, which is on the disk when this ends, together with others that came meanwhile.

        What it raises takes back its own part only; a commit that fails, all of them. Raises `NoTurn`.
        """
        self.turns.take(self._seconds)
        try:
            shared = self._open = self._open or _Shared(self._begin(True))
        except BaseException:
            self.turns.end()
            raise
        try:
            with shared.part():
                yield shared.connection
        finally:
            if shared.is_full or not self.turns.pass_on():
                self._end_open()
                self.turns.end()
        shared.wait()

    def _end_open(self) -> None:
        shared, self._open = self._open, None
        if shared:
            shared.end()


class _Shared:
    """One transaction, and those who write in it, each behind a savepoint once there is something to lose."""

    def __init__(self, transaction: RootTransaction) -> None:
        self.connection = transaction.connection
        self._transaction = transaction
        self._parts = 0
        self._problem: BaseException | None = None
        self._is_over = Event()

    @property
    def is_full(self) -> bool:
        return self._parts == MOST or self._problem is not None

    @contextmanager
    def part(self) -> Iterator[None]:
        try:
            if self._parts:
                self.connection.exec_driver_sql("SAVEPOINT part")
            yield
            if self._parts:
                self.connection.exec_driver_sql("RELEASE part")
            self._parts += 1
        except BaseException as error:
            self._take_back(error)
            raise

    def end(self) -> None:
        """Commit it, unless it has failed; whatever happens is told to those who wait."""
        try:
            with self.connection:
                self._commit()
        except BaseException as error:
            self._problem = self._problem or error
        finally:
            self._is_over.set()

    def wait(self) -> None:
        """Until it is on the disk. Raises what kept it from that."""
        self._is_over.wait()
        if self._problem:
            raise self._problem

    def _take_back(self, error: BaseException) -> None:
        """After some errors SQLite has taken back everything."""
        try:
            if self._parts:
                self.connection.exec_driver_sql("ROLLBACK TO part")
                self.connection.exec_driver_sql("RELEASE part")
            else:
                self._problem = error
        except SQLAlchemyError:
            self._problem = error

    def _commit(self) -> None:
        if self._problem:
            self._transaction.rollback()
            return
        with self._transaction:  # what cannot be committed is rolled back
            pass
