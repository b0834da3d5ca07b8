"""Which upstreams there are, by the settings."""

import pytest

from webapp import providers
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
    assert [upstream.name for upstream in providers.table(load(given))] == names
