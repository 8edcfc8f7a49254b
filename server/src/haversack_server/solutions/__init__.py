"""Solutions: profiles in the form in which Dataverse moves them between organizations.

A solution is a zip with `solution.xml`, which says what it is, and `customizations.xml`, which holds the profiles
(`MobileOfflineProfiles`) and, on request, entities. Everything here is pure: drafts and metadata in, bytes out, and the
other way. Neither side of the mapping has a place for all of the other's; what is lost is returned as notes, one
sentence each.

    draft  -> form_profile -> write_solution -> zip
    zip    -> read_solution -> DraftReader   -> draft

GUIDs are made of names, so every export of a profile has the same; those of an imported solution are not kept. What
comes from a stranger is bounded before it is looked at: see `_zip` and `_xml`.
"""

from haversack_server.solutions._entities_read import documents, organization_filters
from haversack_server.solutions._entities_written import WrittenMetadata, written_metadata
from haversack_server.solutions._export import form_profile
from haversack_server.solutions._form import FormProfile, Header, Solution
from haversack_server.solutions._import import DraftReader
from haversack_server.solutions._read import read_solution
from haversack_server.solutions._write import write_solution
from haversack_server.solutions._zip import SOLUTION_BYTES_MAX

__all__ = [
    "SOLUTION_BYTES_MAX",
    "DraftReader",
    "FormProfile",
    "Header",
    "Solution",
    "WrittenMetadata",
    "documents",
    "form_profile",
    "organization_filters",
    "read_solution",
    "write_solution",
    "written_metadata",
]
