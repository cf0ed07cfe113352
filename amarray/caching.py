"""`amarray cache`: what the user's cache holds, and its clearing."""

import argparse

from sw import user_cache


def cache(options: argparse.Namespace) -> dict:
    """`amarray cache`."""
    before = user_cache.entries()
    if options.clear:
        user_cache.clear()
    found = user_cache.entries() if options.clear else before
    kinds = {}
    for each in sorted(found, key=lambda entry: entry.kind):
        kind = kinds.setdefault(each.kind, {"entries": 0, "bytes": 0})
        kind["entries"] += 1
        kind["bytes"] += each.bytes
    size = sum(each.bytes for each in found)
    return {
        "folder": str(user_cache.home()),
        "bytes": size,
        "limit_bytes": user_cache.LIMIT,
        "entries": len(found),
        "kinds": kinds,
        "cleared_bytes": sum(each.bytes for each in before) - size if options.clear else 0,
    }
