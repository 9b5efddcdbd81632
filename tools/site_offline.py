"""The site without a connection: sw.js, with the versions of what it keeps."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parents[1] / "docs" / "sw.js"


def write(site: Path) -> None:
    """``site``/sw.js. A changed file changes a version: what is kept of an older one
    goes. The network has its own, so that it stays when a page has changed.
    """
    files = sorted(path for path in site.rglob("*") if path.is_file())
    files = [path for path in files if path != site / "sw.js"]
    network = [path for path in files if path.parent == site / "network"]
    pages = [path for path in files if path not in set(network)]
    version = {
        "pages": f"pages {digest(pages, site)}",
        "network": f"network {digest(network, site)}",
    }
    scripts = sorted((site / "_static/network").glob("*.js"))
    needed = [path.relative_to(site).as_posix() for path in [*network, *scripts]]
    head = f"const VERSION = {json.dumps(version)};\n"
    head += f"const WITH_NETWORK = {json.dumps(needed)};\n"
    text = head + TEMPLATE.read_text(encoding="utf-8")
    (site / "sw.js").write_text(text, encoding="utf-8")


def digest(files: Iterable[Path], site: Path) -> str:
    """Twelve letters for these files: their names and what is in them."""
    whole = hashlib.sha256()
    for path in files:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{path.relative_to(site).as_posix()} {content}\n".encode())
    return whole.hexdigest()[:12]
