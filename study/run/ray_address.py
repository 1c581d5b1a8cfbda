"""What `--address` names: a cluster whose head answers."""

import socket

from evenkeel.study.errors import ClusterError, UserError

CONNECT_TIMEOUT_S = 10


def refuse_client(address: str | None) -> None:
    """Raises UserError for an address that cannot work."""
    if address and address.startswith("ray://"):
        raise UserError(
            f"--address {address}: the driver runs on a node of the cluster, not outside; there, give --address auto "
            "(evenkeel submit brings a study to the head)"
        )


def check_reachable(address: str | None) -> None:
    """Raises ClusterError for a head that is not there: Ray itself tries for minutes to reach it."""
    host, _, port = (address or "").rpartition("//")[2].rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT_S).close()
    except OSError as error:
        raise ClusterError(f"Ray cluster {address}: cannot be reached ({error}); is the head node up?") from error
