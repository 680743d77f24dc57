"""The torch export computes the reference's integers, needs only torch, and trains on."""

import ast
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings

import rapidnn
from rapidnn.data.datasets import load_data
from rapidnn.errors import ModelError
from rapidnn.handoff.torch.names import module_name, python_names
from rapidnn.tables.program import Encode, WeightedSum
from tests.execute.programs import convolution, dense, network
from tests.handoff.networks import digits, hosted, mlp, tabled
from tests.handoff.torch_module import check_equal, load


def exported(composed, tmp_path):
    return load(rapidnn.export(composed, "torch", tmp_path / "out"))


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(tabled())
def test_random_networks(tmp_path_factory, made):
    composed, x = made
    model = exported(composed, tmp_path_factory.mktemp("torch"))
    check_equal(model, composed, x)
    out = model.train()(torch.from_numpy(np.clip(x, -9, 9)).requires_grad_())
    out.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize("make", [digits, mlp])
def test_real_networks(tmp_path, make):
    composed, x = make()
    check_equal(exported(composed, tmp_path), composed, x)


def test_sums_that_float32_cannot_hold(tmp_path):
    weights = np.array([-32767, -32765, 32765, 32767])
    composed = network(dense(4000, 3, bits=31, products=weights[:, np.newaxis] * (np.arange(6) - 3)))
    assert composed.program.steps[-1].bound > 2**24
    x = np.random.default_rng(0).normal(size=(4, 4000)).astype(np.float32) * 3
    check_equal(exported(composed, tmp_path), composed, x)


def test_levels_of_a_tree(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 9)).astype(np.float32)
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(9, 12), torch.nn.Tanh(), torch.nn.Linear(12, 4)).eval()
    composed = rapidnn.compose(model, x, 16, 16, tree=True)
    check_equal(exported(composed.at_level(2), tmp_path), composed.at_level(2), x)


