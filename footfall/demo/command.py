"""`footfall demo`, and the process of it that posts."""

import click

from footfall.demo.start import run_demo
from footfall.demo.traffic import fill
from footfall.load.command import PAGE_PORT
from footfall.run.signals import Signals
from shared.clock import now_ms
from shared.settings import Settings


@click.command("demo")
@click.option("--page-port", type=click.IntRange(1, 65535), default=PAGE_PORT, show_default=True)
def demo_command(page_port: int) -> None:
    """Start everything on made-up data, kept apart from yours in DATA_DIR/demo."""
    run_demo(page_port)


@click.command("demo-traffic", hidden=True)
def demo_traffic_command() -> None:
    """Post the demo's past and present; `footfall demo` starts this."""
    signals = Signals()
    signals.listen()
    fill(Settings.from_env(), signals, click.echo, now_ms)
