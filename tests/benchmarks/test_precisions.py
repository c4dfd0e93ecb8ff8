"""bf16 beside fp32: built-in models find the same with both, whatever was trained last."""

from __future__ import annotations

import pytest
from precisions import scores_in_both

from napari_deepsmlm.models import built_in_models


@pytest.mark.slow
@pytest.mark.timeout(1800)  # DRSN-STORM x8 takes minutes on a free core
@pytest.mark.parametrize("name", built_in_models())
def test_half_precision_costs_a_built_in_model_nothing_that_counts(name: str) -> None:
    fp32, bf16 = scores_in_both(name, n_inputs=16)
    assert bf16.jaccard == pytest.approx(fp32.jaccard, rel=0.01)
    assert bf16.nmse_percent == pytest.approx(fp32.nmse_percent, rel=0.005)
