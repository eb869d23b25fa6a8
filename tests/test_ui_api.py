"""The named endpoints, called as a script calls them: gradio_client against the real app."""

from __future__ import annotations

import zipfile
from pathlib import Path

import gradio_client
import pytest
from browser_support import finished_run, start_app, without_worker

from storage import Store
from ui.api import status_of


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api")
    with without_worker(folder), start_app(folder) as app:
        yield app, gradio_client.Client(app.url, verbose=False, download_files=str(folder / "downloads"))


def test_submit_status_and_cancel(served):
    app, client = served
    run = client.predict(
        {"attribute": "gender", "contexts": ["bakers"], "target": {"male": 0.3, "female": 0.7}},
        api_name="/submit",
    )
    assert run["state"] == "queued"
    assert app.store.run(run["run_id"]).spec.target.rows == ((0.3, 0.7),)
    assert client.predict(run["run_id"], api_name="/status")["fraction"] == 0
    assert client.predict(run["run_id"], api_name="/cancel")["state"] == "cancelled"
    assert client.predict(run["run_id"], api_name="/status")["state"] == "cancelled"


def test_a_run_that_is_started_again_has_done_nothing_yet(tmp_path):
    store = Store(tmp_path / "runs.db")
    run = finished_run(store, tmp_path, steps=4)
    again = status_of(store, store.requeue(run.id))
    assert [again[name] for name in ("state", "stage", "fraction", "eta")] == ["queued", None, 0.0, None]


def test_results_and_adapter(served, tmp_path):
    app, client = served
    run = finished_run(app.store, app.data.root)
    results = client.predict(run.id, api_name="/results")
    assert {(r["phase"], r["split"]) for r in results["results"]} >= {("after", "heldout_templates")}
    status = client.predict(run.id, api_name="/status")
    assert status["adapter"] is True and 0 < status["mae"] < 0.2
    path = Path(client.predict(run.id, api_name="/download_adapter"))
    assert zipfile.ZipFile(path).namelist() == ["adapter_config.json"]


@pytest.mark.parametrize(
    ("endpoint", "argument", "message"),
    [
        ("/submit", {"attribute": "gender", "rounds": 0}, "rounds: 0 is out of range"),
        ("/submit", {"attribute": "gender", "base_model": "/etc"}, "base_model: '/etc' is not on the list"),
        ("/submit", {"attribute": "gender", "contexts": "/etc/passwd.csv"}, "is not a built-in table"),
        ("/submit", ["gender"], "is not a mapping"),
        ("/status", "nothing", "run: 'nothing' is not known"),
        ("/results", "nothing", "run: 'nothing' is not known"),
        ("/cancel", "nothing", "run: 'nothing' is not known"),
        ("/download_adapter", "nothing", "run: 'nothing' is not known"),
    ],
)
def test_what_cannot_be_used_is_said(served, endpoint, argument, message):
    _, client = served
    with pytest.raises(Exception, match=message):
        client.predict(argument, api_name=endpoint)


def test_an_adapter_that_became_a_link_is_refused(served):
    app, client = served
    run = finished_run(app.store, app.data.root)
    path = next(a.path for a in app.store.artifacts(run.id) if a.kind == "adapter")
    kept = path.rename(path.with_suffix(".kept"))
    path.symlink_to(app.data.database)
    try:
        with pytest.raises(Exception, match="gone from the data folder"):
            client.predict(run.id, api_name="/download_adapter")
    finally:
        path.unlink()
        kept.rename(path)


def test_only_the_five_endpoints_are_offered(served):
    _, client = served
    named = client.view_api(return_format="dict")["named_endpoints"]
    assert set(named) == {"/submit", "/status", "/results", "/cancel", "/download_adapter"}


def test_the_database_is_not_served(served):
    app, _ = served
    import urllib.error
    import urllib.request

    for path in (app.data.database, app.data.root / "adapter.zip"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{app.url}gradio_api/file={path}")
        assert caught.value.code in (403, 404)
