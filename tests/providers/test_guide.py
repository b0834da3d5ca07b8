import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bench.guide import ask as ask_all
from bench.guide import questions
from webapp.providers import manual
from webapp.providers.base import GO_ON, Message
from webapp.providers.demonstrations import DEMONSTRATIONS, meant
from webapp.providers.guide import Guide, GuideFailure
from webapp.providers.phrases import ENGLISH

DOCS = Path(__file__).parents[2] / "docs"


def conversation(*texts: str) -> list[Message]:
    """The person's and the Guide's words in turns, the person first."""
    return [
        {"role": "assistant", "content": text} if turn % 2 else {"role": "user", "content": text}
        for turn, text in enumerate(texts)
    ]


def ask(guide: Guide, *texts: str) -> str:
    return "".join(guide.answer(conversation(*texts)))


def heading(answer: str) -> str:
    return next(line.removeprefix("### ") for line in answer.splitlines() if line.startswith("### "))


@pytest.fixture(scope="module")
def guide() -> Guide:
    """One for all: it remembers nothing of who asked, and is in no hurry to be slow."""
    return Guide(DOCS, sleep=lambda _: None)


@pytest.mark.parametrize(
    ("question", "section"),
    [
        ("How do I connect my model?", "Connecting a model: Connect your model"),
        ("can I use Ollama?", "Connecting a model: Ollama"),
        ("connect LM Studio", "Connecting a model: LM Studio"),
        ("is OpenRouter possible", "Connecting a model: OpenRouter"),
        ("OPENAI_API_KEY", "Connecting a model: OpenAI and its API key"),
        ("several upstreams at once", "Connecting a model: Several upstreams at once: providers.toml"),
        ("what is VOICHAT_DISCOVER", "Connecting a model: Found on this machine: discovery"),
        ("where do I put my access token", "Connecting a model: An access token for the upstream"),
        ("set a proxy for VoiGpt", "Connecting a model: Reach the upstream through a proxy"),
        ("Is the upstream working?", "Connecting a model: Is the upstream working? The status page"),
        (
            "what does “too many requests” mean",
            "Upstream faults: It refuses: too many requests, too long a chat, a model that is gone, a key",
        ),
        ("what is the Guide?", "The Guide: What the Guide is"),
        ("how do I write a server of my own", "Connecting a model: The VoiGpt protocol"),
        ("How do I install it?", "Getting started: Install and start"),
        ("does it need javascript", "Getting started: The first chat"),
        ("who can read my chats?", "Privacy: Who can read my chats"),
        ("VOICHAT_SESSION_DAYS", "Settings: All settings"),
        (
            "may I close the browser while it answers",
            "Getting started: Close the browser while a reply is written",
        ),
        ("my reply failed, what now?", "Getting started: Retry a failed reply"),
        ("share it with my team", "Getting started: Share the chat with your team"),
        (
            "why does it say 400 when I open it by IP",
            "Getting started: 400 Bad Request when opened by an IP address or another name",
        ),
        ("how do I change the port", "Getting started: Change the port or the address"),
        ("how do I stop it", "Getting started: Stop and restart"),
        ("updating", "Getting started: Update to a new version"),
        ("where is my data", "Getting started: Where the data lies"),
        ("postgres", "Settings: Use PostgreSQL (Postgres)"),
        ("nginx and https", "Behind nginx: Set up nginx with https"),
        ("what is WEB_CONCURRENCY", "Settings: More people at once"),
        ("what happens when the server is killed", "Kills and faults: When the server or a worker is killed"),
        (
            "the page says the database is busy",
            "Troubleshooting: The database cannot be written: full disk, read-only, busy",
        ),
        ("the disk is full", "Troubleshooting: The database cannot be written: full disk, read-only, busy"),
        ("restore a damaged database", "Kills and faults: Restore a damaged database"),
    ],
)
def test_a_newcomer_is_led_to_the_right_section(guide: Guide, question: str, section: str) -> None:
    assert heading(ask(guide, question)) == section


def test_newcomers_questions_lead_to_a_page_that_answers_them_as_often_as_the_manual_says() -> None:
    said = re.search(r"Of (\d+) questions .* at least (\d+) lead to the right page", (DOCS / "guide.md").read_text())
    assert said
    found = ask_all(questions())

    assert len(found) == int(said[1]) == 30
    assert sum(each.has_page for each in found) >= int(said[2]) >= 27, [each for each in found if not each.has_page]


def test_a_russian_question_gets_the_english_passage_in_a_russian_frame(guide: Guide) -> None:
    answer = ask(guide, "Как сменить порт?")

    assert answer.startswith("Я встроенный справочник (Guide): не языковая модель")
    assert (
        "Руководство написано по-английски; вот место, которое подходит:\n\n### Getting started: Change the" in answer
    )
    assert "См. также:" in answer
    assert "Это страница `docs/getting-started.md`." in answer


