"""The dashboard and the Settings page, their files, and what the browser may do with them.

Page and files hold no number and no secret, so they are served without the key of `API_AUTH`; the
page asks for it, and sends it with each question to the routes that have the numbers.
"""

from typing import Any

from flask import Flask, Response, abort, redirect, render_template_string, request
from werkzeug.wrappers import Response as BaseResponse

from reporting.dashboard.assets import PAGE, PAGES, SETTINGS_PAGE, Asset, Assets, load_assets
from shared.fields import FIELDS, PANELS
from shared.http.paths import links_up
from shared.http.web import DESCRIPTION_PATHS, HOST
from shared.settings import Settings

ASSETS_PATH = "/assets/"
SETTINGS_PATH = "/settings"
FOREVER = "public, max-age=31536000, immutable"
# Listens on every address, so it is reached under the name by which reporting was.
ANY_ADDRESS = {"", "0.0.0.0", "::"}  # noqa: S104  # compared with, not listened on


def is_open(path: str) -> bool:
    """Whether it holds no number: the page and its files, and the API's description."""
    return path in {"/", SETTINGS_PATH, *DESCRIPTION_PATHS} or path.startswith(ASSETS_PATH)


def add_dashboard(app: Flask, settings: Settings) -> None:
    assets = load_assets()

    def page(name: str, **more: Any) -> Response:
        ingestion = ingestion_url(settings, request.host)
        text = render_template_string(
            assets.files[name].body.decode(),
            assets=f"assets/{assets.digest}",
            ingestion=ingestion,
            settings=settings,
            **more,
        )
        response = Response(text, headers=page_headers(ingestion))
        response.add_etag()
        response.make_conditional(request)
        return response

    @app.get("/")
    def dashboard() -> Response:
        return page(PAGE, modules=assets.modules, lists=lists())

    @app.get(SETTINGS_PATH)
    def settings_page() -> BaseResponse:
        # With a slash at its end it is the same route, but its relative links are others.
        up = links_up(request.environ)
        return redirect(f"{up}settings", 307) if up else page(SETTINGS_PAGE)

    @app.get(f"{ASSETS_PATH}<digest>/<path:name>")
    def asset(digest: str, name: str) -> Response:
        return asset_response(found(assets, digest, name))


def lists() -> dict[str, Any]:
    """What the page shows of each dimension, for its scripts."""
    shown = {field.dimension.name: field.dimension for field in FIELDS if field.dimension}
    names = [name for of_panel in PANELS.values() for name in of_panel]
    return {
        "dimensions": {name: shown[name].label for name in names},
        "tabs": {name: shown[name].tab for name in names if shown[name].tab},
        "panels": [{"title": title, "dimensions": of_panel} for title, of_panel in PANELS.items()],
    }


def found(assets: Assets, digest: str, name: str) -> Asset:
    # Another digest is another version's: its page must not mix with the files of this one.
    if digest != assets.digest or name not in assets.files or name in PAGES:
        abort(404)
    return assets.files[name]


def asset_response(asset: Asset) -> Response:
    response = Response(asset.body, content_type=asset.content_type)
    if asset.gzipped is not None:
        response.vary.add("Accept-Encoding")
        if request.accept_encodings["gzip"]:
            response.set_data(asset.gzipped)
            response.content_encoding = "gzip"
    response.headers["Cache-Control"] = FOREVER
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def page_headers(ingestion: str) -> dict[str, str]:
    """The page may load its own files, ask this service, and post to ingestion; nothing else."""
    policy = (
        f"default-src 'self'; connect-src 'self' {origin_of(ingestion)}; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-cache",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }


def ingestion_url(settings: Settings, host: str) -> str:
    """Where browsers reach ingestion; `host` is the name by which this one reached reporting."""
    if settings.public_ingestion_url:
        return settings.public_ingestion_url.rstrip("/")
    name = settings.ingestion_host
    if name in ANY_ADDRESS:
        asked = HOST.fullmatch(host)
        name = asked[1] if asked else "127.0.0.1"
    if ":" in name and not name.startswith("["):
        name = f"[{name}]"
    return f"http://{name}:{settings.ingestion_port}"


def origin_of(url: str) -> str:
    """Scheme, host and port."""
    return "/".join(url.split("/")[:3])
