"""The page of a study over HTTP, made again while the study runs. On this machine alone."""

import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

from evenkeel.study.errors import UserError
from evenkeel.study.plain_text import visible
from evenkeel.study.records.ledger import Ledger

HOST = "127.0.0.1"
RENEW_S = 15.0
"""A page is made again this often at most, and in no more than a tenth of the time."""
RELOAD_S = 30
"""After so long a browser asks again, until all planned trials are recorded."""


class LivePage:
    """The page as it stands in the ledger; one is made at a time."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._lock = ledger, Lock()
        self._text, self._due = "", 0.0
        self._key: tuple[str, ...] = ()
        self.complete = False

    def text(self) -> str:
        """The page, not older than RENEW_S where trials were recorded since."""
        with self._lock:
            if time.monotonic() >= self._due and (key := self._recorded()) != self._key:
                start = time.monotonic()
                self._text, self._key = self._render(), key
                self._due = time.monotonic() + max(RENEW_S, 9 * (time.monotonic() - start))
            return self._text

    def _recorded(self) -> tuple[str, ...]:
        folder = self._ledger.folder
        return (*folder.names("packed", ".parquet"), *folder.names("trials", ".json"))

    def _render(self) -> str:
        from evenkeel.reports.page.page import render
        from evenkeel.reports.table.trial_table import facts_of
        from evenkeel.study.records.table import table_from_ledger

        table = table_from_ledger(self._ledger)
        planned = sum(sum(designs.values()) for designs in facts_of(table).planned.values())
        self.complete = len(table) >= planned
        return render(table)


def serve_page(ledger: Ledger, port: int = 0) -> str:
    """Serve the page from a thread that ends with the process; its address. Port 0: any that is free."""
    page = LivePage(ledger)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Host", "").rpartition(":")[0] not in (HOST, "localhost"):
                self.send_error(403)  # a name that somebody else's DNS points here
            elif self.path != "/":
                self.send_error(404)
            else:
                self._answer(*_page_of(page))

        def _answer(self, status: int, text: str) -> None:
            content = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            if not page.complete:
                self.send_header("Refresh", str(RELOAD_S))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the terminal belongs to the addresses."""

    server = ThreadingHTTPServer((HOST, port), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    return f"http://{HOST}:{server.server_address[1]}/"


def _page_of(page: LivePage) -> tuple[int, str]:
    try:
        return 200, page.text()
    except UserError as error:
        return 503, f"<!doctype html><pre>{visible(str(error)).replace('<', '&lt;')}</pre>"
