"""The list of an upstream's models: there at once, asked for in the background."""

from collections.abc import Callable, Iterable, Sequence
from threading import Event

import pytest

from tests.support.servers import wait_until
from webapp.providers import catalogue
from webapp.providers.base import ProviderError
from webapp.providers.catalogue import Catalogue


def answering(*answers: Sequence[str] | ProviderError) -> tuple[Callable[[], Sequence[str]], list[int]]:
    """Gives these in turn, the last for ever; the list says how often it was asked."""
    asked: list[int] = []

    def ask() -> Sequence[str]:
        answer = answers[min(len(asked), len(answers) - 1)]
        asked.append(1)
        if isinstance(answer, ProviderError):
            raise answer
        return answer

    return ask, asked


@pytest.fixture
def always_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "ASKED_EVERY_SECONDS", 0.0)


def test_nobody_is_asked_before_somebody_wants_to_know() -> None:
    ask, asked = answering(["a"])
    models = Catalogue(ask)
    assert (list(models.models()), models.is_known, asked) == ([], False, [])


def test_the_list_is_there_once_the_upstream_has_answered() -> None:
    models = Catalogue(answering(["b", "a", "b"])[0])
    models.refresh()
    wait_until(lambda: models.is_known)
    assert list(models.models()) == ["b", "a"]


def test_who_wants_to_know_does_not_wait() -> None:
    may_answer, asked = Event(), []

    def ask() -> Sequence[str]:
        asked.append(1)
        may_answer.wait(10)
        return ["a"]

    models = Catalogue(ask)
    for _ in range(100):
        models.refresh()
    wait_until(lambda: asked)
    assert list(models.models()) == []
    may_answer.set()
    wait_until(lambda: models.is_known)
    assert len(asked) == 1


@pytest.mark.usefixtures("always_due")
@pytest.mark.parametrize("later", [ProviderError("Down."), []])
def test_the_last_list_stays_while_the_upstream_is_away(later: ProviderError | Sequence[str]) -> None:
    ask, asked = answering(["a"], later, later, ["b"])
    models = Catalogue(ask)
    models.refresh()
    wait_until(lambda: models.is_known)
    for _ in range(2):
        models.refresh()
        assert list(models.models()) == ["a"]
    wait_until(lambda: len(asked) == 3)
    assert list(models.models()) == ["a"]
    models.refresh()
    wait_until(lambda: list(models.models()) == ["b"])


def test_a_model_that_the_admin_named_is_offered_first_and_once() -> None:
    models = Catalogue(answering(["a", "mine", "b"])[0], "mine")
    assert (list(models.models()), models.is_known) == (["mine"], False)
    models.refresh()
    wait_until(lambda: models.is_known)
    assert list(models.models()) == ["mine", "a", "b"]


def test_names_that_cannot_be_shown_are_left_out_and_there_is_a_limit() -> None:
    odd: Iterable[str] = ["", " ", "a\nb", "a\0", "\u202ea", " a", "a ", "x" * 201]
    good = ["llama3:8b", "org/модель", "x" * 200, "a b"]
    models = Catalogue(answering([*odd, *good, *(f"model-{n}" for n in range(1000))])[0])
    models.refresh()
    wait_until(lambda: models.is_known)
    assert list(models.models())[:5] == [*good, "model-0"]
    assert len(models.models()) == 500
