"""An independent loader: executes a memory image from its manifest and hex files alone."""

import itertools
import json
from pathlib import Path

import numpy as np


class Image:
    """``run(x)`` gives the output edge's integers after the operators at the end."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.manifest = json.loads((self.folder / "manifest.json").read_text())
        self.files = {}
        self.codebooks = {book["name"]: book for book in self.manifest["codebooks"]}
        self.tables = {block: {} for block, _ in self.manifest["load_order"]}
        known = {block["block"]: block for block in self.manifest["blocks"]}
        for block, names in self.manifest["load_order"]:
            assert set(names) == set(known[block]["tables"])
            for name in names:
                self.tables[block][name] = self.table(known[block]["tables"][name])

    def table(self, ref):
        if ref["file"] not in self.files:
            self.files[ref["file"]] = [
                int(line, 16) for line in (self.folder / ref["file"]).read_text().split()
            ]
        words = np.array(self.files[ref["file"]][ref["first"] : ref["first"] + ref["words"]], np.int64)
        if ref["signed"]:
            words = words - ((words >> (ref["bits"] - 1)) << ref["bits"])
        return words.reshape(ref["shape"])

    def blocks(self, step):
        return [block for block in self.manifest["blocks"] if block["layer"] == step["layer"]]

    def run(self, x):
        edges = {}
        self.step = {step["name"]: step for step in self.manifest["steps"]}
        for step in self.manifest["steps"]:
            given = [edges[name] for name in step["sources"]]
            edges[step["name"]] = getattr(self, step["kind"].lower())(step, given, x)
            assert edges[step["name"]].shape[1:] == tuple(step["shape"])
        output = self.manifest["output"]
        result = edges[output["edge"]]
        if "codebook" in self.step[output["edge"]]:
            result = np.array(self.codebooks[self.step[output["edge"]]["codebook"]]["values"])[result]
        for op in output["tail"]:
            result = move(op, result)
        return result

    def only(self, step):
        (block,) = self.blocks(step)
        return self.tables[block["block"]]

    def encodeinput(self, step, given, x):
        thresholds = self.only(step)["thresholds"].astype(np.uint32).view(np.float32)
        return (x[..., np.newaxis] > thresholds).sum(axis=-1)

    def weightedsum(self, step, given, x):
        source, *others = given
        acc = np.zeros((len(source), *step["shape"]), np.int64)
        axis = acc.ndim - 1 if step["window"] is None else 1
        channels, ins = step["codes_shape"][:2]
        outs = channels // step["groups"]
        for block in self.blocks(step):
            tables = self.tables[block["block"]]
            for c in range(block["channels"]):
                channel = block["first_channel"] + c
                group = channel // outs
                mine = (
                    source
                    if axis != 1 or step["window"] is None
                    else source[:, group * ins : (group + 1) * ins]
                )
                products = tables["products"][c if len(tables["products"]) > 1 else 0]
                total = self.neuron(step, mine, products, tables["weights"][c]) + tables["bias"][c]
                place = (slice(None),) * axis + (channel,)
                for i, other in enumerate(others):
                    rows = tables[f"residual{i}"]
                    total = total + rows[c if len(rows) > 1 else 0][other[place]]
                acc[place] = total
        return acc

    def neuron(self, step, source, products, weights):
        if step["window"] is None:
            return products[weights, source].sum(axis=-1)
        total = 0
        weights = weights.reshape(step["codes_shape"][1:])
        for index, values, inside in taps(step["window"], source, step["shape"][1:]):
            for i in range(source.shape[1]):
                total = total + np.where(inside, products[weights[(i, *index)]][values[:, i]], 0)
        return total

    def pooledsum(self, step, given, x):
        row = self.only(step)["products"]
        found = taps(step["window"], given[0], step["shape"][1:])
        return sum(np.where(inside, row[values], 0) for _, values, inside in found)

    def codesum(self, step, given, x):
        tables = self.only(step)
        total = sum(tables[f"residual{i}"][0][codes] for i, codes in enumerate(given))
        return total + tables["constants"] if step["has_constants"] else total

    def codeproduct(self, step, given, x):
        return self.only(step)["products"][given[0], given[1]]

    def encode(self, step, given, x):
        result = self.sets(step, self.activated(step, given[0]), "encoding", nearest)
        return result >> step["drop"]

    def activate(self, step, given, x):
        return self.activated(step, given[0])

    def activated(self, step, acc):
        kind = step["activation"]
        if kind == "identity":
            return acc
        if kind in ("relu", "relu6"):
            acc = np.maximum(acc, 0)
            return self.sets(step, acc, "cap", lambda cap, v: np.minimum(v, cap)) if kind == "relu6" else acc
        values = self.tables[self.blocks(step)[0]["block"]][f"{step['name']}/values"]
        return values[self.sets(step, acc, "activation", nearest)]

    def sets(self, step, acc, name, apply):
        """Apply each table set where it holds."""
        summing = self.step[step["layer"]]
        result = np.zeros_like(acc)
        for block in self.blocks(step):
            table = self.tables[block["block"]][f"{step['name']}/{name}"]
            for t, rows in enumerate(table):
                place = self.where(summing, block, t, len(table), acc.ndim)
                result[place] = apply(rows, acc[place])
        return result

    def where(self, summing, block, t, count, rank):
        every = (slice(None),)
        if summing["kind"] == "PooledSum" and count > 1:
            return (slice(None), slice(None), *np.nonzero(np.array(summing["table_set"]) == t))
        if summing["kind"] != "WeightedSum":
            return every
        axis = rank - 1 if summing["window"] is None else 1
        first = block["first_channel"] + (t if count > 1 else 0)
        return every * axis + (slice(first, first + (1 if count > 1 else block["channels"])),)

    def carry(self, step, given, x):
        op, (codes,) = step["operator"], given
        pad = self.codebooks[step["codebook"]]["pad_code"]
        if op["operator"] == "MaxPool":
            window = {key: op[key] for key in ("kernel", "stride", "padding", "dilation")}
            found = taps(window, codes, step["shape"][1:])
            return np.max([np.where(inside, values, 0) for _, values, inside in found], axis=0)
        if op["operator"] == "Pad":
            return np.pad(codes, [(0, 0), *op["pads"]], constant_values=pad)
        if op["operator"] == "ZeroStuff":
            result = np.full((len(codes), *step["shape"]), pad)
            result[(slice(None), slice(None), *(slice(None, None, s) for s in op["stride"]))] = codes
            return result
        return move(op, codes)

    def join(self, step, given, x):
        if step["recoded"]:
            tables = self.only(step)
            given = [tables[f"recode{i}"][codes] for i, codes in enumerate(given)]
        return np.concatenate(given, axis=step["axis"] + 1)


def move(op, x):
    match op["operator"]:
        case "Reshape":
            return x.reshape(len(x), *op["shape"])
        case "Transpose":
            return x.transpose(0, *(axis + 1 for axis in op["perm"]))
        case "Slice":
            bounds = zip(op["starts"], op["stops"], op["steps"], strict=True)
            return x[(slice(None), *(slice(*bound) for bound in bounds))]
        case "Take":
            return np.take(x, op["indices"], axis=op["axis"] + 1)


def taps(window, x, out):
    """Index in the kernel, the codes at all places, and where those are no padding."""
    at = [np.arange(n) * s - b for n, s, (b, _) in zip(out, window["stride"], window["padding"], strict=True)]
    for index in itertools.product(*map(range, window["kernel"])):
        where = [a + i * d for a, i, d in zip(at, index, window["dilation"], strict=True)]
        inside = np.array(True)
        for axis, (places, n) in enumerate(zip(where, x.shape[2:], strict=True)):
            good = ((places >= 0) & (places < n)).reshape([-1 if i == axis else 1 for i in range(len(out))])
            inside = inside & good
        clipped = [np.clip(places, 0, n - 1) for places, n in zip(where, x.shape[2:], strict=True)]
        yield index, x[(slice(None), slice(None), *np.ix_(*clipped))] if clipped else x, inside


def nearest(rows, keys):
    """The first row at the least distance; rows ascend."""
    distinct, first = np.unique(rows, return_index=True)
    middles = (distinct[:-1] + distinct[1:]) >> 1
    return first[np.searchsorted(middles, keys, side="left")]
