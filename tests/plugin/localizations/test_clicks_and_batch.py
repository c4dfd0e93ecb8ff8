"""What was clicked in the panels is a recipe: `deepsmlm batch` makes the same table of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from tests.cli.conftest import call
from tests.plugin.localizations.conftest import DELAY_MS

from napari_deepsmlm.io import read_history, read_localizations
from napari_deepsmlm.plugin.localizations.widget import LocalizationsWidget
from napari_deepsmlm.plugin.reconstruct.widget import ReconstructWidget

if TYPE_CHECKING:
    from pathlib import Path

WAIT_MS = 60_000
MODEL, N_FRAMES = "dilated-loc:2d-100nm", 30


def test_a_table_that_was_clicked_is_made_again(
    viewer: Any, qtbot: Any, real_stack: Path, tmp_path: Path, no_threads_left: None
) -> None:
    viewer.open(str(real_stack), plugin="napari-deepsmlm")
    run = ReconstructWidget(viewer)
    qtbot.addWidget(run)
    qtbot.waitUntil(lambda: run.is_ready, timeout=WAIT_MS)
    box = run.form.model_box
    box.choose(next(choice for choice in box.choices if choice.key == MODEL))
    run.form.last_frame.value = N_FRAMES - 1
    qtbot.waitUntil(run.run_button.isEnabled, timeout=WAIT_MS)
    run.run_button.click()
    qtbot.waitUntil(lambda: run.save_button.isEnabled(), timeout=WAIT_MS)

    after = LocalizationsWidget(viewer)
    qtbot.addWidget(after)

    def settle(name: str = "") -> None:
        """Wait until the panel has filtered the table of a layer, by default of the same."""
        qtbot.wait(DELAY_MS + 20)

        def is_settled() -> bool:
            layer = after.shown.layer
            is_named = layer is not None and layer.name.endswith(name)
            is_at_rest = not after.is_busy and not after._delay.isActive()
            return is_named and is_at_rest and after.filtered is not None

        qtbot.waitUntil(is_settled, timeout=WAIT_MS)

    settle()
    after.where_line.value = "intensity > 500 & uncertainty_xy < 30"
    settle()
    after.after.drift_button.click()
    settle("drift corrected")
    after.after.link_button.click()
    settle("linked")
    saved = tmp_path / "clicked.csv"
    after.save(saved)
    settle()

    history = read_history(saved)
    assert [step["kind"] for step in history.steps] == [
        *("filter", "drift"),
        *("filter", "link"),  # the condition stays in the panel, and counts for each table
        "filter",
    ]
    assert history.recipe["inputs"] == [str(real_stack.absolute())]
    out = tmp_path / "batch"
    result = call("batch", f"{saved}.recipe.yaml", "--out", out)
    assert result.exit_code == 0, result.output
    (made,) = out.glob("*/filtered_3.csv")
    clicked, again = read_localizations(saved), read_localizations(made)
    assert len(clicked) > 500
    names = set(clicked.names) - {"id"}  # a batch numbers the rows as they are first written
    assert names == set(again.names) - {"id"}
    np.testing.assert_array_equal(clicked.frame, again.frame)
    for name in names:  # a batch goes on from the table as it is written, rounded
        np.testing.assert_allclose(clicked[name], again[name], rtol=2e-4, atol=0.05, err_msg=name)
    run.abandon()
    after.abandon()
