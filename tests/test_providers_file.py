"""`providers.toml`: what it says, and the one sentence for each mistake in it."""

import re
from pathlib import Path

import pytest

from tests.providers.authorities import Authority
from webapp import providers_file
from webapp.chats.instructions import PARAMETERS, SYSTEM_CHARACTERS
from webapp.providers_file import Model, Preset, ProvidersFile, Upstream, load, parse, warnings
from webapp.settings import SettingsError
from webapp.settings import load as load_settings

ROOT = Path(__file__).resolve().parent.parent
KEY = "sk-0123456789"
WHOLE = """\
default = "lab/llama3.2"

[upstreams.lab]
kind = "openai"
label = "Lab"
url = "http://127.0.0.1:11434/v1/"
key_file = "keys/lab"
proxy = "socks5h://proxy:1080"
seconds = 60
connect_seconds = 2.5
context = 8192
models = ["llama3.2", { name = "qwen3:8b", label = "Qwen 3", context = 32768 }]

[upstreams.site-2]
kind = "voigpt"
url = "embedded:"

[presets.translator]
label = "Translator"
model = "lab/llama3.2"
system = \"\"\"
Translate what I say into Russian.
[upstreams.none]
\"\"\"
temperature = 0.2
top_p = 1
max_tokens = 500
seed = -1

[presets.plain]
"""
LAB = '[upstreams.lab]\nkind = "openai"\nurl = "http://127.0.0.1:1/v1"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "lab").write_text(f"{KEY}\n")
    return tmp_path / "providers.toml"


def read(file: Path, text: str, mode: int = 0o600, **given: str) -> ProvidersFile:
    file.write_text(text)
    file.chmod(mode)
    return load(load_settings({"VOICHAT_DATA": str(file.parent)} | given))


def test_all_of_it_is_read(file: Path) -> None:
    assert read(file, WHOLE) == ProvidersFile(
        default="lab/llama3.2",
        default_place=f"{file}, line 1",
        upstreams=(
            Upstream(
                name="lab",
                kind="openai",
                label="Lab",
                url="http://127.0.0.1:11434/v1",
                key=KEY,
                proxy="socks5h://proxy:1080",
                seconds=60.0,
                connect_seconds=2.5,
                context=8192,
                models=(Model("llama3.2", "llama3.2"), Model("qwen3:8b", "Qwen 3", 32768)),
            ),
            Upstream(name="site-2", kind="voigpt", url="embedded:"),
        ),
        presets=(
            Preset(
                name="translator",
                label="Translator",
                model="lab/llama3.2",
                system="Translate what I say into Russian.\n[upstreams.none]\n",
                temperature=0.2,
                top_p=1.0,
                max_tokens=500,
                seed=-1,
            ),
            Preset(name="plain", label="plain"),
        ),
    )


def test_without_a_file_there_is_nothing(tmp_path: Path) -> None:
    assert load(load_settings({"VOICHAT_DATA": str(tmp_path)})) == ProvidersFile()


def test_the_name_of_a_model_may_be_longer_than_a_label(file: Path) -> None:
    [lab] = read(file, f'{LAB}models = ["{"m" * 200}"]').upstreams
    assert lab.models == (Model("m" * 200, "m" * 200),)


