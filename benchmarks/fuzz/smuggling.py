"""Requests that two readers might cut in two ways: each hides another one where only one of the readers sees it.

Each case has its number in its path, and in the path that it hides (C37, C38).
"""

from typing import Final

HIDDEN: Final = "/hidden-"
END: Final = b"0\r\n\r\n"

# One of these beside a length: who believes it sees the hidden request, who does not sees a body.
CODINGS: Final = (
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: CHUNKED", b"Transfer-Encoding:chunked"),
    *(b"Transfer-Encoding : chunked", b"Transfer-Encoding\t: chunked", b" Transfer-Encoding: chunked"),
    *(b"Transfer-Encoding:\tchunked", b"Transfer-Encoding:\x0bchunked", b"Transfer-Encoding: \x0cchunked"),
    *(b"Transfer-Encoding: chunked\x00", b"Transfer-Encoding\x00: chunked", b"\x00Transfer-Encoding: chunked"),
    *(b"Transfer_Encoding: chunked", b"Transfer-Encoding: xchunked", b"Transfer-Encoding: chunkedx"),
    *(b'Transfer-Encoding: "chunked"', b"Transfer-Encoding: chunked;q=1", b"Transfer-Encoding: chunked, identity"),
    *(b"Transfer-Encoding: identity, chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: ,chunked"),
    *(b"Transfer-Encoding:\r\n chunked", b"Transfer-Encoding: chun\r\n ked", b"X: y\r\n Transfer-Encoding: chunked"),
    *(b"X: y\nTransfer-Encoding: chunked", b"X: y\rTransfer-Encoding: chunked", b"X: y\n\rTransfer-Encoding: chunked"),
    *(b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x"),
    *(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", b"Transfer-Encoding;: chunked"),
    *(b"Connection: Content-Length\r\nTransfer-Encoding: chunked", b"TE: chunked", b"Content-Encoding: chunked"),
)
# One of these beside the true length: who believes it sees the hidden request after a shorter body.
LENGTHS: Final = (
    *(b"Content-Length: 0", b"Content-Length: +0", b"Content-Length: -0", b"Content-Length: 0x0", b"Content-Length: "),
    *(
        b"Content_Length: 0",
        b"Content-Length : 0",
        b" Content-Length: 0",
        b"Content-Length\x00: 0",
        b"Content-Length;: 0",
    ),
    *(b"Content-Length:\r\n 0", b"X: y\r\n Content-Length: 0", b"X: y\nContent-Length: 0", b"X: y\rContent-Length: 0"),
    *(b"Content-Length: 0, 0", b"Content-Length: 18446744073709551616", b"Content-Length: 1e1", b"Content-Length: 0 0"),
    *(
        b"Connection: Content-Length",
        b"Connection: close, Content-Length",
        b"Expect: 100-continue",
        b"Expect: y 100-continue",
    ),
    *(
        b"Upgrade: h2c\r\nConnection: upgrade",
        b"Upgrade: websocket\r\nConnection: upgrade",
        b"X-HTTP-Method-Override: GET",
    ),
)
# Chunks, `%b` being the hidden request: it is inside of one for a strict reader, behind the last one for a loose one.
CHUNKS: Final = (
    *(b"2;\nxx\r\n%x\r\n%b\r\n", b"2;a=\nxx\r\n%x\r\n%b\r\n", b"2;a=\rxx\r\n%x\r\n%b\r\n", b"2\nxx\r\n%x\r\n%b\r\n"),
    *(
        b"2\r\nxx\n%x\r\n%b\r\n",
        b"2\r\nxxyy%x\r\n%b\r\n",
        b"2\r\nxx\r\r\n%x\r\n%b\r\n",
        b'2;a="\r\n"\r\nxx\r\n%x\r\n%b\r\n',
    ),
    *(
        b"0x2\r\nxx\r\n%x\r\n%b\r\n",
        b"2 \r\nxx\r\n%x\r\n%b\r\n",
        b" 2\r\nxx\r\n%x\r\n%b\r\n",
        b"+2\r\nxx\r\n%x\r\n%b\r\n",
    ),
    *(b"2_0\r\nxx\r\n%x\r\n%b\r\n", b"10000000000000002\r\nxx\r\n%x\r\n%b\r\n", b"2\x00\r\nxx\r\n%x\r\n%b\r\n"),
    *(
        b"%x;a\r\n%b\r\n",
        b"000000%x\r\n%b\r\n",
        b"%x\r\n%b\r\n",
        b"2;\r\nxx\r\n%x\r\n%b\r\n",
        b"2;\xff\r\nxx\r\n%x\r\n%b\r\n",
    ),
)
# Behind the last chunk.
TRAILERS: Final = (b"X: y", b"Content-Length: 9", b"Transfer-Encoding: chunked", b"Host: other", b"X: y\nZ", b" folded")
# First lines of a request whose length covers the hidden one.
LINES: Final = (
    *(b"POST %b HTTP/1.0", b"POST %b HTTP/1.1 ", b"POST  %b HTTP/1.1", b"POST\t%b\tHTTP/1.1", b"POST %b HTTP/1.1\x00"),
    *(b"POST http://other%b HTTP/1.1", b"POST //other%b HTTP/1.1", b"POST %b\x00 HTTP/1.1", b"POST %b#x HTTP/1.1"),
    *(b"GET %b HTTP/1.1", b"HEAD %b HTTP/1.1", b"OPTIONS %b HTTP/1.1", b"TRACE %b HTTP/1.1", b"post %b HTTP/1.1"),
    *(
        b"POST %b HTTP/1.2",
        b"POST %b HTTP/2.0",
        b"POST %b HTTP/01.1",
        b"POST %b",
        b"POST %b http/1.1",
        b"\r\n\nPOST %b HTTP/1.1",
    ),
)


def cases() -> list[bytes]:
    """Each with its number in its path and in the path that it hides."""
    made: list[bytes] = []
    for kind in (_codings, _lengths, _chunks, _trailers, _lines, _ended):
        made += kind(len(made))
    return made


def _hidden(number: int) -> bytes:
    return f"GET {HIDDEN}{number} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


def _head(number: int, *headers: bytes, line: bytes = b"POST %b HTTP/1.1") -> bytes:
    named = line.replace(b"%b", b"/case-%d" % number)
    return b"\r\n".join([named, b"Host: a", *headers]) + b"\r\n\r\n"


def _codings(first: int) -> list[bytes]:
    made: list[bytes] = []
    for coding in CODINGS:
        for before in (True, False):
            number = first + len(made)
            body = END + _hidden(number)
            length = b"Content-Length: %d" % len(body)
            made.append(_head(number, *((coding, length) if before else (length, coding))) + body)
    for coding in CODINGS:  # the reverse: who believes the length sees the hidden request behind the first line
        number = first + len(made)
        inside = _hidden(number)
        chunk = b"%x\r\n%b\r\n" % (len(inside), inside)
        made.append(_head(number, b"Content-Length: 4", coding) + chunk + END)
    return made


def _lengths(first: int) -> list[bytes]:
    made: list[bytes] = []
    for other in LENGTHS:
        for before in (True, False):
            number = first + len(made)
            length = b"Content-Length: %d" % len(_hidden(number))
            made.append(_head(number, *((other, length) if before else (length, other))) + _hidden(number))
    return made


def _chunks(first: int) -> list[bytes]:
    made: list[bytes] = []
    for chunk in CHUNKS:
        number = first + len(made)
        inside = END + _hidden(number)
        body = chunk.replace(b"%x", b"%x" % len(inside)).replace(b"%b", inside)
        made.append(_head(number, b"Transfer-Encoding: chunked") + body + END)
    return made


def _trailers(first: int) -> list[bytes]:
    """Nothing is hidden here but where the request ends."""
    return [
        _head(first + at, b"Transfer-Encoding: chunked") + b"1\r\nx\r\n0\r\n" + trailer + b"\r\n\r\n"
        for at, trailer in enumerate(TRAILERS)
    ]


def _lines(first: int) -> list[bytes]:
    made: list[bytes] = []
    for line in LINES:
        number = first + len(made)
        hidden = _hidden(number)
        made.append(_head(number, b"Content-Length: %d" % len(hidden), line=line) + hidden)
    return made


def _ended(first: int) -> list[bytes]:
    """Requests that end their connection: what follows is nobody's."""
    lines = (b"GET %b HTTP/1.1\r\nConnection: close", b"GET %b HTTP/1.0")
    return [_head(first + at, line=line) + _hidden(first + at) for at, line in enumerate(lines)]
