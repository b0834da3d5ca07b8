"""One table of settings; nonsense stops the start with one sentence."""

import re
from pathlib import Path

import pytest

from tests.providers.authorities import Authority
from webapp import settings
from webapp.parsers import Quota
from webapp.settings import SettingsError, load

ROOT = Path(__file__).resolve().parent.parent


def test_an_empty_environment_gives_the_defaults() -> None:
    found = load({})
    assert str(found.bind) == "127.0.0.1:8000"
    assert found.voigpt_url == "embedded:"
    assert found.database == f"sqlite:///{ROOT / 'data' / 'voichat.sqlite3'}"


def test_an_empty_value_is_an_unset_one() -> None:
    assert load({"WEB_CONCURRENCY": ""}).workers == 2


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("VOICHAT_BIND", "8000", "VOICHAT_BIND must be an address and a port such as 127.0.0.1:8000 (it is “8000”)."),
        ("VOICHAT_BIND", "localhost:99999", "VOICHAT_BIND must be an address and a port"),
        ("VOICHAT_NAME", "x" * 41, "VOICHAT_NAME must be one line of 1 to 40 characters (it is “xxx"),
        ("VOICHAT_NAME", "  ", "VOICHAT_NAME must be one line of 1 to 40 characters"),
        ("VOICHAT_NOTICE", "x" * 301, "VOICHAT_NOTICE must be one line of 0 to 300 characters"),
        ("VOICHAT_NOTICE", "two\nlines", "VOICHAT_NOTICE must be one line of 0 to 300 characters (it is “two lines”)."),
        ("VOICHAT_NOTICE_URL", "javascript:alert(1)", "VOICHAT_NOTICE_URL must be an address that begins with http://"),
        ("VOICHAT_NOTICE_URL", "https://a.example", "VOICHAT_NOTICE_URL is set, so VOICHAT_NOTICE must say what it is"),
        ("WEB_CONCURRENCY", "many", "WEB_CONCURRENCY must be a whole number from 1 to 64 (it is “many”)."),
        ("WEB_CONCURRENCY", "0", "WEB_CONCURRENCY must be a whole number from 1 to 64"),
        ("VOICHAT_TRUSTED_PROXIES", "10.0.0.0/99", "must be addresses or networks such as"),
        ("VOIGPT_URL", "voigpt.com", "VOIGPT_URL must be an address that begins with http:// or https://"),
        ("VOIGPT_URL", "http://[", "VOIGPT_URL must be an address"),
        ("VOIGPT_URL", "http://localhost:port", "VOIGPT_URL must be an address whose port"),
        ("OPENAI_BASE_URL", "http://127.0.0.1:99999/v1", "OPENAI_BASE_URL must be an address whose port"),
        (
            "VOIGPT_PROXY",
            "ftp://proxy",
            "VOIGPT_PROXY must be an address that begins with http:// or https:// or socks5://",
        ),
        (
            "VOIGPT_CA_FILE",
            "/nowhere/ca.pem",
            "VOIGPT_CA_FILE must be a file that can be read, and gives: No such file",
        ),
        ("VOIGPT_CA_FILE", "/", "VOIGPT_CA_FILE must be a file that can be read"),
        ("VOIGPT_CA_FILE", __file__, "VOIGPT_CA_FILE must be a PEM file with certificates, and holds none (it is “"),
        (
            "VOICHAT_LIMIT_OWNER",
            "many",
            "VOICHAT_LIMIT_OWNER must look like 60/minute 1000/day 8 replies, or be none (it is “many”).",
        ),
        *(
            ("VOICHAT_LIMIT_EVERYBODY", nonsense, "VOICHAT_LIMIT_EVERYBODY must look like")
            for nonsense in ("0/minute", "1/hour", "8", "8/minute 9/minute", "1/day none", "-1/day", "1000000/day", ",")
        ),
        ("SECRET_KEY", "short", "SECRET_KEY is too short"),
        ("DATABASE_URL", "mysql://host/name", "DATABASE_URL must be sqlite:////path/to/file or postgresql://"),
        ("DATABASE_URL", "sqlite://", "DATABASE_URL must be sqlite:////path/to/file"),
        ("DATABASE_URL", "postgresql://host", "DATABASE_URL must be"),
        ("VOICHAT_HOST", "chat.example", "There is no setting VOICHAT_HOST; did you mean VOICHAT_HOSTS?"),
        ("VOICHAT_QQQ", "1", "There is no setting VOICHAT_QQQ."),
        ("SECRET_KEY_FILE", "/nowhere/key", "SECRET_KEY_FILE names /nowhere/key, which cannot be read"),
    ],
)
def test_nonsense_is_refused_with_a_sentence_that_names_the_setting(name: str, value: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(sentence)) as refused:
        load({name: value})
    assert str(refused.value).endswith((".", "?"))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"VOICHAT_AUTH": "ldap"}, "VOICHAT_AUTH must be open or password or proxy (it is “ldap”)."),
        ({"VOICHAT_AUTH": "password"}, "VOICHAT_AUTH is password, so VOICHAT_PASSWORD must say which."),
        ({"VOICHAT_PASSWORD": "hunter2hunter2"}, "VOICHAT_PASSWORD asks nobody while VOICHAT_AUTH is open"),
        ({"VOICHAT_AUTH": "password", "VOICHAT_PASSWORD": "hunter2"}, "VOICHAT_PASSWORD is too short: it needs at"),
        ({"VOICHAT_AUTH": "password", "VOICHAT_PASSWORD": "scrypt:hunter2"}, "VOICHAT_PASSWORD begins like a hash"),
        ({"VOICHAT_AUTH": "proxy"}, "VOICHAT_AUTH is proxy, so VOICHAT_TRUSTED_PROXIES must say whom to believe."),
        ({"VOICHAT_AUTH_HEADER": "X User"}, "VOICHAT_AUTH_HEADER must be the name of a header"),
        ({"VOICHAT_SIGN_OUT_URL": "//evil"}, "VOICHAT_SIGN_OUT_URL must be an address"),
    ],
)
def test_a_sign_in_that_would_not_protect_is_refused(given: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(sentence)) as refused:
        load(given)
    assert "hunter2" not in str(refused.value)