@pytest.mark.parametrize("question", ["какая погода в Москве?", "напиши стихи о море"])
def test_a_russian_question_that_nothing_fits_is_answered_in_russian(guide: Guide, question: str) -> None:
    answer = ask(guide, question)

    assert "В руководстве нет ничего подходящего." in answer
    assert "Как подключить модель?" in answer


@pytest.mark.parametrize("question", ["Привет!", "кто ты?", "что ты умеешь", "помощь", "Спасибо"])
def test_who_says_hello_in_russian_hears_in_russian_what_it_can_be_asked(guide: Guide, question: str) -> None:
    assert "Ещё есть примеры: таблица;" in ask(guide, question)


def test_an_answer_names_its_page(guide: Guide) -> None:
    assert "From the page `docs/getting-started.md`." in ask(guide, "how do I change the port")


def test_of_a_long_table_the_row_that_was_asked_for_is_shown(guide: Guide) -> None:
    [row] = [line for line in ask(guide, "VOICHAT_SESSION_DAYS").splitlines() if line.startswith("| `")]

    assert row.startswith("| `VOICHAT_SESSION_DAYS` | `400` |")


def test_no_answer_is_long(guide: Guide) -> None:
    for asked in questions():
        assert len(ask(guide, asked.words)) < 2500


@pytest.mark.parametrize(
    "sentence",
    [
        "The server's database is busy.",
        "what is “Too many wrong passwords: try again in 4 s.”",
        "Error: Cannot listen on 127.0.0.1:8000 (Address already in use): stop what does, or",
        "You have reached the limit of 60 messages a minute",
        "что значит This server does not answer to the name “chat.lan”?",
    ],
)
def test_a_sentence_of_the_product_leads_to_a_section_that_quotes_it(guide: Guide, sentence: str) -> None:
    best = guide.find([sentence])[0]

    quoted = [quote.partition("…")[0].strip(" .") for quote in re.findall("“([^”]+)”", best.body)]
    assert any(beginning in sentence for beginning in quoted if len(beginning) > 10)


def test_it_names_close_sections(guide: Guide) -> None:
    _, see_also = ask(guide, "how do I stop it?").split("See also:")

    assert "- A conversation with curl: Stop a reply from a script" in see_also


def test_links_within_the_manual_become_words_because_no_page_shows_it(guide: Guide) -> None:
    answer = ask(guide, "how do I retry a failed reply?")

    assert "What a failed reply says explains the reasons" in answer


def test_a_short_follow_up_leans_on_the_question_before(guide: Guide) -> None:
    assert heading(ask(guide, "Where is my data?", "…", "why?")) == "Getting started: Where the data lies"


def test_a_follow_up_is_about_its_own_words_first(guide: Guide) -> None:
    answer = ask(guide, "Where is my data?", "…", "and the port?")

    assert heading(answer) == "Getting started: Change the port or the address"


@pytest.mark.parametrize("question", ["how do I change the port", "show me a table", "capital of France"])
def test_the_first_answer_says_that_it_is_no_language_model(guide: Guide, question: str) -> None:
    assert ask(guide, question).startswith(ENGLISH.introduction)
    assert "no language model" in ENGLISH.introduction


def test_later_answers_do_not_repeat_it(guide: Guide) -> None:
    assert ENGLISH.introduction not in ask(guide, "hello", "…", "how do I change the port")


@pytest.mark.parametrize(
    "question",
    ["Who are you?", "are you ChatGPT", "hello", "help!", "thank you", "what can you do?", "?", ""],
)
def test_who_asks_for_it_hears_what_it_is_and_what_it_can_be_asked(guide: Guide, question: str) -> None:
    answer = ask(guide, "how do I change the port", "…", question)

    assert answer.startswith(ENGLISH.introduction)
    assert (
        "I can also show a table; code in several languages; math; a long list; a long slow reply; an error." in answer
    )
    assert "- **Getting started**" in answer


@pytest.mark.parametrize("question", ["What is the capital of France?", "write a poem about the sea", "tell me a joke"])
def test_when_nothing_fits_it_says_so_and_what_it_can_be_asked(guide: Guide, question: str) -> None:
    answer = ask(guide, question)

    assert "The manual has nothing that fits this." in answer
    assert "- **Getting started**" in answer


def test_without_a_question_it_introduces_itself(guide: Guide) -> None:
    assert "".join(guide.answer([])).startswith(ENGLISH.introduction)


