"""A real Django site with VoiGpt's two requests, and CsrfViewMiddleware in front of them.

The site can be made to forget the tokens that it gave (`POST /expire`): it then drops their cookies from
requests before CsrfViewMiddleware looks, which refuses them with its own 403, as for a cookie that a site lost.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from typing import Any, TypeAlias, cast
from urllib.request import Request, urlopen

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import rotate_token
from django.urls import path
from django.views.decorators.csrf import csrf_exempt, ensure_csrf_cookie

View: TypeAlias = Callable[[HttpRequest], HttpResponse]

HERE = Path(__file__).resolve().parent
PATIENCE = 20.0


@dataclass(frozen=True)
class Site:
    url: str

    def expire(self) -> None:
        """Forget all tokens."""
        urlopen(Request(f"{self.url}/expire", data=b""), timeout=PATIENCE).close()

    def count(self) -> dict[str, int]:
        """How often `page` was read, `posts` were tried, and how many of them were `refused`."""
        with urlopen(f"{self.url}/count", timeout=PATIENCE) as answer:
            return cast(dict[str, int], json.load(answer))


@contextmanager
def django_site() -> Iterator[Site]:
    """Serve on a free port of loopback, by gunicorn, while in the `with`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        bind = f"fd://{listener.fileno()}"
        command = [sys.executable, "-m", "gunicorn", "--no-control-socket", "--threads=8", "--log-level=error"]
        command += ["--pythonpath", str(HERE.parents[1]), "--bind", bind, f"{__name__}:application()"]
        site = Site(f"http://127.0.0.1:{listener.getsockname()[1]}")
        away = HERE  # from gunicorn.conf.py
        with subprocess.Popen(command, cwd=away, pass_fds=[listener.fileno()], start_new_session=True) as server:
            try:
                site.count()
                yield site
            finally:
                os.killpg(server.pid, SIGKILL)  # gthread's own handler of SIGINT hangs now and then


def application() -> WSGIHandler:
    module = f"{__name__}."
    settings.configure(
        SECRET_KEY="only a test",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=__name__,
        MIDDLEWARE=[f"{module}counting", f"{module}forgetful", "django.middleware.csrf.CsrfViewMiddleware"],
    )
    return get_wsgi_application()


_known: set[str] = set()
_count = {"page": 0, "posts": 0, "refused": 0}


def counting(get_response: View) -> View:
    def count(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        _count["page"] += request.path == "/"
        _count["posts"] += request.path == "/generate_response/"
        _count["refused"] += response.status_code == 403
        return response

    return count


def forgetful(get_response: View) -> View:
    def remember(request: HttpRequest) -> HttpResponse:
        if request.COOKIES.get("csrftoken") not in _known:
            request.COOKIES.pop("csrftoken", None)
        response = get_response(request)
        if cookie := response.cookies.get("csrftoken"):
            _known.add(cookie.value)
        return response

    return remember


def page(_: HttpRequest) -> HttpResponse:
    return HttpResponse("<!doctype html><title>VoiGpt</title>")


def generate_response(request: HttpRequest) -> HttpResponse:
    said: list[dict[str, Any]] = json.loads(request.body)["messages"]
    if said[-1]["content"] == "rotate":
        _known.discard(request.COOKIES["csrftoken"])
        rotate_token(request)
    return JsonResponse({"response": f"{len(said)}: {said[-1]['content']}"})


def expire(_: HttpRequest) -> HttpResponse:
    _known.clear()
    return HttpResponse()


def count(_: HttpRequest) -> HttpResponse:
    return JsonResponse(_count)


urlpatterns = [
    path("", ensure_csrf_cookie(page)),
    path("generate_response/", generate_response),
    path("expire", csrf_exempt(expire)),
    path("count", count),
]
