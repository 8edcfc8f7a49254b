"""Uploads: mutations that one server takes a second, by how many devices send how many at once, and their bytes.

The program has gateway and devices in one process. Every rate stands beside that of the floor of the same run: the same
rows and ledger entries written by staging alone.
"""

from benches.figures import Figure, at_least
from benches.measure import Answer, example, json_lines
from benches.session import Session

GOAL = 5_000


def run(session: Session) -> list[Figure]:
    """Measures each shape of load."""
    session.doing("building")
    program = example("haversack-gateway", "bench_upload")
    session.doing("uploading")
    seconds, rows = session.size(5, 1), session.size(20_000, 1_000)
    floor, *shapes = json_lines([program, f"--seconds={seconds}", f"--rows={rows}"])
    figures = [Figure("staging alone, 500 a transaction", "rows/s", floor["floor_rows_per_second"])]
    return figures + [figure for shape in shapes for figure in _figures(shape)]


def _figures(shape: Answer) -> list[Figure]:
    devices, each = shape["devices"], shape["mutations_per_call"]
    case = f"{devices} devices, {each} {shape['kind']}s a call"
    goal = at_least(GOAL) if devices > 1 else None
    return [
        Figure(case, "mutations/s", shape["mutations_per_second"], goal, {"floor": shape["of_floor"]}),
        Figure(case, "bytes up a mutation", shape["bytes_up_per_mutation"]),
        Figure(case, "bytes down a mutation", shape["bytes_down_per_mutation"]),
    ]
