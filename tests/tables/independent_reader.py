"""A reader and executor of artifacts, written from docs/format.md alone, to hold that page to its word."""

from __future__ import annotations

import hashlib
import itertools
import json

import numpy as np
from safetensors import safe_open

RECORDS = """
Program groups steps output tail host_tail; CodeGroup name values scale bits pad_code
EncodeInput name group shape thresholds; EncodeReal name source group thresholds
WeightedSum name source window groups weight_codes values scales bits products product_bits shift bias acc_scales \
residuals bound; Residual source rows; Window kernel stride padding dilation
PooledSum name source window ceil_mode row divisors divisor_index acc_scales bound
CodeSum name terms offset acc_scales bound; CodeProduct name left right products product_bits shift acc_scales bound
Encode name source group activation encoding thresholds codes drop; ActivationTable kind parameters cap z g g_scale
Activate name source activation; Carry name source op; Join name sources axis group recode; Host name sources op
MaxPool kernel stride padding dilation ceil_mode; Reshape shape; Transpose perm; Slice starts stops steps; Pad pads
Take indices axis; ZeroStuff stride; Softmax axis log; LayerNorm axes scale shift epsilon; MatMul
"""  # section 2
RECORD_LIST = [words.split() for words in RECORDS.strip().replace("\n", ";").split(";")]
FIELDS = {words[0]: set(words[1:]) for words in RECORD_LIST}


def read(path):
    """The document of a file, arrays in place of references (section 1); ValueError where it is damaged."""
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    text = metadata["rapidnn"]
    document = json.loads(text)
    whole = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False) == text
    whole &= hashlib.sha256(text.encode()).digest() == tensors.pop("sha256").tobytes()
    whole &= document["sha256"] == {n: hashlib.sha256(t.tobytes()).hexdigest() for n, t in tensors.items()}
    whole &= (
        set(document) == {"format", "program", "levels", "preprocess", "info", "sha256"}
        and len(metadata) == 1
    )
    if not (whole and document["format"] == 2):
        raise ValueError(f"{path} is damaged or foreign")
    levels = {level: _resolve(program, tensors) for level, program in document["levels"].items()}
    return document | {"program": _resolve(document["program"], tensors), "levels": levels}


def _resolve(value, tensors):
    if isinstance(value, list):
        return [_resolve(v, tensors) for v in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"tensor"}:
        return tensors[value["tensor"]]
    if set(value) == {"tensor", "shift"}:
        return tensors[value["tensor"]] >> value["shift"]
    if set(value) - {"type"} != FIELDS[value["type"]]:
        raise ValueError(f"fields of {value['type']}")
    return {k: _resolve(v, tensors) for k, v in value.items()}


def execute(program, x):
    """(integer result or None, float32 result) of a preprocessed float32 batch (section 3)."""
    run = _Run(program, x)
    for step in program["steps"]:
        run.edges[step["name"]] = getattr(run, step["type"])(step)
    edge = run.edges[program["output"]]
    integers, real = edge.integers(), edge.real()
    for op in program["tail"]:
        integers, real = (None if a is None else _move(op, a) for a in (integers, real))
    return integers, _host(program["host_tail"], [real]) if program["host_tail"] else real


class _Edge:
    """Values, batch first, with what their integers mean: a group of codes, or accumulator scales and unit(place)."""

    def __init__(self, values, group=None, scales=None, unit=0):
        self.values, self.group, self.scales = values, group, scales
        self.unit = 0 if scales is None or len(scales) == 1 else unit

    def integers(self):
        if self.group:
            return self.group["values"][self.values]
        return None if self.scales is None else self.values

    def real(self):
        if self.integers() is None:
            return self.values
        scale = self.group["scale"] if self.group else self.scales[self.unit]
        return (self.integers().astype(np.float64) * scale).astype(np.float32)


