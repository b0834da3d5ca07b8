"""The Guide's own sentences, in the languages in which it can be asked."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Language:
    """`number` is the place of the language in the demonstrations' names and texts."""

    number: int
    introduction: str
    frame: str
    source: str
    see_also: str
    nothing: str
    topics: str
    examples: str
    demonstrations: str


ENGLISH = Language(
    number=0,
    introduction="I am the built-in Guide: no language model, only a search in the manual. "
    "I help you to connect a model.",
    frame="",
    source="From the page",
    see_also="See also:",
    nothing="The manual has nothing that fits this.",
    topics="You can ask me about:",
    examples="For example: “How do I connect a model?”, “Can my team open it?”, “How do I back up my chats?”",
    demonstrations="I can also show",
)
RUSSIAN = Language(
    number=1,
    introduction="Я встроенный справочник (Guide): не языковая модель, а только поиск по руководству. "
    "Помогу подключить модель.",
    frame="Руководство написано по-английски; вот место, которое подходит:\n\n",
    source="Это страница",
    see_also="См. также:",
    nothing="В руководстве нет ничего подходящего.",
    topics="Можно спросить меня об этом (руководство написано по-английски, спрашивать можно по-русски):",
    examples="Например: «Как подключить модель?», «Как открыть чат коллегам?», «Как сделать резервную копию?»",
    demonstrations="Ещё есть примеры:",
)
