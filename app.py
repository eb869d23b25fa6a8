"""Distalign's page: ``python app.py``."""

from __future__ import annotations

import os

LOOPBACK, EVERYWHERE = "127.0.0.1", "0.0.0.0"
DEFAULT_PORT = 7860


def host() -> str:
    """Loopback, but for a Space, or where DISTALIGN_HOST names another address."""
    return os.environ.get("DISTALIGN_HOST") or (EVERYWHERE if os.environ.get("SPACE_ID") else LOOPBACK)


def main() -> None:
    """Open the data folder, see to what an earlier process left, and serve the page."""
    from distalign.folders import DataFolder
    from jobs import queue
    from storage import Store
    from ui import page

    data = DataFolder.from_environment()
    data.require_room()
    store = Store(data.database)
    queue.recover(store, data)
    queue.queue_default(store, data)
    page.build(store, data).launch(
        server_name=host(),
        server_port=int(os.environ.get("GRADIO_SERVER_PORT") or DEFAULT_PORT),
        **page.launch_options(data),
    )


if __name__ == "__main__":
    main()
