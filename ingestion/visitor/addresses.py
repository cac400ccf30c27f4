"""The address of whoever sent a request: read, used, and forgotten.

It is not stored, logged, cached or in an error, here or in what calls this.
"""

import ipaddress


def address_from(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The last address: what stands before it in X-Forwarded-For was written by the client.

    `1.2.3.4:80`, `[::1]:80` and `::ffff:1.2.3.4` are understood. Raises ValueError.
    """
    last = text.rpartition(",")[2].strip()
    if last.startswith("["):
        last = last[1:].partition("]")[0]
    elif last.count(":") == 1:
        last = last.partition(":")[0]
    address = ipaddress.ip_address(last)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address
