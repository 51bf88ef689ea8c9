"""Forms as clients send them, whole and broken: real bytes by httpx, hostile ones by hand (fault-cases B29, B31)."""

import base64
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import GatewayError, InvalidRequest, RequestTooLarge, UnsupportedMediaType
from app.wire.blobs import SpoolSink
from app.wire.multipart import Form, FormLimits, FormReader, boundary_of
from tests.surfaces.answers import PNG

LIMITS = FormLimits(files=3, file_bytes=20_000, fields=4, text_bytes=2_000)
END = b"--b--\r\n"


def part(name: str, value: bytes, *, filename: str | None = None, headers: bytes = b"") -> bytes:
    tail = "" if filename is None else f'; filename="{filename}"'
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"{tail}\r\n'.encode()
    return head + headers + b"\r\n" + value + b"\r\n"


def read(body: bytes, directory: Path, *, boundary: bytes = b"b", step: int = 1000) -> Form:
    reader = FormReader(boundary, lambda: SpoolSink(directory), "n", LIMITS)
    try:
        for start in range(0, len(body), step):
            reader.feed(body[start : start + step])
        return reader.close()
    except GatewayError:
        reader.abort()
        raise


@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_a_form_is_read_as_an_http_client_writes_it(tmp_path: Path, step: int) -> None:
    request = httpx.Request(
        "POST",
        "http://gw.example",
        data={"prompt": "ein Würfel\n", "google[image_config][aspect_ratio]": "16:9"},
        files=[("image[]", ("a b.png", PNG, "image/png")), ("mask", ("m.png", b"\0" * 500, "image/png"))],
    )
    boundary = boundary_of(request.headers["content-type"])

    form = read(request.read(), tmp_path, boundary=boundary, step=step)

    assert form.fields == (("prompt", "ein Würfel\n"), ("google[image_config][aspect_ratio]", "16:9"))
    assert [(file.name, file.mime) for file in form.files] == [("image[]", "image/png"), ("mask", "image/png")]
    assert [file.blob.path.read_bytes() for file in form.files if file.blob.path] == [PNG, b"\0" * 500]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20), max_size=4))
def test_any_text_comes_out_as_it_went_in(texts: list[str]) -> None:
    body = b"".join(part("t", text.encode()) for text in texts) + END

    form = read(body, Path("/nowhere"), step=5)

    assert [text for _, text in form.fields] == texts


def test_a_long_data_uri_in_a_text_field_is_lifted(tmp_path: Path) -> None:
    """Wire-facts 1.3: a picture in a text field is larger than a text may be."""
    picture = PNG[:8] + bytes(9000)
    uri = b"data:image/png;base64," + base64.b64encode(picture)

    form = read(part("image", uri) + part("prompt", b"a cat") + END, tmp_path, step=100)

    (_, text), prompt = form.fields
    blob = form.blobs.decode(text)
    assert blob is not None
    assert blob.path is not None
    assert blob.path.read_bytes() == picture
    assert prompt == ("prompt", "a cat")


@pytest.mark.parametrize(
    ("content_type", "error"),
    [
        ("application/x-www-form-urlencoded", UnsupportedMediaType),
        ("multipart/mixed; boundary=b", UnsupportedMediaType),
        ("", UnsupportedMediaType),
        ("multipart/form-data", InvalidRequest),
        ("multipart/form-data; boundary=", InvalidRequest),
        ("multipart/form-data; boundary=" + "b" * 300, InvalidRequest),
    ],
)
def test_other_content_types_are_refused(content_type: str, error: type[GatewayError]) -> None:
    """B17, B30."""
    with pytest.raises(error):
        boundary_of(content_type)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (part("a", b"1"), InvalidRequest),
        (part("a", b"1")[:-9], InvalidRequest),
        (b"", InvalidRequest),
        (b"junk" * 5000, InvalidRequest),
        (part("a", b"1") * 5 + END, InvalidRequest),
        (part("f", b"1", filename="x") * 4 + END, InvalidRequest),
        (part("f", bytes(20_001), filename="x") + END, RequestTooLarge),
        (part("a", b"w " * 1001) + END, RequestTooLarge),
        (part("a", b"w " * 300) * 4 + END, RequestTooLarge),
        (part("a", b"1", headers=b"X-A: 1\r\n" * 9) + END, InvalidRequest),
        (part("a", b"1", headers=b"X-A: " + b"x" * 100_000 + b"\r\n") + END, InvalidRequest),
        (part("a", b"1", headers=b"Content-Transfer-Encoding: base64\r\n") + END, InvalidRequest),
        (part("a", b"x\0y") + END, InvalidRequest),
        (part("a", b"\xff") + END, InvalidRequest),
        (part("", b"1") + END, InvalidRequest),
        (part("n" * 300, b"1") + END, InvalidRequest),
        (b"--b\r\n\r\n1\r\n" + END, InvalidRequest),
        (b"--b\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n" + END, InvalidRequest),
    ],
)
def test_a_form_that_is_broken_or_too_much_is_refused(body: bytes, error: type[GatewayError], tmp_path: Path) -> None:
    """B29."""
    with pytest.raises(error):
        read(body, tmp_path)


def test_a_file_cut_short_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest):
        read(part("f", b"12345", filename="x")[:-4], tmp_path)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("filename", ["../../x", "/etc/passwd", "..\\x", "con.png", "x" * 3000])
def test_a_file_name_is_never_a_path(filename: str, tmp_path: Path) -> None:
    """B31."""
    (file,) = read(part("image", PNG, filename=filename.replace("\\", "\\\\")) + END, tmp_path).files

    assert file.blob.path is not None
    assert file.blob.path.parent == tmp_path
    assert len(file.filename) <= 255


@given(st.binary(max_size=300), st.integers(1, 50))
def test_any_bytes_are_a_form_or_a_refusal(junk: bytes, step: int) -> None:
    """B29."""

    def attempt(body: bytes) -> Any:
        try:
            return read(body, Path("/nowhere"), step=step)
        except GatewayError as error:
            return error

    assert isinstance(attempt(junk), Form | GatewayError)
    assert isinstance(attempt(b"--b\r\n" + junk + END), Form | GatewayError)
