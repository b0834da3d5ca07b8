"""What is searched for is found, in any language, in one's own chats alone, and shown where it stands."""

import re
from html import unescape
from itertools import count
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser
from sqlalchemy import delete, insert, update

from tests.support.databases import rows
from tests.support.pages import Page
from tests.support.people import Person
from tests.support.servers import Voichat
from tests.test_search_index import index_all
from webapp.chats import history, search
from webapp.chats.folding import fold, plain, sought, spans
from webapp.chats.search import NEWEST, PAGE, QUERY_CHARACTERS, parts, passage
from webapp.db import Database, conversations, messages

OWNER, BOB = "a" * 32, "b" * 32
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def say(database: Database, *texts: str, owner: str = OWNER, chat: str = "", **of_chat: Any) -> str:
    """A chat with these messages, one second apart, indexed; returns its id."""
    chat = chat or history.new_id()
    named = dict(id=chat, owner_id=owner, title="Title", model="m", last_seq=len(texts), created_at=1.0, updated_at=1.0)
    row = dict(conversation_id=chat, role="user", status="complete", html="", renderer=0, model="m", problem="")
    with database.write() as connection:
        connection.execute(insert(conversations).values(named | of_chat))
        for seq, text in enumerate(texts, 1):
            said = row | dict(id=history.new_id(), seq=seq, text=text, attempt=0, created_at=1e9 + seq)
            connection.execute(insert(messages).values(said))
    index_all(database)
    return chat


def find(database: Database, query: str, owner: str = OWNER, before: int = NEWEST) -> list[str]:
    """The passages with what is marked in brackets, the newest first."""
    found = search.search(database, owner, parts(query), before)
    return ["".join(f"[{words}]" if is_match else words for words, is_match in hit.passage) for hit in found.hits]


