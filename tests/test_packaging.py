"""What pip installs: a wheel with the manifest and the trained weights, and a light import."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
import yaml
from npe2 import PluginManifest

from napari_deepsmlm.plugin.widgets.help_pages import address_among

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "napari_deepsmlm"
IMPORT_LIMIT_S = 0.3


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=ROOT)
    (path,) = folder.glob("napari_deepsmlm-*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_wheel_holds_every_file_of_the_package_its_pages_and_nothing_else(
    wheel: zipfile.ZipFile,
) -> None:
    sources = {
        path.relative_to(PACKAGE.parent).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    pages = {f"napari_deepsmlm/help/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    shipped = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert shipped == sources | pages


@pytest.mark.parametrize("name", ["__init__.py", "napari.yaml", "py.typed"])
def test_wheel_has(wheel: zipfile.ZipFile, name: str) -> None:
    assert f"napari_deepsmlm/{name}" in wheel.namelist()


def test_wheel_has_trained_weights_each_with_its_card(wheel: zipfile.ZipFile) -> None:
    pretrained = [Path(name) for name in wheel.namelist() if "/pretrained/" in name]
    weights = {path.stem for path in pretrained if path.suffix == ".safetensors"}
    cards = {path.stem for path in pretrained if path.suffix == ".md"}
    assert weights
    assert weights <= cards


def test_base_dependencies_have_no_qt_binding_and_no_upper_cap(wheel: zipfile.ZipFile) -> None:
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    requirements = [
        line.removeprefix("Requires-Dist: ")
        for line in wheel.read(metadata).decode().splitlines()
        if line.startswith("Requires-Dist: ") and "extra ==" not in line
    ]
    assert len(requirements) > 10
    assert not [r for r in requirements if r.lower().startswith(("pyqt6", "pyqt5", "pyside"))]
    assert not [r for r in requirements if "napari[" in r or "<" in r or "==" in r]


def test_every_page_that_a_panel_opens_has_an_address_online(wheel: zipfile.ZipFile) -> None:
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    stated = Parser().parsestr(wheel.read(metadata).decode()).get_all("Project-URL") or []
    address = address_among(stated, "train")
    (site,) = re.findall(
        r"https://[\w-]+\.readthedocs\.io", (ROOT / ".readthedocs.yaml").read_text("utf-8")
    )
    assert address == f"{site}/en/stable/train/"
    online = set(re.findall(r"([\w-]+)\.md", (ROOT / "mkdocs.yml").read_text("utf-8")))
    panels = (ROOT / "src" / "napari_deepsmlm" / "plugin").rglob("*.py")
    opened = {
        name
        for path in panels
        for name in re.findall(r'help_page(?:: \w+)? = "([\w-]+)"', path.read_text("utf-8"))
    }
    assert len(opened) >= 7
    assert opened <= online


def test_manifest_is_found_in_a_normal_install(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)  # what pip does with a wheel of pure Python
    code = (
        "from npe2 import PluginManifest\n"
        "import napari_deepsmlm\n"
        "print(PluginManifest.from_distribution('napari-deepsmlm').name)\n"
        "print(napari_deepsmlm.__file__)"
    )
    name, file = run(sys.executable, "-c", code, path=tmp_path).splitlines()
    assert name == "napari-deepsmlm"
    assert Path(file).is_relative_to(tmp_path)


def test_manifest_is_found_in_this_install() -> None:
    manifest = PluginManifest.from_distribution("napari-deepsmlm")
    assert manifest == PluginManifest.from_file(PACKAGE / "napari.yaml").model_copy(
        update={"package_metadata": manifest.package_metadata}
    )


@pytest.mark.skipif(os.name == "nt", reason="git writes links as text files on Windows")
def test_manifest_at_the_top_is_the_one_that_ships() -> None:
    assert (ROOT / "napari.yaml").resolve() == (PACKAGE / "napari.yaml").resolve()


def test_import_loads_neither_torch_nor_napari() -> None:
    code = "import sys, napari_deepsmlm; print({'torch', 'napari', 'qtpy'} & set(sys.modules))"
    assert run(sys.executable, "-c", code).strip() == "set()"


def test_import_takes_less_than_a_blink() -> None:
    code = (
        "from time import perf_counter\n"
        "start = perf_counter()\n"
        "import napari_deepsmlm\n"
        "print(perf_counter() - start)"
    )
    seconds = min(float(run(sys.executable, "-c", code)) for _ in range(5))
    assert seconds < IMPORT_LIMIT_S


def run(*command: str, cwd: Path | None = None, path: Path | None = None) -> str:
    """Return what the command prints; `path` goes to the front of PYTHONPATH."""
    environment = {**os.environ, **({"PYTHONPATH": str(path)} if path else {})}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_version_is_the_same_wherever_it_stands() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    recipe = (ROOT / "packaging" / "conda" / "recipe.yaml").read_text("utf-8")
    assert cited["version"] == version
    assert f'version: "{version}"' in recipe
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert f"## [{version}] - {cited['date-released']}" in changes


def test_workflows_call_the_targets_of_make_and_leave_none_that_tests_out() -> None:
    flows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    steps = [
        step.get("run", "").replace("${{ matrix.target }}", " ".join(matrix.get("target", ())))
        for path in flows
        for job in yaml.safe_load(path.read_text("utf-8"))["jobs"].values()
        for matrix in [job.get("strategy", {}).get("matrix", {})]
        for step in job["steps"]
    ]
    called = {
        target
        for step in steps
        for line in re.findall(r"\bmake ((?:[a-z-]+ ?)+)", step)
        for target in line.split()
    }
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert called <= targets
    tests = {target for target in targets if target.startswith("test")} - {"test-gpu"}
    assert called >= tests | {"docs", "lowest"}, "a GPU is on no runner"
    assert ".ci/run" in steps


def test_every_built_in_model_has_a_card_that_says_what_to_cite() -> None:
    weights = sorted((PACKAGE / "pretrained").glob("*.safetensors"))
    assert weights
    for path in weights:
        card = path.with_suffix(".md").read_text("utf-8")
        assert "## Cite" in card, path.name
        assert re.search(r"These weights: (doi:|DOI not assigned)", card), path.name
