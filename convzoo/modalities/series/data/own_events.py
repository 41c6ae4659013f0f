"""A person's own tables of transactions or other events, a few of which are wrong."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from convzoo.core.arguments import Count, Fraction, FromData, NonNegative
from convzoo.core.errors import DataError
from convzoo.core.splits import Splits
from convzoo.core.survey import listed
from convzoo.core.text import did_you_mean
from convzoo.modalities.series.data.event_split import TimeSplit, days_of, reported_days, split_in_time, without_answers
from convzoo.modalities.series.data.own_units import TIME_NAMES, UNIT_NAMES, UnitTable
from convzoo.modalities.series.data.tables import open_table
from convzoo.modalities.series.example import TableFormat
from convzoo.modalities.series.history import History, TimedHistory, UnitRows
from convzoo.reading.columns import optional_column
from convzoo.reading.damaged import Damaged

AMOUNT_NAMES = (
    "amount",
    "amt",
    "tx_amount",
    "transactionamt",
    "transaction_amount",
    "amount_eur",
    "amount_usd",
    "value",
    "betrag",
)
REPORTED_NAMES = (
    "reported", "reported_at", "reported_on", "report_date", "report_time", "chargeback_date", "chargeback_at", "chargeback_time",
    "fraud_date", "label_date", "label_time", "labelled_at",
)  # fmt: skip
KIND_NAMES = ("kind", "fraud_type", "fraud_kind", "fraud_scenario", "tx_fraud_scenario", "scenario")
ANSWERING = re.compile(r"fraud|chargeback|dispute", re.IGNORECASE)
"""A column with such a name says something of the answer, which is not known when the event happens."""

NONE = "none"


class Transactions(UnitTable):
    """Tables with a row for each transaction: an account, a time, and any columns of numbers and categories.

    The split is made in time and by account: training learns from the first rows, validation judges those after, testing the last
    ones; `new` accounts are in the test part only. Where a column says when each fraud was reported (`reported`), each part has
    the answers that were known at its end. In a folder with tables that say `train` and `test`, those are the split, and the last
    rows of training validate.

    Columns whose names say fraud, chargeback or dispute are never learnt from: they are not known when a transaction happens.

    Args:
        path: a .csv, .tsv, .jsonl, .parquet or .xlsx file, or a folder of them
        unit: the column that names the account; by default one that is usually called so; `none`: each file is an account
        time: the column with the time, a date or a number (seconds or milliseconds since 1970, else hours)
        target: the column that says what is fraud, 1 or 0, true or false; by default one that is usually called so; `none`:
            nothing is known
        reported: the column with the time at which a fraud was reported, empty where none was; by default one that is usually
            called so; `none`: answers are known at once. Without a target, what was reported is fraud
        amount: the column with the amount, for what is saved; by default one that is usually called so; `none`: there is none
        kind: the column that names the kind of fraud, for the report; by default one that is usually called so; `none`: none
        channels: the columns with numbers; by default all others that hold numbers
        categories: the columns with categories; by default all others that hold text, and whole numbers that are named as codes
        ignore: columns that are left out
        mature: days after which a transaction that nobody reported counts as right; null: found from the reports
        duplicates: several transactions of one account and time: keep, refuse, keep the first or the last
        day_first: 03/04/2024 is in April
        separator: between the cells of a CSV file; by default found
        encoding: of the files; by default found
        train: part of the rows, by time, to learn from
        val: part after it that chooses the checkpoint and the threshold; the rest is tested
        new: part of the accounts that only the test part has; none with fewer than 7 accounts
        seed: of the choice of new accounts
        skip_damaged: leave rows that cannot be read out, and say which; by default they are refused
    """

    example = TimedHistory
    formats: ClassVar[str] = (
        "a table with a row for each transaction of each account (.csv, .tsv, .jsonl, .parquet), or a folder of them"
    )
    why_no_folds: ClassVar[str] = "is split in time, and folds would learn from what comes later than they test"
    unit_names: ClassVar[Sequence[str]] = (
        "account", "account_id", "accountid", "account_number", "card", "card_id", "card_number", "cc_num", "card1", "customer",
        "customer_id", "customerid", "client", "client_id", "user", "user_id", "userid", "nameorig", "sender", "iban",
        *UNIT_NAMES,
    )  # fmt: skip
    time_names: ClassVar[Sequence[str]] = (
        "trans_date_trans_time", "tx_datetime", "transaction_time", "transaction_date", "transactiondt", "booked_at",
        "booking_date", *TIME_NAMES, "unix_time",
    )  # fmt: skip
    target_names: ClassVar[Sequence[str]] = (
        "fraud", "is_fraud", "isfraud", "tx_fraud", "fraudulent", "fraud_label", "chargeback", "is_chargeback", "label", "class",
        "target", "anomaly", "is_anomaly",
    )  # fmt: skip
    flags: ClassVar[bool] = True
    what: ClassVar[str] = "accounts"

    def __init__(
        self,
        path: str,
        unit: str | None = None,
        time: str | None = None,
        target: str | None = None,
        reported: str | None = None,
        amount: str | None = None,
        kind: str | None = None,
        channels: list[str] | None = None,
        categories: list[str] | None = None,
        ignore: list[str] = [],  # noqa: B006 (read only: what a recipe writes)
        mature: NonNegative | None = None,
        duplicates: Literal["refuse", "first", "last", "keep"] = "keep",
        day_first: bool = False,
        separator: str | None = None,
        encoding: str | None = None,
        train: Fraction = 0.6,
        val: Fraction = 0.15,
        new: Fraction = 0.15,
        seed: Count = 0,
        learns_answers: FromData[bool] = True,
        skip_damaged: bool = False,
    ) -> None:
        super().__init__(
            path, unit, time, target, channels, categories, ignore, duplicates, day_first, separator, encoding, val=val,
            seed=seed, skip_damaged=skip_damaged,
        )  # fmt: skip
        self.how = TimeSplit(train, val, new, mature, seed)
        self.learns_answers = learns_answers
        self.beside = {
            "reported": (reported, REPORTED_NAMES),
            "amount": (amount, AMOUNT_NAMES),
            "kind": (kind, KIND_NAMES),
        }

    def read(self) -> Splits:
        """Read the tables, and split them. A task that learns from no answers gets none in the training part.

        Raises:
            DataError: as for every table of units.
        """
        splits = super().read()
        if self.learns_answers:
            return splits
        notes = list(splits.notes)
        if any(each.targets is not None for each in splits.shown):
            notes.append("known answers are used for the scores only, not to learn from")
        return replace(splits, train=without_answers(splits.train), notes=notes)

    def examples(self) -> list[History]:
        """All rows of all accounts, whatever the split."""
        table, _ = self.table(self._files(self.path), str(self.path))
        return [TimedHistory.whole(table, unit) for unit in range(len(table.units))]

    def table(self, files: Sequence[Path], name: str, like: UnitRows | None = None) -> tuple[UnitRows, list[str]]:
        """The rows, with amounts, kinds and reports beside them.

        Raises:
            DataError: as for every table of units; there is no column of times; a report is no time.
        """
        opened, _ = open_table(
            files[0], TableFormat(separator=self.roles.separator, encoding=self.roles.encoding), Damaged(True, "rows")
        )
        names = list(opened.column_names)
        found: dict[str, str] = {}
        for role, (given, usual) in self.beside.items():
            if given is not None and given != NONE and given not in names:
                raise DataError(f"{files[0]}: data.{role}: has no column {given!r}; {did_you_mean(given, names)}")
            column = None if given == NONE else optional_column(files[0], names, given, usual)
            if column is not None:
                found[role] = column
        roles = self.roles
        target = None if roles.target == NONE else optional_column(files[0], names, roles.target, self.target_names)
        if target == found.get("reported"):
            found.pop("reported", None)
        taken = [column for column in (found.get("reported"), found.get("kind")) if column not in (None, target)]
        chosen = [*(roles.channels or ()), *(roles.categories or ())]
        telling = [
            column
            for column in names
            if ANSWERING.search(column) and column not in (target, *taken, *chosen, *roles.ignore)
        ]
        ignored = [column for column in (*roles.ignore, *taken, *telling) if column in names or column in roles.ignore]
        self.roles = replace(roles, ignore=ignored, extra=found)
        try:
            table, notes = super().table(files, name, like)
        finally:
            self.roles = roles
        if telling:
            notes.append(f"not learnt from, since it says something of the answer: {listed(telling)}")
        if table.times is None:
            raise DataError(
                f"{table.name}: has no column of times, and transactions are split in time; name it with data.time=COLUMN"
            )
        if roles.unit is None and len(files) == 1 and (table.form is None or table.form.unit is None):
            raise DataError(
                f"{table.name}: which column names the account? it has {listed(names)}; say data.unit=COLUMN, or data.unit=none "
                "where the whole file is one account"
            )
        table, notes = self._with_reports(table, found, notes)
        times = np.asarray(table.times)
        if times.dtype.kind != "M" and np.nanmax(times) <= 1e8:
            column = table.form.time if table.form is not None else "the time"
            notes.append(
                f"the numbers of column {column!r} count as hours, {np.ptp(days_of(times)):,.4g} days in all; if they "
                "are seconds or days, write them as dates or hours, since alarms a day depend on it"
            )
        return table, notes + _telling(table)

    def _with_reports(self, table: UnitRows, found: dict[str, str], notes: list[str]) -> tuple[UnitRows, list[str]]:
        extra = dict(table.extra)
        if "reported" in extra:
            try:
                extra["reported"] = reported_days(extra["reported"], np.asarray(table.times), self.roles.day_first)
            except DataError as error:
                raise DataError(f"{table.name}: data.reported={found['reported']}: {error}") from None
            if table.targets is None:
                table = replace(table, targets=(~np.isnan(extra["reported"])).astype(np.float64))
                notes.append(f"no column says what is fraud: what has a time in {found['reported']!r} counts as fraud")
        if "amount" in extra:
            at = table.number_names.index(found["amount"]) if found["amount"] in table.number_names else None
            if at is None:
                said = (
                    f"data.amount={found.pop('amount')}: is no column of numbers, so nothing is said of what is saved"
                )
                notes.append(said)
                extra.pop("amount")
            else:
                extra["amount"] = np.asarray(table.numbers[:, at], dtype=np.float64)
        words = "; ".join(f"{role}: {column}" for role, column in found.items())
        return replace(table, extra=extra, columns=f"{table.columns}; {words}" if words else table.columns), notes

    def split(self, table: UnitRows) -> Splits:
        """The three parts of a table: in time, and by account.

        Raises:
            DataError: a part has no row.
        """
        train, val, test, origin = split_in_time(table, table.extra.get("reported"), self.how)
        return Splits(train, val, test, origin=origin)

    def _as_given(self, given: dict[str, list[Path]]) -> Splits:
        learnt, notes = self.table(given["train"], str(self.path / "train"))
        tested, more = self.table(given["test"], str(self.path / "test"), learnt)
        notes += more
        test = [TimedHistory.whole(tested, unit) for unit in range(len(tested.units))]
        if given["val"]:
            held_out, more = self.table(given["val"], str(self.path / "val"), learnt)
            notes += more
            val: list[History] = [TimedHistory.whole(held_out, unit) for unit in range(len(held_out.units))]
            train: list[History] = [TimedHistory.whole(learnt, unit) for unit in range(len(learnt.units))]
            origin = "as given"
        else:
            share = self.how.val / (self.how.train + self.how.val)
            how = TimeSplit(1 - share, share, 0.0, self.how.mature, self.how.seed)
            train, val, _, _ = split_in_time(learnt, learnt.extra.get("reported"), how)
            origin = f"as given; val made here, in time: the last {share:.2g} of train"
        files = [file for each in given.values() for file in each]
        return Splits(train, val, test, origin=origin, **self._facts(files, learnt, notes))

    def _facts(self, files: Sequence[Path], table: UnitRows, notes: Sequence[str]) -> dict[str, Any]:
        found = super()._facts(files, table, notes)
        if table.targets is not None and "reported" not in table.extra:
            about = "no column says when a fraud was reported (data.reported): all answers count as known at once"
            found["notes"] = (*found["notes"], about)
        return found


def _telling(table: UnitRows) -> list[str]:
    """Notes on columns of two values that say the answer of nearly every row: they may be another form of it."""
    if table.targets is None:
        return []
    known = ~np.isnan(table.targets)
    wrong = table.targets[known] == 1
    if not wrong.any() or wrong.all():
        return []
    columns = [
        *zip(table.number_names, table.numbers.T, strict=True),
        *zip(table.category_names, table.categories.T, strict=True),
    ]
    found = []
    for name, values in columns:
        values = values[known]
        if len(np.unique(values[wrong][:1000])) != 1 or len(np.unique(values[:10_000])) > 2:
            continue
        same = float(((values == values[wrong][0]) == wrong).mean())
        if same > 0.999:
            found.append(
                f"column {name!r} says the answer of {100 * same:.4g} % of the rows; if it is known only later, leave it out "
                f"with data.ignore=[{name}]"
            )
    return found
