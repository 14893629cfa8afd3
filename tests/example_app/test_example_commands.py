"""Configuration and the ``token`` command."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest

from example_app import create_app
from example_app.auth import SCOPES
from example_app.cli import introduction, main
from example_app.config import stored_secret
from example_app.database import get_engine

SECRET = "a secret for tests, 32 bytes or more"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("EXAMPLE_") or name == "DATABASE_URL":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def made_token(capsys, *arguments):
    main(["token", *arguments])
    output = capsys.readouterr().out
    assert output.count("\n") == 1
    return output.strip()


def test_token_has_all_scopes_for_an_hour(monkeypatch, capsys):
    monkeypatch.setenv("EXAMPLE_SECRET_KEY", SECRET)
    claims = jwt.decode(made_token(capsys), SECRET, ["HS256"])
    assert claims["sub"] == "demo-admin"
    assert claims["scope"].split() == list(SCOPES)
    assert claims["exp"] - claims["iat"] == 3600
    assert claims["jti"]


def test_token_with_other_scopes_and_subject(monkeypatch, capsys):
    monkeypatch.setenv("EXAMPLE_SECRET_KEY", SECRET)
    token = made_token(capsys, "--scopes", "users:read", "other", "--subject", "somebody", "--expires", "60")
    claims = jwt.decode(token, SECRET, ["HS256"])
    assert (claims["sub"], claims["scope"], claims["exp"] - claims["iat"]) == ("somebody", "users:read other", 60)
    assert jwt.decode(made_token(capsys, "--scopes"), SECRET, ["HS256"])["scope"] == ""


def test_expired_token(monkeypatch, capsys):
    monkeypatch.setenv("EXAMPLE_SECRET_KEY", SECRET)
    with pytest.raises(jwt.ExpiredSignatureError):
        jwt.decode(made_token(capsys, "--expires", "-1"), SECRET, ["HS256"])


def test_secret_is_generated_once_and_private(capsys, tmp_path):
    token = made_token(capsys)
    file = tmp_path / "example.secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert jwt.decode(token, file.read_text(), ["HS256"])["sub"]
    assert [path.name for path in tmp_path.iterdir()] == ["example.secret"]
    first = file.read_text()
    made_token(capsys)
    assert file.read_text() == first


def test_processes_that_start_together_share_the_secret():
    with ThreadPoolExecutor(8) as pool:
        assert len({*pool.map(lambda _: stored_secret(), range(8))}) == 1


def test_secret_that_lost_the_race_is_dropped(monkeypatch, tmp_path):
    file = tmp_path / "example.secret"
    file.write_text("the winner's")
    monkeypatch.setattr(type(file), "exists", lambda path: False)
    assert stored_secret() == "the winner's"
    assert [path.name for path in tmp_path.iterdir()] == ["example.secret"]


@pytest.mark.parametrize("length", [1, 31])
def test_short_secret_is_refused(monkeypatch, length):
    monkeypatch.setenv("EXAMPLE_SECRET_KEY", "x" * length)
    with pytest.raises(ValueError, match="EXAMPLE_SECRET_KEY is too short: it must have 32 bytes or more"):
        create_app()


def test_secret_of_digits_stays_text(monkeypatch):
    monkeypatch.setenv("EXAMPLE_SECRET_KEY", "1" * 32)
    assert create_app().config["SECRET_KEY"] == "1" * 32


def test_environment_reaches_the_config(monkeypatch):
    monkeypatch.setenv("EXAMPLE_SECRET_KEY", SECRET)
    monkeypatch.setenv("EXAMPLE_APIERRORS_DEBUG", "true")
    monkeypatch.setenv("DATABASE_URL", "sqlite:///other.sqlite")
    app = create_app()
    assert app.config["APIERRORS_DEBUG"] is True
    assert str(get_engine(app).url) == "sqlite:///other.sqlite"
    assert create_app({"APIERRORS_DEBUG": False}).config["APIERRORS_DEBUG"] is False


def test_default_database_is_a_file_in_the_working_directory(monkeypatch):
    monkeypatch.setenv("EXAMPLE_SECRET_KEY", SECRET)
    assert str(get_engine(create_app()).url) == "sqlite:///example.sqlite"


def test_other_databases_get_an_engine_of_their_own(monkeypatch):
    # No driver of another database is installed, but the branch must not ask SQLite's questions.
    asked = {}

    def create_engine(url, **options):
        asked.update(options, url=url)

    monkeypatch.setattr("example_app.database.create_engine", create_engine)
    create_app({"SECRET_KEY": SECRET, "DATABASE_URL": "postgresql+psycopg://example"})
    assert asked == {"url": "postgresql+psycopg://example", "pool_pre_ping": True}


def test_introduction_names_three_commands():
    text = introduction(create_app({"SECRET_KEY": SECRET}), "http://127.0.0.1:5000")
    assert text.count("curl -i") == 3
    assert "TOKEN=ey" in text
