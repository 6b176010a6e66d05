"""Print the least versions that pyproject.toml allows as requirements, to install and test exactly these.

    python -m venv low
    low/bin/pip install torch==2.13.0 $(python .ci/lower_bounds.py) && low/bin/pip install --no-deps .

Torch is left out: on a CPU one of its files fits. Extras are included by name: `python .ci/lower_bounds.py serve`.
"""

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
requirements = list(project["dependencies"])
for extra in sys.argv[1:]:
    requirements += project["optional-dependencies"][extra]
print(*(re.sub(">=", "==", requirement) for requirement in requirements if not requirement.startswith("torch>")))
