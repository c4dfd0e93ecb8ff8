"""Check what a wheel and an sdist hold against the repository: nothing missing, nothing else.

python scripts/check_distributions.py dist/*
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
NOT_IN_SDIST = {"napari.yaml"}  # a link to the one of the package


def tracked() -> set[str]:
    """Return the files of the repository, as git knows them."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    told = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.decode()  # noqa: S603
    return {name for name in told.split("\0") if name and (ROOT / name).exists()}


def expected_in_wheel() -> set[str]:
    """Return the package, and the pages of its documentation."""
    package = {
        name.removeprefix("src/") for name in tracked() if name.startswith("src/napari_deepsmlm/")
    }
    pages = {f"napari_deepsmlm/help/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    return package | pages


def in_wheel(path: Path) -> set[str]:
    """Return the files of a wheel but for its metadata."""
    with zipfile.ZipFile(path) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def in_sdist(path: Path) -> set[str]:
    """Return the files of an sdist, as seen from its folder."""
    with tarfile.open(path) as archive:
        names = [member.name for member in archive.getmembers() if not member.isdir()]
    return {name.partition("/")[2] for name in names}


def faults(path: Path) -> list[str]:
    """Return a sentence for each file that is missing or should not be there."""
    if path.suffix == ".whl":
        held, expected = in_wheel(path), expected_in_wheel()
    else:
        held, expected = in_sdist(path), (tracked() - NOT_IN_SDIST) | {"PKG-INFO"}
    missing = [f"{path.name}: {name} is missing." for name in sorted(expected - held)]
    return missing + [f"{path.name}: {name} is too much." for name in sorted(held - expected)]


def wrong_version(path: Path) -> list[str]:
    """Return a sentence if the name of a file has another version than pyproject.toml."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    is_right = path.name.startswith(f"napari_deepsmlm-{version}")
    return [] if is_right else [f"{path.name}: the version of pyproject.toml is {version}."]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="Wheels and sdists.")
    files = parser.parse_args().files
    found = [fault for path in files for fault in (*wrong_version(path), *faults(path))]
    print("\n".join(found) or f"{len(files)} files hold what they should.")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
