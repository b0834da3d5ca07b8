"""What gunicorn serves and `flask --app wsgi` commands."""

import sys

from webapp import create_app
from webapp.settings import SettingsError

try:
    app = create_app()
except SettingsError as error:
    sys.exit(f"Error: {error}")
