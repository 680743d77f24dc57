"""The study's file: Optuna's journal, one JSON record a line, written a whole generation at a time by one process.

The form is that of Optuna's own ``JournalFileBackend``, so its tools read the file. What differs is the writing:
records are kept back until `Journal.flush`, so a generation is on disk whole or not at all, however the process ends;
and a damaged line is told by its number.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend

from rapidnn.errors import DataError

LOCK = ".lock"


class Journal(BaseJournalBackend):
    """The records of a journal file.

    With ``readonly`` nothing is changed on disk, and a last line that another process is just writing is left out.

    Raises
    ------
    DataError
        If the file cannot be read or written, or a line is damaged. A last line without an end is what a crash or a
        full disk left of a write that never succeeded: it is cut off.
    """

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self.path = path
        self._pending: list[str] = []
        try:
            content = path.read_bytes() if path.exists() else b""
            whole = content[: content.rfind(b"\n") + 1]
            self._logs = [_record(path, number, line) for number, line in enumerate(whole.splitlines(), 1)]
            if not readonly:
                with path.open("ab") as file:
                    file.truncate(len(whole))
        except OSError as error:
            raise DataError(f"{path}: cannot be used ({error.strerror or error})") from None
        self._size = len(whole)

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """Records from a number on, those not yet on disk included."""
        return self._logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Take records; they reach the disk with :meth:`flush`."""
        self._pending += [json.dumps(log, separators=(",", ":")) + "\n" for log in logs]
        self._logs += logs

    def flush(self) -> None:
        """Write what was appended, and wait until the disk has it.

        Raises
        ------
        DataError
            If it cannot be written whole, for example because the disk is full; the file then is as before.
        """
        if not self._pending:
            return
        data = "".join(self._pending).encode()
        try:
            with self.path.open("ab") as file:
                try:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    os.ftruncate(file.fileno(), self._size)
                    raise
        except OSError as error:
            raise DataError(
                f"{self.path}: cannot be written ({error.strerror or error}); the trials before are kept, and the "
                "same command goes on"
            ) from None
        self._size += len(data)
        self._pending.clear()


def _record(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict) or "op_code" not in found:
        raise DataError(
            f"{path}, line {number}: not a journal's record, so the file is damaged; take the line out, or use another "
            "folder"
        )
    return found


class FolderLock:
    """Holds a study's folder for this process, so that two searches do not fail each other's running trials.

    The system lets go of it when the process ends, however it ends.

    Raises
    ------
    DataError
        If another process holds it, or the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = (folder / LOCK).open("a")
        except OSError as error:
            raise DataError(f"{folder}: cannot be written ({error.strerror or error})") from None
        try:
            # Record locks do not pass to forked workers, which may outlive this process by a moment.
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise DataError(
                f"{folder}: another process is searching there; wait, or give another folder"
            ) from None

    def release(self) -> None:
        """Let go."""
        self._file.close()
