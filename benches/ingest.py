"""Ingest of CSV against a raw insert of the same encoded rows, with the same indexes and commits."""

from benches.figures import Figure, at_least
from benches.measure import example, json_lines
from benches.session import Session


def run(session: Session) -> list[Figure]:
    """Runs staging's own comparison, which interleaves its rounds."""
    session.doing("building")
    program = example("haversack-staging", "ingest_ratio")
    rows, rounds = session.size(200_000, 10_000), session.size(7, 1)
    session.doing(f"{rounds} interleaved rounds of {rows:,} rows")
    [found] = json_lines([program, "--rows", str(rows), "--rounds", str(rounds), "--json"])
    case = f"{rows:,} rows of {found['row_bytes']} bytes"
    return [
        Figure(case, "rate, where raw insert in the same commits is 1", found["ratio"], at_least(0.8)),
        Figure(case, "rate, where raw insert in one commit is 1", found["ratio_to_single_commit"]),
        Figure(
            case,
            "ingest, CPU us a row",
            found["ingest_cpu_micros_a_row"],
            None,
            {"raw insert": found["ingest_cpu_micros_a_row"] / found["raw_cpu_micros_a_row"]},
        ),
        Figure(case, "ingest, rows/s", found["ingest_rows_per_second"]),
        Figure(case, "raw insert, same commits, rows/s", found["raw_rows_per_second"]),
        Figure(case, "raw insert, one commit, rows/s", found["raw_single_commit_rows_per_second"]),
    ]
