"""The hub of pretrained weights: whether it can be reached is found out in seconds, not after every retry."""

import os
import socket
from urllib.parse import urlparse

TIMEOUT_S = 3
PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


def look_up_in_cache_if_unreachable() -> None:
    """Ask only the cache of the hub when its host does not answer; call before a model is made with hub weights."""
    if any(name in os.environ for name in PROXIES) or _answers():
        return
    os.environ["HF_HUB_OFFLINE"] = "1"
    import huggingface_hub.constants

    huggingface_hub.constants.HF_HUB_OFFLINE = True


def _answers() -> bool:
    address = urlparse(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    try:
        socket.create_connection((address.hostname or "", address.port or 443), timeout=TIMEOUT_S).close()
    except OSError:
        return False
    return True
