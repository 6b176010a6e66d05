from .bundle import Bundle
from .pipeline import fit_run

__all__ = ["Bundle", "fit_run"]
