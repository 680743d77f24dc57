"""The kernels under AddressSanitizer and UndefinedBehaviorSanitizer: a build of its own, and the native tests on it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.native import sanitized

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "sanitized"
FLAGS = "-O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all"
TESTS = (
    "tests/composer/test_kmeans_native.py",
    "tests/execute/test_engines.py",
    "tests/execute/test_native.py",
    "tests/execute/test_with_products.py",
)
LIBRARIES = ("libasan.so", "libubsan.so", "libstdc++.so")
"""Loaded before Python: the sanitizers' own, and the library whose exceptions they watch."""


def tool(*names):
    """The first of the programs there is, in the environment of this Python or on the path."""
    where = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    for name in names:
        found = shutil.which(name, path=where)
        if found is not None:
            return found
    return pytest.skip(f"no {' or '.join(names)} on this machine")


def libraries(compiler):
    """Paths of the libraries to load first."""
    found = []
    for library in LIBRARIES:
        command = [compiler, f"-print-file-name={library}"]
        path = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        if not Path(path).is_absolute():
            pytest.skip(f"{compiler} has no {library}")
        found.append(str(Path(path).resolve()))
    return found


def run(*command, env=None, timeout_s):
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
    return done.stdout


@pytest.fixture(scope="module")
def compiler():
    return tool("g++")


@pytest.fixture(scope="module")
def package(compiler, tmp_path_factory):
    """A folder with the package and a sanitized native module; building anew takes a minute of processor time."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the sanitizers are loaded as Linux does it")
    cmake = tool("cmake")
    run(
        cmake,
        *("-S", str(ROOT), "-B", str(BUILD), "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={tool('ninja')}"),
        *(f"-DCMAKE_CXX_FLAGS={FLAGS}", "-DCMAKE_BUILD_TYPE=Debug"),
        f"-DPython_EXECUTABLE={sys.executable}",
        env=dict(os.environ, CXX=compiler),
        timeout_s=120,
    )
    run(cmake, "--build", str(BUILD), "--parallel", "2", timeout_s=900)
    folder = tmp_path_factory.mktemp("sanitized")
    shutil.copytree(
        ROOT / "src" / "rapidnn", folder / "rapidnn", ignore=shutil.ignore_patterns("*.so", "__pycache__")
    )
    (module,) = BUILD.glob("_native.*.so")
    shutil.copy(module, folder / "rapidnn")
    return folder


@pytest.mark.slow
def test_native_tests_without_a_finding(compiler, package):
    env = dict(
        os.environ,
        LD_PRELOAD=" ".join(libraries(compiler)),
        # Python keeps what it allocates until the process ends.
        ASAN_OPTIONS="detect_leaks=0",
        UBSAN_OPTIONS="print_stacktrace=1",
    )
    arguments = ("-q", "-x", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", *TESTS)
    run(sys.executable, sanitized.__file__, str(package), *arguments, env=env, timeout_s=1800)
