"""Archives that want to write elsewhere, become too large, or are none."""

from __future__ import annotations

import io
import random
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import DownloadError
from services.models.unpack import unpack, unpacked_size

Fill = Callable[[zipfile.ZipFile], None]


def _nothing(_: int) -> None:
    pass


def _archive(folder: Path, fill: Fill) -> Path:
    path = folder / "model.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/README", "a model\n")
        fill(archive)
    return path


def _link(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("model/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(info, "/etc/passwd")


def _pipe(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("model/pipe")
    info.external_attr = (stat.S_IFIFO | 0o666) << 16
    archive.writestr(info, "")


def _named(name: str) -> Fill:
    return lambda archive: archive.writestr(zipfile.ZipInfo(name), "here I am")


def _twice(archive: zipfile.ZipFile) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("model/README", "another")


def _many(archive: zipfile.ZipFile) -> None:
    for number in range(1001):
        archive.writestr(f"model/{number}", "")


def _folder_and_file(archive: zipfile.ZipFile) -> None:
    archive.writestr("model/am/final.mdl", "weights")
    archive.writestr("model/am", "a file")


HOSTILE: dict[str, Fill] = {
    "up": _named("model/../../outside"),
    "up at once": _named("../outside"),
    "absolute": _named("/tmp/outside"),
    "backslashes": _named("model\\..\\..\\outside"),
    "drive": _named("model/C:outside"),
    "control": _named("model/out\x1bside"),
    "link": _link,
    "pipe": _pipe,
    "file beside the folder": _named("outside"),
    "two folders": _named("another/model.conf"),
    "twice": _twice,
    "a file that is a folder": _named("model/README/more"),
    "a folder that is a file": _folder_and_file,
    "a dot": _named("model/./more"),
    "many": _many,
    "bomb": lambda archive: archive.writestr("model/zeros", b"\0" * 30_000_000),
}


@pytest.mark.parametrize("fill", HOSTILE.values(), ids=HOSTILE)
def test_what_no_model_holds_is_refused_before_anything_is_written(tmp_path: Path, fill: Fill) -> None:
    archive = _archive(tmp_path, fill)
    target = tmp_path / "deep" / "inside"
    target.mkdir(parents=True)
    for work in (lambda: unpacked_size(archive), lambda: unpack(archive, target, _nothing)):
        with pytest.raises(DownloadError, match="model.zip"):
            work()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["deep", "inside", "model.zip"]


def test_what_systems_put_into_archives_is_passed_over(tmp_path: Path) -> None:
    def fill(archive: zipfile.ZipFile) -> None:
        archive.writestr("__MACOSX/x", "")
        archive.writestr("model/.DS_Store", "")

    archive = _archive(tmp_path, fill)
    target = tmp_path / "target"
    target.mkdir()
    unpack(archive, target, _nothing)
    assert [path.name for path in target.rglob("*")] == ["README"]


def test_a_size_that_is_a_lie_is_found_out(tmp_path: Path) -> None:
    """The list at the archive's end says 10 bytes, and a megabyte follows."""
    archive = _archive(tmp_path, lambda a: a.writestr("model/more", random.Random(2).randbytes(1_000_000)))
    data = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        place = data.rindex(signature)
        data[place + offset : place + offset + 4] = (10).to_bytes(4, "little")
    archive.write_bytes(data)
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(DownloadError):
        unpack(archive, target, _nothing)
    assert sum(path.stat().st_size for path in target.rglob("*") if path.is_file()) < 1000


@pytest.mark.parametrize("where", [b"PK\x03\x04", b"more", b"PK\x01\x02"], ids=["header", "content", "list"])
def test_a_damaged_archive_is_told(tmp_path: Path, where: bytes) -> None:
    archive = _archive(tmp_path, lambda a: a.writestr("model/more", b"more and more" * 100))
    data = bytearray(archive.read_bytes())
    data[data.index(where) + len(where) - 1 + 5 * (where == b"more")] ^= 0xFF
    archive.write_bytes(data)
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(DownloadError):
        unpack(archive, target, _nothing)


@settings(max_examples=500, deadline=None)
@given(harm=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4))
def test_whatever_is_changed_in_an_archive_it_is_unpacked_or_told(
    tmp_path_factory: pytest.TempPathFactory, harm: list[tuple[float, int]]
) -> None:
    """Feature: models, Property 3: an archive with any bytes changed is unpacked, or told with its own name."""
    folder = tmp_path_factory.mktemp("harmed")
    archive = _archive(folder, lambda a: a.writestr("model/größe", "much"))
    data = bytearray(archive.read_bytes())
    for place, value in harm:
        data[int(place * len(data))] = value
    archive.write_bytes(data)
    target = folder / "target"
    target.mkdir()
    try:
        unpack(archive, target, _nothing)
    except DownloadError as error:
        assert "model.zip" in error.message


@pytest.mark.parametrize("content", [b"", b"PK", b"<html>not found</html>" * 100])
def test_what_is_no_archive_is_told(tmp_path: Path, content: bytes) -> None:
    archive = tmp_path / "model.zip"
    archive.write_bytes(content)
    with pytest.raises(DownloadError, match=r"model\.zip"):
        unpacked_size(archive)


_NAMES = st.text(st.sampled_from("ab./\\: é"), min_size=1, max_size=12)


@settings(max_examples=200, deadline=None)
@given(names=st.lists(_NAMES, min_size=1, max_size=4, unique=True))
def test_whatever_the_names_are_nothing_is_written_elsewhere(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    """Feature: models, Property 2: no name in an archive leads out of the folder that it is unpacked to."""
    outer = tmp_path_factory.mktemp("outer")
    target = outer / "a" / "target"
    target.mkdir(parents=True)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(f"model/{name}"), name)
    (outer / "model.zip").write_bytes(buffer.getvalue())
    try:
        unpack(outer / "model.zip", target, _nothing)
    except DownloadError:
        assert not any(target.iterdir())
    written = {path for path in outer.rglob("*") if path.is_file()} - {outer / "model.zip"}
    assert all(path.is_relative_to(target) for path in written)
