"""The end: de-provisioning, and what devices make of it."""

from haversack.admin.v1 import provisioning_pb2 as pb

from haversack_server.demo.crew import Crew
from haversack_server.demo.stage import Stage
from haversack_server.provisioning.files import staging_files

TOLD_SECONDS_MAX = 30.0


def deprovision(stage: Stage, crew: Crew) -> None:
    """Takes the staging database away; devices are told, and keep what they have."""
    narrator, organization = stage.narrator, stage.organization
    narrator.scene("De-provisioning, and what devices are told")
    as_before = crew.held()
    organization.start_deprovisioning()
    last = stage.follow(organization.watch())
    left = staging_files(stage.databases)
    narrator.check(
        f"the organization is not provisioned, and {len(left) or 'no'} staging databases are left",
        holds=last.state == pb.PROVISIONING_STATE_NOT_PROVISIONED and not left,
    )
    for device in crew.devices:
        told = device.told_out_of_service(TOLD_SECONDS_MAX)
        name, held = device.person.name, device.held()
        rows = sum(len(it) for it in held.values())
        narrator.check(f"{name} is told ORGANIZATION_NOT_PROVISIONED", holds=told)
        narrator.check(f"and keeps all {rows:,} rows", holds=held == as_before[device.person.user])