FOUND = {
    "a word": ("the lazy dog", "lazy", "the [lazy] dog"),
    "part of a word": ("the laziness", "azin", "the l[azin]ess"),
    "capitals": ("Straße nach ISTANBUL", "strasse istanbul", "[Straße] nach [ISTANBUL]"),
    "an accent that is not typed": ("Zwei Cafés", "cafe", "Zwei [Café]s"),
    "an accent that is not there": ("Zwei Cafes", "café", "Zwei [Cafe]s"),
    "an accent of its own": ("Zwei Cafe\u0301s", "cafés", "Zwei [Cafés]"),
    "a stroke": ("Łódź", "lodz", "[Łódź]"),
    "Russian": ("Он сказал: «Поехали!»", "поехали", "Он сказал: «[Поехали]!»"),
    "Russian, part of a word": ("программирование", "грамм", "про[грамм]ирование"),
    "ё for е": ("всё ещё ёлка", "елка", "всё ещё [ёлка]"),
    "е for ё": ("все еще елка", "ёлка", "все еще [елка]"),
    "Ukrainian": ("їжак і їжа", "їжак", "[їжак] і їжа"),
    "Greek": ("Οδυσσεύς", "οδυσσευς", "[Οδυσσεύς]"),
    "1 Chinese sign": ("我们写一个程序。", "序", "我们写一个程[序]。"),
    "2 Chinese signs": ("我们写一个程序。", "程序", "我们写一个[程序]。"),
    "3 Chinese signs": ("我们写一个程序。", "个程序", "我们写一[个程序]。"),
    "2 Chinese signs that are parted": ("程 序", "程序", "[程 序]"),
    "1 letter among Chinese signs": ("用C写程序", "用c写", "[用C写]程序"),
    "1 letter after a Chinese sign": ("用C写程序", "c", "用[C]写程序"),
    "Chinese beside Latin": ("用Python写程序", "python", "用[Python]写程序"),
    "Japanese": ("カタカナとひらがな", "タカ", "カ[タカ]ナとひらがな"),
    "Korean": ("안녕하세요 여러분", "하세", "안녕[하세]요 여러분"),
    "Arabic without its points": ("كَتَبَ الكِتاب", "كتب", "[كَتَبَ] الكِتاب"),
    "Hebrew without its points": ("שָׁלוֹם עולם", "שלום", "[שָׁלוֹם] עולם"),
    "Hindi": ("हिन्दी में लिखो", "हिन्दी", "[हिन्दी] में लिखो"),
    "Thai": ("ภาษาไทย", "ไทย", "ภาษา[ไทย]"),
    "an emoji": ("Well 🙂 then", "🙂", "Well [🙂] then"),
    "full width": ("Ｆｕｌｌ width", "full", "[Ｆｕｌｌ] width"),
    "1 letter": ("vitamin c or d", "c", "vitamin [c] or d"),
    "2 letters": ("An AI helps", "ai", "An [AI] helps"),
    "2 letters at a beginning": ("No rain, (aim)", "ai", "No rain, ([ai]m)"),
    "2 letters of a name": ("get_user_id", "id", "get_user_[id]"),
    "a name in code": ("call get_user_id(7)", "get_user_id", "call [get_user_id](7)"),
    "part of a name": ("call get_user_id(7)", "user_i", "call get_[user_i]d(7)"),
    "a call": ("x = foo.bar() + 1", "foo.bar()", "x = [foo.bar()] + 1"),
    "C++": ("C and C++ and C#", "c++", "C and [C++] and C#"),
    "C#": ("C and C++ and C#", "C#", "C and C++ and [C#]"),
    "a setting": ("export VOICHAT_DATA=/srv", "VOICHAT_DATA", "export [VOICHAT_DATA]=/srv"),
    "an arrow": ("a -> b", "->", "a [->] b"),
    "one sign": ("a + b", "+", "a [+] b"),
    "a backslash and quotes": (r"C:\temp 'it''s'", r"C:\temp ''s", r"[C:\temp] 'it[''s]'"),
    "a phrase": ("the lazy dog, the dog lazy", '"dog lazy"', "the lazy dog, the [dog lazy]"),
    "a phrase in other quotes": ("the lazy dog", "“lazy dog”", "the [lazy dog]"),
    "a phrase over a line end": ("the lazy\n\n  dog", '"lazy dog"', "the [lazy dog]"),
    "all words in any order": ("one two three", "three one", "[one] two [three]"),
    "a quote that is not closed": ("the lazy dog", '"lazy dog', "the [lazy dog]"),
    "what nobody sees": ("la\u00adzy\u200b dog", "lazy", "[lazy] dog"),
    "HTML": ("<b>bold</b>", "<b>", "[<b>]bold</b>"),
    "wild cards": ("100 % of a_b", "%", "100 [%] of a_b"),
}
NOT_FOUND = {
    "another word": ("the lazy dog", "cat"),
    "one of two words": ("the lazy dog", "lazy cat"),
    "2 letters inside a word": ("rain", "ai"),
    "a phrase the other way round": ("the dog lazy", '"lazy dog"'),
    "all terms but not the word": ("abcd bcde", "abcde"),
    "another sign": ("C and C#", "c++"),
    "a wild card": ("abc", "%"),
    "another wild card": ("abc", "a_c"),
    "signs that are apart": ("程式的序", "程序"),
    "signs the other way round": ("序程", "程序"),
}
# What the languages of the two databases' indexes would read as more than words.
SYNTAX = [
    *('" OR *', "lazy OR cat", "NEAR(lazy dog)", "folded:lazy", "-lazy", "^lazy", "lazy*", "lazy & dog", "lazy | cat"),
    *("!lazy", "lazy:*", "<->", "(", ")", "'", "''", "\\", "\\'", '"""', "%", "_", "?", "; DROP TABLE passages"),
    *("\x00", "\ud800", "\x01\x01", "\x02\x02", "\U000f0000"),
]


