"""Whose wrong keys are counted together."""

import pytest

from app.auth.wrong_keys import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        (None, ""),
        ("not an address", ""),
    ],
)
def test_an_address_stands_for_its_customer(address: str | None, network: str) -> None:
    assert network_of(address) == network
