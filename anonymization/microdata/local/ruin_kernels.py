"""Ruin: a step releases a costly class and some of its surroundings, recreates them, and keeps or drops the outcome."""

from __future__ import annotations

from anonymization.compiled import uncounted
from anonymization.microdata.local.nodes import Longs, Tables
from anonymization.microdata.local.recoding_kernels import widen
from anonymization.microdata.local.recreate_kernels import (
    attach,
    below,
    draw,
    improve,
    members,
    stand_alone,
)
from anonymization.microdata.local.ruin_state import Pool, Rules, Seed, State


@uncounted
def front(s: State, c: int, who: int) -> None:
    """Move the tuple's entry to the front of its class's list."""
    e, last = s.head[c], -1
    while s.tuple_of[e] != who:
        last, e = e, s.next[e]
    if last >= 0:
        s.next[last] = s.next[e]
        s.next[e] = s.head[c]
        s.head[c] = e


@uncounted
def release(t: Tables, s: State, p: Pool, rules: Rules, j: int, items: int, own: int) -> int:
    """Put the first `own` entries of the j-th chosen class into the pool; the others stay as a cluster's core."""
    c = p.chosen[j]
    e = s.head[c]
    seen = 0
    while e >= 0 and seen < own and items < rules.items:
        who = s.tuple_of[e]
        if p.stamp[who] != p.clock[0]:
            p.stamp[who] = p.clock[0]
            p.place[who] = items
            p.item[items] = who
            p.left[items] = 0
            p.source[items] = -1
            for g in range(p.leaf.shape[1]):
                p.leaf[items, g] = t.leaves[who, g]
            items += 1
        p.left[p.place[who]] += s.amount[e]
        e = s.next[e]
        seen += 1
    p.c_core[j] = e
    return items


@uncounted
def costly(s: State, rules: Rules, seed: Seed) -> int:
    """Return the costliest of some random classes, -1 where none of them costs anything."""
    best, worst = -1, 0
    for _ in range(rules.seeds):
        c = below(seed, s.tops[2])
        if s.head[c] >= 0 and s.size[c] * s.cost[c] > worst:
            best, worst = c, s.size[c] * s.cost[c]
    return best


@uncounted
def gather(t: Tables, s: State, p: Pool, rules: Rules, seed: Seed) -> tuple[int, int]:
    """Release a costly class and classes near it, whole or in part; return items and classes."""
    p.chosen[0] = costly(s, rules, seed)
    if p.chosen[0] < 0:
        return 0, 0
    items = release(t, s, p, rules, 0, 0, rules.own)
    chosen, first = 1, items
    for _ in range(3 * rules.classes):
        if chosen == rules.classes or items >= rules.items:
            break
        i = below(seed, first if draw(seed) & 1 else items)
        rank = below(seed, s.near.shape[1])
        if rules.close:
            rank = min(rank, below(seed, s.near.shape[1]))
        other = s.near[p.item[i], rank]
        c = s.home[other]
        known = False
        for j in range(chosen):
            known = known or p.chosen[j] == c
        if known:
            continue
        p.chosen[chosen] = c
        own = rules.own
        if below(seed, 100) >= rules.whole:
            front(s, c, other)
            own = 1 + (draw(seed) & 1)
        items = release(t, s, p, rules, chosen, items, own)
        chosen += 1
    return items, chosen


@uncounted
def open_cores(t: Tables, s: State, p: Pool, chosen: int) -> int:
    """Open a cluster for what stays of every partly released class; return clusters."""
    clusters = 0
    for j in range(chosen):
        e = p.c_core[j]
        if e < 0:
            continue
        size = 0
        for g in range(p.c_box.shape[1]):
            p.c_box[clusters, g] = t.leaves[s.tuple_of[e], g]
        cost = 0
        while e >= 0:
            size += s.amount[e]
            cost = widen(t, p.c_box, clusters, t.leaves, s.tuple_of[e])
            e = s.next[e]
        p.c_size[clusters] = size
        p.c_cost[clusters] = cost
        p.c_core[clusters] = p.c_core[j]
        clusters += 1
    return clusters