def test_what_is_there_is_found_and_marked(database: Database) -> None:
    owners = dict(zip(FOUND, map("{:032x}".format, count()), strict=False))
    for case, (said, _, _) in FOUND.items():
        say(database, "Something else", said, owner=owners[case])
    found = {case: find(database, query, owners[case]) for case, (_, query, _) in FOUND.items()}
    assert found == {case: [marked] for case, (_, _, marked) in FOUND.items()}


def test_what_is_not_there_is_not_found(database: Database) -> None:
    owners = dict(zip(NOT_FOUND, map("{:032x}".format, count()), strict=False))
    for case, (said, _) in NOT_FOUND.items():
        say(database, said, owner=owners[case])
    found = {case: find(database, query, owners[case]) for case, (_, query) in NOT_FOUND.items()}
    assert found == {case: [] for case in NOT_FOUND}


def test_a_search_has_no_syntax_but_quotes(alice: Person, database: Database) -> None:
    alice.send("The lazy dog")
    index_all(database)
    for query in SYNTAX:
        answer = alice.get(f"/chats?q={quote(query, errors='surrogatepass')}")
        assert answer.status_code == 200
        assert "<mark>" not in answer.text, query


def test_nobody_finds_what_is_not_theirs(alice: Person, mallory: Person, bob: Person, database: Database) -> None:
    alice.send("The lazy dog")
    mallory.send("The lazy cat")
    index_all(database)
    assert "dog" in alice.get("/chats?q=lazy").text
    assert "cat" not in alice.get("/chats?q=lazy").text
    assert "Nothing found" in mallory.get("/chats?q=dog").text
    assert "Nothing found" in bob.get("/chats?q=lazy").text