def test_the_file_needs_torch_alone(tmp_path):
    export = rapidnn.export(mlp()[0], "torch", tmp_path / "out")
    (name,) = [name for name in export.files if name.endswith(".py")]
    tree = ast.parse((tmp_path / "out" / name).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    assert {whole.split(".")[0] for whole in imported} - sys.stdlib_module_names == {"torch"}


def test_gradients_reach_what_it_is_made_of(tmp_path):
    composed, x = digits()
    model, x = exported(composed, tmp_path).train(), torch.from_numpy(x).requires_grad_()
    F.cross_entropy(model(x), torch.zeros(len(x), dtype=torch.long)).backward()
    assert x.grad.abs().sum() > 0
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().sum() > 0, name
    held = model.codebooks["input"]
    assert held.values.grad[0, held.zero] == 0
    assert {"codebooks.relu1.values", "conv1.weight", "conv1.codebook.values", "conv1.bias"} <= {
        name for name, _ in model.named_parameters()
    }


def test_cuts_follow_the_codebook_as_it_learns(tmp_path):
    """With other values each accumulator still takes the nearest, to within an accumulator's unit."""
    composed, x = digits()
    model = exported(composed, tmp_path)
    with torch.no_grad():
        for book in model.codebooks.values():
            factor = 1 + 0.2 * torch.rand(book.values.shape, generator=torch.Generator().manual_seed(0))
            book.values.mul_(factor)
    edges = model.edges(torch.from_numpy(x))
    for source, encoded in (("conv1", "relu1"), ("fc1", "relu3")):
        layer, book = getattr(model, source), model.codebooks[encoded]
        values = book.integers()[0] * book.scale
        assert not torch.equal(values, book.initial[0] * book.scale)
        real = (edges[source].double() * layer.unit).clamp(min=0)
        chosen = (values[edges[encoded].long()] - real).abs()
        best = (values - real[..., None]).abs().min(dim=-1).values
        assert (chosen - best).max() <= 2 * layer.unit.max()


def test_it_trains_and_composes_again(tmp_path):
    data = load_data("digits")
    x = torch.from_numpy(data.preprocess.apply(data.x_train[:600]))
    y = torch.from_numpy(data.y_train[:600].astype(np.int64))
    model = exported(digits()[0], tmp_path).train()
    optimiser = torch.optim.Adam(model.parameters(), 2e-3)
    losses = []
    for step in range(24):
        batch = slice(step * 50 % 600, step * 50 % 600 + 50)
        optimiser.zero_grad()
        losses.append(F.cross_entropy(model(x[batch]), y[batch]))
        losses[-1].backward()
        optimiser.step()
    assert sum(losses[-4:]) < 0.5 * sum(losses[:4])
    with torch.no_grad():
        tuned = F.cross_entropy(model.eval()(x), y)
    again = rapidnn.compose(model.plain(), x[:200].numpy(), weights=16, inputs=16, recover="none")
    layers = [step for step in again.program.steps if isinstance(step, WeightedSum)]
    for step, name in zip(layers, ("conv1", "conv2", "fc1", "fc2"), strict=True):
        found = (step.values * step.scales[:, np.newaxis])[0][step.weight_codes]
        assert np.allclose(found, model.plain().get_parameter(f"{name}.weight").detach(), atol=1e-5)
    assert F.cross_entropy(torch.from_numpy(again(x.numpy())), y) < tuned + 0.1
    torch.save(model.state_dict(), tmp_path / "tuned.pt")
    copy = exported(digits()[0], tmp_path)
    copy.load_state_dict(torch.load(tmp_path / "tuned.pt", weights_only=True))
    assert torch.equal(copy(x), model(x))


def test_the_plain_network_has_the_codebooks_values(tmp_path):
    composed, x = mlp()
    plain = exported(composed, tmp_path).plain()
    layers = [step for step in composed.program.steps if isinstance(step, WeightedSum)]
    x = torch.from_numpy(x)
    for step, bend in zip(layers, (torch.sigmoid, F.relu6, lambda v: v), strict=True):
        books = torch.from_numpy(step.values * step.scales[:, np.newaxis])
        weight = torch.gather(books, 1, torch.from_numpy(step.weight_codes).long())
        x = bend(F.linear(x.double(), weight, torch.from_numpy(step.bias * step.acc_scales)))
    assert torch.allclose(plain(torch.from_numpy(mlp()[1])).double(), x, atol=1e-5)


def test_half_precision_contexts_change_nothing(tmp_path):
    composed, x = digits()
    model = exported(composed, tmp_path)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        check_equal(model, composed, x)


def test_mistakes_are_told(tmp_path):
    composed, x = mlp()
    model, x = exported(composed, tmp_path), torch.from_numpy(x)
    with pytest.raises(ValueError, match=r"shape \(100, 22\), expected \(batch, 23\)"):
        model(x[:, 1:])
    with pytest.raises(ValueError, match="holds NaN"):
        model(torch.full((1, 23), torch.nan))
    with pytest.raises(TypeError, match="must stay float64"):
        model.half()(x)
    name = next(path for path in (tmp_path / "out").iterdir() if path.suffix == ".safetensors")
    name.write_bytes(name.read_bytes()[:-4])
    with pytest.raises(ValueError, match="not a safetensors file, or damaged"):
        load(rapidnn_export(tmp_path / "out"))


def rapidnn_export(folder):
    """A folder as the export that made it tells of it."""
    from types import SimpleNamespace

    return SimpleNamespace(folder=folder, files=tuple(path.name for path in folder.iterdir()))


def test_refusals(tmp_path):
    with pytest.raises(ModelError, match=r"step '\w+' \(LayerNorm\) runs on the host"):
        rapidnn.export(hosted(), "torch", tmp_path / "out")
    program = convolution((2, 6), 4, window(), bits=16, products=None)
    step = program.steps[-1]
    values, products = step.values.copy(), step.products.copy()
    values[0, 1], products[0, 1] = values[0, 0], products[0, 0] + 1
    damaged = replace(program, steps=(program.steps[0], replace(step, values=values, products=products)))
    with pytest.raises(ModelError, match="two codes stand for the same weight"):
        rapidnn.export(network(damaged), "torch", tmp_path / "out")
    assert not list(tmp_path.iterdir())


def window():
    from rapidnn.tables.program import Window

    return Window((3,), (1,), ((1, 1),), (1,))


def test_names_of_any_artifact_are_python(tmp_path):
    names = ["forward", "class", 'x"""\n+import os', "a.b", "a/b", "", "1", "codebooks", "ä", "x"]
    found = python_names(names)
    assert len(set(found.values())) == len(names)
    assert all(name.isidentifier() for name in found.values())
    assert (found["a.b"], found["a/b"], found["class"]) == ("a_b", "a_b_2", "class_2")
    assert module_name("json") == "json_network"
    composed, x = mlp()
    program = renamed(
        composed.program, dict(zip((s.name for s in composed.program.steps), names, strict=False))
    )
    odd = rapidnn.execute.composed.ComposedNetwork(program, composed.preprocess, {"network": "torch"})
    assert np.array_equal(odd.run(x), composed.run(x))
    check_equal(exported(odd, tmp_path), odd, x)


def renamed(program, names):
    """The program with other names of steps, and of their codebooks."""
    steps = []
    for step in program.steps:
        changes = {"name": names[step.name]}
        if hasattr(step, "source"):
            changes["source"] = names[step.source]
        if hasattr(step, "group"):
            changes["group"] = names[step.group]
        steps.append(replace(step, **changes))
    groups = tuple(replace(group, name=names[group.name]) for group in program.groups)
    assert any(isinstance(step, Encode) for step in steps)
    return replace(program, groups=groups, steps=tuple(steps), output=names[program.output])
