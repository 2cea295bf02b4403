"""What stands in a place is the old file or the new one, whole."""

from pathlib import Path

import pytest

from unmask.errors import OutputError
from unmask.files.atomic import replacing


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("stop", "reported"),
    [(KeyboardInterrupt(), KeyboardInterrupt), (OSError(28, "disk full"), OutputError)],
)
def test_what_was_there_survives_an_interruption(
    tmp_path: Path, stop: BaseException, reported: type[BaseException]
) -> None:
    (tmp_path / "kept").write_text("as it was")
    with pytest.raises(reported), replacing(tmp_path / "kept") as draft:
        draft.write_text("half of it")
        raise stop
    assert (tmp_path / "kept").read_text() == "as it was"
    assert names(tmp_path) == {"kept"}


def test_nothing_appears_before_it_is_whole(tmp_path: Path) -> None:
    with replacing(tmp_path / "new") as draft:
        draft.write_text("half of it")
        assert not (tmp_path / "new").exists()
    assert (tmp_path / "new").read_text() == "half of it" and names(tmp_path) == {"new"}