def test_the_password_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("correct horse\n")
    given = {"VOICHAT_AUTH": "password", "VOICHAT_PASSWORD_FILE": str(tmp_path / "password")}
    assert load(given).password == "correct horse"


@pytest.mark.parametrize(
    ("given", "is_open"),
    [
        ({}, False),
        ({"VOICHAT_BIND": "[::1]:80"}, False),
        ({"VOICHAT_BIND": "localhost:80"}, False),
        ({"VOICHAT_BIND": ":80"}, True),
        ({"VOICHAT_BIND": "192.168.1.2:80"}, True),
        ({"VOICHAT_BIND": ":80", "VOICHAT_AUTH": "password", "VOICHAT_PASSWORD": "correct horse"}, False),
    ],
)
def test_what_other_machines_may_reach_without_sign_in_is_open_to_all(given: dict[str, str], is_open: bool) -> None:
    assert load(given).is_open_to_all is is_open


@pytest.mark.parametrize(
    ("given", "is_on"),
    [
        ({}, True),
        ({"VOICHAT_BIND": "[::1]:80"}, True),
        ({"VOICHAT_BIND": ":80"}, False),
        ({"VOICHAT_HOSTS": "chat.example"}, False),
        ({"VOICHAT_TRUSTED_PROXIES": "127.0.0.1"}, False),
        ({"VOICHAT_DISCOVER": "off"}, False),
        ({"VOICHAT_DISCOVER": "on", "VOICHAT_BIND": ":80"}, True),
    ],
)
def test_discovery_is_on_while_only_this_machine_can_reach_voichat(given: dict[str, str], is_on: bool) -> None:
    assert load(given).discovers is is_on


