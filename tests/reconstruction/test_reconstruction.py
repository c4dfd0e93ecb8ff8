"""The main job from Python, in memory and into a folder."""

from __future__ import annotations

import threading
import tracemalloc
from typing import TYPE_CHECKING

import dask.array
import numpy as np
import pytest
import tifffile

import napari_deepsmlm as ds
from napari_deepsmlm.camera import IdealCamera
from napari_deepsmlm.io import read_localizations, read_report
from napari_deepsmlm.models import FoundModel
from napari_deepsmlm.reconstruction import (
    Finished,
    Prepared,
    PreviewMaker,
    Progress,
    ReconstructJob,
    ReconstructOptions,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_the_function_of_the_readme_works(model_file: Path, small_movie) -> None:
    stack, _ = small_movie
    result = ds.reconstruct(stack, model=str(model_file), pixel_size_nm=100.0)
    assert result.image.shape == (128, 192)
    assert result.image.dtype == np.float32
    assert result.sr_pixel_nm == 12.5
    assert result.report["localizations"] == len(result.localizations)
    assert result.report["quality"]["molecules"] == pytest.approx(result.image.sum(), abs=0.1)


def test_files_and_memory_hold_the_same(model_file: Path, small_movie, tmp_path: Path) -> None:
    stack, _ = small_movie
    options = {"model": str(model_file), "pixel_size_nm": 100.0, "threshold": 0.01}
    kept = ds.reconstruct(stack, **options)
    filed = ds.reconstruct(stack, **options, out=tmp_path / "out")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out/reconstruction.tif"), kept.image)
    for name in ("frame", "x_nm", "y_nm", "probability"):
        np.testing.assert_allclose(filed.localizations[name], kept.localizations[name], atol=1e-4)
    assert read_report(tmp_path / "out/reconstruction.tif")["frames"] == 12
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "localizations.csv",
        "reconstruction.tif",
        "report.json",
    ]


@pytest.mark.parametrize("into_files", [False, True])
def test_windows_add_up_to_the_whole(
    into_files: bool, model_file: Path, small_movie, tmp_path: Path
) -> None:
    stack, _ = small_movie
    out = tmp_path / "out" if into_files else None
    whole = ds.reconstruct(stack, model=str(model_file))
    lapse = ds.reconstruct(stack, model=str(model_file), window=5, out=out)
    assert lapse.image.shape == (3, 128, 192)
    np.testing.assert_allclose(lapse.image.sum(0), whole.image, atol=1e-4 * whole.image.max())


