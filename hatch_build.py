"""The project's addresses: those of the repository whose workflow builds it; a build elsewhere names none."""

from __future__ import annotations

import os
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class Addresses(MetadataHookInterface):
    """Sets `urls`, so that a fork's release does not send its users to another repository."""

    def update(self, metadata: dict[str, Any]) -> None:
        server, repository = (os.environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY"))
        home = f"{server}/{repository}"
        paths = {"Source": "", "Documentation": "/tree/HEAD/docs", "Issues": "/issues"}
        paths["Changelog"] = "/blob/HEAD/CHANGELOG.md"
        metadata["urls"] = {name: f"{home}{path}" for name, path in paths.items()} if server and repository else {}