@pytest.mark.parametrize(
    ("text", "quota"),
    [
        ("none", Quota()),
        ("60/minute 1000/day 8 replies", Quota(60, 1000, 8)),
        ("8 replies, 60/minute", Quota(60, None, 8)),
        (" 1 reply ", Quota(None, None, 1)),
    ],
)
def test_a_limit_names_what_it_limits_in_any_order(text: str, quota: Quota) -> None:
    assert load({"VOICHAT_LIMIT_OWNER": text}).limit_owner == quota


def test_a_secret_is_never_shown() -> None:
    with pytest.raises(SettingsError) as refused:
        load({"DATABASE_URL": "mysql://me:hunter2@host/name"})
    assert "hunter2" not in str(refused.value)


def test_the_password_of_a_proxy_is_not_shown() -> None:
    with pytest.raises(SettingsError) as refused:
        load({"VOIGPT_PROXY": "ftp://me:hunter2@proxy"})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])
def test_a_proxy_may_speak_http_or_socks(scheme: str) -> None:
    assert load({"VOIGPT_PROXY": f"{scheme}://us:pw@proxy:1080"}).voigpt_proxy == f"{scheme}://us:pw@proxy:1080"


def test_a_file_of_authorities_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert load({"VOIGPT_CA_FILE": "authority.pem"}).voigpt_ca_file == authority.file


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("0123456789abcdef\n")
    assert load({"SECRET_KEY_FILE": str(tmp_path / "key")}).secret_key == "0123456789abcdef"


@pytest.mark.parametrize(
    "url", ["postgres://me@host/name", "postgresql://me@host/name", "postgresql+psycopg://me@host/name"]
)
def test_postgresql_is_reached_by_psycopg_however_it_is_spelled(url: str) -> None:
    assert load({"DATABASE_URL": url}).database == "postgresql+psycopg://me@host/name"


@pytest.mark.parametrize(
    ("environ", "trusted"),
    [
        ({}, ["localhost", ".localhost", "127.0.0.1", "[::1]", "127.0.0.1"]),
        ({"VOICHAT_BIND": "[fe80::1]:80"}, ["localhost", ".localhost", "127.0.0.1", "[::1]", "[fe80::1]"]),
        ({"VOICHAT_HOSTS": "chat.example, .lan"}, ["chat.example", ".lan"]),
    ],
)
def test_hosts_are_the_loopback_names_and_the_bind_address_unless_they_are_set(
    environ: dict[str, str], trusted: list[str]
) -> None:
    assert load(environ).trusted_hosts == trusted


@pytest.mark.parametrize(
    ("environ", "link"),
    [
        ({}, "http://127.0.0.1:8000/"),
        ({"VOICHAT_BIND": "0.0.0.0:80"}, "http://127.0.0.1:80/"),
        ({"VOICHAT_BIND": "[::1]:8000"}, "http://[::1]:8000/"),
        ({"VOICHAT_BIND": ":8000", "VOICHAT_HOSTS": "chat.lan"}, "http://chat.lan:8000/"),
    ],
)
def test_the_start_prints_a_link_that_opens(environ: dict[str, str], link: str) -> None:
    assert load(environ).link == link


def test_the_secret_key_is_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    made = load({"VOICHAT_DATA": str(tmp_path / "data")})
    key = settings.secret_key(made)
    assert len(key) == 64
    assert settings.secret_key(made) == key
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "data" / "secret_key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["secret_key"]


@pytest.mark.parametrize("page", ["README.md", "docs/settings.md"])
def test_the_docs_have_every_setting_with_its_default_and_meaning(page: str) -> None:
    documented = re.findall(r"^\| `([A-Z_]+)` \| (.*) \| (.*) \|$", (ROOT / page).read_text(), re.MULTILINE)
    rows = [(row.name, row.shown or f"`{row.default}`", row.meaning) for row in settings.table()]
    assert documented == rows