class _Run:
    """One method a step, named as the record."""

    def __init__(self, program, x):
        self.groups, self.edges, self.x = {g["name"]: g for g in program["groups"]}, {}, x

    def EncodeInput(self, step):
        real = self.edges[step["source"]].values if "source" in step else self.x
        return _Edge((real[..., None] > step["thresholds"]).sum(-1), self.groups[step["group"]])

    EncodeReal = EncodeInput

    def WeightedSum(self, step):
        codes, window = self.edges[step["source"]].values, step["window"]
        weights, o = step["weight_codes"], len(step["bias"])
        channel = np.arange(o).reshape(o, *[1] * (codes.ndim - 2 if window else 0))
        book = channel if len(step["products"]) == o else 0
        acc = step["bias"].astype(np.int64)[channel]
        if not window:
            for k in range(codes.shape[-1]):
                acc = acc + step["products"][book, weights[:, k], codes[..., k, None]]
        else:
            first = np.arange(o) // (o // step["groups"]) * weights.shape[1]
            for offset, seen, inside in _taps(codes, window):
                for c in range(weights.shape[1]):
                    x = seen[:, first + c]
                    acc = acc + step["products"][book, weights[(channel, c, *offset)], x] * inside
        for term in step["residuals"]:
            acc = (
                acc
                + term["rows"][channel if len(term["rows"]) == o else 0, self.edges[term["source"]].values]
            )
        return _Edge(acc, scales=step["acc_scales"], unit=channel)

    def PooledSum(self, step):
        taps = _taps(self.edges[step["source"]].values, step["window"], step["ceil_mode"])
        acc = sum(step["row"][seen] * inside.astype(np.int64) for _, seen, inside in taps)
        return _Edge(acc, scales=step["acc_scales"], unit=step["divisor_index"])

    def CodeSum(self, step):
        acc = sum(t["rows"][0][self.edges[t["source"]].values].astype(np.int64) for t in step["terms"])
        return _Edge(acc if step["offset"] is None else acc + step["offset"], scales=step["acc_scales"])

    def CodeProduct(self, step):
        acc = step["products"][self.edges[step["left"]].values, self.edges[step["right"]].values]
        return _Edge(acc.astype(np.int64), scales=step["acc_scales"])

    def Encode(self, step):
        edge = self.edges[step["source"]]
        rows = step["encoding"][edge.unit if len(step["encoding"]) > 1 else 0]
        codes = _nearest(rows, _activate(step["activation"], edge)) >> step["drop"]
        passed = (edge.values[..., None] > step["thresholds"][edge.unit]).sum(-1)
        if not np.array_equal(codes, step["codes"][edge.unit, passed]):
            raise ValueError(f"{step['name']}: the fused form differs")
        return _Edge(codes, self.groups[step["group"]])

    def Activate(self, step):
        edge, table = self.edges[step["source"]], step["activation"]
        scales = edge.scales if table["g_scale"] is None else np.array([table["g_scale"]])
        return _Edge(_activate(table, edge), scales=scales, unit=edge.unit)

    def Carry(self, step):
        codes, group, op = self.edges[step["source"]].values, self.edges[step["source"]].group, step["op"]
        if op["type"] == "MaxPool":
            return _Edge(
                np.max([c * inside for _, c, inside in _taps(codes, op, op["ceil_mode"])], axis=0), group
            )
        if op["type"] == "Pad":
            return _Edge(np.pad(codes, [(0, 0), *op["pads"]], constant_values=group["pad_code"]), group)
        if op["type"] == "ZeroStuff":
            size = [(n - 1) * s + 1 for n, s in zip(codes.shape[2:], op["stride"], strict=True)]
            out = np.full((*codes.shape[:2], *size), group["pad_code"])
            out[(..., *(slice(None, None, s) for s in op["stride"]))] = codes
            return _Edge(out, group)
        return _Edge(_move(op, codes), group)

    def Join(self, step):
        parts = [self.edges[source].values for source in step["sources"]]
        if step["recode"]:
            parts = [table[codes] for table, codes in zip(step["recode"], parts, strict=True)]
        return _Edge(np.concatenate(parts, step["axis"] + 1), self.groups[step["group"]])

    def Host(self, step):
        return _Edge(_host(step["op"], [self.edges[source].real() for source in step["sources"]]))


