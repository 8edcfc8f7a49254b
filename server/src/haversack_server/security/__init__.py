"""Who may do what: the policy for every call, callers and their roles, limits, certificates.

`_policy` is the one place that says which role a call needs and how its request names the organization; `admin` asks it
for every call, and a server does not start with a call that it does not cover.
"""

from haversack_server.security._access import Access
from haversack_server.security._caller import Caller, HeldGrant, Role
from haversack_server.security._certificates import Certificate, CertificateFiles
from haversack_server.security._development_ca import DevelopmentCa, make_development_ca
from haversack_server.security._limits import Limiter
from haversack_server.security._policy import RULES, Place, Rule, admit, organization_of, rule_of, uncovered

__all__ = [
    "RULES",
    "Access",
    "Caller",
    "Certificate",
    "CertificateFiles",
    "DevelopmentCa",
    "HeldGrant",
    "Limiter",
    "Place",
    "Role",
    "Rule",
    "admit",
    "make_development_ca",
    "organization_of",
    "rule_of",
    "uncovered",
]
