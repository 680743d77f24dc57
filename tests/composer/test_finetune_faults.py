"""Stuck cells in training: words read as a stuck cell makes them, sums as broken tables give them, a run to the end."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import rapidnn
from rapidnn.composer.choices import LayerChoice
from rapidnn.composer.finetune.books import Codebook
from rapidnn.composer.finetune.faults import BrokenLayer, StoredTables, StuckCells
from rapidnn.composer.finetune.layer import WeightedLayer
from rapidnn.composer.weights import WeightCodebooks
from rapidnn.errors import ComposeError
from rapidnn.graph import ops
from rapidnn.tables.products import product_table


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 20), st.booleans(), st.floats(0, 0.9), st.integers(0, 2**16))
def test_words_read_what_stuck_cells_make_of_them(bits, signed, rate, seed):
    rng = np.random.default_rng(seed)
    low, high = (-(1 << (bits - 1)), 1 << (bits - 1)) if signed else (0, 1 << bits)
    words = rng.integers(low, high, (5, 7))
    read = StuckCells(rate, rng).read(words, bits, signed=signed)
    assert read.shape == words.shape
    assert read.min() >= low
    assert read.max() < high
    if rate == 0:
        assert (read == words).all()


def test_the_share_of_stuck_cells():
    words = np.zeros((100, 1000), np.int64)
    read = StuckCells(0.01, np.random.default_rng(0)).read(words, 16, signed=False)
    cells = np.bitwise_count(read).sum()  # of zeros, those stuck at 1 show
    assert cells == pytest.approx(100 * 1000 * 16 * 0.005, rel=0.05)


OPS = {
    "linear": (ops.Linear, {}, (6, 5), (9, 5)),
    "tokens": (ops.Linear, {}, (6, 5), (3, 4, 5)),
    "conv": (
        ops.Conv,
        {"padding": ((1, 1), (0, 1)), "stride": (2, 1), "groups": 1},
        (6, 4, 3, 2),
        (3, 4, 7, 6),
    ),
    "groups": (
        ops.Conv,
        {"padding": ((1, 1), (0, 1)), "stride": (1, 1), "groups": 2},
        (6, 2, 3, 2),
        (3, 4, 7, 6),
    ),
}


def summed(op, x, codes, products, inputs, bias):
    """``bias + sum of products[channel, code, index of the input]``, tap by tap; a padded tap adds nothing."""
    index = np.searchsorted(inputs, x)
    full = np.concatenate([products, np.zeros((*products.shape[:2], 1), np.int64)], axis=2)
    beyond = np.zeros((len(full), 1 << 8, full.shape[2]), np.int64)
    beyond[:, : full.shape[1]] = full
    outs = len(codes)
    if isinstance(op, ops.Linear):
        taps = [beyond[np.arange(outs), codes[:, k]][:, index[..., k]] for k in range(codes.shape[1])]
        return np.moveaxis(np.sum(taps, axis=0), 0, -1) + bias
    padded = np.pad(index, [(0, 0), (0, 0), *op.padding], constant_values=len(inputs))
    depth, high, wide = codes.shape[1:]
    rows = (padded.shape[2] - high) // op.stride[0] + 1
    cols = (padded.shape[3] - wide) // op.stride[1] + 1
    result = np.zeros((len(x), outs, rows, cols), np.int64) + bias.reshape(-1, 1, 1)
    for o, c, i, j in np.ndindex(outs, depth, high, wide):
        channel = o // (outs // op.groups) * depth + c
        part = padded[:, channel, i :: op.stride[0], j :: op.stride[1]][:, :rows, :cols]
        result[:, o] += beyond[o, codes[o, c, i, j]][part]
    return result


@pytest.mark.parametrize("kind", OPS)
@pytest.mark.parametrize("shift", [0, 3])
@pytest.mark.parametrize("per_channel", [False, True])
def test_sums_are_those_of_broken_tables(kind, shift, per_channel, monkeypatch):
    make, how, shape, batch = OPS[kind]
    rng = np.random.default_rng(1)
    values = np.sort(rng.choice(np.arange(-120, 121), (6 if per_channel else 1, 5), replace=False), axis=1)
    inputs = np.sort(rng.choice(np.arange(0, 200), 7, replace=False))
    codes = rng.integers(5, size=shape).astype(np.uint8)
    real = np.take_along_axis(np.broadcast_to(values, (6, 5)), codes.reshape(6, -1).astype(int), 1)
    if make is ops.Conv:
        op = make(
            weight=real.reshape(shape).astype(np.float32),
            bias=np.zeros(6, np.float32),
            dilation=(1, 1),
            **how,
        )
    else:
        op = make(real.reshape(shape).astype(np.float32), np.zeros(6, np.float32))
    books = WeightCodebooks(values.astype(np.int32), np.ones(len(values)), 8, codes)
    layer = WeightedLayer(op, LayerChoice(books, rng.integers(-500, 500, 6) * 2.0**shift), 8, 16, 1.0, 1)
    layer.shift, layer.wide, layer.word_bits = shift, shift > 0, 20
    layer.cells = StuckCells(0.02, np.random.default_rng(2))
    drawn, biases = [], []
    draw, read = BrokenLayer.draw.__func__, StuckCells.read_tensor
    monkeypatch.setattr(
        BrokenLayer, "draw", classmethod(lambda *given: drawn.append(draw(*given)) or drawn[-1])
    )
    monkeypatch.setattr(StuckCells, "read_tensor", lambda *given: biases.append(read(*given)) or biases[-1])
    group = Codebook(inputs[np.newaxis], np.ones(1), 8, held=None, unsigned=True).snap()
    x = torch.from_numpy(rng.choice(group.values[0], batch).astype(np.float32))
    found = layer(x, group, []).value
    (broken,), (bias,) = drawn, biases
    whole = product_table(
        broken.tables.values.astype(np.int32), group.values[0].astype(np.int32), shift, 16
    ).astype(np.int64)
    assert broken.damage.any()
    wanted = summed(op, x.numpy().astype(int), broken.codes.astype(int), broken.damage + whole, group.values[0],
                    bias.detach().numpy().astype(np.int64))  # fmt: skip
    assert found.detach().numpy().astype(np.int64).tolist() == wanted.tolist()
    found.sum().backward()
    assert layer.weight.grad is not None


def test_training_with_stuck_cells_ends_whole(tmp_path):
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(8, 12), torch.nn.ReLU(), torch.nn.Linear(12, 3)).eval()
    x = rng.normal(size=(300, 8)).astype(np.float32)
    labels = model(torch.from_numpy(x)).argmax(1).numpy()

    def made(**how):
        return rapidnn.compose(model, x, 4, 8, finetune=(x, labels), epochs=2, threads=1, **how)

    first, again, without = made(stuck_cells=0.01), made(stuck_cells=0.01), made()
    assert first.info["finetune"]["schedule"]["stuck_cells"] == 0.01
    for composed, name in ((first, "a"), (again, "b"), (without, "c")):
        composed.save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (first.accumulators(x) != without.accumulators(x)).any()
    with pytest.raises(ComposeError, match="stuck_cells belongs to fine-tuning"):
        rapidnn.compose(model, x, 4, 8, stuck_cells=0.01)
    with pytest.raises(ComposeError, match=r"stuck_cells=1.5"):
        made(stuck_cells=1.5)


def test_weights_beyond_the_codebook_are_zero():
    tables = StoredTables.of(np.array([[-3, 5, 5, 9]]), np.array([0, 0, 2]), 0, 16)
    assert tables.values.tolist() == [[-3, 5, 9]]
    assert tables.inputs.tolist() == [0, 2]
    assert tables.weights(np.array([[0, 2, 3]])).tolist() == [[-3, 9, 0]]
    assert tables.codes(np.array([[-3, 9, 5]])).tolist() == [[0, 2, 1]]


def test_epochs_are_judged_on_broken_blocks():
    rng = np.random.default_rng(0)
    model = torch.nn.Sequential(torch.nn.Linear(8, 4, bias=False)).eval()
    model[0].weight.data.copy_(torch.eye(8)[:4])  # as many samples of each class
    x = rng.normal(size=(400, 8)).astype(np.float32)
    labels = model(torch.from_numpy(x)).argmax(1).numpy()

    def begin(stuck_cells):
        made = rapidnn.compose(
            model, x[:100], 16, 16, finetune=(x[100:], labels[100:]), validation=(x[:100], labels[:100]), epochs=1,
            recover="none", stuck_cells=stuck_cells, threads=1,
        )  # fmt: skip
        return made.info["finetune"]["epochs"][0]["validation_accuracy"]

    assert begin(0.0) > begin(0.05) + 0.1
