"""FLOPY-NET's rule files, read liberally and carried over strictly to rules in Cedar."""

from fedsight.policy.flopy.importing import Imported, Note, imported

__all__ = ["Imported", "Note", "imported"]
