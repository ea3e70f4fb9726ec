"""Where a project is, and what its settings say."""

import pytest

from mlops_nb import config
from mlops_nb.errors import Refused

TABLE = '[tool.mlops-nb]\nexperiment = "table"\n'


def folder(path):
    path.mkdir(parents=True)
    return path


@pytest.mark.parametrize("mark", [".mlops", ".git"])
def test_a_folder_upwards_with_a_mark_is_the_project(tmp_path, mark):
    (tmp_path / mark).mkdir()
    assert config.find_root(folder(tmp_path / "a" / "b")) == tmp_path


@pytest.mark.parametrize(
    ("file", "text"), [("mlops-nb.toml", ""), ("pyproject.toml", TABLE)], ids=["own", "pyproject"]
)
def test_a_settings_file_upwards_makes_a_project(tmp_path, file, text):
    (tmp_path / file).write_text(text)
    assert config.find_root(folder(tmp_path / "a")) == tmp_path


def test_the_nearest_project_is_the_one(tmp_path):
    (tmp_path / ".git").mkdir()
    inner = folder(tmp_path / "a")
    (inner / "mlops-nb.toml").touch()
    assert config.find_root(folder(inner / "b")) == inner


def test_a_git_worktree_whose_git_is_a_file_is_a_project(tmp_path):
    (tmp_path / ".git").write_text("gitdir: elsewhere")
    assert config.find_root(folder(tmp_path / "a")) == tmp_path


def test_another_tool_s_pyproject_makes_no_project(tmp_path):
    (tmp_path / ".mlops").mkdir()
    inner = folder(tmp_path / "a")
    (inner / "pyproject.toml").write_text("[tool.ruff]\n[project]\nname = 'x'\n")
    assert config.find_root(inner) == tmp_path


def test_an_empty_table_of_ours_makes_a_project(tmp_path):
    (tmp_path / ".git").mkdir()
    inner = folder(tmp_path / "a")
    (inner / "pyproject.toml").write_text("[tool.mlops-nb]\n")
    assert config.find_root(folder(inner / "b")) == inner


def test_without_settings_everything_lies_in_the_projects_folder(tmp_path):
    found = config.load(tmp_path, {})
    assert found.journal == f"sqlite:///{tmp_path}/.mlops/journal.db"
    assert found.mlflow == f"sqlite:///{tmp_path}/.mlops/mlflow.db"
    assert found.folder == tmp_path / ".mlops"
    assert found.artifacts == f"file://{tmp_path}/.mlops/mlartifacts"


def test_the_own_file_wins_over_pyproject_and_the_environment_over_both(tmp_path):
    (tmp_path / "pyproject.toml").write_text(TABLE + 'mlflow = "http://table"\n')
    assert config.load(tmp_path, {}).experiment == "table"
    (tmp_path / "mlops-nb.toml").write_text('experiment = "own"\njournal = "sqlite:///own.db"\n')
    found = config.load(tmp_path, {"MLOPS_NB_JOURNAL": "postgresql://host/db"})
    assert (found.experiment, found.mlflow) == ("own", "http://table")
    assert found.journal == "postgresql://host/db"


def test_mlflow_s_own_variable_wins(tmp_path):
    given = {"MLOPS_NB_MLFLOW": "http://ours", "MLFLOW_TRACKING_URI": "http://theirs"}
    assert config.load(tmp_path, given).mlflow == "http://theirs"


def test_an_empty_variable_says_nothing(tmp_path):
    found = config.load(tmp_path, {"MLOPS_NB_EXPERIMENT": "", "MLFLOW_TRACKING_URI": ""})
    assert found.experiment == "mlops-nb"
    assert found.mlflow.startswith("sqlite:///")


@pytest.mark.parametrize("key", ["jurnal", "root", "JOURNAL"])
def test_an_unknown_key_is_refused_with_the_known_ones(tmp_path, key):
    (tmp_path / "mlops-nb.toml").write_text(f'{key} = "x"\n')
    with pytest.raises(Refused) as refused:
        config.load(tmp_path, {})
    assert repr(key) in refused.value.what
    assert "experiment, group, journal, mlflow" in refused.value.fix


@pytest.mark.parametrize("file", ["mlops-nb.toml", "pyproject.toml"])
def test_broken_toml_is_refused_by_its_name(tmp_path, file):
    (tmp_path / file).write_text("[tool.mlops-nb\n")
    with pytest.raises(Refused) as refused:
        config.load(tmp_path, {})
    assert file in refused.value.what
    assert refused.value.where == str(tmp_path / file)


def test_toml_that_is_not_utf_8_is_refused(tmp_path):
    (tmp_path / "mlops-nb.toml").write_bytes(b'experiment = "gr\xfc"\n')
    with pytest.raises(Refused, match="cannot be read"):
        config.load(tmp_path, {})


def test_a_setting_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "mlops-nb.toml").write_text("journal = 3\n")
    with pytest.raises(Refused) as refused:
        config.load(tmp_path, {})
    assert "'journal'" in refused.value.what


def test_a_path_with_a_percent_sign_keeps_its_address(tmp_path):
    for name in ("a%20b", "100%", "%(here)s", "a%%b"):
        found = config.load(tmp_path / name, {})
        assert config.sqlite_file(found.mlflow) == tmp_path / name / ".mlops" / "mlflow.db"
        assert found.journal == f"sqlite:///{tmp_path / name / '.mlops' / 'journal.db'}"
