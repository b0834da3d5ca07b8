"""The least that Flask behind gunicorn can do: say hello, and hand an upstream's stream through."""

import os
from collections.abc import Iterator

import requests
from flask import Flask, Response, request

app = Flask(__name__)


@app.get("/")
def hello() -> str:
    return "<!doctype html><title>Hello</title><p>Hello, World!</p>"


@app.post("/")
def proxy() -> Response:
    answer = requests.post(os.environ["UPSTREAM"], data=request.get_data(), stream=True, timeout=600)
    return Response(pieces(answer), mimetype="text/event-stream")


def pieces(answer: requests.Response) -> Iterator[bytes]:
    with answer:
        while piece := answer.raw.read1(65536):
            yield piece
