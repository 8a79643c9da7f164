"""Recreate: the released items of one step become clusters of at least k persons again."""

from __future__ import annotations

import numpy as np

from anonymization.compiled import uncounted
from anonymization.microdata.local.nodes import Tables
from anonymization.microdata.local.recoding_kernels import FAR, climb, join, joined_cost, widen
from anonymization.microdata.local.ruin_state import Pool, Rules, Seed, State


@uncounted
def draw(seed: Seed) -> int:
    """Advance `seed[0]` and return 31 random bits: xorshift64* (Vigna 2016)."""
    x = seed[0]
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    seed[0] = x
    return np.int64((x * np.uint64(0x2545F4914F6CDD1D)) >> np.uint64(33))  # type: ignore[return-value]


@uncounted
def below(seed: Seed, bound: int) -> int:
    """Return a random number from 0 to `bound` - 1."""
    return (draw(seed) * bound) >> 31


@uncounted
def scan(t: Tables, p: Pool, c: int, live: int) -> None:
    """Price every live item: the cost of a person in cluster c, should it take the item."""
    for g in range(p.c_box.shape[1]):
        if t.table_at[g] >= 0:
            at = np.uint64(t.table_at[g] + p.c_box[c, g] * t.width[g])
            if g == 0:
                for i in range(live):
                    p.price[i] = t.pair[at + np.uint64(p.leaf[i, g])]
            else:
                for i in range(live):
                    p.price[i] += t.pair[at + np.uint64(p.leaf[i, g])]
        else:
            for i in range(live):
                own = t.cost[t.node_at[g] + climb(t, g, p.c_box[c, g], p.leaf[i, g])]
                p.price[i] = own if g == 0 else p.price[i] + own


@uncounted
def drop(p: Pool, i: int, live: int) -> int:
    """Remove item i by putting the last live one in its place."""
    last = live - 1
    p.item[i] = p.item[last]
    p.left[i] = p.left[last]
    p.source[i] = p.source[last]
    p.price[i] = p.price[last]
    for g in range(p.leaf.shape[1]):
        p.leaf[i, g] = p.leaf[last, g]
    return last


@uncounted
def enter(p: Pool, i: int, cluster: int, amount: int, e: int) -> None:
    """Make entry e: `amount` persons of item i in the cluster."""
    p.e_tuple[e] = p.item[i]
    p.e_cluster[e] = cluster
    p.e_amount[e] = amount
    for g in range(p.leaf.shape[1]):
        p.e_leaf[e, g] = p.leaf[i, g]


@uncounted
def take(p: Pool, i: int, cluster: int, amount: int, e: int) -> int:
    """Move `amount` persons of item i into the cluster as entry e; return how many of them nobody held."""
    enter(p, i, cluster, amount, e)
    p.c_size[cluster] += amount
    p.left[i] -= amount
    source = p.source[i]
    if source >= 0:
        p.e_amount[source] -= amount
        p.c_size[p.e_cluster[source]] -= amount
        return 0
    return amount


@uncounted
def stand_alone(p: Pool, rules: Rules, live: int, clusters: int) -> tuple[int, int, int, int]:
    """An item of k persons is a cluster of its own, its surplus free; return live, entries, clusters, unheld."""
    entries = 0
    unheld = 0
    i = 0
    while i < live:
        if p.left[i] < rules.k:
            unheld += p.left[i]
            i += 1
            continue
        enter(p, i, clusters, p.left[i], entries)
        p.c_size[clusters] = p.left[i]
        p.c_cost[clusters] = 0
        p.c_core[clusters] = -1
        for g in range(p.leaf.shape[1]):
            p.c_box[clusters, g] = p.leaf[i, g]
        p.source[i] = entries
        p.left[i] -= rules.k
        entries += 1
        clusters += 1
        if p.left[i] == 0:
            live = drop(p, i, live)
        else:
            i += 1
    return live, entries, clusters, unheld


