"""HUP and TERM while people write and read: who is being answered notices nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.crowd import HTML, Crowd, Reader, murmur
from tests.support.servers import Voichat, wait_until
from tests.support.talk import Talk, speaks
from tests.support.visitors import Visitor
from webapp.db import Database

Serve = Callable[..., Voichat]

GRACEFUL_SECONDS = 40.0  # of which 30 are gunicorn's

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def reload_under_load(voichat: Voichat, crowd: Crowd, times: int) -> None:
    for _ in range(times):
        voichat.reload()
        crowd.goes_on()
    assert crowd.breaks == 0


def test_reloads_under_load_refuse_and_cut_nothing(serve: Serve, database: Database) -> None:
    with murmur() as upstream:
        voichat = serve(**speaks(upstream))
        with Crowd(voichat, people=6, kind=Reader) as crowd:
            reload_under_load(voichat, crowd, times=2)
        assert set(crowd.check(database, upstream)) == {"complete"}
        assert '"level": "error"' not in voichat.output()
        voichat.kill()  # quicker than a stop


@pytest.mark.long
def test_many_reloads_and_an_end_under_load_lose_and_interrupt_nothing(serve: Serve, database: Database) -> None:
    with murmur() as upstream:
        voichat = serve(**speaks(upstream))
        with Crowd(voichat, people=10, kind=Reader) as crowd:
            reload_under_load(voichat, crowd, times=20)
            voichat.terminate()
            voichat.wait(GRACEFUL_SECONDS)
            voichat.start()
            crowd.goes_on()
        assert set(crowd.check(database, upstream)) == {"complete"}
        assert '"level": "error"' not in voichat.output()


@pytest.mark.parametrize("mistake", ["colour = 1", 'default = "nobody/model"'])
def test_a_mistake_in_the_file_of_providers_stops_the_reload_and_not_the_server(
    serve: Serve, tmp_path: Path, mistake: str
) -> None:
    file = tmp_path / "providers.toml"
    file.write_text("")
    voichat = serve(VOICHAT_PROVIDERS_FILE=str(file))
    workers = voichat.workers()
    file.write_text(mistake)
    voichat.hang_up()
    wait_until(lambda: "Nothing was reloaded." in voichat.output())
    assert f"Error: {file}, line 1: " in voichat.output()
    assert (voichat.workers(), voichat.is_ready()) == (workers, True)
    file.write_text("")
    voichat.reload()
    voichat.kill()  # quicker than a stop


def test_a_reply_that_outlasts_the_grace_of_a_reload_is_interrupted_and_keeps_its_text(
    serve: Serve, talk: Talk
) -> None:
    voichat = serve(GUNICORN_CMD_ARGS="--graceful-timeout 11", **speaks(talk))  # a second of it is for replies
    alice = Visitor(voichat)
    chat = alice.send("Hi")
    with alice.open(chat, **HTML) as page:
        talk.say("One ")
        page.read_until("One")
        voichat.reload()
        shown = page.read_to_its_end()
    assert '<span class="end" data-status="interrupted">' in shown
    assert shown.endswith("</html>\n")
    assert [(each.status, each.words) for each in alice.until_settled(chat)][1:] == [("interrupted", "One")]
    talk.wait_for_closed()
    assert "SIGKILL" not in voichat.output()
    voichat.kill()  # quicker than a stop
