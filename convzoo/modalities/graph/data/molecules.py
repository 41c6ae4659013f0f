"""Molecule-like graphs from a known rule: how strong an acid each is follows from its rings, chains and their atoms."""

import math
from dataclasses import dataclass, field

import numpy as np

from convzoo.core.arguments import Count, FromData, LabelType, NonNegative, Positive
from convzoo.core.errors import DataError
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.graph.whole import WholeGraph, fingerprint
from convzoo.modalities.graph.whole_formats import Structure

CLASSES = ("weak", "medium", "strong")
VALENCE = {"C": 4, "N": 3, "O": 2, "F": 1, "Cl": 1}
PULL = {"C": -0.1, "N": 0.5, "O": 0.9, "F": 1.6, "Cl": 1.2}
"""How strongly an atom one bond away from a site makes it more acid; with each further bond it is half of that."""
REACH = 4
"""An atom acts on sites that are at most so many bonds away."""
DOUBLE = 1.2
"""What an oxygen on a double bond pulls more."""
AROMATIC = 2.0
"""What a site on an aromatic ring is stronger by."""
STRAINED = -1.0
"""What a site on a ring of five is stronger by."""


class Molecules(Reader):
    r"""Graphs like molecules: rings of five and six atoms and chains, joined by bonds, with branches of other atoms.

    Every molecule has OH groups, its sites. The acidity of a site is $\sum_j p_j 2^{1 - d_j}$ over the atoms j that are $d_j \le
    4$ bonds away, where $p_j$ is the pull of the kind of atom (an oxygen on a double bond pulls more); sites on an aromatic ring
    are stronger, on a ring of five weaker. The acidity of a molecule is that of its sites together, $\log \sum_s e^{a_s}$, which
    is close to the strongest. What is measured is this with Gaussian noise. A label is the measured number, or the class: `weak`,
    `medium` and `strong`, a third of the molecules each.

    The ceiling is what someone reaches who knows the rule but not the noise.

    Args:
        train: number of training molecules
        val: of validation
        test: of testing
        pieces: the largest number of rings and chains in a molecule
        noise: standard deviation of the measurement
        seed: random seed
    """

    example = WholeGraph

    def __init__(
        self,
        train: Positive = 2000,
        val: Positive = 400,
        test: Positive = 1000,
        pieces: Positive = 4,
        noise: NonNegative = 0.3,
        seed: Count = 0,
        label_type: FromData[LabelType] = "class",
    ) -> None:
        self.train = train
        self.val = val
        self.test = test
        self.pieces = pieces
        self.noise = noise
        self.seed = seed
        self.label_type: LabelType = label_type

    def read(self) -> Splits:
        """Draw the molecules.

        Raises:
            DataError: the task learns several classes at once, which these molecules do not have.
        """
        if self.label_type not in ("class", "number"):
            raise DataError("molecules have a class or a number (task: classification or regression)")
        random = np.random.default_rng(self.seed)
        count = self.train + self.val + self.test
        drawn = different(random, self.pieces, count)
        true = np.array([molecule.acidity() for molecule in drawn])
        measured = true + self.noise * random.standard_normal(count)
        bounds = np.quantile(measured, [1 / 3, 2 / 3])
        examples = [
            WholeGraph(
                molecule.structure(),
                label=float(value) if self.label_type == "number" else CLASSES[int(np.searchsorted(bounds, value))],
                source=f"molecule {number}",
            )
            for number, (molecule, value) in enumerate(zip(drawn, measured, strict=True))
        ]
        first, last = self.train, self.train + self.val
        return Splits(
            examples[:first], examples[first:last], examples[last:], ceiling=self._ceiling(true[last:], measured[last:], bounds),
            origin=f"drawn here, seed {self.seed}",
        )  # fmt: skip

    def _ceiling(self, true: np.ndarray, measured: np.ndarray, bounds: np.ndarray) -> dict[str, float]:
        if self.label_type == "number":
            away = measured - true
            return {
                "test/mae": float(np.abs(away).mean()),
                "test/rmse": float(np.sqrt(np.square(away).mean())),
            }
        return {"test/accuracy": float((np.searchsorted(bounds, true) == np.searchsorted(bounds, measured)).mean())}