def _taps(codes, window, ceil_mode=False):
    """For each kernel offset: (offset, the codes seen at every output position, which of them are no padding)."""
    size, kernel, dilation, positions = codes.shape[2:], window["kernel"], window["dilation"], []
    for n, k, s, (before, after), d in zip(
        size, kernel, window["stride"], window["padding"], dilation, strict=True
    ):
        room = n + before + after - (k - 1) * d - 1
        count = 1 + (-(-room // s) if ceil_mode else room // s)
        count -= ceil_mode and (count - 1) * s >= n + before
        positions.append(np.arange(count) * s - before)
    for offset in itertools.product(*(range(k) for k in kernel)):
        index = np.ix_(*(p + i * d for p, i, d in zip(positions, offset, dilation, strict=True)))
        clipped = [np.clip(p, 0, n - 1) for p, n in zip(index, size, strict=True)]
        inside = [p == q for p, q in zip(index, clipped, strict=True)]
        yield (
            offset,
            codes[(slice(None), slice(None), *clipped)],
            np.prod(np.broadcast_arrays(*inside), 0) > 0,
        )


def _nearest(rows, values):
    return np.abs(rows.astype(np.int64) - values[..., None]).argmin(-1)


def _activate(table, edge):
    if table["z"] is not None:
        return table["g"][_nearest(table["z"][edge.unit], edge.values)].astype(np.int64)
    value = edge.values if table["kind"] == "identity" else np.maximum(edge.values, 0)
    return value if table["cap"] is None else np.minimum(value, table["cap"][edge.unit])


def _move(op, array):
    if op["type"] == "Reshape":
        return array.reshape(len(array), *op["shape"])
    if op["type"] == "Transpose":
        return array.transpose(0, *(p + 1 for p in op["perm"]))
    if op["type"] == "Take":
        return array.take(op["indices"], op["axis"] + 1)
    cuts = zip(op["starts"], op["stops"], op["steps"], strict=True)
    return array[(slice(None), *(slice(*cut) for cut in cuts))]


def _host(op, sources):
    x = sources[0].astype(np.float64)
    if op["type"] == "Softmax":
        d = x - x.max(op["axis"] + 1, keepdims=True)
        total = _sum(_exp(d), op["axis"] + 1)
        return (d - _ln(total) if op["log"] else _exp(d) / total).astype(np.float32)
    if op["type"] == "LayerNorm":
        flat = x.reshape(*x.shape[: x.ndim - op["axes"]], -1)
        c = flat - _sum(flat, -1) / flat.shape[-1]
        v = _sum(c * c, -1) / flat.shape[-1]
        scale, shift = (op[f].astype(np.float64).ravel() for f in ("scale", "shift"))
        return (c / np.sqrt(v + op["epsilon"]) * scale + shift).reshape(x.shape).astype(np.float32)
    if op["type"] == "MatMul":
        terms = x[..., None] * sources[1].astype(np.float64)[..., None, :, :]
        return _sum(terms, -2)[..., 0, :].astype(np.float32)
    return _move(op, sources[0])


def _sum(x, axis):
    return np.take(np.cumsum(x, axis), [-1], axis)


def _exp(d):
    k, p = np.rint(d * 1.4426950408889634), np.ones_like(d)
    r = (d - k * 0.6931471803691238) - k * 1.9082149292705877e-10
    for n in range(14, 0, -1):
        p = 1 + p * (r / n)
    return np.where(d < -700, 0.0, np.ldexp(p, np.maximum(k, -1100).astype(int)))


def _ln(x):
    m, e = np.frexp(x)
    m, e = np.where(m < np.sqrt(0.5), m * 2, m), e - (m < np.sqrt(0.5))
    s, t = (m - 1) / (m + 1), np.zeros_like(x)
    for n in range(41, 0, -2):
        t = t * (s * s) + 1 / n
    return e * 0.6931471803691238 + (e * 1.9082149292705877e-10 + 2 * s * t)
