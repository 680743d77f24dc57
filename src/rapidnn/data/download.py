"""Fetching one file: resumed where it was cut, checked by its digest, and complete or not there at all."""

from __future__ import annotations

import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from rapidnn.errors import DataError

Progress = Callable[[str, int, int | None], None]
"""Called with (file name, bytes there so far, total bytes or None)."""

LIMIT_BYTES = 1 << 29
"""No file of a known data set is near 512 MiB; a longer answer is not the file."""

_CHUNK_BYTES = 1 << 18
_TIMEOUT_S = 30.0
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP status codes after which asking again can help."""


class _RetryableError(Exception):
    """This attempt failed in a way that another may not."""


class _FinalError(Exception):
    """This address will not give the file."""


def fetch(
    urls: Sequence[str],
    target: Path,
    *,
    sha256: str,
    progress: Progress | None = None,
    attempts: int = 4,
    wait_s: float = 0.5,
    timeout_s: float = _TIMEOUT_S,
    advice: str = "",
) -> Path:
    """The file of these addresses, tried in order, in ``target``.

    A file already there with the right digest is kept. What has arrived stays in ``target`` + ``.part``, and
    the next attempt, or the next run, asks for the rest only. ``target`` appears by an atomic rename after
    its digest has been checked; a part with a wrong digest is deleted.

    Parameters
    ----------
    urls, sha256
        http or https addresses of one file, and its digest in hexadecimal.
    attempts, wait_s
        Per address, and the wait before the second attempt, doubled each time.
    advice
        What the user can do when no address answers, appended to the error.

    Raises
    ------
    DataError
        If no address gives the file, or its digest is wrong.
    """
    if target.is_file() and digest_of(target) == sha256:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    reasons = []
    for url in urls:
        try:
            _fetch_one(
                url,
                target,
                sha256=sha256,
                progress=progress,
                attempts=attempts,
                wait_s=wait_s,
                timeout_s=timeout_s,
            )
            return target
        except _FinalError as reason:
            reasons.append(f"{url}: {reason}")
    raise DataError(f"cannot fetch {target.name} ({'; '.join(reasons)}){'; ' + advice if advice else ''}")


def digest_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _fetch_one(
    url: str,
    target: Path,
    *,
    sha256: str,
    progress: Progress | None,
    attempts: int,
    wait_s: float,
    timeout_s: float,
) -> None:
    if not url.startswith(("http://", "https://")):
        raise _FinalError("not an http or https address")
    part = target.with_name(target.name + ".part")
    reason = "no attempt was made"
    for attempt in range(attempts):
        if attempt:
            time.sleep(wait_s * 2 ** (attempt - 1))
        resumed = part.is_file() and part.stat().st_size > 0
        try:
            _receive(url, part, target.name, progress, timeout_s)
        except _RetryableError as error:
            reason = str(error)
            continue
        found = digest_of(part)
        if found == sha256:
            part.replace(target)
            return
        part.unlink()
        if not resumed:
            raise _FinalError(f"its SHA-256 is {found}, expected {sha256}: not the published file")
        # The damage may be in what an earlier run left behind, so the file is asked for once more from its
        # start.
        reason = f"the resumed file's SHA-256 is {found}, expected {sha256}"
    raise _FinalError(reason)


def _receive(url: str, part: Path, name: str, progress: Progress | None, timeout_s: float) -> None:
    """Append what is missing to ``part``, or write it from its start if the server cannot resume."""
    offset = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "rapidnn", "Accept-Encoding": "identity"})
    if offset:
        request.add_header("Range", f"bytes={offset}-")
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            if answer.status != 206 or not answer.headers.get("Content-Range", "").startswith(
                f"bytes {offset}-"
            ):
                offset = 0
            _store(answer, part, offset, name, progress)
    except urllib.error.HTTPError as error:
        if (
            error.code == 416
        ):  # nothing is left to send, or the part is longer than the file: the digest decides
            if error.headers.get("Content-Range", "") != f"bytes */{offset}":
                part.unlink(missing_ok=True)
                raise _RetryableError("the part on disk did not fit the file") from None
            return
        kind = _RetryableError if error.code in _PASSING else _FinalError
        raise kind(f"HTTP {error.code} {error.reason}") from None
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise _RetryableError(str(reason) or type(reason).__name__) from None


def _store(
    answer: http.client.HTTPResponse, part: Path, offset: int, name: str, progress: Progress | None
) -> None:
    length = answer.headers.get("Content-Length")
    total = offset + int(length) if length is not None and length.isdigit() else None
    if (total or 0) > LIMIT_BYTES:
        raise _FinalError(f"{total} bytes are offered, more than any known data set has")
    done = offset
    with part.open("r+b" if offset else "wb") as stream:
        stream.seek(offset)
        while chunk := answer.read(_CHUNK_BYTES):
            done += len(chunk)
            if done > LIMIT_BYTES:
                raise _FinalError(f"more than {LIMIT_BYTES} bytes came, more than any known data set has")
            stream.write(chunk)
            if progress is not None:
                progress(name, done, total)
        stream.flush()
        os.fsync(stream.fileno())
    if total is not None and done < total:
        raise _RetryableError(f"the connection was cut after {done} of {total} bytes")