@pytest.mark.parametrize("into_files", [False, True])
@pytest.mark.parametrize("sum_frames", [1, 2])
def test_each_image_of_windows_that_slide_is_that_of_its_frames_alone(
    sum_frames: int,
    into_files: bool,
    model_file: Path,
    small_movie,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("napari_deepsmlm.inference.time_lapse.MAX_BYTES", 1000)
    stack = small_movie[0]
    options = {"model": str(model_file), "sum_frames": sum_frames, "threshold": 0.0}
    out = tmp_path / "out" if into_files else None
    lapse = ds.reconstruct(
        stack, window=6, window_step=4, frame_range=(1, None), out=out, **options
    )
    assert lapse.report["time_lapse"] == [[1, 7], [5, 11], [9, 12]]
    for image, frames in zip(lapse.image, lapse.report["time_lapse"], strict=True):
        alone = ds.reconstruct(stack, frame_range=tuple(frames), **options).image
        np.testing.assert_allclose(image, alone, rtol=1e-4, atol=1e-5 * alone.max())
    whole = ds.reconstruct(stack, frame_range=(1, None), **options)
    assert len(lapse.localizations) == len(whole.localizations) > 0


def test_a_run_of_sliding_windows_that_is_left_early_ends_as_if_the_stack_did(
    model_file: Path, tmp_path: Path
) -> None:
    stack = np.random.default_rng(0).integers(100, 900, (40, 32, 32)).astype(np.uint16)
    options = ReconstructOptions(model=str(model_file), window=6, window_step=2)
    job = ReconstructJob(stack, options, out=tmp_path)
    for event in job.run():
        if isinstance(event, Progress) and event.frames_done >= 9:
            job.stop()
    report = event.result.report
    done = report["frames"]
    assert 9 <= done < 40
    assert report["time_lapse"][-1][1] == done
    short = ds.reconstruct(stack[:done], model=str(model_file), window=6, window_step=2)
    np.testing.assert_allclose(event.result.image, short.image, rtol=1e-4, atol=1e-6)


def test_windows_that_slide_share_sums(model_file: Path, small_movie) -> None:
    with pytest.raises(ValueError, match="must be multiples of 3, got 6 and 4"):
        ds.reconstruct(small_movie[0], model=str(model_file), window=6, window_step=4, sum_frames=3)


def test_stopping_keeps_what_is_done(model_file: Path, tmp_path: Path) -> None:
    stack = np.random.default_rng(0).integers(100, 900, (200, 32, 32)).astype(np.uint16)
    options = ReconstructOptions(model=str(model_file))
    job = ReconstructJob(stack, options, out=tmp_path / "out")
    events = []
    for event in job.run():
        events.append(event)
        if isinstance(event, Progress):
            job.stop()
    assert isinstance(events[0], Prepared)
    assert [type(e) for e in events[1:]] == [Progress, Finished]
    result = events[-1].result
    assert 0 < result.report["frames"] < 200
    assert f"Stopped after {result.report['frames']} of 200 frames." in result.report["warnings"]
    assert (tmp_path / "out/reconstruction.tif").exists()


def test_a_job_that_is_dropped_leaves_no_half_files(model_file: Path, tmp_path: Path) -> None:
    stack = np.random.default_rng(0).integers(100, 900, (200, 32, 32)).astype(np.uint16)
    job = ReconstructJob(stack, ReconstructOptions(model=str(model_file)), out=tmp_path / "out")
    run = job.run()
    next(run)
    next(run)
    run.close()
    assert list((tmp_path / "out").iterdir()) == []


def test_two_jobs_in_one_folder_are_refused(model_file: Path, small_movie, tmp_path: Path) -> None:
    options = ReconstructOptions(model=str(model_file))
    first = ReconstructJob(small_movie[0], options, out=tmp_path).run()
    next(first)
    with pytest.raises(FileExistsError, match="in use"):
        next(ReconstructJob(small_movie[0], options, out=tmp_path).run())
    first.close()


def test_pixel_sizes_that_do_not_fit_are_told(model_file: Path, small_movie) -> None:
    unknown = ds.reconstruct(small_movie[0], model=str(model_file))
    assert "no pixel size: 100 nm assumed" in unknown.report["warnings"][0]
    other = ds.reconstruct(small_movie[0], model=str(model_file), pixel_size_nm=160)
    assert "trained for 100 nm pixels, the data has 160 nm" in other.report["warnings"][0]
    assert other.sr_pixel_nm == 20
    fitting = ds.reconstruct(small_movie[0], model=str(model_file), pixel_size_nm=105)
    said = [text for text in fitting.report["warnings"] if not text.startswith("The image holds")]
    assert said == []  # an untrained network's image and table need not agree


@pytest.mark.parametrize("pixel_size_nm", [6500, 16])
def test_a_pixel_of_the_chip_is_no_pixel_in_the_sample(pixel_size_nm: float, small_movie) -> None:
    result = ds.reconstruct(small_movie[0], model="fit", pixel_size_nm=pixel_size_nm)
    assert f"{pixel_size_nm} nm can hardly be a camera pixel" in result.report["warnings"][0]


def test_fewer_frames_than_make_a_sum_are_told(model_file: Path, small_movie) -> None:
    options = {"model": str(model_file), "pixel_size_nm": 100, "force": True}
    told = [
        " ".join(ds.reconstruct(small_movie[0], **options, sum_frames=n).report["warnings"])
        for n in (12, 13)
    ]
    sentence = "13 frames were to be summed, but only 12 are there"
    assert [sentence in one for one in told] == [False, True]


def test_frames_without_contrast_are_told_and_give_nothing(model_file: Path) -> None:
    stack = np.full((3, 16, 16), 100, np.uint16)
    result = ds.reconstruct(stack, model=str(model_file), pixel_size_nm=100)
    assert "3 of 3 frames have no contrast" in result.report["warnings"][0]


def test_one_frame_is_a_stack(model_file: Path) -> None:
    frame = np.random.default_rng(0).integers(100, 900, (17, 13)).astype(np.uint16)
    assert ds.reconstruct(frame, model=str(model_file)).image.shape == (136, 104)


def test_a_cut_stack_is_read_as_far_as_it_was_asked_for(model_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.tif"
    frames = np.random.default_rng(0).integers(100, 900, (20, 16, 16)).astype(np.uint16)
    tifffile.imwrite(path, frames, imagej=True)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match="cut short"):
        ds.reconstruct(path, model=str(model_file))
    result = ds.reconstruct(path, model=str(model_file), frame_range=(0, 5))
    assert result.report["frames"] == 5


def test_molecules_of_a_range_keep_the_frame_numbers_of_the_stack(
    model_file: Path, small_movie
) -> None:
    options = {"model": str(model_file), "threshold": 0.0}
    whole = ds.reconstruct(small_movie[0], **options).localizations
    part = ds.reconstruct(small_movie[0], frame_range=(4, 9), **options).localizations
    expected = whole.in_frames(4, 9)
    assert len(part) == len(expected) > 0
    np.testing.assert_array_equal(part.frame, expected.frame)


def test_several_files_are_one_series(model_file: Path, small_movie, tmp_path: Path) -> None:
    stack, _ = small_movie
    paths = [tmp_path / f"part{i}.tif" for i in (2, 10)]
    tifffile.imwrite(paths[0], stack[:7, 0])
    tifffile.imwrite(paths[1], stack[7:, 0])
    whole = ds.reconstruct(stack, model=str(model_file))
    parts = ds.reconstruct(paths[::-1], model=str(model_file))
    np.testing.assert_allclose(parts.image, whole.image, atol=1e-4 * whole.image.max())


def test_the_real_stack_is_read_and_reconstructed(real_stack: Path) -> None:
    result = ds.reconstruct(real_stack, frame_range=(0, 4))
    assert result.report["pixel_size_nm"] == 100
    assert result.image.shape == (512, 512)
    assert result.report["localizations"] > 0


def test_the_real_stack_gives_about_the_true_number_of_molecules(real_stack: Path) -> None:
    result = ds.reconstruct(real_stack, frame_range=(0, 12))
    assert 150 < result.report["quality"]["molecules_per_frame"] < 300  # about 225 are there


# -- networks that localize -----------------------------------------------------------------


def spots() -> np.ndarray:
    """Six frames, one molecule of 80 photons in each, the second row of every frame."""
    frames = np.full((6, 16, 20), 100, np.uint16)
    frames[np.arange(6), 2, 3 + 2 * np.arange(6)] += 160  # two ADU per photon
    return frames


def test_a_localizing_network_gives_table_image_and_report(
    spotter: Callable[..., Path], tmp_path: Path
) -> None:
    camera = IdealCamera(baseline=100, gain=2)
    options = {"model": str(spotter()), "pixel_size_nm": 100.0, "camera": camera}
    result = ds.reconstruct(spots(), **options, upsampling=10, out=tmp_path / "out")
    table = read_localizations(tmp_path / "out/localizations.csv")
    np.testing.assert_array_equal(table.frame, range(6))
    np.testing.assert_allclose(table.x_nm, 350 + 200 * np.arange(6))
    np.testing.assert_allclose(table["photons"], 80)
    np.testing.assert_allclose(table["background"], 0)
    np.testing.assert_allclose(table["probability"], 0.8)
    precision = 100 / np.sqrt(80)
    np.testing.assert_allclose(table["uncertainty_x_nm"], precision, rtol=1e-3)
    np.testing.assert_allclose(table["uncertainty_y_nm"], 2 * precision, rtol=1e-3)
    assert result.image.shape == (160, 200)
    assert result.image.sum() == pytest.approx(6, rel=1e-3)
    assert result.sr_pixel_nm == result.report["sr_pixel_nm"] == 10
    assert "Gaussian of its own uncertainty" in result.report["image"]
    assert result.report["quality"]["molecules"] == pytest.approx(6, abs=0.1)
    assert result.report["warnings"] == []
    again = ds.reconstruct(spots(), **options)
    assert again.image.shape == (128, 160)


def test_a_region_lies_where_it_is_and_its_table_counts_from_the_whole_frame(
    spotter: Callable[..., Path], tmp_path: Path
) -> None:
    options = {"model": str(spotter()), "pixel_size_nm": 100.0, "camera": "scmos-qe95"}
    whole = ds.reconstruct(spots(), **options)
    part = ds.reconstruct(spots(), **options, region=(0, 6, 10, 99), out=tmp_path / "out")
    expected = whole.localizations[whole.localizations.x_nm > 600]
    np.testing.assert_allclose(part.localizations.x_nm, expected.x_nm, atol=0.1)
    assert len(expected) == 4
    assert part.origin_nm == (0, 600)
    assert part.report["origin_nm"] == [0, 600]
    assert part.image.shape == (80, 14 * 8), "as far as there are pixels"
    assert read_report(tmp_path / "out/reconstruction.tif")["origin_nm"] == [0, 600]
    column = np.average(np.arange(part.image.shape[1]) + 0.5, weights=part.image.sum(0))
    assert 600 + column * part.sr_pixel_nm == pytest.approx(expected.x_nm.mean(), abs=0.5)


@pytest.mark.parametrize(
    ("region", "sentence"),
    [
        ((0, 0, 4, 20), "Regions of 4 x 20 pixels are too small"),
        ((16, 0, 30, 20), "begins at row 16, column 0, outside the frames of 16 x 20"),
        ((5, 0, 5, 20), "needs Y0, X0, Y1, X1 with 0 <= Y0 < Y1"),
        ((-1, 0, 9, 9), "needs Y0, X0, Y1, X1 with 0 <= Y0 < Y1"),
        ((0, 0, 9), "region"),
    ],
)
def test_a_region_that_cannot_be_is_one_sentence(
    model_file: Path, region: tuple[int, ...], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        ds.reconstruct(spots(), model=str(model_file), region=region)


def test_a_job_is_stopped_in_the_middle_of_a_large_frame(model_file: Path) -> None:
    stack = np.random.default_rng(0).integers(100, 900, (3, 600, 600)).astype(np.uint16)
    stopping = threading.Event()
    job = ReconstructJob(stack, ReconstructOptions(model=str(model_file)), stopping=stopping)
    run = job.run()
    assert isinstance(next(run), Prepared)
    threading.Timer(0.5, job.stop).start()
    (finished,) = run
    assert finished.result.report["frames"] == 0
    assert "Stopped after 0 of 3 frames." in finished.result.report["warnings"]
    assert finished.result.image.shape == (4800, 4800)


def test_a_long_time_lapse_lies_in_a_file(
    model_file: Path, small_movie, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = ds.reconstruct(small_movie[0], model=str(model_file), window=5)
    monkeypatch.setattr("napari_deepsmlm.inference.time_lapse.MAX_BYTES", 1000)
    filed = ds.reconstruct(small_movie[0], model=str(model_file), window=5)
    assert isinstance(filed.image, np.memmap)
    np.testing.assert_array_equal(filed.image, kept.image)


# -- preview --------------------------------------------------------------------------------


def test_a_preview_is_what_the_job_gives_and_loads_the_model_once(
    spotter: Callable[..., Path], small_movie, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, maker = spotter(neighbours=1), PreviewMaker()
    loads = []
    load = FoundModel.load
    monkeypatch.setattr(FoundModel, "load", lambda found: loads.append(found) or load(found))
    for frames, region in [((3, 4), None), ((4, 9), None), ((11, 12), (2, 3, 13, 20))]:
        options = ReconstructOptions(
            model=str(path), pixel_size_nm=100, sum_frames=5, frame_range=frames, region=region
        )
        (preview,) = maker.make(small_movie[0], options)
        assert preview.is_last
        assert len(loads) == 1
        job = ReconstructJob(small_movie[0], options)
        *_, finished = job.run()
        loads.pop()
        np.testing.assert_array_equal(preview.image, finished.result.image)
        assert preview.n_localizations == len(finished.result.localizations)
        assert preview.frames == range(*frames)
        assert preview.origin_px == (region or (0, 0))[:2]
    spotter(neighbours=0)  # the file is written anew
    list(maker.make(small_movie[0], options))
    assert len(loads) == 2


def test_a_preview_that_nobody_waits_for_is_given_up(model_file: Path) -> None:
    stopping = threading.Event()
    stopping.set()
    frames = np.ones((2, 400, 400))
    options = ReconstructOptions(model=str(model_file), frame_range=(0, 1))
    assert list(PreviewMaker().make(frames, options, stopping=stopping)) == []


def test_a_slow_network_gives_a_first_look_and_then_its_own_prediction(small_movie) -> None:
    options = ReconstructOptions(
        model="drsn-storm:2d-100nm-x4", pixel_size_nm=100, sum_frames=3, frame_range=(0, 3)
    )
    look, whole = PreviewMaker().make(small_movie[0], options)
    assert (look.is_last, whole.is_last) == (False, True)
    expected = ds.reconstruct(
        small_movie[0], model=options.model, pixel_size_nm=100, sum_frames=3, frame_range=(0, 3)
    )
    np.testing.assert_array_equal(whole.image, expected.image)
    assert not np.array_equal(look.image, whole.image)
    assert np.corrcoef(look.image.ravel(), whole.image.ravel())[0, 1] > 0.9


# -- photons --------------------------------------------------------------------------------


def test_photons_without_a_camera_are_told(spotter: Callable[..., Path], small_movie) -> None:
    result = ds.reconstruct(small_movie[0], model=str(spotter()), pixel_size_nm=100.0)
    assert result.report["camera"]["source"] == "estimated"
    assert result.report["inputs"]["options"]["camera"] == "auto"
    named = ds.reconstruct(
        small_movie[0], model=str(spotter()), pixel_size_nm=100.0, camera="scmos-qe95"
    )
    assert named.report["warnings"] == []
    assert named.report["inputs"]["options"]["camera"]["baseline"] == 100


@pytest.mark.parametrize("into_files", [False, True])
def test_windows_of_a_localizing_network_add_up_to_the_whole(
    into_files: bool, spotter: Callable[..., Path], small_movie, tmp_path: Path
) -> None:
    options = {"model": str(spotter(neighbours=1)), "pixel_size_nm": 100.0}
    whole = ds.reconstruct(small_movie[0], **options)
    out = tmp_path / "out" if into_files else None
    lapse = ds.reconstruct(small_movie[0], **options, window=5, out=out)
    assert lapse.image.shape == (3, 128, 192)
    np.testing.assert_allclose(lapse.image.sum(0), whole.image, atol=1e-4)
    assert len(lapse.localizations) == len(whole.localizations) > 0


def test_the_first_of_a_range_has_its_neighbour_before(
    spotter: Callable[..., Path], small_movie
) -> None:
    options = {"model": str(spotter(neighbours=2)), "pixel_size_nm": 100.0}
    whole = ds.reconstruct(small_movie[0], **options).localizations
    for sum_frames, frames in [(1, (0, 3)), (1, (5, 6)), (1, (9, 12)), (2, (4, 8))]:
        part = ds.reconstruct(
            small_movie[0], **options, frame_range=frames, sum_frames=sum_frames
        ).localizations
        if sum_frames > 1:
            whole = ds.reconstruct(small_movie[0], **options, sum_frames=2).localizations
        expected = whole.in_frames(*frames)
        assert len(part) == len(expected) > 0
        for name in whole.names:
            np.testing.assert_allclose(part[name], expected[name], rtol=1e-5)


def test_the_number_of_planes_must_fit_before_anything_is_read(
    spotter: Callable[..., Path], small_movie
) -> None:
    stack = small_movie[0]
    four = ReconstructJob(stack, ReconstructOptions(model=str(spotter(planes=4))))
    with pytest.raises(ValueError, match="has 1 focal plane per frame, spotter reads 4 focal pl"):
        next(four.run())
    planes = np.repeat(stack, 4, 1)
    one = ReconstructJob(planes, ReconstructOptions(model=str(spotter())))
    with pytest.raises(
        ValueError, match="4 planes per frame, spotter reads 1 focal plane: take one channel"
    ):
        next(one.run())
    found = ds.reconstruct(planes, model=str(spotter(planes=4))).localizations
    assert len(found) > 0


def test_an_image_network_has_its_own_upsampling(model_file: Path, small_movie) -> None:
    with pytest.raises(ValueError, match="with upsampling 5: untrained has 8"):
        ds.reconstruct(small_movie[0], model=str(model_file), upsampling=5)


def test_memory_does_not_grow_with_the_number_of_frames(
    spotter: Callable[..., Path], tmp_path: Path
) -> None:
    frames = np.random.default_rng(0).integers(0, 300, (50, 16, 16)).astype(np.uint16)
    model = str(spotter(neighbours=1))

    def most_memory(n: int) -> int:
        """Bytes that Python objects and numpy arrays hold at once."""
        source = dask.array.from_array(frames, chunks=(50, 16, 16))
        long = dask.array.concatenate([source] * (n // 50))
        tracemalloc.start()
        options = ReconstructOptions(model=model, threshold=1.0, camera=None)
        job = ReconstructJob(long, options, out=tmp_path / str(n))
        n_found = [e.n_localizations for e in job.run() if isinstance(e, Progress)][-1]
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert n_found > n
        return most

    most_memory(100)
    # The sample that tells of hot pixels is full at about 2,000 of these: 10.0 MB, at 20,000 too.
    assert most_memory(4000) < 1.3 * most_memory(2000)
