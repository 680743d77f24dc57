"""Hardware descriptions: records, overrides, and one clear line for every mistake."""

from importlib.resources import files

import numpy as np
import pytest
import yaml

from rapidnn.errors import HardwareError
from rapidnn.machine import hardware_names, load_hardware
from rapidnn.machine.notes import hardware_notes, mixes_records
from rapidnn.machine.records import Choice, Constant


def walk(item, path=""):
    if isinstance(item, Constant | Choice):
        yield path, item
    elif isinstance(item, dict):
        for key, inner in item.items():
            yield from walk(inner, f"{path}.{key}")
    elif hasattr(type(item), "model_fields"):
        for key, inner in item:
            yield from walk(inner, f"{path}.{key}")


@pytest.mark.parametrize("name", hardware_names())
def test_every_constant_says_where_it_comes_from(name):
    records = list(walk(load_hardware(name)))
    assert len(records) > 60
    for path, record in records:
        assert record.unit, path
        assert len(record.source) > 5, path
        assert not isinstance(record, Choice) or record.description, path


def test_overrides_take_text_and_numbers():
    changed = {
        "rna.cycle_ns": "1",
        "rna.rows": 512.0,
        "delivery.mode": "gather",
        "rna.shift_interconnect": "false",
    }
    hardware = load_hardware("rapidnn-hpca20", changed)
    assert hardware.rna.cycle_ns.value == 1
    assert hardware.rna.cycle_ns.unit == "ns"
    assert hardware.rna.cycle_ns.source == "set by the user"
    assert hardware.rna.rows.value == 512
    assert hardware.delivery.mode.value == "gather"
    assert hardware.rna.shift_interconnect.value is False
    assert "set by the user: rna.cycle_ns = 1" in " ".join(hardware_notes(hardware))
    assert load_hardware("rapidnn-hpca20").rna.cycle_ns.value == 1.1


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"rna.cycle": 1}, ["'rna.cycle'", "did you mean 'rna.cycle_ns'"]),
        ({"cycle_ns": 1}, ["did you mean 'rna.cycle_ns'"]),
        ({"rna": 1}, ["section", "rna.cycle_ns"]),
        ({"rna.cycle_ns": "fast"}, ["rna.cycle_ns", "number", "'fast'"]),
        ({"rna.cycle_ns": 0}, ["rna.cycle_ns", "greater than 0"]),
        ({"rna.cycle_ns": float("nan")}, ["rna.cycle_ns", "finite"]),
        ({"rna.rows": 1.5}, ["rna.rows", "integer"]),
        ({"delivery.mode": "gater"}, ["delivery.mode", "'broadcast' or 'gather'"]),
        ({"rna.adder": "carry-skip"}, ["rna.adder", "magic-12n1"]),
        ({"cell.gates": "IMPLY"}, ["needs the gate NOR"]),
    ],
)
def test_bad_overrides_are_one_clear_line(overrides, words):
    with pytest.raises(HardwareError) as caught:
        load_hardware("rapidnn-hpca20", overrides)
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


def test_unknown_names_and_bad_files(tmp_path):
    with pytest.raises(HardwareError, match="did you mean 'rapidnn-hpca20'"):
        load_hardware("rapidnn-hpca2")
    for text, words in [
        ("a: [1", "not valid YAML"),
        ("- 1", "mapping"),
        ("name: x", "title: field required"),
    ]:
        path = tmp_path / "bad.yaml"
        path.write_text(text)
        with pytest.raises(HardwareError, match=words) as caught:
            load_hardware(path)
        assert "\n" not in str(caught.value)


def test_unknown_keys_are_refused(tmp_path):
    data = load_hardware("rapidnn-hpca20").model_dump(mode="json")
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(data))
    assert load_hardware(path) == load_hardware("rapidnn-hpca20")
    data["rna"]["cycle_ns"]["sauce"] = "x"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(HardwareError, match=r"rna\.cycle_ns\.sauce is not a known key"):
        load_hardware(path)


@pytest.mark.parametrize(
    ("overrides", "mixed"),
    [
        ({}, True),
        ({"rna.cycle_ns": 3}, False),
        ({"rna.cycle_ns": 1}, True),
        ({"logic.nor_fj": 100}, True),
    ],
)
def test_mixed_device_records_are_flagged(overrides, mixed):
    hardware = load_hardware("rapidnn-hpca20", overrides)
    assert mixes_records(hardware) is mixed
    assert any(note.startswith("mixed records: logic.nor_fj") for note in hardware_notes(hardware)) is mixed


def test_lanes():
    hardware = load_hardware("rapidnn-hpca20")
    assert [hardware.lanes(n) for n in (16, 20, 1024, 1025)] == [64, 51, 1, 0]
    assert load_hardware("rapidnn-hpca20", {"rna.max_lanes": np.float64(8)}).lanes(16) == 8


@pytest.mark.parametrize(
    ("section", "field", "unit"),
    [
        ("rna", "cycle_ns", "ps"),
        ("crossbar", "read_pj_32b", "fJ per bit"),
        ("power", "recalled", "W"),
        ("link", "gbyte_per_s", "Gbit/s"),
    ],
)
def test_a_record_in_another_unit_is_refused(tmp_path, section, field, unit):
    text = (files("rapidnn") / "hardware" / "rapidnn-hpca20.yaml").read_text("utf-8")
    data = yaml.safe_load(text)
    data[section][field]["unit"] = unit
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(data), "utf-8")
    with pytest.raises(HardwareError, match=rf"{section}.{field} is stated in '{unit}', it is read in"):
        load_hardware(path)
