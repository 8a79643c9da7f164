"""Places: prefectural capitals and other big cities, and the hot spots (stations, centres) around which people are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CITIES = (
    # prefecture, latitude, longitude, inhabitants of the prefecture in 10,000 (rounded)
    (1, 43.068, 141.351, 510), (2, 40.829, 140.735, 120), (3, 39.702, 141.137, 118), (4, 38.260, 140.882, 228),
    (5, 39.717, 140.130, 93), (6, 38.248, 140.328, 104), (7, 37.398, 140.388, 179), (8, 36.371, 140.476, 284),
    (9, 36.559, 139.898, 191), (10, 36.322, 139.013, 191), (11, 35.906, 139.624, 733), (12, 35.613, 140.113, 627),
    (13, 35.690, 139.700, 1404), (14, 35.466, 139.623, 923), (15, 37.912, 139.062, 215), (16, 36.701, 137.213, 102),
    (17, 36.578, 136.648, 112), (18, 36.062, 136.223, 75), (19, 35.667, 138.569, 80), (20, 36.643, 138.189, 202),
    (21, 35.410, 136.757, 195), (22, 34.971, 138.389, 358), (23, 35.171, 136.882, 750), (24, 34.734, 136.510, 174),
    (25, 35.003, 135.864, 141), (26, 34.986, 135.759, 255), (27, 34.702, 135.495, 878), (28, 34.694, 135.195, 540),
    (29, 34.681, 135.820, 131), (30, 34.232, 135.191, 90), (31, 35.494, 134.226, 54), (32, 35.464, 133.063, 66),
    (33, 34.666, 133.918, 186), (34, 34.397, 132.475, 276), (35, 34.004, 131.220, 131), (36, 34.074, 134.551, 70),
    (37, 34.351, 134.047, 93), (38, 33.840, 132.752, 131), (39, 33.567, 133.543, 68), (40, 33.590, 130.421, 512),
    (41, 33.264, 130.297, 80), (42, 32.752, 129.871, 128), (43, 32.790, 130.689, 172), (44, 33.233, 131.606, 111),
    (45, 31.916, 131.432, 105), (46, 31.584, 130.542, 156), (47, 26.212, 127.679, 147),
)  # fmt: skip
HOT_SPOTS = 90
SCATTER = {"hot": 0.0016, "wide": 0.09}
"""Standard deviations in degrees: a hot spot lies within a mesh or two, a home anywhere around its city."""

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Places:
    """Cities and their hot spots.

    Attributes:
        prefectures: code of each city's prefecture, 1 to 47.
        weights: share of the inhabitants, a city.
        hot: latitude and longitude of each hot spot, and the city it lies in.
    """

    prefectures: Integers
    weights: Floats
    centres: Floats
    hot: Floats
    hot_city: Integers

    def near(self, rng: np.random.Generator, cities: Integers, *, hot_share: float) -> Floats:
        """Return a point for each city: with the given chance near one of its hot spots, else scattered."""
        points = self.centres[cities] + rng.normal(0, SCATTER["wide"], (len(cities), 2))
        first = np.searchsorted(self.hot_city, cities, side="left")
        count = np.searchsorted(self.hot_city, cities, side="right") - first
        spots = first + (rng.random(len(cities)) ** 2 * count).astype(np.int64)
        chosen = rng.random(len(cities)) < hot_share
        points[chosen] = self.hot[spots[chosen]] + rng.normal(0, SCATTER["hot"], (int(chosen.sum()), 2))
        return points


def make_places(rng: np.random.Generator) -> Places:
    """Return the cities with hot spots: each has one, the bigger ones more."""
    table = np.array(CITIES)
    weights = table[:, 3] / table[:, 3].sum()
    spots = 1 + np.floor(weights * HOT_SPOTS).astype(np.int64)
    hot_city = np.repeat(np.arange(len(table)), spots)
    hot = table[hot_city, 1:3] + rng.normal(0, 0.03, (len(hot_city), 2))
    return Places(table[:, 0].astype(np.int64), weights, table[:, 1:3], hot, hot_city)
