"""The JavaScript client alone: what no transcript can say of it. The behaviours are named in ``javascript.mjs``."""

from __future__ import annotations

from pathlib import Path

from tests.node import run_on_node


def test_it_behaves() -> None:
    faults = run_on_node(Path(__file__).with_name("javascript.mjs"))

    assert len(faults) >= 20
    assert {name: fault for name, fault in faults.items() if fault is not None} == {}
