"""What is printed once everything runs: where to post, where to look, what to paste."""

import json

from footfall.run.services import base_url
from shared.settings import Settings, masked

EVENT = {"site_id": "demo", "event_type": "page_view", "path": "/pricing", "user_id": "visitor-1"}
# The key itself is not printed: the shell that pastes this knows it, or its owner does.
KEY_HEADER = '-H "Authorization: Bearer $API_AUTH" '

TEMPLATE = """
Footfall is running. Ctrl-C stops it.

  post events to   {ingestion}/event
  dashboard        {reporting}/
  API              {ingestion}/docs and {reporting}/docs
  queue            {queue}
  database         {database}

Count a page view, and see it counted:

  curl {post_key}{ingestion}/event -d '{event}'
  curl {read_key}'{reporting}/stats?site_id=demo'

"""


def banner(settings: Settings) -> str:
    return TEMPLATE.format(
        ingestion=base_url(settings.ingestion_host, settings.ingestion_port),
        reporting=base_url(settings.reporting_host, settings.reporting_port),
        queue=masked(settings.redis_url) or f"embedded Valkey in {settings.data_dir.resolve()}",
        database=masked(settings.database_address),
        event=json.dumps(EVENT, separators=(",", ":")),
        post_key=KEY_HEADER if settings.ingest_auth else "",
        read_key=KEY_HEADER if settings.api_auth else "",
    )
