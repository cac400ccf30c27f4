"""Real proxies in front of a Footfall, each with a set-up of docs/proxies.md as it stands there.

Only ports, certificates and the website's directory are others.
"""

import http.client
import os
import re
import shutil
import socket
import ssl
from collections.abc import Mapping
from contextlib import closing
from types import MappingProxyType
from typing import NamedTuple

from tests.certificates import Authority
from tests.servers import ROOT, Server, free_port

DOCUMENT = (ROOT / "docs" / "proxies.md").read_text("utf-8")
NOTHING: Mapping[str, str] = MappingProxyType({})
WEBSITE = "The website itself."
NGINX = """\
daemon off;
master_process off;
pid %(directory)s/pid;
error_log stderr;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path %(directory)s/body;
    proxy_temp_path %(directory)s/proxied;
    fastcgi_temp_path %(directory)s/fastcgi;
    uwsgi_temp_path %(directory)s/uwsgi;
    scgi_temp_path %(directory)s/scgi;
%(block)s
}
"""
TRAEFIK = """\
%(block)s
tls:
  stores:
    default:
      defaultCertificate: {certFile: %(cert)s, keyFile: %(key)s}
"""


def blocks(language: str) -> list[str]:
    """What the document has in this language."""
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)


class Answered(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Proxy(Server):
    """In front of ingestion and reporting on these ports, over TLS; `index` is the set-up's among
    those in its language."""

    program: str
    language: str
    # Its name, for those who go by that.
    config_name = "config"
    has_website = True

    def __init__(self, ingestion: int, reporting: int, index: slice = slice(1)) -> None:
        super().__init__()
        self.port = free_port()
        self.ports = {"127.0.0.1:8000": ingestion, "127.0.0.1:8001": reporting}
        self.certified = Authority(self.directory, "ca").certify("example.com")
        website = self.directory / "website"
        website.mkdir()
        (website / "index.html").write_text(WEBSITE, "utf-8")
        block = "\n".join(blocks(self.language)[index])
        for documented, port in self.ports.items():
            assert documented in block
            block = block.replace(documented, f"127.0.0.1:{port}")
        self.config = self.directory / self.config_name
        self.config.write_text(self.made_of(block.replace("/var/www/example.com", f"{website}")))

    def made_of(self, block: str) -> str:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.directory)}

    def is_ready(self) -> bool:
        try:
            return self.fetch("/").status > 0
        except OSError:
            return False

    def fetch(
        self,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] = NOTHING,
        *,
        host: str = "example.com",
        visitor: str = "127.0.0.1",
    ) -> Answered:
        """What a visitor of this address is answered, who asks for the path as it is."""
        context = ssl.create_default_context(cafile=str(self.directory / "ca.pem"))
        context.check_hostname = False
        plain = socket.create_connection(("127.0.0.1", self.port), 60, (visitor, 0))
        connection = http.client.HTTPConnection(host, timeout=60)
        with closing(context.wrap_socket(plain, server_hostname="example.com")) as connection.sock:
            connection.request("GET" if body is None else "POST", path, body, dict(headers))
            answer = connection.getresponse()
            return Answered(answer.status, answer.headers, answer.read())


class Nginx(Proxy):
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or ""
    language = "nginx"

    def made_of(self, block: str) -> str:
        block = block.replace("listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl")
        cert, key = self.certified
        block = re.sub(r"(ssl_certificate +)\S+;", rf"\g<1>{cert};", block)
        block = re.sub(r"(ssl_certificate_key +)\S+;", rf"\g<1>{key};", block)
        return NGINX % {"directory": self.directory, "block": block}

    def command(self) -> list[str]:
        return [self.program, "-p", str(self.directory), "-e", "stderr", "-c", str(self.config)]


class Caddy(Proxy):
    program = shutil.which("caddy") or ""
    language = "caddyfile"

    def made_of(self, block: str) -> str:
        cert, key = self.certified
        given = f"https://example.com:{self.port} {{\n\tbind 127.0.0.1\n\ttls {cert} {key}\n"
        assert block.startswith("example.com {\n")
        return "{\n\tadmin off\n}\n" + block.replace("example.com {\n", given, 1)

    def command(self) -> list[str]:
        return [self.program, "run", "--adapter", "caddyfile", "--config", str(self.config)]


class Traefik(Proxy):
    """It hands on, and serves no files."""

    program = shutil.which("traefik") or ""
    language = "yaml"
    config_name = "config.yml"
    has_website = False

    def made_of(self, block: str) -> str:
        cert, key = self.certified
        block = block.replace("tls: {certResolver: letsencrypt}", "tls: {}")
        return TRAEFIK % {"block": block, "cert": cert, "key": key}

    def command(self) -> list[str]:
        return [
            self.program,
            f"--entryPoints.websecure.address=127.0.0.1:{self.port}",
            f"--providers.file.filename={self.config}",
            "--global.checkNewVersion=false",
            "--global.sendAnonymousUsage=false",
        ]

    def is_ready(self) -> bool:
        # Before it has read the file, nothing is there.
        return super().is_ready() and self.fetch("/stats/").status == 200