@uncounted
def absorb(p: Pool, rules: Rules, cluster: int, live: int, entries: int, seed: Seed) -> tuple[int, int, int, int]:
    """Take items that cost a cluster nothing more; return live, entries, unheld taken, and the cheapest other."""
    taken, i, best, least = 0, 0, -1, FAR
    while i < live and p.c_size[cluster] < rules.k:
        if p.price[i] == p.c_cost[cluster]:
            taken += take(p, i, cluster, min(p.left[i], rules.k - p.c_size[cluster]), entries)
            entries += 1
            if p.left[i] == 0:
                live = drop(p, i, live)
                continue
        elif p.price[i] < least and (best < 0 or below(seed, 100) >= rules.blink):
            best, least = i, p.price[i]
        i += 1
    if best >= live or (best >= 0 and p.price[best] != least):  # it took the place of one that was absorbed
        best = 0
        while p.price[best] != least:
            best += 1
    return live, entries, taken, best


@uncounted
def grow(
    t: Tables, p: Pool, rules: Rules, cluster: int, live: int, entries: int, seed: Seed
) -> tuple[int, int, int, int]:
    """Let a cluster take what costs least until it has k persons; return live, entries, unheld taken, work."""
    taken, work = 0, 0
    while p.c_size[cluster] < rules.k and live:
        scan(t, p, cluster, live)
        work += live
        live, entries, more, best = absorb(p, rules, cluster, live, entries, seed)
        taken += more
        if p.c_size[cluster] < rules.k and best >= 0:
            p.c_cost[cluster] = widen(t, p.c_box, cluster, p.leaf, best)
            taken += take(p, best, cluster, min(p.left[best], rules.k - p.c_size[cluster]), entries)
            entries += 1
            if p.left[best] == 0:
                live = drop(p, best, live)
    return live, entries, taken, work


@uncounted
def attach(t: Tables, p: Pool, live: int, entries: int, clusters: int) -> tuple[int, int]:
    """Put every item that nobody holds where it costs least; return entries and work."""
    work = 0
    for i in range(live):
        if p.source[i] >= 0:
            continue
        best, least = 0, FAR
        for c in range(clusters):
            cost = joined_cost(t, p.c_box, c, p.leaf, i)
            rise = (p.c_size[c] + p.left[i]) * cost - p.c_size[c] * p.c_cost[c]
            if rise < least:
                best, least = c, rise
        work += clusters
        p.c_cost[best] = widen(t, p.c_box, best, p.leaf, i)
        take(p, i, best, p.left[i], entries)
        entries += 1
    return entries, work


@uncounted
def surplus(p: Pool, live: int) -> int:
    """Return the persons that clusters of their own can spare."""
    total = 0
    for i in range(live):
        if p.source[i] >= 0:
            total += p.left[i]
    return total


@uncounted
def members(  # noqa: PLR0917 - what a step knows so far
    t: Tables, p: Pool, rules: Rules, live: int, entries: int, clusters: int, unheld: int, seed: Seed
) -> tuple[int, int, int, int]:
    """Grow clusters one after another (k-member: Byun et al. 2007); return live, entries, clusters, work.

    What stays of classes is filled up first or last, by chance; by chance, a last few persons become a cluster with
    the surplus of others, or are left.
    """
    work = 0
    cores, late = clusters, draw(seed) & 1
    lack = 0
    for c in range(cores):
        if p.c_size[c] < rules.k:
            if late:
                lack += rules.k - p.c_size[c]
            else:
                live, entries, taken, more = grow(t, p, rules, c, live, entries, seed)
                unheld -= taken
                work += more
    unheld -= lack
    while unheld >= rules.k or (unheld > 0 and unheld + surplus(p, live) >= rules.k and draw(seed) & 1):
        i = below(seed, live)
        while p.source[i] >= 0:
            i = i + 1 if i + 1 < live else 0
        for g in range(p.leaf.shape[1]):
            p.c_box[clusters, g] = p.leaf[i, g]
        p.c_size[clusters] = 0
        p.c_cost[clusters] = 0
        p.c_core[clusters] = -1
        unheld -= take(p, i, clusters, p.left[i], entries)
        entries += 1
        live = drop(p, i, live)
        live, entries, taken, more = grow(t, p, rules, clusters, live, entries, seed)
        unheld -= taken
        work += more + 8
        clusters += 1
    if late:
        turn = below(seed, cores) if cores else 0
        for j in range(cores):
            c = (j + turn) % cores
            if p.c_size[c] < rules.k:
                live, entries, taken, more = grow(t, p, rules, c, live, entries, seed)
                work += more
    return live, entries, clusters, work


