"""Artifacts come back equal, the same network gives the same bytes, and damage is never answered wrongly."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import rapidnn
from rapidnn.composer.compose import compose_graph
from rapidnn.composer.settings import Settings
from rapidnn.errors import ArtifactError
from rapidnn.graph import Graph, Node, ops
from rapidnn.tables.artifact import DIGEST_TENSOR, METADATA_KEY, Artifact, save_artifact
from rapidnn.tables.program import Encode, EncodeInput, WeightedSum
from tests.strategies import compositions, quiet


def small_network():
    rng = np.random.default_rng(0)

    def normal(*shape):
        return rng.normal(size=shape).astype(np.float32)

    window = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
    nodes = (
        Node("x", ops.Input((2, 4, 4)), ()),
        Node("conv", ops.Conv(normal(3, 2, 3, 3), normal(3), **window), ("x",)),
        Node("relu", ops.Activation("relu"), ("conv",)),
        Node("flat", ops.Reshape((48,)), ("relu",)),
        Node("fc", ops.Linear(normal(4, 48), normal(4)), ("flat",)),
        Node("sigmoid", ops.Activation("sigmoid"), ("fc",)),
        Node("out", ops.Linear(normal(2, 4), normal(2)), ("sigmoid",)),
    )
    x = rng.normal(size=(20, 2, 4, 4)).astype(np.float32)
    return compose_graph(Graph(nodes, "out"), x, Settings(8, 8), None, {}, threads=1, progress=quiet), x


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=compositions())
def test_round_trip(made, tmp_path_factory):
    _, composed, x = made
    path = tmp_path_factory.mktemp("artifact") / "net.rapidnn"
    composed.save(path)
    again = rapidnn.load(path)
    assert (again.run(x) == composed.run(x)).all()
    assert again(x).tobytes() == composed(x).tobytes()
    before = path.read_bytes()
    again.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["net.rapidnn"]


def test_composing_twice_gives_the_same_bytes_for_any_number_of_threads(tmp_path):
    graph_input = small_network()[1]
    rng = np.random.default_rng(1)
    weight = rng.normal(size=(5, 32)).astype(np.float32)
    nodes = (
        Node("x", ops.Input((2, 4, 4)), ()),
        Node("flat", ops.Reshape((32,)), ("x",)),
        Node("fc", ops.Linear(weight, weight[:, 0]), ("flat",)),
        Node("tanh", ops.Activation("tanh"), ("fc",)),
        Node("out", ops.Linear(weight[:3, :5], weight[:3, 0]), ("tanh",)),
    )
    many = np.concatenate([graph_input] * 50)
    contents = []
    for threads in (1, 2, 3):
        path = tmp_path / f"{threads}.rapidnn"
        graph = Graph(nodes, "out")
        compose_graph(graph, many, Settings(), None, {}, threads=threads, progress=quiet).save(path)
        contents.append(path.read_bytes())
    assert contents[0] == contents[1] == contents[2]


@pytest.fixture
def saved(tmp_path):
    composed, x = small_network()
    path = tmp_path / "net.rapidnn"
    composed.save(path)
    return path, composed, x


def test_every_truncation_is_refused(saved):
    path, _, _ = saved
    whole = path.read_bytes()
    for length in [*range(0, 64), *range(64, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(ArtifactError, match=r"net\.rapidnn: ") as caught:
            rapidnn.load(path)
        assert "\n" not in str(caught.value)


def test_every_flipped_byte_is_refused_or_harmless(saved):
    path, composed, x = saved
    whole = path.read_bytes()
    expected = composed(x).tobytes()
    rng = np.random.default_rng(0)
    refused = 0
    positions = rng.choice(len(whole), 400, replace=False)
    for position in positions:
        damaged = bytearray(whole)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            assert rapidnn.load(path)(x).tobytes() == expected
        except ArtifactError:
            refused += 1
    assert refused > 0.9 * len(positions)


def test_foreign_files_are_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file({"w": np.zeros(3, np.float32)}, path)
    with pytest.raises(ArtifactError, match="not a rapidnn artifact; compose one first"):
        rapidnn.load(path)
    (tmp_path / "text").write_text("hello, this is not a network at all")
    with pytest.raises(ArtifactError, match="not a rapidnn artifact"):
        rapidnn.load(tmp_path / "text")
    with pytest.raises(ArtifactError, match="no such file"):
        rapidnn.load(tmp_path / "absent.rapidnn")
    with pytest.raises(ArtifactError, match="a folder"):
        rapidnn.load(tmp_path)


def test_another_format_version_is_named(saved):
    path, _, _ = saved
    with safe_open(path, framework="numpy") as file:
        document = json.loads(file.metadata()[METADATA_KEY])
    document["format"] = 99
    text = json.dumps(document)
    digest = np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8)
    save_file(load_file(path) | {DIGEST_TENSOR: digest}, path, metadata={METADATA_KEY: text})
    with pytest.raises(ArtifactError, match="format version 99"):
        rapidnn.load(path)


def change(composed, cls, **fields):
    steps = list(composed.program.steps)
    index = next(i for i, step in enumerate(steps) if isinstance(step, cls))
    values = {k: v(getattr(steps[index], k)) for k, v in fields.items()}
    steps[index] = replace(steps[index], **values)
    return replace(composed.program, steps=tuple(steps))


@pytest.mark.parametrize(
    ("cls", "fields", "message"),
    [
        (WeightedSum, {"weight_codes": lambda a: a + np.uint8(8)}, "outside its codebook"),
        (WeightedSum, {"bound": lambda b: b // 2}, "bound does not hold"),
        (WeightedSum, {"products": lambda a: a[:, :, :-1]}, "products has shape"),
        (WeightedSum, {"products": lambda a: a.astype(np.int32)}, "products must be of type int16"),
        (WeightedSum, {"source": lambda s: "nowhere"}, "not an earlier code edge"),
        (WeightedSum, {"acc_scales": lambda a: -a}, "scale must be positive"),
        (WeightedSum, {"groups": lambda g: 2}, "do not divide into groups"),
        (WeightedSum, {"groups": lambda g: 0}, "do not divide into groups"),
        (WeightedSum, {"window": lambda w: replace(w, stride=(0, 1))}, "stride must be 2 positive"),
        (WeightedSum, {"window": lambda w: replace(w, dilation=(1.5, 1))}, "dilation must be 2 positive"),
        (WeightedSum, {"window": lambda w: replace(w, padding=((1, -1), (1, 1)))}, "padding must be 2 pairs"),
        (EncodeInput, {"shape": lambda s: (3, 4, 4)}, "2 channels are needed"),
        (EncodeInput, {"shape": lambda s: (2, True, 4)}, "positive integers"),
        (Encode, {"codes": lambda a: a[:, ::-1].copy()}, "fused thresholds are not"),
        (Encode, {"encoding": lambda a: a + np.int32(100)}, "fused thresholds are not"),
    ],
)
def test_inconsistent_programs_are_refused(tmp_path, cls, fields, message):
    composed, _ = small_network()
    path = tmp_path / "bad.rapidnn"
    program = change(composed, cls, **fields)
    save_artifact(Artifact(program, composed.preprocess.to_json(), {}), path)
    with pytest.raises(ArtifactError, match=message):
        rapidnn.load(path)


def test_a_failed_save_leaves_the_old_file(saved, monkeypatch):
    path, composed, _ = saved
    before = path.read_bytes()

    def broken(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.numpy.save_file", broken)
    with pytest.raises(ArtifactError, match="No space left on device"):
        composed.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]
