"""From when on the raw events of a site are all there; its counts are, of all times."""

from sqlalchemy import Select, func, select, union_all

from shared.db.tables import retention, site_retention


def select_pruned_before(site_id: str) -> Select[int | None]:
    """The moment before which raw events of a site may be gone, in ms; NULL where none ever are.
    One row: the later of what earlier versions deleted of all sites, and what was of this one."""
    its_own = select(site_retention.c.pruned_before).where(site_retention.c.site_id == site_id)
    both = union_all(select(retention.c.pruned_before), its_own).subquery()
    return select(func.max(both.c.pruned_before))
