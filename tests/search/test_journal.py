"""The study's file: whole generations, damage told by its line, a full disk that takes nothing along."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapidnn.errors import DataError
from rapidnn.search.archive import JOURNAL, read_study
from rapidnn.search.journal import FolderLock, Journal
from tests.search.searches import SPACE, points, search


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    path = tmp_path_factory.mktemp("space") / "space.yaml"
    path.write_text(SPACE)
    return path


def test_a_damaged_line_is_told_by_its_number_and_kept(tmp_path, space):
    search(tmp_path, space, trials=20)
    journal = tmp_path / JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:3], b"{ not json\n", *lines[4:]]))
    before = journal.read_bytes()
    with pytest.raises(DataError, match=r"journal.log, line 4: .*damaged"):
        search(tmp_path, space, trials=20)
    with pytest.raises(DataError, match="line 4"):
        read_study(tmp_path)
    assert journal.read_bytes() == before


@pytest.mark.parametrize("line", ["[]", "{}", '{"op_code": 99, "worker_id": "x"}', "\x00\x00"])
def test_a_foreign_line_is_told(tmp_path, space, line):
    (tmp_path / JOURNAL).write_text(f"{line}\n")
    with pytest.raises(DataError, match=JOURNAL):
        search(tmp_path, space, trials=20)


def test_a_line_cut_short_is_dropped_and_the_search_goes_on(tmp_path, space):
    whole = search(tmp_path / "whole", space, trials=40)
    search(tmp_path / "cut", space, trials=20)
    journal = tmp_path / "cut" / JOURNAL
    with journal.open("ab") as file:
        file.write(b'{"op_code":4,"worker')
    assert len(read_study(tmp_path / "cut").exploration.trials) == 20
    found = search(tmp_path / "cut", space, trials=40)
    assert points(found) == points(whole)
    assert all(json.loads(line) for line in journal.read_bytes().splitlines())


FULL = """
import resource, sys
from pathlib import Path
from rapidnn.errors import RapidnnError
from tests.search.searches import network, search
network()
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    search(Path(sys.argv[1]), Path(sys.argv[2]), trials=60)
except RapidnnError as error:
    print(error)
    sys.exit(2)
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="no limit of file sizes here")
def test_a_full_disk_is_told_and_nothing_is_lost(tmp_path, space):
    folder = tmp_path / "study"
    search(folder, space, trials=20)
    size = (folder / JOURNAL).stat().st_size
    command = [sys.executable, "-c", FULL, str(folder), str(space), str(size + 9000)]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    assert child.returncode == 2, child.stderr
    assert "cannot be written (File too large)" in child.stdout
    assert "the same command goes on" in child.stdout
    assert child.stdout.count("\n") == 1
    kept = read_study(folder).exploration
    assert len(kept.trials) >= 20
    found = search(folder, space, trials=60)
    assert len({t.number for t in found.trials}) == len(found.trials) == 60
    assert {t.number for t in kept.trials} <= {t.number for t in found.trials}


def test_two_searches_do_not_share_a_folder(tmp_path):
    hold = "import sys; from pathlib import Path; from rapidnn.search.journal import FolderLock\n"
    hold += "lock = FolderLock(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        with pytest.raises(DataError, match="another process"):
            FolderLock(tmp_path)
        child.kill()
    FolderLock(tmp_path).release()


@given(
    st.lists(st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=9), max_size=2), max_size=3)),
    st.integers(0, 200),
)
def test_what_was_flushed_is_read_again_whatever_is_cut_after_it(tmp_path_factory, batches, cut):
    path = tmp_path_factory.mktemp("journal") / "j"
    journal = Journal(path)
    written = []
    for batch in batches:
        logs = [{"op_code": 0, **log} for log in batch]
        journal.append_logs(logs)
        written += logs
        assert list(journal.read_logs(0)) == written
    journal.flush()
    size = path.stat().st_size
    journal.append_logs([{"op_code": 1, "text": "x" * 200}])
    journal.flush()
    with path.open("r+b") as file:
        file.truncate(size + cut)
    assert list(Journal(path).read_logs(0)) == written
    assert path.stat().st_size == size
