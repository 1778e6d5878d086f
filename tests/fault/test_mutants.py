"""The tests are worth what they catch: each promise is broken on purpose, in a build of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fault.limiter_mutants import LIMITER_MUTANTS
from tests.fault.mutants import FAILED, MUTANTS, Mutant, build, change_files, run_test

if TYPE_CHECKING:
    from pathlib import Path


ALL = (*MUTANTS, *LIMITER_MUTANTS)


@pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.name.replace(" ", "_"))
def test_the_source_still_holds_what_is_broken_in(mutant: Mutant) -> None:
    assert change_files(mutant)


@pytest.mark.chaos
@pytest.mark.timeout(300)
@pytest.mark.parametrize("test", sorted({mutant.test for mutant in ALL}))
def test_it_passes_on_a_copy_of_the_source(test: str, tmp_path: Path) -> None:
    """Else its failure on a mutant would mean nothing."""
    verdict = run_test(test, build(Mutant("the source as it is", (), test), tmp_path))
    assert verdict.code == 0, verdict.output[-4_000:]


@pytest.mark.chaos
@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.name.replace(" ", "_"))
def test_catches(mutant: Mutant, tmp_path: Path) -> None:
    verdict = run_test(mutant.test, build(mutant, tmp_path))
    assert verdict.code == FAILED, verdict.output[-4_000:]
    assert mutant.sign in verdict.output, verdict.output[-4_000:]
