"""Submit ids: what makes sending the same form twice one message."""

import hmac
import secrets
from hashlib import sha256

from flask import current_app


def new_id() -> str:
    """128 random bits and our signature, for the hidden field of one form."""
    nonce = secrets.token_hex(16)
    return nonce + derive("submit", nonce)


def is_ours(submit_id: str) -> bool:
    """Whether a page of ours issued it; a client may also make up its own."""
    nonce, signature = submit_id[:32], submit_id[32:]
    return hmac.compare_digest(signature.encode(), derive("submit", nonce).encode())


def derive(purpose: str, text: str) -> str:
    """128 bits in hex that only this server can compute from `text` (RFC 2104)."""
    key = str(current_app.secret_key).encode()
    return hmac.new(key, f"{purpose}\0{text}".encode(), sha256).hexdigest()[:32]
