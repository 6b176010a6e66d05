"""YAML texts, from files and from the command line."""

from __future__ import annotations

from typing import Any

import yaml

#: In C where PyYAML was built with it, several times faster: a run reads its configuration again and again.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: Collections within each other; the loader in C ends the process at some ten thousand.
DEEPEST = 100


def parse_yaml(text: str, loader: Any = LOADER) -> Any:
    """What a YAML text states, by a safe loader; code is never made of it.

    Raises:
        ValueError: Whatever is wrong with it, in one line: PyYAML lets through Python's own errors about
            dates, numbers and words that it cannot make. Or collections are nested too deeply.
    """
    try:
        depth = 0
        for event in yaml.parse(text, loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise ValueError("nested too deeply")
        return loader(text).get_single_data()
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(" ".join(str(error).split())) from None
