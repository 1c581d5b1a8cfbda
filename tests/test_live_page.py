"""The page that `evenkeel ui` serves: made again when trials were recorded, and only for this machine."""

import urllib.error
import urllib.request

import pytest

from evenkeel.study.commands import live_page
from evenkeel.study.records.ledger import Ledger


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(live_page, "RENEW_S", 0.0)
    monkeypatch.setattr(live_page.LivePage, "_render", lambda self: made.append(1) or f"page {len(made)}")
    ledger = Ledger(str(tmp_path), "live")
    ledger.create()
    return ledger


def asked(address, **headers):
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=10) as answer:
        return answer.read().decode(), answer.headers["Refresh"]


def test_the_page_is_made_again_when_a_trial_was_recorded(ledger, tmp_path):
    address = live_page.serve_page(ledger)
    (tmp_path / "trials" / "0.json").write_text("{}")
    assert asked(address) == asked(address) == ("page 1", "30")  # a trial is missing yet: the browser asks again
    (tmp_path / "trials" / "1.json").write_text("{}")
    assert asked(address)[0] == "page 2"


@pytest.mark.parametrize(("path", "headers", "status"), [("other", {}, 404), ("", {"Host": "evil.example:1"}, 403)])
def test_nothing_else_is_served(ledger, path, headers, status):
    with pytest.raises(urllib.error.HTTPError) as refused:
        asked(live_page.serve_page(ledger) + path, **headers)
    assert refused.value.code == status
