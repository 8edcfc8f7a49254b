"""A real server, killed as a power cut would while it provisions, and started again: it goes on to the right end."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Iterator

import grpc
import pytest
from e2e.processes import ServerProcess
from haversack.admin.v1 import provisioning_pb2 as pb
from haversack_server.demo.organization import Organization
from haversack_server.provisioning.files import staging_files

ROWS = 30_000
READY_SECONDS_MAX = 30
SETUP = [
    pb.PROVISIONING_STEP_VALIDATE,
    pb.PROVISIONING_STEP_CREATE_STAGING,
    pb.PROVISIONING_STEP_REPLICATE_METADATA,
    pb.PROVISIONING_STEP_BUILD_MODEL,
    pb.PROVISIONING_STEP_REPLICATE_DATA,
    pb.PROVISIONING_STEP_BUILD_INDEXES,
    pb.PROVISIONING_STEP_ACTIVATE,
]
TEARDOWN = [pb.PROVISIONING_STEP_DEACTIVATE, pb.PROVISIONING_STEP_DELETE_STAGING, pb.PROVISIONING_STEP_DELETE_MODELS]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that every test kills and leaves running."""
    process = ServerProcess(tmp_path_factory.mktemp("killed"))
    process.start()
    yield process
    process.kill()


def filled(server: ServerProcess, channel: grpc.Channel) -> Organization:
    """An organization with rows, not provisioned, to which somebody has consented."""
    organization = server.organization(channel, f"kill-{uuid.uuid4().hex[:8]}")
    organization.create(provisioned=False)
    out = io.StringIO()
    rows = ([str(uuid.UUID(int=(4 << 76) | (8 << 60) | it)), f"Account {it}"] for it in range(ROWS))
    csv.writer(out).writerows([["accountid", "name"], *rows])
    organization.ingest("account", out.getvalue().encode())
    return organization


def kill_at(server: ServerProcess, organization: Organization, step: pb.ProvisioningStep) -> None:
    """Kills the server as soon as it says that a step has begun, and starts it again."""
    try:
        for shown in organization.watch():
            if any(it.step >= step and it.began_at_us for it in shown.operation.steps):
                break
        server.kill()
    finally:
        server.start()


def test_provisioning_survives_kills_at_every_step(server: ServerProcess) -> None:
    with grpc.insecure_channel(server.admin) as channel:
        organization = filled(server, channel)
        organization.start_provisioning()
    for step in SETUP:
        with grpc.insecure_channel(server.admin) as channel:
            grpc.channel_ready_future(channel).result(READY_SECONDS_MAX)
            kill_at(server, server.organization(channel, organization.name), step)
    with grpc.insecure_channel(server.admin) as channel:
        grpc.channel_ready_future(channel).result(READY_SECONDS_MAX)
        last = server.organization(channel, organization.name).settled()
        assert last.state == pb.PROVISIONING_STATE_PROVISIONED, last
        assert last.operation.number == 1
        assert [(it.rows_done, it.rows_total) for it in last.operation.entities if it.rows_total] == [(ROWS, ROWS)]
        shown = server.organization(channel, organization.name).get()
        assert {it.entity: it.rows for it in shown.rows} == {"account": ROWS}
        assert shown.lsn <= ROWS + 1, "no row was taken twice"
    assert len(staging_files(server.data / "organizations" / organization.name)) == 1
    deprovision(server, organization.name)


def deprovision(server: ServerProcess, name: str) -> None:
    """The same for the way back."""
    with grpc.insecure_channel(server.admin) as channel:
        server.organization(channel, name).start_deprovisioning()
    for step in TEARDOWN:
        with grpc.insecure_channel(server.admin) as channel:
            grpc.channel_ready_future(channel).result(READY_SECONDS_MAX)
            kill_at(server, server.organization(channel, name), step)
    with grpc.insecure_channel(server.admin) as channel:
        grpc.channel_ready_future(channel).result(READY_SECONDS_MAX)
        assert server.organization(channel, name).settled().state == pb.PROVISIONING_STATE_NOT_PROVISIONED
    assert staging_files(server.data / "organizations" / name) == set()


def test_a_stop_survives_a_kill(server: ServerProcess) -> None:
    with grpc.insecure_channel(server.admin) as channel:
        organization = filled(server, channel)
        organization.start_provisioning()
        organization.stop_provisioning()
        server.kill()
    server.start()
    with grpc.insecure_channel(server.admin) as channel:
        grpc.channel_ready_future(channel).result(READY_SECONDS_MAX)
        last = server.organization(channel, organization.name).settled()
        assert (last.state, last.operation.state) == (
            pb.PROVISIONING_STATE_NOT_PROVISIONED,
            pb.OPERATION_STATE_STOPPED,
        )
    assert staging_files(server.data / "organizations" / organization.name) == set()