@uncounted
def forget(s: State, p: Pool, chosen: int) -> None:
    """Take the chosen classes out of the state, their cores left as they are."""
    for j in range(chosen):
        c = p.chosen[j]
        e = s.head[c]
        while e != p.heads[j]:
            s.free_entries[s.tops[0]] = e
            s.tops[0] += 1
            e = s.next[e]
        s.head[c] = -1
        s.free_classes[s.tops[1]] = c
        s.tops[1] += 1


@uncounted
def commit(s: State, p: Pool, entries: int, clusters: int) -> None:
    """Put the clusters into the state."""
    for c in range(clusters):
        s.tops[1] -= 1
        at = s.free_classes[s.tops[1]]
        p.number[c] = at
        s.head[at] = -1
        s.size[at] = p.c_size[c]
        s.cost[at] = p.c_cost[c]
        s.tops[2] = max(s.tops[2], at + 1)
    for e in range(entries):
        if p.e_amount[e] == 0:
            continue
        s.tops[0] -= 1
        new = s.free_entries[s.tops[0]]
        at = p.number[p.e_cluster[e]]
        s.tuple_of[new] = p.e_tuple[e]
        s.amount[new] = p.e_amount[e]
        s.next[new] = s.head[at]
        s.head[at] = new
        s.home[p.e_tuple[e]] = at
    for c in range(clusters):
        e = p.c_core[c]
        if e >= 0:
            own = s.head[p.number[c]]
            s.head[p.number[c]] = e
            while True:
                s.home[s.tuple_of[e]] = p.number[c]
                if s.next[e] < 0:
                    break
                e = s.next[e]
            s.next[e] = own


@uncounted
def take_step(t: Tables, s: State, p: Pool, rules: Rules, seed: Seed, heat: int) -> tuple[int, int]:
    """Ruin and recreate; keep it if the total cost rises by no more than `heat`; return its work and the change."""
    items, chosen = gather(t, s, p, rules, seed)
    if items == 0:
        return 8, 0
    change = 0
    for j in range(chosen):
        change -= s.size[p.chosen[j]] * s.cost[p.chosen[j]]
        p.heads[j] = p.c_core[j]
    clusters = open_cores(t, s, p, chosen)
    live, entries, clusters, unheld = stand_alone(p, rules, items, clusters)
    live, entries, clusters, work = members(t, p, rules, live, entries, clusters, unheld, seed)
    entries, more = attach(t, p, live, entries, clusters)
    work += more
    entries, more = improve(t, p, s, rules, entries, clusters)
    work += more + 30 + 4 * items
    fits = s.tops[0] >= entries and s.tops[1] + chosen >= clusters
    for c in range(clusters):
        change += p.c_size[c] * p.c_cost[c]
        fits = fits and p.c_size[c] >= rules.k
    if change > heat or not fits:
        return work, 0
    forget(s, p, chosen)
    commit(s, p, entries, clusters)
    return work, change


@uncounted
def anneal(t: Tables, s: State, p: Pool, rules: Rules, seed: Seed, waits: Longs, schedule: Longs) -> int:
    """Take steps until the work is used up; return the change of the total cost.

    Args:
        t: the tables.
        s: the state, to be changed.
        p: scratch.
        rules: how a step goes.
        seed: (1,) of the random numbers.
        waits: exponential deviates in 1/4096, a power of 2 of them.
        schedule: (3,) the work; the work after which it is cold; the temperature before, in cost.
    """
    work, total = 0, 0
    while work < schedule[0]:
        warmth = schedule[2] * max(schedule[1] - work, 0) // max(schedule[1], 1)
        heat = (warmth * waits[draw(seed) & (len(waits) - 1)]) >> 12
        p.clock[0] += 1
        more, change = take_step(t, s, p, rules, seed, heat)
        work += more
        total += change
    return total
