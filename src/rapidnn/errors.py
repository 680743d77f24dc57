"""The errors rapidnn raises for its user: each message is one line that names the thing and says what to do."""

from __future__ import annotations


class RapidnnError(Exception):
    """A mistake the user can mend. The command line prints its message and exits with code 2."""


class ModelError(RapidnnError):
    """A network cannot be imported: unreadable, unsupported, or not equal to its original."""


class DataError(RapidnnError):
    """A data set or an input array is missing, of the wrong shape or type, or holds unusable values."""


class ComposeError(RapidnnError):
    """A network cannot be turned into tables with the given settings."""


class ArtifactError(RapidnnError):
    """A composed network's file is missing, damaged, foreign, or of an unknown format version."""


class HardwareError(RapidnnError):
    """A hardware description is unknown, malformed, or cannot run what is asked of it."""
