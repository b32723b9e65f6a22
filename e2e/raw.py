"""A client of exec that keeps every byte it receives, parts of frames included, and starts in a millisecond."""

import base64
import os
import socket
import ssl
import struct
import threading
import urllib.parse


class RawExec(threading.Thread):
    """`kubectl exec POD -c CONTAINER -- WORDS` over WebSocket, v5.channel.k8s.io."""

    def __init__(self, port, token, words, pod="shell", container="shell", cluster="demo"):
        super().__init__(daemon=True)
        query = urllib.parse.urlencode(
            [("container", container), ("stdout", "true"), ("stderr", "true"), *(("command", word) for word in words)]
        )
        self.head = (
            f"GET /clusters/{cluster}/api/v1/namespaces/default/pods/{pod}/exec?{query} HTTP/1.1\r\n"
            f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
            "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n"
        ).encode()
        self.port = port
        self.answer = None  # the status line
        self.stdout = bytearray()
        self.status = b""
        self.closed = False  # in good order: a close frame came
        self.start()

    def run(self):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with socket.create_connection(("127.0.0.1", self.port), 10) as tcp, context.wrap_socket(tcp) as tls:
                tls.settimeout(60)
                tls.sendall(self.head)
                self.receive(tls)
        except OSError:
            pass

    def receive(self, tls):
        pending = b""
        while b"\r\n\r\n" not in pending:
            if not (more := tls.recv(65536)):
                return
            pending += more
        head, pending = pending.split(b"\r\n\r\n", 1)
        self.answer = head.split(b"\r\n", 1)[0].decode()
        if " 101 " not in self.answer:
            return
        # What is left of the frame's payload, its channel once it is known, and its opcode.
        left, channel, opcode = 0, None, 0
        while True:
            while left and pending:
                if channel is None and opcode == 2:
                    channel, pending, left = pending[0], pending[1:], left - 1
                    continue
                piece, pending = pending[:left], pending[left:]
                left -= len(piece)
                if opcode == 2 and channel == 1:
                    self.stdout += piece
                elif opcode == 2 and channel == 3:
                    self.status += piece
            while not left and (frame := self.frame(pending)):
                opcode, left, size = frame
                pending, channel = pending[size:], None
                if opcode == 8:
                    self.closed = True
            if left and pending:
                continue
            if not (more := tls.recv(65536)):
                return
            pending += more

    @staticmethod
    def frame(pending):
        """Opcode, payload's length and head's size of the frame that begins here; none while the head is cut off."""
        if len(pending) < 2:
            return None
        length, size = pending[1] & 0x7F, 2
        if length == 126:
            if len(pending) < 4:
                return None
            (length,), size = struct.unpack(">H", pending[2:4]), 4
        elif length == 127:
            if len(pending) < 10:
                return None
            (length,), size = struct.unpack(">Q", pending[2:10]), 10
        return pending[0] & 0x0F, length, size
