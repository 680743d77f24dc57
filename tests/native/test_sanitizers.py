"""The kernels under AddressSanitizer and UndefinedBehaviorSanitizer, their threads under ThreadSanitizer.

Each is a build of its own, and native tests on it.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.native import sanitized

ROOT = Path(__file__).parents[2]
FLAGS = "-O1 -g1 -fno-omit-frame-pointer -fno-sanitize-recover=all"


@dataclass(frozen=True)
class Build:
    """A way to sanitize and the tests it runs.

    ``libraries`` are loaded before Python: the sanitizers' own, and the one whose exceptions they watch.
    """

    sanitizers: str
    mark: str
    libraries: tuple[str, ...]
    options: dict[str, str]
    tests: tuple[str, ...]


BUILDS = {
    "memory": Build(
        "address,undefined",
        "__asan_init",
        ("libasan.so", "libubsan.so", "libstdc++.so"),
        # Python keeps what it allocates until the process ends.
        {"ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1"},
        (
            "tests/composer/test_kmeans_native.py",
            "tests/execute/test_engines.py",
            "tests/execute/test_native.py",
            "tests/execute/test_together.py",
            "tests/execute/test_with_products.py",
        ),
    ),
    "threads": Build(
        "thread",
        "__tsan_init",
        ("libtsan.so", "libstdc++.so"),
        {"TSAN_OPTIONS": "halt_on_error=1 exitcode=66", "OMP_NUM_THREADS": "1"},
        ("tests/composer/test_kmeans_native.py", "tests/execute/test_together.py"),
    ),
}


def tool(*names):
    """The first of the programs there is, in the environment of this Python or on the path."""
    where = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    for name in names:
        found = shutil.which(name, path=where)
        if found is not None:
            return found
    return pytest.skip(f"no {' or '.join(names)} on this machine")


def libraries(compiler, names):
    """Paths of the libraries to load first."""
    found = []
    for library in names:
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


def package(compiler, build, folder):
    """A folder with the package and a sanitized native module; building anew takes a minute of processor time."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the sanitizers are loaded as Linux does it")
    cmake, built = tool("cmake"), ROOT / "build" / f"sanitized-{build.sanitizers.replace(',', '-')}"
    run(
        cmake,
        *("-S", str(ROOT), "-B", str(built), "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={tool('ninja')}"),
        *(f"-DCMAKE_CXX_FLAGS={FLAGS} -fsanitize={build.sanitizers}", "-DCMAKE_BUILD_TYPE=Debug"),
        f"-DPython_EXECUTABLE={sys.executable}",
        env=dict(os.environ, CXX=compiler),
        timeout_s=120,
    )
    run(cmake, "--build", str(built), "--parallel", "2", timeout_s=900)
    shutil.copytree(
        ROOT / "src" / "rapidnn", folder / "rapidnn", ignore=shutil.ignore_patterns("*.so", "__pycache__")
    )
    (module,) = built.glob("_native.*.so")
    shutil.copy(module, folder / "rapidnn")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("kind", BUILDS)
def test_native_tests_without_a_finding(kind, compiler, tmp_path):
    build = BUILDS[kind]
    env = dict(os.environ, LD_PRELOAD=" ".join(libraries(compiler, build.libraries)), **build.options)
    folder = package(compiler, build, tmp_path)
    arguments = ("-q", "-x", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", *build.tests)
    # The thread sanitizer knows no addresses as random as some systems make them.
    fixed = (tool("setarch"), "-R") if kind == "threads" else ()
    run(
        *fixed,
        sys.executable,
        sanitized.__file__,
        build.mark,
        str(folder),
        *arguments,
        env=env,
        timeout_s=1800,
    )
