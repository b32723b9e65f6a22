"""An HTTP server on this machine, which is the pod's too, asked through `kubectl port-forward`."""

import contextlib
import http.server
import re
import threading
import urllib.request


class Greeting(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"forwarded:" + self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def forwarded(client, pod):
    """Its port, and what asks for a path and gives the body. At the end kubectl has ended too."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Greeting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        process = client.start("port-forward", pod, f":{port}")
        try:
            local = re.search(rb"127\.0\.0\.1:(\d+)", process.stdout.readline())[1].decode()

            def get(path):
                with urllib.request.urlopen(f"http://127.0.0.1:{local}{path}", timeout=10) as answer:
                    return answer.read()

            yield port, get
        finally:
            process.terminate()
            process.wait(20)
            server.shutdown()
