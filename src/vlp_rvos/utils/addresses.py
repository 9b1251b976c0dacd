"""The addresses that servers listen at."""

from __future__ import annotations

import ipaddress
import os
import socket

from vlp_rvos.errors import UserError

__all__ = ["address_failure", "check_address", "is_loopback"]


def is_loopback(host: str) -> bool:
    """Whether a server that is bound to a host can be reached from this computer alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_address(host: str, port: int) -> None:
    """Check that a server can listen at an address.

    Raises:
        UserError: It cannot: the port is taken or kept for others, or the host is not one of this computer.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            if os.name != "nt":
                # As servers do: connections that have just ended do not keep the port.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        reason = error.strerror or error if isinstance(error, OSError) else "it is no name of a host"
        raise address_failure(host, port, reason) from error


def address_failure(host: str, port: int, reason: object) -> UserError:
    """Turn a refusal to listen at an address into an error that says why."""
    return UserError(f"cannot listen at {host}, port {port} ({reason}); choose another --host or --port")