def test_the_file_may_lie_elsewhere_and_then_it_has_to_be_there(file: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.toml"
    with pytest.raises(SettingsError, match=r"^VOICHAT_PROVIDERS_FILE must be a file that is there \(it is “"):
        read(file, "", VOICHAT_PROVIDERS_FILE=str(elsewhere))
    elsewhere.write_text(LAB)
    assert [each.name for each in read(file, "", VOICHAT_PROVIDERS_FILE=str(elsewhere)).upstreams] == ["lab"]


def test_names_of_files_count_from_the_folder_of_this_one(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    monkeypatch.chdir("/")
    [lab] = read(file, f'{LAB}key_file = "keys/lab"\nca_file = "{Path(authority.file).name}"').upstreams
    assert (lab.key, lab.ca_file) == (KEY, authority.file)


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ('default = "lab"', 1, "default must be the upstream's name, / and the model, such as"),
        ("\n[upstream.lab]", 2, "there is no key upstream; did you mean upstreams?"),
        ("colour = 1", 1, "there is no key colour; there is default, upstreams, presets."),
        ("upstreams = 1", 1, "upstreams must be tables with names, such as [upstreams.lab]."),
        ('[upstreams]\nkind = "openai"', 1, "kind belongs into a table with a name: write [upstreams.NAME] before it."),
        ('[upstreams."My Lab"]', 1, "the name “My Lab” must be of a-z, 0-9, - and _, at most 40."),
        (f'{LAB}default = "lab/x"', 4, "default stands in a table: write it above the first [ … ]."),
        (f"{LAB}keyfile = 1", 4, "there is no key keyfile; did you mean key_file?"),
        (f"{LAB}# more\n\n  seconds = '60'", 6, "seconds must be a number from 1 to 86400, without quotes."),
        (f"{LAB}seconds = true", 4, "seconds must be a number from 1 to 86400, without quotes."),
        (f"{LAB}seconds = 0.5", 4, "seconds must be a number from 1 to 86400, without quotes."),
        (f"{LAB}connect_seconds = nan", 4, "connect_seconds must be a number from 0.1 to 600"),
        (f"{LAB}context = 8192.0", 4, "context must be a whole number from 1 to 100000000, without quotes."),
        (f"{LAB}label = 3", 4, 'label must be text in quotes, such as "…".'),
        (f'{LAB}label = "a\\nb"', 4, "label must be one line of at most 100 characters."),
        (f'{LAB}key = ""', 4, 'key must be text in quotes, such as "…".'),
        (f'{LAB}key = "ключ"', 4, "key must be one word of plain letters, digits and signs."),
        (f'{LAB}key_file = "keys/none"', 4, "key_file names FOLDER/keys/none, which cannot be read: No such file"),
        (f'{LAB}key_file = "keys"', 4, "key_file names FOLDER/keys, which cannot be read: Is a directory."),
        (f'{LAB}key_file = "many"', 4, "key_file names FOLDER/many, which must hold the key and nothing else."),
        (f'{LAB}key = "{KEY}"\nkey_file = "keys/lab"', 5, "key and key_file are one too many: keep one of them."),
        (f'{LAB}proxy = "ftp://x"', 4, "proxy must be an address that begins with http:// or https:// or socks5://"),
        (f'{LAB}ca_file = "keys/lab"', 4, "ca_file must be a PEM file with certificates, and holds none."),
        (f"{LAB}models = []", 4, 'models must be a list of models, such as ["llama3.2"]; leave it out for all.'),
        (f'{LAB}models = ["a", 3]', 4, 'models has one that is neither "NAME" nor { name = "NAME", label'),
        (f'{LAB}models = [{{ name = "a", size = 3 }}]', 4, 'models has one that is neither "NAME" nor'),
        (f'{LAB}models = ["a", {{ name = "a" }}]', 4, "models names a model twice: keep one."),
        (f'{LAB}models = ["a\\tb"]', 4, "models must be one line of at most 200 characters."),
        ('\n\n[upstreams.lab]\nkind = "openai"', 3, "the upstream lab needs a url, such as"),
        ('[upstreams.lab]\nurl = "http://x"', 1, 'the upstream lab needs a kind, "openai" or "voigpt".'),
        ('[upstreams.lab]\nkind = "ollama"', 2, "kind must be openai or voigpt."),
        ('[upstreams.lab]\nurl = "lab:1"', 2, "url must be an address that begins with http:// or https://."),
        (f'{LAB}[presets.x]\nkind = "openai"', 4 + 1, "there is no key kind; there is label, model, system"),
        ("[presets.x]\ntemperature = 3", 2, "temperature must be a number from 0 to 2, without quotes."),
        ("[presets.x]\nmax_tokens = 0", 2, "max_tokens must be a whole number from 1 to"),
        ("[presets.x]\nmax_tokens = 1000001", 2, "max_tokens must be a whole number from 1 to 1000000,"),
        (f'[presets.x]\nsystem = "{"x" * 20_001}"', 2, "system must be text of at most 20000 characters, none of"),
        ('[presets.x]\nsystem = "a\\u0000b"', 2, "system must be text of at most 20000 characters, none of"),
        ('[presets.x]\nmodel = "llama"', 2, "model must be the upstream's name, / and the model"),
        ('[presets.x]\nsystem = """\nurl = 1\n[presets.y]\n"""\nseed = "1"', 6, "seed must be a whole number"),
        ('default = "a/b"\ndefault = "a/c"', 2, "this is written twice: keep one of them."),
        (f"{LAB}{LAB}", 4, "this is written twice: keep one of them."),
        (f"{LAB}label = Lab", 4, "this is no value: put text in quotes."),
        (f'{LAB}label = "Lab', 4, "something above is not closed: a quote or a bracket."),
        (f'{LAB}label = "Lab\nseconds = 1', 4, "a text is not closed by a quote on its line."),
        (f"{LAB}models = [", 4, "something above is not closed: a quote or a bracket."),
    ],
)
def test_a_mistake_is_one_sentence_with_the_file_and_the_line(file: Path, text: str, line: int, sentence: str) -> None:
    (file.parent / "many").write_text("two words\n")
    with pytest.raises(SettingsError) as refused:
        read(file, text)
    said = str(refused.value)
    assert said.startswith(f"{file}, line {line}: {sentence.replace('FOLDER', str(file.parent))}"), said
    assert said.endswith((".", "?"))
    assert "\n" not in said


