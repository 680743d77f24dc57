"""Run tests on another build of the native module: ``python sanitized.py SYMBOL PACKAGE_FOLDER [pytest arguments]``.

The editable install's finders would import the usual build whatever ``sys.path`` says, so they are taken out first.
"""

import sys
from pathlib import Path

EDITABLE = ("ScikitBuild", "_rapidnn_editable")


def main(symbol, folder, *arguments):
    """Exit with pytest's code; AssertionError if the build is not the folder's, or without the sanitizer's symbol."""
    sys.meta_path[:] = [
        f for f in sys.meta_path if not any(n in f"{type(f).__module__}.{type(f).__name__}" for n in EDITABLE)
    ]
    sys.path.insert(0, folder)
    from rapidnn import _native

    module = Path(_native.__file__)
    assert module.parent.parent == Path(folder), module
    assert symbol.encode() in module.read_bytes(), f"{module} is not sanitized"
    import pytest

    sys.exit(pytest.main(list(arguments)))


if __name__ == "__main__":
    main(*sys.argv[1:])
