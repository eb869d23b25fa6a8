"""How the page's handlers are attached: without a progress overlay, and hidden from API clients."""

from __future__ import annotations

from typing import Any

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