@pytest.mark.parametrize("mistake", ["seconds = '1'", "keyfile = 1", 'label = "', 'key_file = "keys/none"'])
def test_no_mistake_shows_a_key(file: Path, mistake: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(file, f'{LAB}key = "{KEY}"\n{mistake}\n')
    assert KEY not in str(refused.value)


def test_a_key_is_in_no_representation(file: Path) -> None:
    assert KEY not in repr(read(file, f'{LAB}key = "{KEY}"\nproxy = "http://me:{KEY}@proxy"\n'))


@pytest.mark.parametrize("secret", [f'key = "{KEY}"', 'proxy = "http://me:hunter2@proxy"'])
def test_a_file_with_a_secret_that_others_may_read_is_refused(file: Path, secret: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(f"holds keys and others may read it: run chmod 600 {file}.")):
        read(file, LAB + secret, mode=0o640)
    assert read(file, LAB + secret).upstreams


def test_a_file_without_a_secret_may_be_read_by_all(file: Path) -> None:
    assert read(file, f'{LAB}key_file = "keys/lab"', mode=0o644).upstreams[0].key == KEY


@pytest.mark.parametrize("content", [b"\xff\xfe", "# \u043f".encode("utf-16")])
def test_another_encoding_is_a_sentence(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"cannot be read: save it as UTF-8\.$"):
        load(load_settings({"VOICHAT_DATA": str(file.parent)}))


def test_windows_line_ends_and_mark_are_read(file: Path) -> None:
    file.write_bytes(("\ufeff" + LAB).replace("\n", "\r\n").encode())
    assert [each.name for each in load(load_settings({"VOICHAT_DATA": str(file.parent)})).upstreams] == ["lab"]


@pytest.mark.parametrize(
    ("url", "is_warned"),
    [
        ("http://lab.example:8001/v1", True),
        ("http://10.0.0.1/v1", True),
        ("https://lab.example/v1", False),
        ("http://localhost:1/v1", False),
        ("http://[::1]:1/v1", False),
        ("http://127.0.0.2/v1", False),
        ("embedded:", False),
    ],
)
def test_a_key_that_others_on_the_way_may_read_is_worth_a_warning(file: Path, url: str, is_warned: bool) -> None:
    text = f'[upstreams.lab]\nkind = "openai"\nurl = "{url}"\n'
    sentence = f"{file}, line 1: the key goes over plain http, where others may read it: use https."
    settings = load_settings({"OPENAI_BASE_URL": url, "OPENAI_API_KEY": KEY})
    assert list(warnings(settings, parse(f'{text}key = "{KEY}"', file)))[1:] == [sentence] * is_warned
    assert len(list(warnings(settings, ProvidersFile()))) == is_warned
    assert list(warnings(load_settings({}), parse(text, file))) == []


def test_a_chat_can_change_whatever_it_takes_from_a_preset() -> None:
    [most] = [parameter.most for parameter in PARAMETERS if parameter.name == "max_tokens"]
    assert (most, SYSTEM_CHARACTERS) == (providers_file.ANSWER_TOKENS, providers_file.SYSTEM_CHARACTERS)


def test_the_example_of_the_manual_is_read_and_shows_every_key_of_an_upstream(file: Path) -> None:
    manual = (ROOT / "docs" / "connecting.md").read_text()
    [example] = re.findall(r"^```toml\n(.*?)^```$", manual, re.MULTILINE | re.DOTALL)
    (file.parent / "keys" / "openrouter").write_text(KEY)
    written = read(file, example)
    assert [upstream.name for upstream in written.upstreams] == ["lab", "gpu", "openrouter", "site"]
    shown = set(re.findall(r"^(?:\w+(?= =))|(?<=`)ca_file(?=`)", manual, re.MULTILINE))
    assert shown == {"default", *(set(Upstream.__dataclass_fields__) - {"name", "place"}), "key_file"}