def test_an_owner_with_the_same_mark_finds_nothing_of_the_others(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.chats.passages.mark", lambda _owner: "\U000f0000" * 3)
    monkeypatch.setattr("webapp.chats.search.mark", lambda _owner: "\U000f0000" * 3)
    say(database, "The lazy dog")
    say(database, "The lazy cat", owner=BOB)
    assert find(database, "lazy") == ["The [lazy] dog"]


@pytest.mark.parametrize("of_chat", [{"deleted_at": 1.0}, {"is_temporary": True}], ids=["deleted", "temporary"])
def test_deleted_and_temporary_chats_are_not_found(database: Database, of_chat: dict[str, Any]) -> None:
    say(database, "The lazy dog", **of_chat)
    assert find(database, "lazy") == []


def test_what_changes_its_owner_is_found_by_the_new_one_alone(database: Database) -> None:
    say(database, "The lazy dog")
    history.adopt(database, OWNER, BOB)
    assert find(database, "lazy") == []
    index_all(database)
    assert find(database, "lazy") == []
    assert find(database, "lazy", owner=BOB) == ["The [lazy] dog"]


@on_sqlite
def test_candidates_are_read_by_their_numbers(database: Database) -> None:
    query = search._matches(database, OWNER, ["dog"], [1, 2, 3])
    written = query.compile(database.engine, compile_kwargs={"literal_binds": True})
    with database.read() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {written}")]
    assert [step for step in plan if "INTEGER PRIMARY KEY" in step] == plan[:1]
    assert not [step for step in plan if "SCAN" in step or "owner_id" in step], plan


def test_what_is_being_written_again_is_not_found_by_its_old_words(database: Database) -> None:
    say(database, "The lazy dog")
    with database.write() as connection:
        connection.execute(update(messages).values(is_indexed=False, text="A cat"))
    assert find(database, "lazy") == []
    index_all(database)
    assert find(database, "cat") == ["A [cat]"]


def test_what_is_deleted_is_not_found(database: Database) -> None:
    say(database, "The lazy dog")
    with database.write() as connection:
        connection.execute(delete(conversations))
    assert find(database, "lazy") == []


def test_a_title_that_was_given_is_found(alice: Person, database: Database) -> None:
    chat = alice.send("The lazy dog")
    with database.write() as connection:
        connection.execute(update(conversations).values(title="Animals & <plants>", is_indexed=False))
    index_all(database)
    shown = alice.get("/chats?q=plant").text
    assert "Animals &amp; &lt;<mark>plant</mark>s&gt;" in shown
    assert f'href="{chat}"' in shown
    assert "Title ·" in shown


def test_the_newest_come_first_and_the_rest_on_further_pages(database: Database) -> None:
    say(database, *(f"Dog {number}" for number in range(2 * PAGE + 5)))
    seen, before = [], NEWEST
    while True:
        found = search.search(database, OWNER, parts("dog"), before)
        seen += [hit.passage[1].words for hit in found.hits]
        assert not found.is_cut
        if found.before is None:
            break
        before = found.before
    assert seen == [f" {number}" for number in reversed(range(2 * PAGE + 5))]


def test_pages_lead_from_one_to_the_next(alice: Person, database: Database) -> None:
    alice.send("Dog")
    [owner] = {row["owner_id"] for row in rows(database, conversations)}
    say(database, *(f"Dog {number}" for number in range(PAGE)), owner=str(owner))
    first = alice.get("/chats?q=dog").text
    [link] = re.findall(r'href="([^"]*)" rel="next"', first)
    second = alice.get(unescape(link)).text
    assert (first.count("<li>"), second.count("<li>"), 'rel="next"' in second) == (PAGE, 1, False)


@pytest.mark.parametrize("before", ["x", "-1", "0", "9" * 30, "9" * 5000, "1e3", "nan", ""])
def test_a_place_that_is_none_makes_no_error(alice: Person, database: Database, before: str) -> None:
    alice.send("Dog")
    index_all(database)
    assert alice.get(f"/chats?q=dog&before={before}").status_code == 200


def test_a_search_that_takes_long_says_so_and_goes_on_from_there(
    alice: Person, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "SECONDS", -1.0)
    monkeypatch.setattr(search, "CHUNK", 1)
    monkeypatch.setattr(search, "RECENT", 1)
    alice.send("Cat")
    [owner] = {row["owner_id"] for row in rows(database, conversations)}
    say(database, "lazy dog", "cat", owner=str(owner))
    shown, path = "", "/chats?q=lazy+dog"
    while "<mark>" not in shown:
        shown = alice.get(path).text
        assert "This search takes long" in shown
        path = unescape(re.findall(r'href="([^"]*)" rel="next"', shown)[0])


def test_with_many_matches_postgresql_goes_on_where_its_first_look_ended(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "RECENT", 3)
    monkeypatch.setattr(search, "MATCHES", 4)
    monkeypatch.setattr(search, "CHUNK", 2)
    say(database, *(f"Dog {number}" for number in range(PAGE)))
    assert len(find(database, "dog")) == PAGE
    assert len(find(database, "d")) == PAGE
    assert find(database, "cat") == []


def test_a_message_of_several_passages_is_one_hit(database: Database) -> None:
    say(database, "lazy dog " * 10_000)
    assert len(find(database, "lazy")) == 1


def test_too_long_a_search_is_refused_and_kept(alice: Person) -> None:
    answer = alice.get(f"/chats?q={'x' * (QUERY_CHARACTERS + 1)}")
    assert answer.status_code == 413
    assert "The search has 201 characters; at most 200 are taken." in answer.text
    assert f'value="{"x" * (QUERY_CHARACTERS + 1)}"' in answer.text
    assert alice.get(f"/chats?q={'x' * QUERY_CHARACTERS}").status_code == 200


@pytest.mark.parametrize("query", ["", " ", "%22%22", "%C2%AD", "%E2%80%8B"])
def test_a_search_for_nothing_asks_what_for(alice: Person, query: str) -> None:
    alice.send("Dog")
    assert "Write what to look for" in alice.get(f"/chats?q={query}").text


def test_who_has_never_sent_anything_finds_nothing_and_gets_no_cookie(alice: Person) -> None:
    answer = alice.get("/chats?q=dog")
    assert "Nothing found" in answer.text
    assert "Set-Cookie" not in answer.headers


def test_words_in_the_page_are_escaped_and_cannot_turn_it_round(alice: Person, database: Database) -> None:
    alice.send("<script>alert(1)</script> \u202eesrever\u202c & dog")
    index_all(database)
    shown = alice.get("/chats?q=%3Cscript%3E%22onfocus%3D%22+dog").text
    assert "<script>alert" not in shown
    assert 'value="&lt;script&gt;&#34;onfocus=&#34; dog"' in shown
    shown = alice.get("/chats?q=dog").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; esrever &amp; <mark>dog</mark>" in shown


def test_a_hit_leads_to_the_message_in_its_branch(alice: Person, database: Database) -> None:
    chat = alice.send("First question")
    first = Page(alice.get(chat)).articles[1]
    alice.send("Xylophones?", chat, parent=first.id)
    alice.get(chat).get_data()
    alice.send("Zebras?", chat, parent=first.id)
    alice.get(chat).get_data()
    index_all(database)
    assert "Xylophones" not in alice.get(chat).text
    [link] = re.findall(r'<a href="(/chats/[^"]*#[^"]*)"', alice.get("/chats?q=xylophone").text)
    path, _, anchor = link.partition("#")
    anchor, _, marked = anchor.partition(":~:text=")  # which browsers mark (WICG, Text Fragments)
    assert marked == "Xylophone"
    [said] = [article for article in Page(alice.get(unescape(path))).articles if article.id == anchor]
    assert "Xylophones?" in said.text


def test_a_passage_is_cut_at_words_around_its_match() -> None:
    long = " ".join(f"word{number}" for number in range(1000))
    shown = passage(long, parts("word500"))
    text = "".join(piece.words for piece in shown)
    assert text.startswith("…word4")
    assert text.endswith("…")
    assert [piece.words for piece in shown if piece.is_match] == ["word500"]
    assert 150 < len(text) < 220
    assert set(text.strip("…").split()) <= set(long.split())


def test_a_passage_without_spaces_is_cut_too() -> None:
    assert len("".join(piece.words for piece in passage("程" * 5000 + "序" + "程" * 5000, parts("序")))) == 203


def test_what_is_folded_is_marked_where_it_stands() -> None:
    """Whatever a text is made of, each of its words is found in it, and is what is marked."""
    for said, _, _ in FOUND.values():
        text = plain(said)
        for word in text.split():
            assert sought(word) in fold(text)
            assert any(text[start:end] == word for start, end in spans(text, [sought(word)])), (text, word)


def test_finding_a_place_is_linear() -> None:
    for text, word in (("ab" * 100_000, "abab"), ("a" + " " * 200_000 + "b", "a b"), ("+ " * 100_000, "++++x")):
        list(spans(text, [sought(word)]))


@pytest.mark.browser
@on_sqlite
def test_a_person_searches_and_opens_what_was_found(voichat: Voichat, chromium: Browser) -> None:
    page = chromium.new_context(java_script_enabled=False).new_page()
    page.goto(voichat.url)
    page.get_by_label("Message", exact=True).fill("Where do xylophones grow?")
    page.get_by_role("button", name="Send").click()
    chat = page.url
    page.goto(f"{voichat.url}/chats")
    page.get_by_role("searchbox").fill("XYLO")
    page.get_by_role("button", name="Search", exact=True).click()
    while not page.locator("mark").count():
        page.reload()
    assert page.locator("mark").all_inner_texts() == ["xylo"]
    page.get_by_role("link", name="Where do xylophones grow?").click()
    assert page.url.startswith(f"{chat}?at=")
    assert "Where do xylophones grow?" in page.locator("article:target").inner_text()
