"""Run inside a pod: answers at ports, by TCP and by UDP. Arguments: the ports."""

import socketserver
import sys
import threading

EVERYWHERE = "0.0.0.0"  # noqa: S104  # it is asked from other pods


class Answer(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"here")


class Datagram(socketserver.DatagramRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"here")


for port in map(int, sys.argv[1:]):
    for server in (
        socketserver.ThreadingTCPServer((EVERYWHERE, port), Answer),
        socketserver.ThreadingUDPServer((EVERYWHERE, port), Datagram),
    ):
        threading.Thread(target=server.serve_forever).start()
print("ready", flush=True)
