"""The product with one more language, which is written from right to left: `gunicorn tests.support.hebrew:app`."""

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.languages import HEBREW
from webapp.web import i18n
from wsgi import app

with TemporaryDirectory() as folder:
    (Path(folder) / "he.po").write_text(HEBREW)
    app.extensions["languages"] |= i18n.found(Path(folder))
