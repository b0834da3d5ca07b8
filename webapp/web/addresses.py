"""Where a request comes from, in a form that tells one address from another and does not say which it is."""

from ipaddress import IPv4Address, IPv6Address, ip_address

from flask import request

from . import submit


def key() -> str:
    """128 bits in hex for the client's address, or for its /64 in IPv6; empty where there is no address."""
    try:
        return submit.derive("address", network(ip_address(request.remote_addr or "")))
    except ValueError:
        return ""


def network(address: IPv4Address | IPv6Address) -> str:
    """What one customer of a provider has: an IPv4 address, also inside IPv6, or 64 bits of IPv6."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or f"{int(address) >> 64:x}/64")
