"""What is told of a registered site: all that is set for it, also what is as it is by default."""

import msgspec

from shared.clock import iso_from_ms
from shared.sites.settings import SiteSettings
from shared.sites.stored import StoredSite


class ToldSite(SiteSettings, frozen=True, omit_defaults=False, kw_only=True):
    """A site that somebody has registered, and what is set for it."""

    site_id: str
    created_at: str
    changed_at: str
    # Higher by one after each change.
    revision: int


def told_site(site: StoredSite) -> ToldSite:
    return ToldSite(
        site_id=site.site_id,
        **msgspec.structs.asdict(site.settings),
        created_at=iso_from_ms(site.created_at),
        changed_at=iso_from_ms(site.changed_at),
        revision=site.revision,
    )
