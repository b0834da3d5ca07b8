"""Which upstreams there are, by the settings."""

import pytest

from tests.providers.upstream import Upstream, openai
from webapp import providers, providers_file
from webapp.providers.base import ProviderError
from webapp.providers_file import ProvidersFile
from webapp.settings import load

REAL = "http://127.0.0.1:1/v1"


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, ["guide"]),
        ({"VOIGPT_URL": REAL}, ["voigpt"]),
        ({"OPENAI_BASE_URL": REAL}, ["openai", "guide"]),
        ({"OPENAI_BASE_URL": REAL, "VOIGPT_URL": REAL}, ["openai", "voigpt"]),
        ({"OPENAI_BASE_URL": "embedded:"}, ["openai"]),
        ({"OPENAI_BASE_URL": "embedded:", "VOIGPT_URL": REAL}, ["voigpt", "openai"]),
        ({"OPENAI_API_KEY": "key"}, ["guide"]),
    ],
)
def test_the_first_real_server_is_the_default_and_the_guide_is_there_once(
    given: dict[str, str], names: list[str]
) -> None:
    assert [upstream.name for upstream in providers.table(load(given), ProvidersFile())] == names


@pytest.mark.parametrize("given", [{}, {"OPENAI_BASE_URL": "embedded:"}])
def test_the_guide_can_be_chosen_before_it_was_asked(given: dict[str, str]) -> None:
    upstreams = providers.Upstreams(providers.table(load(given), ProvidersFile()))
    assert [choice.label for choice in upstreams.choices()] == [providers.GUIDE]
    with pytest.raises(ProviderError, match="is not offered here now; choose another, such as Guide"):
        upstreams.get("gone/model")


def test_parameters_reach_the_server_that_was_chosen() -> None:
    with Upstream(openai()) as server:
        settings = load({"OPENAI_BASE_URL": f"{server.url}/v1"})
        upstreams = providers.Upstreams(providers.table(settings, ProvidersFile()))
        list(upstreams.complete("openai/small", [{"role": "user", "content": "Hello"}], {"temperature": 0.5}).chunks)
    assert server.asked[-1].json["temperature"] == 0.5


def names(given: dict[str, str]) -> list[str]:
    settings = load({"VOICHAT_DISCOVER": "on"} | given)
    rows = providers.table(settings, ProvidersFile())
    return [local.name for local in providers.candidates(settings, ProvidersFile(), rows)]


def test_the_file_may_name_every_kind_of_adapter() -> None:
    assert list(providers.KINDS) == list(providers_file.KINDS)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"VOICHAT_BIND": "127.0.0.1:9000"}, ["ollama", "llamacpp", "vllm", "lmstudio"]),
        ({}, ["ollama", "llamacpp", "lmstudio"]),  # vLLM's port is our own
        ({"OPENAI_BASE_URL": "http://localhost:11434/v1"}, ["llamacpp", "lmstudio"]),
        ({"OPENAI_BASE_URL": "http://[::1]:8080/v1"}, ["ollama", "lmstudio"]),
        ({"OPENAI_BASE_URL": "http://gpu.lan:8080/v1"}, ["ollama", "llamacpp", "lmstudio"]),
    ],
)
def test_neither_ourselves_nor_what_is_set_up_is_looked_for(given: dict[str, str], found: list[str]) -> None:
    assert names(given) == found
