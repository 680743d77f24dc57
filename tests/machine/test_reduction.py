"""The 3:2 schedule against a literal, lane by lane simulation."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rapidnn.machine.reduction import reduction_schedule


def literal(addends, lanes):
    """Stages, rounds, steps and moves, moving named addends between lists of lanes."""
    where = [[] for _ in range(lanes)]
    for i in range(addends // 3):
        where[i % lanes] += [f"a{3 * i + j}" for j in range(3)]
    where[addends // 3 % lanes] += [f"left{j}" for j in range(addends % 3)]
    stages = rounds = steps = moves = 0
    while (total := sum(map(len, where))) > 2:
        groups = total // 3
        cap = -(-groups // lanes)
        formed = [min(len(lane) // 3, cap) for lane in where]
        spare = [lane[3 * k :] for lane, k in zip(where, formed, strict=True)]
        while sum(formed) < groups:
            able = sorted((i for i in range(lanes) if formed[i] < cap), key=lambda i: (-len(spare[i]), i))[
                : groups - sum(formed)
            ]
            need = sum(3 - len(spare[i]) for i in able)
            for i in able:
                formed[i] += 1
                spare[i] = []
            rank = {1: 1, 2: 2}
            givers = sorted(
                (i for i in range(lanes) if spare[i]), key=lambda i: (rank.get(len(spare[i]), 0), i)
            )
            for i in givers:
                while need and spare[i]:
                    spare[i].pop()
                    need -= 1
                    moves += 1
            assert need == 0
        stages += 1
        rounds += max(formed)
        steps += sum(formed)
        where = [["s", "c"] * k + rest for k, rest in zip(formed, spare, strict=True)]
        assert sum(map(len, where)) == total - total // 3
    return stages, rounds, steps, moves


@given(st.lists(st.integers(0, 400), min_size=1, max_size=6), st.integers(1, 70))
def test_schedule_equals_a_literal_simulation(addends, lanes):
    schedule = reduction_schedule(np.array(addends), lanes)
    found = np.stack([schedule.stages, schedule.rounds, schedule.steps, schedule.moves], axis=1)
    expected = [literal(a, lanes) for a in addends]
    assert found.tolist() == [list(row) for row in expected]


def test_rounds_follow_the_formula():
    for lanes in (1, 3, 51):
        for addends in (0, 1, 2, 3, 4, 10, 1000, 12345):
            total, rounds = addends, 0
            while total > 2:
                rounds += -(-(total // 3) // lanes)
                total -= total // 3
            schedule = reduction_schedule(np.array([addends]), lanes)
            assert schedule.rounds[0] == rounds
            assert schedule.steps[0] == max(0, addends - 2)
            assert lanes > 1 or schedule.moves[0] == 0
