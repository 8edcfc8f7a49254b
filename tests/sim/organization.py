"""An organization whose devices write contacts."""

from __future__ import annotations

import uuid

from e2e.conftest import GLOBAL, READ, ROLE, UNIT, USER, table
from haversack.model.v1 import model_pb2
from haversack_server.demo.organization import Organization

CREATE, WRITE, DELETE = 1, 3, 4


def fill(organization: Organization) -> None:
    """Gives an organization a user who may read, create, change and delete contacts."""
    organization.create()
    organization.ingest("businessunit", table([["businessunitid", "name"], [UNIT, "Unit"]]))
    organization.ingest("systemuser", table([["systemuserid", "fullname", "businessunitid"], [USER, "Tester", UNIT]]))
    organization.ingest("role", table([["roleid", "name", "businessunitid"], [ROLE, "Writer", UNIT]]))
    assignments = [["systemuserroleid", "systemuserid", "roleid"], [str(uuid.uuid4()), USER, ROLE]]
    organization.ingest("systemuserroles", table(assignments))
    rights = [("mobileofflineprofile", READ), *(("contact", right) for right in (CREATE, READ, WRITE, DELETE))]
    grants = [[str(uuid.uuid4()), ROLE, entity, str(right), str(GLOBAL)] for entity, right in rights]
    header = ["roleprivilegeid", "roleid", "entityname", "accessright", "depth"]
    organization.ingest("roleprivileges", table([header, *grants]))
    organization.enable("contact")
    item = model_pb2.ProfileItem(entity="contact", criteria=model_pb2.RECORD_CRITERIA_ALL)
    organization.publish(model_pb2.Profile(name="all", users=[USER], items=[item]))
