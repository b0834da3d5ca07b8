"""What became of a file: what was taken, what was there already, and what was left out and why."""

from dataclasses import dataclass, field

TITLES = 5


@dataclass
class LeftOut:
    count: int = 0
    titles: list[str] = field(default_factory=list)

    def add(self, count: int, title: str) -> None:
        self.count += count
        if title and title not in self.titles and len(self.titles) < TITLES:
            self.titles.append(title)


@dataclass
class Report:
    products: list[str] = field(default_factory=list)
    chats: int = 0
    messages: int = 0
    pictures: int = 0
    chats_there: int = 0
    presets: int = 0
    presets_there: int = 0
    left_out: dict[str, LeftOut] = field(default_factory=dict)

    def take(self, messages: int, pictures: int = 0) -> None:
        """A chat. One of which no message was added was there."""
        self.chats += messages > 0
        self.chats_there += messages == 0
        self.messages += messages
        self.pictures += pictures

    def leave_out(self, why: str, title: str = "", count: int = 1) -> None:
        self.left_out.setdefault(why, LeftOut()).add(count, title)
