"""Which of many tasks are shown."""

from hypothesis import given, settings
from hypothesis import strategies as st

from polytask.reporting.telling import telling_tasks

VALUES = st.floats(-1, 1) | st.none()


@given(
    tasks=st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=12),
    most=st.integers(1, 12),
)
@settings(max_examples=50, deadline=None)
def test_at_most_so_many_are_shown_in_their_order_and_the_worst_is_among_them(
    tasks: list[tuple[float | None, float | None, float | None]], most: int
) -> None:
    names = [f"t{k}" for k in range(len(tasks))]
    results = {
        "tasks": {
            n: {"kept": kept, "test": test, "direction": "max"} for n, (kept, test, _) in zip(names, tasks, strict=True)
        },
        "baselines": {"single_task": {n: {"test": other} for n, (_, _, other) in zip(names, tasks, strict=True)}},
        "totals": {},
    }
    found = telling_tasks(results, most)
    assert len(found) == min(most, len(tasks)) and sorted(found, key=names.index) == found
    known = {name: kept for name, (kept, _, _) in zip(names, tasks, strict=True) if kept is not None}
    if known:
        assert min(known.values()) == min((known[name] for name in found if name in known), default=None)
