"""A link to a picture opens that picture until it expires, and nothing else."""

from urllib.parse import parse_qs, urlsplit

import pytest

from app.core.clock import Clock
from app.core.errors import Gone, PermissionDenied
from app.media.signing import MediaSigner


class HandClock(Clock):
    time = 1_790_000_000.5

    def now(self) -> float:
        return self.time


def parts(url: str) -> tuple[str, str]:
    query = parse_qs(urlsplit(url).query, strict_parsing=True)
    return query["exp"][0], query["sig"][0]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def signer(clock: HandClock) -> MediaSigner:
    return MediaSigner(b"secret", clock=clock)


def test_the_link_has_the_contracts_shape(signer: MediaSigner) -> None:
    url = signer.url("https://gw.example/", "med_x", "png", lifetime_s=3600)
    assert url.startswith("https://gw.example/v1/media/med_x.png?exp=1790003600&sig=")
    assert len(parts(url)[1]) == 43


def test_a_link_opens_its_picture_until_the_second_it_expires(signer: MediaSigner, clock: HandClock) -> None:
    exp, sig = parts(signer.url("", "med_x", "png", lifetime_s=60))
    clock.time = 1_790_000_059.9
    signer.check("med_x", "png", exp, sig)
    clock.time = 1_790_000_060
    with pytest.raises(Gone) as caught:
        signer.check("med_x", "png", exp, sig)
    assert caught.value.code == "media_expired"


@pytest.mark.parametrize(
    ("media_id", "extension", "exp", "sig"),
    [
        ("med_y", "png", "{exp}", "{sig}"),
        ("med_x", "jpg", "{exp}", "{sig}"),
        ("med_x", "png", "1790000061", "{sig}"),
        ("med_x", "png", "01790000060", "{sig}"),
        ("med_x", "png", " {exp}", "{sig}"),
        ("med_x", "png", "{exp}", "{sig}="),
        ("med_x", "png", "{exp}", "A{sig}"),
        ("med_x", "png", "{exp}", "é"),
        ("med_x", "png", "\udc80", "{sig}"),
        ("med_x", "png", "", "{sig}"),
        ("med_x", "png", "{exp}", ""),
    ],
)
def test_whatever_is_changed_the_signature_is_invalid(
    signer: MediaSigner, media_id: str, extension: str, exp: str, sig: str
) -> None:
    expiry, signature = parts(signer.url("", "med_x", "png", lifetime_s=60))
    with pytest.raises(PermissionDenied) as caught:
        signer.check(media_id, extension, exp.format(exp=expiry), sig.format(sig=signature))
    assert caught.value.code == "invalid_signature"


def test_every_single_changed_character_of_the_signature_is_noticed(signer: MediaSigner) -> None:
    exp, sig = parts(signer.url("", "med_x", "png", lifetime_s=60))
    for at, was in enumerate(sig):
        with pytest.raises(PermissionDenied):
            signer.check("med_x", "png", exp, sig[:at] + ("A" if was != "A" else "B") + sig[at + 1 :])


def test_parts_left_out_are_an_invalid_signature(signer: MediaSigner) -> None:
    with pytest.raises(PermissionDenied):
        signer.check("med_x", "png", None, None)


def test_a_tampered_expired_link_is_tampered_first(signer: MediaSigner, clock: HandClock) -> None:
    exp, sig = parts(signer.url("", "med_x", "png", lifetime_s=60))
    clock.time += 3600
    with pytest.raises(PermissionDenied):
        signer.check("med_y", "png", exp, sig)


def test_another_secret_signs_differently(signer: MediaSigner, clock: HandClock) -> None:
    exp, sig = parts(MediaSigner(b"other", clock=clock).url("", "med_x", "png", lifetime_s=60))
    with pytest.raises(PermissionDenied):
        signer.check("med_x", "png", exp, sig)
