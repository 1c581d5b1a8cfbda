"""Why a worker process died, in one line: what Ray says of it, and what it left on its node."""

import re
from collections.abc import Callable

DIED = "the worker process died"
PROCESS = re.compile(r"\bpid: (\d+)")
NODE = re.compile(r"\bip: (\S+)")
DEATH = re.compile(
    r"Actor\w*Error|[Tt]he actor \w* ?(died|is dead|is unavailable)|[Ww]orker died|NodeDied|died unexpectedly"
)
EXIT_CODE = re.compile(r"exit code (\d+)")
RECEIVED = re.compile(r"receives a (SIG\w+)")
MEMORY = re.compile(r"running low on memory|NODE_OUT_OF_MEMORY")
NODE_DIED = re.compile(r"node (has )?died|node is dead|owner has died")
MAX_CHARACTERS = 200


def describe_death(ray_text: str, read_note: Callable[[str, int], str]) -> str:
    """One line on a worker that Ray (2.60) lost, from its words; `read_note(address, pid)` asks the node of it.

    Names memory, a node or a signal only where somebody saw so. Words on anything but a death are given back.
    """
    if not DEATH.search(ray_text):
        return ray_text or f"{DIED}; Ray does not say why"
    if NODE_DIED.search(ray_text):
        return f"{DIED}: its node was lost"
    if MEMORY.search(ray_text):
        return f"{DIED}: Ray ended it, since its node ran low on memory; lower resources.pack_size or workers"
    address, pid = NODE.search(ray_text), PROCESS.search(ray_text)
    if address and pid and (note := read_note(address[1], int(pid[1]))):
        return f"{DIED}: {note}"
    if received := RECEIVED.search(ray_text):
        return f"{DIED}: it was sent {received[1]}"
    if code := EXIT_CODE.search(ray_text):
        return f"{DIED}: exit code {code[1]}"
    if "End of file" not in ray_text:
        return f"{DIED}: {' '.join(ray_text.split())[-MAX_CHARACTERS:]}"
    return (
        f"{DIED} without a word: it ended itself (os._exit), or somebody sent SIGKILL; no fault of memory access and "
        "no want of memory was seen"
    )
