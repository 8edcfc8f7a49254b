"""The audit log: every call that changes something leaves an entry, whatever becomes of it.

The entry is there before the call does anything, with the outcome UNFINISHED. What the call changes in the catalog is
written to the entry, before and after, in the transaction that changes it, so that the two cannot part; `_subjects`
says per call what to look at. The rest is written when the call ends.
"""

from haversack_server.audit._log import AuditLog, Call
from haversack_server.audit._subjects import SUBJECTS, subject_of
from haversack_server.audit._words import TEXT_BYTES_MAX, described

__all__ = ["SUBJECTS", "TEXT_BYTES_MAX", "AuditLog", "Call", "described", "subject_of"]
