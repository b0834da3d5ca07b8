"""VoiGpt behind https: an authority of one's own, and certificates that are refused with the reason."""

import gzip
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.providers.authorities import LONG_AGO, Authority
from tests.providers.upstream import Answer, Upstream, cut, drip, pem, raw, reply, reset, silence, voigpt
from webapp.providers import http
from webapp.providers.base import Messages, ProviderError
from webapp.providers.http import Call
from webapp.providers.voigpt import VoiGpt

HELLO: Messages = [{"role": "user", "content": "Hello"}]
HEAD = b"HTTP/1.1 200 OK\r\n"
LONG = HEAD + b"Content-Length: 100000000\r\n\r\n"
UNKNOWN = (
    "The certificate of the upstream is not trusted: the authority that signed it is not known here; "
    "the admin has to see to it."
)


@pytest.fixture(autouse=True)
def _no_tokens() -> None:
    """An earlier test's upstream may have had the same port."""
    VoiGpt._tokens.clear()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    yield Authority(tmp_path_factory.mktemp("authority"))
    http._network.cache_clear()


@pytest.fixture
def upstream(authority: Authority) -> Iterator[Upstream]:
    with Upstream(voigpt(), tls=authority.signed()) as upstream:
        yield upstream


def say(url: str, call: Call | None = None, **options: Any) -> str:
    (answer,) = VoiGpt.create_completion("", HELLO, False, url=url, call=call or Call(20), **options)
    return str(answer)


def fail(url: str, call: Call | None = None, **options: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        say(url, call, **options)
    return caught.value


def test_an_authority_of_ones_own_is_trusted(upstream: Upstream, authority: Authority) -> None:
    VoiGpt.check(url=upstream.url, ca_file=authority.file)
    assert say(upstream.url, ca_file=authority.file) == "Hello."
    assert upstream.asked[-1].headers["referer"] == f"{upstream.url}/"


def test_it_is_trusted_besides_the_systems_authorities(
    upstream: Upstream, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    system, own = Authority(tmp_path), tmp_path / "own.pem"
    own.write_text(Path(authority.file).read_text())
    monkeypatch.setenv("SSL_CERT_FILE", system.file)
    with Upstream(voigpt(), tls=system.signed()) as public:
        assert say(public.url, ca_file=str(own)) == "Hello."
        assert say(upstream.url, ca_file=str(own)) == "Hello."


def test_who_does_not_trust_it_gets_no_connection_of_those_who_do(upstream: Upstream, authority: Authority) -> None:
    call = Call(20)
    call.get(upstream.url, ca_file=authority.file)
    with pytest.raises(ProviderError, match="is not trusted"):
        call.get(upstream.url)
    call.get(upstream.url, ca_file=authority.file)
    assert [asked.connection for asked in upstream.asked] == [0, 0]


def test_who_does_not_trust_it_gets_no_token_of_those_who_do(upstream: Upstream, authority: Authority) -> None:
    say(upstream.url, ca_file=authority.file)
    assert str(fail(upstream.url)) == UNKNOWN
    assert len(upstream.asked) == 2


def test_an_unknown_authority_is_a_reason(upstream: Upstream, tmp_path: Path) -> None:
    error = fail(upstream.url, ca_file=Authority(tmp_path).file)
    assert (str(error), error.again) == (UNKNOWN, False)


def test_a_certificate_that_signed_itself_is_a_reason_and_can_be_trusted_by_its_file() -> None:
    with Upstream(voigpt(), tls=True) as upstream:
        assert (
            str(fail(upstream.url))
            == "The certificate of the upstream is not trusted: it is self-signed; the admin has to see to it."
        )
        assert say(upstream.url, ca_file=str(pem())) == "Hello."


def test_an_expired_certificate_is_a_reason(authority: Authority) -> None:
    with Upstream(voigpt(), tls=authority.signed(until=LONG_AGO)) as upstream:
        error = fail(upstream.url, ca_file=authority.file)
    assert (str(error), error.again) == (
        "The certificate of the upstream is not trusted: it has expired; the admin has to see to it.",
        False,
    )


@pytest.mark.parametrize("names", [["elsewhere.example"], ["127.0.0.2"]])
def test_a_certificate_for_another_name_is_a_reason(authority: Authority, names: list[str]) -> None:
    with Upstream(voigpt(), tls=authority.signed(*names)) as upstream:
        error = fail(upstream.url, ca_file=authority.file)
    assert (
        str(error)
        == "The certificate of the upstream is not trusted: it is for another name; the admin has to see to it."
    )
    assert not error.again


def test_nothing_is_sent_to_whom_is_not_trusted(upstream: Upstream) -> None:
    fail(upstream.url, access_token="secret")
    assert upstream.asked == []


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (reset(LONG, b"part"), "broke off before the answer was complete"),
        (cut(LONG, b"part"), "broke off before the answer was complete"),
        (raw(LONG, bytes(2**21)), "answer is longer than 1 MB"),
        (reply(gzip.compress(bytes(2**24)), content_encoding="gzip"), "answer is longer than 1 MB"),
        (reply("", 308, location="/generate_response/"), "redirects to itself (308)"),
        (reply("", 302, location="//login.example/"), "redirects to another place (302)"),
    ],
)
def test_what_goes_wrong_is_said_as_without_tls(
    upstream: Upstream, authority: Authority, answer: Answer, sentence: str
) -> None:
    VoiGpt.check(url=upstream.url, ca_file=authority.file)
    upstream.queue(voigpt(), answer)
    assert sentence in str(fail(upstream.url, Call(20, max_bytes=2**20), ca_file=authority.file))


@pytest.mark.parametrize("answer", [drip(HEAD, b"X: "), drip(LONG), silence(), silence(LONG, b"part")])
def test_what_is_slow_is_ended(upstream: Upstream, authority: Authority, answer: Answer) -> None:
    upstream.queue(answer)
    call = Call(20)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(fail, upstream.url, call, access_token="given", ca_file=authority.file)
        upstream.wait_for_requests()
        call.expire()
        assert "had not finished after 20 seconds" in str(waiting.result(5))
    upstream.wait_for_closed()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_to_https_says_so_and_is_not_followed(authority: Authority, status: int) -> None:
    with Upstream() as plain:
        secure = f"https://127.0.0.1:{plain.port}"
        plain.queue(reply("", status, location=f"{secure}/"))
        error = fail(plain.url, ca_file=authority.file)
    assert str(error) == f"The upstream redirects to https ({status}); the admin has to begin its address with that."
    assert not error.again


def test_a_proxy_may_be_behind_https_too(upstream: Upstream, authority: Authority) -> None:
    assert say("http://voigpt.invalid", proxy=upstream.url, ca_file=authority.file) == "Hello."
    error = fail("http://voigpt.invalid", proxy=upstream.url)
    assert "The certificate of the proxy is not trusted: the authority that signed it" in str(error)


def test_a_file_of_authorities_that_is_gone_is_an_error(upstream: Upstream, tmp_path: Path) -> None:
    error = fail(upstream.url, ca_file=str(tmp_path / "gone.pem"))
    assert str(error) == "The upstream's address, key or proxy is not set up correctly; the admin has to correct them."
