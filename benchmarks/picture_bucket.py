"""A bucket that costs next to nothing: as much of S3 as storing and serving pictures takes, in memory.

python -m benchmarks.picture_bucket PORT. moto, which the tests use, takes 12 MB in parts at some 100 MB/s and would be
what is measured. Only the newest objects are kept, so that a run of any length fits.
"""

import sys
from collections import OrderedDict
from typing import ClassVar, Final
from urllib.parse import parse_qs

import uvloop

from benchmarks.picture_server import Served, serve

KEPT: Final = 64
_META: Final = b'etag: "e"\r\nlast-modified: Fri, 20 Nov 2026 12:00:00 GMT\r\n'
_XML: Final = b'<?xml version="1.0" encoding="UTF-8"?>'


class Bucket(Served):
    """One connection. Objects are lists of their parts."""

    objects: ClassVar["OrderedDict[str, list[bytes]]"] = OrderedDict()
    uploads: ClassVar[dict[str, dict[int, bytes]]] = {}

    def answer(self, method: str, path: str, body_at: int, end: int) -> None:
        """As `Served`."""
        name, _, query = path.partition("?")
        said = {key: values[0] for key, values in parse_qs(query, keep_blank_values=True).items()}
        if method == "PUT":
            self._take(name, said, bytes(self.room[body_at:end]))
            self.send([], headers=_META)
        elif method == "POST":
            self.send([_XML, self._begin(name) if "uploads" in said else self._complete(name, said["uploadId"])])
        elif "list-type" in said:
            self.send([_XML, b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"])
        elif method == "DELETE":
            self.objects.pop(name, None)
            self.send([], status="204 No Content")
        elif (parts := self.objects.get(name)) is None:
            self.send([_XML, b"<Error><Code>NoSuchKey</Code></Error>"], status="404 Not Found")
        else:
            self._give(parts)

    def _take(self, name: str, said: dict[str, str], data: bytes) -> None:
        if "partNumber" in said:
            self.uploads[said["uploadId"]][int(said["partNumber"])] = data
        else:
            self._keep(name, [data])

    def _keep(self, name: str, parts: list[bytes]) -> None:
        self.objects[name] = parts
        if len(self.objects) > KEPT:
            self.objects.popitem(last=False)

    def _begin(self, name: str) -> bytes:
        self.uploads[name] = {}
        result = "<InitiateMultipartUploadResult><UploadId>{}</UploadId></InitiateMultipartUploadResult>"
        return result.format(name).encode()

    def _complete(self, name: str, upload: str) -> bytes:
        parts = self.uploads.pop(upload)
        self._keep(name, [parts[number] for number in sorted(parts)])
        return b'<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>'

    def _give(self, parts: list[bytes]) -> None:
        """The object, or the range of it that is asked for."""
        size = sum(map(len, parts))
        asked = self.header(b"range").decode().removeprefix("bytes=")
        if not asked:
            self.send(parts, headers=_META)
            return
        first, _, last = asked.partition("-")
        start, end = int(first), min(int(last or size), size - 1) + 1
        found: list[memoryview] = []
        at = 0
        for part in parts:
            found.append(memoryview(part)[max(start - at, 0) : max(end - at, 0)])
            at += len(part)
        told = _META + b"content-range: bytes %d-%d/%d\r\n" % (start, end - 1, size)
        self.send([piece for piece in found if piece], status="206 Partial Content", headers=told)


if __name__ == "__main__":
    uvloop.run(serve(Bucket, int(sys.argv[1])))
