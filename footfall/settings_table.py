"""All settings as docs/settings.md has them."""

import dataclasses

from shared.settings import Settings


def as_markdown_table() -> str:
    """A line for each setting: its name, default and meaning."""
    lines = ["| setting | default | meaning |", "| --- | --- | --- |"]
    for field in dataclasses.fields(Settings):
        default = shown(field.default)
        lines.append(f"| `{field.name.upper()}` | {default} | {field.metadata['description']} |")
    return "\n".join(lines)


def shown(default: object) -> str:
    """A default as somebody would write it; nothing where it is empty."""
    if default in ("", (), None):
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"
