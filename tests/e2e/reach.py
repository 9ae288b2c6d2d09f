"""Run inside a pod: which addresses answer it? Prints one JSON object. Arguments: tcp:HOST:PORT or udp:HOST:PORT."""

import json
import socket
import sys

SECONDS = 2.0
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def answers(kind: str, host: str, port: str) -> bool:
    """Whether a connection is taken, or a datagram answered."""
    with socket.socket(socket.AF_INET, KINDS[kind]) as probe:
        probe.settimeout(SECONDS)
        try:
            probe.connect((host, int(port)))
            if kind == "udp":
                probe.send(b"?")
                probe.recv(16)
        except OSError:
            return False
    return True


print(json.dumps({each: answers(*each.split(":")) for each in sys.argv[1:]}))