@uncounted
def suffixes(t: Tables, p: Pool, s: State, cluster: int, entries: int) -> int:
    """List a cluster's entries, and for each the lowest nodes above those from it on and the core; return how many."""
    count = 0
    for e in range(entries):
        if p.e_cluster[e] == cluster:
            p.listed[count] = e
            count += 1
    f = p.c_core[cluster]
    for g in range(len(p.box)):
        p.after[count, g] = t.leaves[s.tuple_of[f], g] if f >= 0 else -1
    while f >= 0:
        widen(t, p.after, count, t.leaves, s.tuple_of[f])
        f = s.next[f]
    for j in range(count - 1, -1, -1):
        for g in range(len(p.box)):
            own = p.e_leaf[p.listed[j], g]
            last = p.after[j + 1, g]
            p.after[j, g] = own if last < 0 else join(t, g, last, own)
    return count


@uncounted
def without(t: Tables, p: Pool, j: int) -> int:
    """Put the lowest nodes above a cluster without its j-th listed entry into p.box; return their cost."""
    cost = 0
    for g in range(len(p.box)):
        a, b = p.before[g], p.after[j + 1, g]
        p.box[g] = b if a < 0 else a if b < 0 else join(t, g, a, b)
        cost += t.cost[t.node_at[g] + p.box[g]]
    return cost


@uncounted
def shift(t: Tables, p: Pool, own: int, e: int, amount: int, target: int, entries: int) -> int:
    """Move persons of entry e to another cluster; return entries."""
    p.c_cost[target] = widen(t, p.c_box, target, p.e_leaf, e)
    p.c_size[target] += amount
    p.c_size[own] -= amount
    if amount == p.e_amount[e]:
        p.e_cluster[e] = target
        return entries
    p.e_amount[e] -= amount
    p.e_tuple[entries] = p.e_tuple[e]
    p.e_cluster[entries] = target
    p.e_amount[entries] = amount
    for g in range(len(p.box)):
        p.e_leaf[entries, g] = p.e_leaf[e, g]
    return entries + 1


@uncounted
def better_place(t: Tables, p: Pool, e: int, amount: int, gain: int, clusters: int) -> int:
    """Return the cluster where persons of entry e cost least, -1 where they cost what their own gains by it."""
    best = -1
    for c in range(clusters):
        if c != p.e_cluster[e]:
            new = joined_cost(t, p.c_box, c, p.e_leaf, e)
            rise = (p.c_size[c] + amount) * new - p.c_size[c] * p.c_cost[c]
            if rise < gain:
                best, gain = c, rise
    return best


@uncounted
def improve_one(t: Tables, p: Pool, rules: Rules, own: int, count: int, entries: int, clusters: int) -> int:
    """Move a cluster's surplus, entry by entry, while it pays; return entries."""
    for g in range(len(p.before)):
        p.before[g] = -1
    for j in range(count):
        e = p.listed[j]
        amount = min(p.c_size[own] - rules.k, p.e_amount[e])
        whole = amount == p.e_amount[e]
        cost = without(t, p, j) if whole else p.c_cost[own]
        gain = p.c_size[own] * p.c_cost[own] - (p.c_size[own] - amount) * cost
        best = -1
        if amount and (whole or entries < len(p.e_tuple)):
            best = better_place(t, p, e, amount, gain, clusters)
        if best >= 0:
            entries = shift(t, p, own, e, amount, best, entries)
        if best >= 0 and whole:
            p.c_cost[own] = cost
            for g in range(len(p.box)):
                p.c_box[own, g] = p.box[g]
        else:
            for g in range(len(p.before)):
                leaf = p.e_leaf[e, g]
                p.before[g] = leaf if p.before[g] < 0 else join(t, g, p.before[g], leaf)
    return entries


@uncounted
def improve(t: Tables, p: Pool, s: State, rules: Rules, entries: int, clusters: int) -> tuple[int, int]:
    """Move surplus to other clusters while it pays; return entries and work."""
    work = 0
    for own in range(clusters):
        if p.c_size[own] > rules.k and p.c_cost[own] > 0:
            count = suffixes(t, p, s, own, entries)
            work += entries // 4 + count * (2 + clusters)
            entries = improve_one(t, p, rules, own, count, entries, clusters)
    return entries, work
