"""Translation that goes on from World to World at the cost of what changed: `Live` beside `translate_world`.

Every result equals that of the whole function; property tests compare them after each of many random changes.
"""

from tandem.translate.live.world import Live

__all__ = ["Live"]
