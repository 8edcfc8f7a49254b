"""Publishing: from metadata and drafts in the catalog to the model that devices follow.

`load_metadata` reads what an organization has; `judge` says whether a profile obeys the rules and compiles its filters;
`Drafts` writes drafts, `Publisher` publishes them, and `Followed` is what devices follow, as a model. A draft is judged
when it is saved and again when it is published, since metadata may have changed in between. What is published is
frozen, compiled filters included.
"""

from haversack_server.publishing._changes import changes, metadata_effects
from haversack_server.publishing._drafts import Drafts, Saved, content
from haversack_server.publishing._followed import Followed, load_followed, without_disabled
from haversack_server.publishing._judge import (
    Judgement,
    broken_filters,
    broken_profiles,
    compile_organization_filter,
    judge,
    why_refused,
)
from haversack_server.publishing._members import Move, overlaps
from haversack_server.publishing._metadata import Metadata, contradictions, entity_message, load_metadata
from haversack_server.publishing._publisher import Customized, Published, Publisher
from haversack_server.publishing._rules import other_end
from haversack_server.publishing._summary import revision_summary, summaries

__all__ = [
    "Customized",
    "Drafts",
    "Followed",
    "Judgement",
    "Metadata",
    "Move",
    "Published",
    "Publisher",
    "Saved",
    "broken_filters",
    "broken_profiles",
    "changes",
    "compile_organization_filter",
    "content",
    "contradictions",
    "entity_message",
    "judge",
    "load_followed",
    "load_metadata",
    "metadata_effects",
    "other_end",
    "overlaps",
    "revision_summary",
    "summaries",
    "why_refused",
    "without_disabled",
]
