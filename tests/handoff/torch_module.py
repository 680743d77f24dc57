"""The torch export as its user loads it: from its folder, without rapidnn."""

import importlib.util
import sys

import numpy as np
import torch


def load(export):
    """The exported network, by its file's own ``load()``."""
    name = next(name for name in export.files if name.endswith(".py"))
    spec = importlib.util.spec_from_file_location(f"exported_{name[:-3]}", f"{export.folder}/{name}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.load()


def check_equal(model, composed, x):
    """Outputs, accumulators and every edge are the artifact's, in evaluation and in training mode."""
    edges = {}
    want = composed.run(x, backend="numpy", observe=edges.setdefault)
    for training in (False, True):
        model.train(training)
        with torch.no_grad():
            found = model.edges(torch.from_numpy(x))
            assert list(found) == list(edges)
            for name, values in edges.items():
                assert np.array_equal(found[name].numpy(), values), name
            accumulators = model.accumulators(torch.from_numpy(x)).numpy()
            outputs = model(torch.from_numpy(x)).numpy()
        assert accumulators.dtype == want.dtype
        assert np.array_equal(accumulators, want)
        assert outputs.dtype == np.float32
        assert np.array_equal(outputs, (want * composed.output_scales()).astype(np.float32))
    model.eval()
