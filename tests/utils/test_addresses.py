from __future__ import annotations

import socket

import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.utils.addresses import check_address, is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.3.4.5"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org"])
def test_what_others_can_reach(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["9.9.9.9", "a" * 5000, "a..b", "no.such.host.invalid"])
def test_hosts_of_others(host: str) -> None:
    with pytest.raises(UserError, match=r"^cannot listen at [^\n]*; choose another --host or --port$"):
        check_address(host, 7860)


def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} "):
            check_address("127.0.0.1", port)
    check_address("127.0.0.1", port)
