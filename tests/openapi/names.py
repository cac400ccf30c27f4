"""Texts that the stored events have: ordinary ones, and those that anybody may post."""

SITES = ["site-abc-123", "ü/ä?&#", "a b+c%00", "🦊"]
REGISTERED = [SITES[0], "shop"]
PAGES = ["/pricing", "/", "/ü?", "=1+1", "/a//b/", "/%zz", "/\u2028,\"';"]
USERS = ["user-7", "https://id.example/ann", "user/1", "🦊 ?#&", ".."]
