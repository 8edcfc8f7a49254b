"""Everybody comes back at once: devices that hold their rows, after a network loss in which one row changed.

Native devices, each on a connection of its own. None may be refused: the harness fails if one is.
"""

from benches.crm import SELLER, Crm, Sizes
from benches.figures import Figure
from benches.live import ORGANIZATION, Fleet, by_admin_call, profile
from benches.measure import example
from benches.server import Server
from benches.session import Session

MIB = 2**20


def run(session: Session) -> list[Figure]:
    """Measures one fleet."""
    session.doing("building")
    program = example("haversack-gateway", "device")
    session.doing("filling the organization")
    crm = Crm(Sizes(accounts=200, contacts=session.size(10_000, 1_000)))
    devices = session.size(2_000, 20)
    with Server(session.folder / "server") as server:
        organization = server.organization(ORGANIZATION, crm, [profile(crm)])
        fleet = Fleet(program, server.endpoint, server.token(ORGANIZATION, crm.user(SELLER)))
        change = by_admin_call(organization, crm)
        session.doing(f"{devices:,} devices sync for the first time")
        before, spent = server.resident_bytes(), server.cpu_seconds()
        with fleet.streams(devices) as (harness, first):
            first_cpu = server.cpu_seconds() - spent
            session.doing(f"{devices:,} devices come back at once")
            harness.ask("cut")
            change()()
            spent = server.cpu_seconds()
            back = harness.ask("reconnect")["reconnected"]
            back_cpu = server.cpu_seconds() - spent
            memory = server.resident_bytes()
    case = f"{devices:,} devices at once"
    return [
        Figure(case, "reconnect: all at a checkpoint, ms", back["last_ms"], None, _of(back, first, "last_ms")),
        Figure(case, "reconnect: half at a checkpoint, ms", back["p50_ms"], None, _of(back, first, "p50_ms")),
        Figure(
            case, "reconnect: server CPU us a device", back_cpu / devices * 1e6, None, {"first": back_cpu / first_cpu}
        ),
        Figure(case, "server memory with all of them, MiB", memory / MIB, None, {"before": memory / before}),
        Figure(case, "refused", 0),
    ]


def _of(back: dict[str, float], first: dict[str, float], name: str) -> dict[str, float]:
    return {"first syncs": back[name] / first[name]}
