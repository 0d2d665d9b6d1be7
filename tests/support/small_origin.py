# SPDX-License-Identifier: BSD-2-Clause
"""An origin for tests: GET /N answers N bytes of "x", fresh for a minute; POST tells how many bytes
it was sent. Both are noted, with their connection. `with Origin(port)` serves on 127.0.0.1 (or another
address), with a context given over TLS."""
import http.server
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body, fields):
        self.send_response(200)
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        digits = self.path.strip("/").partition("?")[0]
        self.server.requests.append((self.path, dict(self.headers), self.connection))
        self.answer(b"x" * int(digits or 0), {"Cache-Control": "max-age=60"})

    def do_POST(self):
        self.server.posts.append((self.path, dict(self.headers), self.connection))
        left = int(self.headers["Content-Length"])
        got = 0
        while got < left:
            got += len(self.rfile.read(min(left - got, 1 << 16)))
        self.answer(b"%d" % got, {})

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port, context, address):
        super().__init__((address, port), Handler)
        self.context = context
        self.requests = []
        self.posts = []
        self.failures = []

    def handle_error(self, request, client_address):
        """A connection that ends early is the proxy's affair."""

    def finish_request(self, request, client_address):
        if self.context:
            try:
                request = self.context.wrap_socket(request, server_side=True)
            except OSError as error:
                self.failures.append(error)
                return
        self.RequestHandlerClass(request, client_address, self)


class Origin:
    def __init__(self, port, context=None, address="127.0.0.1"):
        self.server = Server(port, context, address)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    @property
    def requests(self):
        return self.server.requests

    @property
    def posts(self):
        return self.server.posts

    @property
    def failures(self):
        return self.server.failures

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
