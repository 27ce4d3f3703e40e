"""Which addresses a webhook may have."""

from ipaddress import ip_address

import pytest

from tasks.webhooks.addresses import PrivateAddress, Unresolvable, is_public, resolve, why_refused

PRIVATE = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",
    "168.63.129.16", "169.254.169.254", "172.16.0.1", "192.0.0.192", "192.168.1.1", "198.18.0.1",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::7f00:1", "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:4136:e378::1", "2001:db8::1",
    "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "100::1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "64:ff9b::101:101"]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_of_the_internet_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "localhost"])
def test_a_host_is_judged_by_what_it_resolves_to(host: str) -> None:
    with pytest.raises(PrivateAddress):
        resolve(host, 443, allow_private=False)
    assert "127.0.0.1" in resolve(host, 443, allow_private=True)


@pytest.mark.parametrize("host", ["x" * 70, "a..b"])
def test_a_host_that_is_none_has_no_address(host: str) -> None:
    with pytest.raises(Unresolvable):
        resolve(host, 443, allow_private=False)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com", "https://example.com:8443/a?b=c", "https://1.1.1.1/",
        "https://[2606:4700:4700::1111]:443/", "HTTPS://EXAMPLE.COM/",
    ],
)  # fmt: skip
def test_a_public_url_is_allowed(url: str) -> None:
    assert why_refused(url, allow_private=False) is None


@pytest.mark.parametrize(
    "url", [f"https://[{each}]/" if ":" in each else f"https://{each}/" for each in PRIVATE]
)
def test_a_private_address_in_a_url_is_refused_unless_it_is_allowed(url: str) -> None:
    assert why_refused(url, allow_private=False) == "must have a public address"
    assert why_refused(url, allow_private=True) is None


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "db.internal", "printer.local"])
def test_a_local_name_is_refused(host: str) -> None:
    assert why_refused(f"https://{host}/", allow_private=False) == "must have a public address"


def test_http_is_for_development() -> None:
    assert why_refused("http://example.com/", allow_private=False) == "must begin with https://"
    assert why_refused("http://127.0.0.1:8001/", allow_private=True) is None
