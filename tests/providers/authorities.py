"""Authorities made for a test, and the certificates that they sign."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

from trustme import CA

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class Authority:
    """`file` is its own certificate, as an admin would name it in a setting."""

    def __init__(self, folder: Path) -> None:
        self._ca = CA()
        self.file = str(folder / "authority.pem")
        self._ca.cert_pem.write_to_path(self.file)

    def signed(self, *names: str, until: datetime | None = None) -> ssl.SSLContext:
        """What a server with a certificate for `names`, else for loopback, needs."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*(names or ("127.0.0.1", "localhost")), not_after=until).configure_cert(context)
        return context
