"""A project of another user is refused with the mend, and one's own is private."""

import os
import stat

import pytest

from mlops_nb import trust
from mlops_nb.config import find_root
from mlops_nb.errors import Refused
from mlops_nb.files import write_text
from mlops_nb.project import open_project

SOMEBODY = 54321
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    (folder / ".mlops").mkdir(parents=True)
    (folder / "mlops-nb.toml").write_text("")
    (folder / "deep" / "er").mkdir(parents=True)
    folder.chmod(0o755)
    return folder


def refused(folder, **environment):
    with pytest.raises(Refused) as found:
        trust.refuse_foreign(find_root(folder), environment)
    return found.value


@as_root
@pytest.mark.parametrize("part", [".", ".mlops", "mlops-nb.toml"])
def test_what_another_user_owns_is_refused_from_every_folder_below(project, part):
    os.chown(project / part, SOMEBODY, SOMEBODY)
    error = refused(project / "deep" / "er", HOME=str(project))
    assert f"belongs to another user (uid {SOMEBODY})" in error.what
    assert f'[safe] folders = ["{project}"]' in error.fix


@pytest.mark.parametrize("part", [".", ".mlops", "mlops-nb.toml"])
def test_what_everybody_may_write_is_refused(project, part):
    (project / part).chmod(0o777)
    assert "may be written by every user" in refused(project / "deep").what


def test_a_shared_folder_as_tmp_is_no_danger_by_itself(project):
    project.chmod(0o1777)
    trust.refuse_foreign(project, {})


@as_root
def test_a_project_that_a_user_planted_in_a_shared_folder_is_refused(tmp_path):
    shared = tmp_path / "tmp"
    (shared / "mine").mkdir(parents=True)
    shared.chmod(0o1777)
    (shared / ".mlops").mkdir()
    os.chown(shared / ".mlops", SOMEBODY, SOMEBODY)
    with pytest.raises(Refused):
        open_project(shared / "mine")


@as_root
def test_the_caller_of_sudo_is_no_stranger(project):
    os.chown(project, SOMEBODY, SOMEBODY)
    trust.refuse_foreign(project, {"SUDO_UID": str(SOMEBODY)})


@pytest.mark.parametrize("safe", ["*", "{project}", "{parent}"])
def test_the_users_own_settings_name_what_is_safe(project, tmp_path, safe):
    (project / ".mlops").chmod(0o777)
    text = safe.format(project=project, parent=project.parent)
    write_text(tmp_path / "mlops-nb" / "config.toml", f'[safe]\nfolders = ["{text}"]\n')
    trust.refuse_foreign(project, {"XDG_CONFIG_HOME": str(tmp_path)})
    trust.refuse_foreign(project, {trust.VARIABLE: text})
    refused(project, MLOPS_NB_SAFE_FOLDERS=str(project / "deep"))


def test_settings_that_everybody_may_write_name_nothing(project, tmp_path):
    (project / ".mlops").chmod(0o777)
    write_text(tmp_path / "mlops-nb" / "config.toml", '[safe]\nfolders = ["*"]\n')
    (tmp_path / "mlops-nb" / "config.toml").chmod(0o666)
    refused(project, XDG_CONFIG_HOME=str(tmp_path))


@pytest.mark.parametrize(
    "text", ["[safe", "safe = 3", "[safe]\nfolders = [3]", "[safe]\nfolders = 3"]
)
def test_settings_that_cannot_be_read_are_one_error(project, tmp_path, text):
    (project / ".mlops").chmod(0o777)
    write_text(tmp_path / "mlops-nb" / "config.toml", text)
    assert "cannot be read" in refused(project, XDG_CONFIG_HOME=str(tmp_path)).what


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_project_is_private_whatever_the_umask(tmp_path, umask):
    (tmp_path / ".git").mkdir()
    before = os.umask(umask)
    try:
        project = open_project(tmp_path)
        project.context.prepare_folder()
        (tmp_path / "value").write_bytes(b"x")
        project.context.store.put(tmp_path / "value")
    finally:
        os.umask(before)
    modes = {p: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / ".mlops").rglob("*")}
    assert stat.S_IMODE((tmp_path / ".mlops").stat().st_mode) == 0o700
    assert {oct(mode) for path, mode in modes.items() if path.is_file()} == {"0o600"}


def test_a_folder_that_was_readable_before_is_closed(tmp_path):
    (tmp_path / ".mlops").mkdir(mode=0o755)
    open_project(tmp_path).context.prepare_folder()
    assert stat.S_IMODE((tmp_path / ".mlops").stat().st_mode) == 0o700


@as_root
def test_a_group_shares_a_project_by_its_setting(tmp_path):
    (tmp_path / "mlops-nb.toml").write_text('group = "daemon"')
    project = open_project(tmp_path)
    project.context.prepare_folder()
    folder = (tmp_path / ".mlops").stat()
    assert stat.S_IMODE(folder.st_mode) == 0o2770
    file = (tmp_path / ".mlops" / "journal.db").stat()
    assert (file.st_gid, stat.S_IMODE(file.st_mode)) == (folder.st_gid, 0o660)


def test_a_group_that_there_is_not_is_one_error(tmp_path):
    (tmp_path / "mlops-nb.toml").write_text('group = "nobody-has-this-group"')
    with pytest.raises(Refused) as found:
        open_project(tmp_path).context.prepare_folder()
    assert "fix: set `group`" in str(found.value)
