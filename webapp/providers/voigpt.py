"""VoiGpt: a Django site that answers a chat with one JSON string, behind a CSRF token."""

from collections.abc import Sequence
from copy import copy
from threading import Lock
from typing import Any, ClassVar, NamedTuple
from urllib.parse import quote, urlsplit

from ..sentences import Sentence
from .base import AbstractProvider, CreateResult, Messages, ProviderError
from .http import Call, Response, origin

NO_ACCESS = Sentence("The upstream refused the access token that is set for it (403); the admin has to set another.")
NO_COOKIE = Sentence(
    "The upstream's page sets no csrftoken cookie, so it is not a VoiGpt site; the admin has to correct its address."
)
EMPTY = Sentence("The upstream's answer is empty; try again.")


class Account(NamedTuple):
    """Whose token it is: the site's, by this way to it."""

    site: str
    proxy: str | None
    ca_file: str | None

    def way(self) -> dict[str, str | None]:
        return {"proxy": self.proxy, "ca_file": self.ca_file}


class VoiGpt(AbstractProvider):
    url = "https://voigpt.com"
    working = False
    supports_gpt_35_turbo = True
    supports_message_history = True
    supports_stream = False
    _access_token: ClassVar[str | None] = None
    _tokens: ClassVar[dict[Account, str]] = {}

    @classmethod
    def models(cls, proxy: str | None = None, access_token: str | None = None, **kwargs: Any) -> Sequence[str]:
        del proxy, access_token, kwargs  # the site has no list to ask for
        return ("gpt-3.5-turbo",)

    @classmethod
    def create_completion(
        cls,
        model: str,
        messages: Messages,
        stream: bool,
        proxy: str | None = None,
        access_token: str | None = None,
        **kwargs: Any,
    ) -> CreateResult:
        """Yields the whole answer once. `access_token` is used as it is; without it, the site gives one."""
        del model, stream  # the site has one model, and answers in one piece
        account, call = cls._account(proxy, **kwargs), kwargs.get("call") or Call()
        token = access_token or cls._token(account, call)
        answer = _ask(account, call, messages, token)
        if answer.status == 403 and access_token:
            raise ProviderError(NO_ACCESS, again=False)
        if answer.status == 403:
            token = cls._token(account, call, refused=token)
            answer = _ask(account, call, messages, token)
        if not access_token:
            cls._keep_newest(account, token, answer)
        yield _words(answer, token)

    @classmethod
    def check(cls, proxy: str | None = None, access_token: str | None = None, **kwargs: Any) -> None:
        """The site's page has to give a token. `access_token` is not tried: that would cost an answer."""
        del access_token
        _fetch_token(cls._account(proxy, **kwargs), kwargs.get("call") or Call())

    @classmethod
    def _account(cls, proxy: str | None, url: str | None = None, ca_file: str | None = None, **_: Any) -> Account:
        return Account((url or cls.url).rstrip("/"), proxy, ca_file)

    @classmethod
    def _token(cls, account: Account, call: Call, refused: str | None = None) -> str:
        """The account's token. If there is none but `refused`, one caller fetches it, for all who wait."""
        line = _lines.setdefault(account, _Line())
        failed = line.failed
        with call.holding(line.lock):
            token = cls._stored(account)
            if token and token != refused:
                return token
            if line.failed != failed:
                raise copy(line.failure)
            token = line.fetch(account, call)
            cls._store(account, token)
            return token

    @classmethod
    def _keep_newest(cls, account: Account, used: str, answer: Response) -> None:
        newest = answer.cookies.get("csrftoken")
        if newest and cls._stored(account) == used:
            cls._store(account, newest)

    @classmethod
    def _stored(cls, account: Account) -> str | None:
        return cls._access_token if account == cls._account(None) else cls._tokens.get(account)

    @classmethod
    def _store(cls, account: Account, token: str) -> None:
        if account == cls._account(None):
            cls._access_token = token
        else:
            cls._tokens[account] = token


class _Line:
    """Those who wait for one account's token."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.failed = 0
        self.failure = ProviderError("")

    def fetch(self, account: Account, call: Call) -> str:
        try:
            return _fetch_token(account, call)
        except ProviderError as error:
            call.check()  # a call that was ended says nothing about the site: the next in line tries
            self.failed, self.failure = self.failed + 1, error
            raise


_lines: dict[Account, _Line] = {}


def _fetch_token(account: Account, call: Call) -> str:
    answer = call.get(f"{account.site}/", **account.way())
    if answer.status != 200:
        raise answer.failure()
    if token := answer.cookies.get("csrftoken"):
        return token
    raise ProviderError(NO_COOKIE, again=False)


def _ask(account: Account, call: Call, messages: Messages, token: str) -> Response:
    home = origin(account.site)
    headers = {
        "X-CSRFToken": token,
        "Cookie": f"csrftoken={token}",
        "Origin": home,
        "Referer": f"{home}{quote(urlsplit(account.site).path, safe='/%')}/",
    }
    said = [{"role": message["role"], "content": message["content"]} for message in messages]
    url, patience = f"{account.site}/generate_response/", call.seconds  # all comes at the end
    return call.post_json(url, {"messages": said}, headers, silence=patience, **account.way())


def _words(answer: Response, token: str) -> str:
    if answer.status != 200:
        raise answer.failure(token)
    content = answer.json(token)
    words = content.get("response") if isinstance(content, dict) else None
    if not isinstance(words, str):
        raise answer.strange(token)
    if not words.strip():
        raise ProviderError(EMPTY)
    return words