@pytest.mark.parametrize(
    ("wish", "sign"),
    [
        ("Show me a table, please", "| Earth |"),
        ("code", "```python"),
        ("code in several languages", "```sql"),
        ("an example of some math", "$$"),
        ("a long list", "20. The number 20"),
        ("a long slow reply", "10. About 10"),
        ("Покажи таблицу", "| Земля |"),
        ("пример кода на разных языках", "```python"),
        ("формулы", "Отдельной строкой"),
        ("длинный список, пожалуйста", "20. Число 20"),
        ("медленный ответ", "10. Около 10"),
    ],
)
def test_it_demonstrates_on_request_in_the_language_of_the_request(guide: Guide, wish: str, sign: str) -> None:
    assert sign in ask(guide, wish)


@pytest.mark.parametrize("wish", [name for each in DEMONSTRATIONS for name in each.names])
def test_each_demonstration_comes_by_the_name_that_the_help_gives_it(guide: Guide, wish: str) -> None:
    found = meant(manual.said(wish))

    assert found
    assert wish in found.names
    assert wish in ask(guide, "help") + ask(guide, "помощь")


@pytest.mark.parametrize("wish", ["show me an error", "покажи ошибку", "a reply that fails"])
def test_the_error_comes_in_the_middle_of_a_reply(guide: Guide, wish: str) -> None:
    pieces = guide.answer(conversation(wish))
    said = [next(pieces) for _ in range(20)]

    with pytest.raises(GuideFailure, match="demonstration"):
        said.extend(pieces)
    assert len(said) > 20


def test_a_question_with_the_word_of_a_demonstration_is_a_question(guide: Guide) -> None:
    assert heading(ask(guide, "why is my reply interrupted")) == "Connecting a model: Interrupted reply"


def test_the_long_slow_reply_takes_ten_seconds_in_small_pieces() -> None:
    pauses: list[float] = []
    pieces = list(Guide(DOCS, sleep=pauses.append).answer(conversation("a long slow reply")))

    assert len(pauses) == len(pieces)
    assert sum(pauses) == pytest.approx(10)
    assert max(pauses) < 0.25


@pytest.mark.parametrize("wish", ["a long slow reply", "how do I change the port", "медленный ответ"])
def test_an_answer_that_broke_off_goes_on_where_it_stopped(guide: Guide, wish: str) -> None:
    whole = list(guide.answer(conversation(wish)))
    assert list(guide.answer(conversation(wish, "".join(whole[:9]), GO_ON))) == whole[9:]


def test_other_answers_come_at_once_a_word_a_piece() -> None:
    pauses: list[float] = []
    pieces = list(Guide(DOCS, sleep=pauses.append).answer(conversation("how do I change the port")))

    assert all(len(piece.split()) == 1 for piece in pieces)
    assert pauses == []


def test_a_comment_in_a_code_block_is_no_heading(tmp_path: Path) -> None:
    (tmp_path / "tea.md").write_text("# Tea\n\n## Brewing\n\n```sh\n# boil water\nboil\n```\n", "utf-8")

    answer = ask(Guide(tmp_path), "how do I boil water")

    assert heading(answer) == "Tea: Brewing"
    assert "# boil water\nboil" in answer


def test_the_pictures_of_the_manual_are_left_out() -> None:
    assert "<picture>" in (DOCS / "getting-started.md").read_text()
    assert [section.title for section in manual.read(DOCS).sections if "<picture>" in section.body] == []


def test_of_a_long_section_whole_blocks_are_shown(tmp_path: Path) -> None:
    sentence = "Then boil water for as long as it takes. " * 17
    code = "```sh\nboil\n\n" + "pour\n" * 100 + "```"
    (tmp_path / "tea.md").write_text(f"# Tea\n\n## Brewing\n\n{sentence}\n\n{sentence}\n\n{code}\n", "utf-8")

    answer = ask(Guide(tmp_path), "how do I boil water")

    assert answer.count(sentence.strip()) == 2
    assert "```" not in answer
    assert "\n\n…\n\nFrom the page `docs/tea.md`." in answer


def test_a_folder_without_a_manual_leaves_the_demonstrations(tmp_path: Path) -> None:
    guide = Guide(tmp_path / "missing")

    assert "nothing that fits" in ask(guide, "how do I boil water")
    assert "```python" in ask(guide, "code")


def test_the_manual_is_read_once_however_many_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    read_text = Path.read_text

    def recorded(path: Path, *args: Any) -> str:
        read.append(path)
        return read_text(path, *args)

    monkeypatch.setattr(Path, "read_text", recorded)
    guide = Guide(DOCS)
    assert read == []

    with ThreadPoolExecutor(8) as people:
        answers = set(people.map(lambda _: ask(guide, "how do I change the port"), range(32)))

    assert len(answers) == 1
    assert sorted(read) == sorted(DOCS.glob("*.md"))
