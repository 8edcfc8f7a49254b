"""The engine alone: a CRM in memory, views from scratch, and one row's change against a thousand live views."""

from collections.abc import Iterator

from benches.figures import Figure, at_least, at_most
from benches.measure import Answer, example, json_lines
from benches.session import Session

CHANGES = {
    "in_no_view": "a row that is in no view",
    "in_one_view": "a row that is in one view",
    "in_every_view": "a row that is in every view",
    "enters_or_leaves": "a row that enters or leaves a view by its filter",
    "changes_owner": "a row, with what it pulls, that goes to another user",
}


def run(session: Session) -> list[Figure]:
    """Runs the engine's benchmark program."""
    session.doing("building")
    program = example("haversack-engine", "bench_views")
    rows, views, rounds = session.size(1_000_000, 20_000), session.size(1_000, 50), session.size(5, 1)
    users = session.size(10_000, 200)
    session.doing(f"{rows:,} rows, {views:,} live views, {users:,} cold ones")
    options = {"--rows": rows, "--views": views, "--rounds": rounds, "--users": users}
    [found] = json_lines([program, *(word for name, number in options.items() for word in (name, str(number)))])
    return [
        *_index(found),
        *_views(found),
        *_cold(found),
        *_questions(found),
        *_live(found),
        *_directory(found),
    ]


def _index(found: Answer) -> Iterator[Figure]:
    case = f"{found['rows']:,} rows of a CRM"
    rebuild, floor = found["rebuild_rows_per_second"], found["enter_ids_rows_per_second"]
    yield Figure(
        case, "rebuild, rows/s a core", rebuild, at_least(1_000_000), {"entering ids into a hash map": rebuild / floor}
    )
    payload = found["payload_bytes_per_row"]
    counted, resident = found["index_bytes_per_row"], found["resident_bytes_per_row"]
    yield Figure(case, "index bytes a row, as counted", counted, at_most(64), {"payload": counted / payload})
    yield Figure(case, "index bytes a row, resident", resident, at_most(64), {"payload": resident / payload})
    for part, size in found["index"].items():
        yield Figure(case, f"index bytes a row, of which {part}", size / found["rows"])


def _views(found: Answer) -> Iterator[Figure]:
    for user, goal in (("seller", at_most(1)), ("manager", at_most(1)), ("director", None)):
        view = found["views"][user]
        case = f"view of a {user}, {view['rows']:,} rows"
        yield Figure(case, "from scratch, ms", view["seconds"] * 1e3, goal)
    seller = found["views"]["seller"]
    ratio = {"warm": seller["cold_seconds"] / seller["seconds"]}
    yield Figure(
        "view of a seller, first of a filter", "publish and view, ms", seller["cold_seconds"] * 1e3, None, ratio
    )


def _questions(found: Answer) -> Iterator[Figure]:
    asked = found["questions"]
    users = asked["users"]
    goal = at_most(2_000)
    yield Figure(f"estimate of {users:,} users at once", "ms", asked["estimate"] * 1e3, goal)
    for user, seconds in asked["explain"].items():
        yield Figure(f"explain a row to a {user}", "ms", seconds * 1e3, at_most(10))
    yield Figure(f"holders of a row among {users:,} users", "ms", asked["holders"] * 1e3)


def _cold(found: Answer) -> Iterator[Figure]:
    cold = found["cold"]
    views, seconds = cold["views"], cold["seconds"]
    case = f"{views:,} users begin to follow, none was known, {cold['rows'] / views:,.0f} rows each"
    yield Figure(case, "all views, s", seconds)
    yield Figure(case, "us a view", seconds / views * 1e6)


def _live(found: Answer) -> Iterator[Figure]:
    live = found["live"]["changes"]
    views = live["views"]
    idle = live["in_no_view"]["seconds"]
    for name, case in CHANGES.items():
        seconds = live[name]["seconds"]
        yield Figure(case, "ns a live view", seconds / views * 1e9, at_most(1_000), {"in no view": seconds / idle})
    subscribe = live["subscribe_seconds"]
    yield Figure(f"{views:,} users begin to follow", "us a view", subscribe * 1e6)
    yield Figure("live views", "bytes a view", live["statistics_view_bytes"] / views)


def _directory(found: Answer) -> Iterator[Figure]:
    live = found["live"]
    for name, who in (("manager_moves", "the manager"), ("seller_moves", "a seller of own rows")):
        yield Figure(f"{who} changes business unit", "change to new view, ms", live[name]["seconds"] * 1e3)
    changes = live["role_changes"]
    case = f"sellers lose or regain an entity by their role, {changes['touched']:,.0f} live views touched"
    yield Figure(case, "change to new views, ms", changes["seconds"] * 1e3)
    yield Figure(case, "us a live view", changes["seconds"] / live["changes"]["views"] * 1e6)