@dataclass
class Molecule:
    """Atoms and bonds, while they are put together.

    Attributes:
        atoms: the kind of each
        bonds: pairs of atoms, the smaller first, with the number of their bonds (1 or 2)
        rings: the atoms of each ring, and whether it is aromatic
    """

    atoms: list[str] = field(default_factory=list)
    bonds: dict[tuple[int, int], int] = field(default_factory=dict)
    rings: list[tuple[list[int], bool]] = field(default_factory=list)

    def add(self, kind: str) -> int:
        """A new atom; its number."""
        self.atoms.append(kind)
        return len(self.atoms) - 1

    def join(self, one: int, other: int, order: int = 1) -> None:
        """A bond between two atoms."""
        self.bonds[min(one, other), max(one, other)] = order

    def free(self, atom: int) -> int:
        """How many more bonds an atom may have."""
        return VALENCE[self.atoms[atom]] - sum(order for pair, order in self.bonds.items() if atom in pair)

    def neighbours(self) -> list[list[int]]:
        """For each atom those that it has bonds with."""
        found: list[list[int]] = [[] for _ in self.atoms]
        for one, other in self.bonds:
            found[one].append(other)
            found[other].append(one)
        return found

    def sites(self) -> list[int]:
        """The oxygens of the OH groups: those with one single bond."""
        around = self.neighbours()
        return [
            at for at, kind in enumerate(self.atoms)
            if kind == "O" and len(around[at]) == 1 and self.bonds[min(at, around[at][0]), max(at, around[at][0])] == 1
        ]  # fmt: skip

    def acidity(self) -> float:
        """That of all sites together."""
        return math.log(sum(math.exp(value) for value in self.of_sites().values()))

    def of_sites(self) -> dict[int, float]:
        """The acidity of each site."""
        around = self.neighbours()
        doubled = {at for pair, order in self.bonds.items() if order == 2 for at in pair}
        found = {}
        for site in self.sites():
            away, edge = {site: 0}, [site]
            for step in range(1, REACH + 1):
                edge = [other for at in edge for other in around[at] if away.setdefault(other, step) == step]
            value = 0.0
            for at, steps in away.items():
                if steps:
                    more = DOUBLE if self.atoms[at] == "O" and at in doubled else 0.0
                    value += (PULL[self.atoms[at]] + more) * 2.0 ** (1 - steps)
            (home,) = around[site]
            if any(home in ring and aromatic for ring, aromatic in self.rings):
                value += AROMATIC
            if any(home in ring and len(ring) == 5 for ring, _ in self.rings):
                value += STRAINED
            found[site] = value
        return found

    def structure(self) -> Structure:
        """The graph: the kinds of its atoms, and its bonds."""
        pairs = np.array(list(self.bonds), np.int64).reshape(-1, 2)
        names = np.array(["single", "double"])
        return Structure(
            len(self.atoms), pairs[:, 0], pairs[:, 1], {"element": np.array(self.atoms)},
            {"bond": names[np.array(list(self.bonds.values()), np.int64) - 1]},
        )  # fmt: skip


def different(random: np.random.Generator, pieces: int, count: int) -> list[Molecule]:
    """So many molecules, no two of them the same."""
    found: dict[str, Molecule] = {}
    while len(found) < count:
        molecule = draw_molecule(random, pieces)
        found.setdefault(fingerprint(molecule.structure()), molecule)
    return list(found.values())


def draw_molecule(random: np.random.Generator, pieces: int) -> Molecule:
    """Rings and chains, joined, with branches; at least one branch is an OH group.

    Args:
        random: source of the random numbers
        pieces: the largest number of rings and chains
    """
    while True:
        found = Molecule()
        for _ in range(int(random.integers(2, max(3, pieces + 1)))):
            before = len(found.atoms)
            (_ring if random.random() < 0.6 else _chain)(found, random)
            if before:
                old = [at for at in range(before) if found.free(at)]
                new = [at for at in range(before, len(found.atoms)) if found.free(at)]
                if not old or not new:
                    break
                found.join(int(random.choice(old)), int(random.choice(new)))
        else:
            _decorate(found, random)
            if found.sites():
                return found


def _ring(molecule: Molecule, random: np.random.Generator) -> None:
    size = 5 if random.random() < 0.4 else 6
    aromatic = size == 6 and random.random() < 0.6
    atoms = [molecule.add("N" if random.random() < 0.12 else "C") for _ in range(size)]
    for at in range(size):
        molecule.join(atoms[at], atoms[(at + 1) % size], 2 if aromatic and at % 2 == 0 else 1)
    molecule.rings.append((atoms, aromatic))


def _chain(molecule: Molecule, random: np.random.Generator) -> None:
    last = molecule.add("C")
    for _ in range(int(random.integers(0, 5))):
        new = molecule.add(str(random.choice(["C", "N", "O"], p=[0.8, 0.1, 0.1])))
        double = (
            molecule.atoms[last] == molecule.atoms[new] == "C" and molecule.free(last) > 2 and random.random() < 0.15
        )
        molecule.join(last, new, 2 if double else 1)
        last = new


def _decorate(molecule: Molecule, random: np.random.Generator) -> None:
    kinds, chances = ["OH", "=O", "F", "Cl", "N", "C"], [0.3, 0.15, 0.12, 0.13, 0.12, 0.18]
    for at in range(len(molecule.atoms)):
        if molecule.atoms[at] != "C" or not molecule.free(at) or random.random() > 0.35:
            continue
        kind = str(random.choice(kinds, p=chances))
        if kind == "=O" and molecule.free(at) < 2:
            kind = "OH"
        new = molecule.add("O" if kind in ("OH", "=O") else kind)
        molecule.join(at, new, 2 if kind == "=O" else 1)
